"""The tokens of a language model: a POST starts a run, a GET streams it, a DELETE stops it.

curl -i -d 'a question' http://localhost:8000/runs
curl -N http://localhost:8000/runs/ID/tokens
"""

import asyncio
import secrets

from tornado.web import Application, HTTPError, RequestHandler

import waterspout
from waterspout.hosts.tornado import routes
from waterspout.server import Channel, Text

server = waterspout.Server()
runs: dict[str, tuple[Channel, asyncio.Task[None]]] = {}


async def answer(run: Channel, question: str) -> None:
    for token in question.split():  # in the place of a model
        run.publish(Text(f"{token} "))
        await asyncio.sleep(0.05)


class Runs(RequestHandler):
    def post(self) -> None:
        name = secrets.token_urlsafe(16)
        run = server.channel(f"run {name}", start="earliest", history=100_000, history_bytes=10_000_000)
        task = asyncio.create_task(answer(run, self.request.body.decode()))
        task.add_done_callback(lambda task: run.end({"stopped": task.cancelled()}))
        asyncio.get_running_loop().call_later(600, runs.pop, name)
        runs[name] = run, task
        self.set_status(202)
        self.set_header("Location", f"/runs/{name}/tokens")


class Run(RequestHandler):
    def delete(self, name: str) -> None:
        if name not in runs:
            raise HTTPError(404)
        runs[name][1].cancel()


@server.expose("/runs/{name}/tokens")
def tokens(request: waterspout.Request, name: str) -> Channel:
    if name not in runs:
        raise waterspout.HandshakeRefused(404, "there is no such run")
    return runs[name][0]


async def main() -> None:
    Application([("/runs", Runs), ("/runs/([^/]+)", Run), *routes(server)]).listen(8000)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
