"""Tokens of a language model: POST /runs/ answers with a Location, GET streams it, DELETE stops it; see the page."""

import asyncio
import secrets

from tornado.web import Application, HTTPError

from waterspout import Server
from waterspout.hosts.channelhandlers import EventSource
from waterspout.server import Channel, Text

server = Server()
runs: dict[str, tuple[Channel, asyncio.Task[None]]] = {}


class Run(EventSource):
    def post(self, *args: str) -> None:
        run = server.channel(secrets.token_urlsafe(16), start="earliest", history=100_000, history_bytes=10_000_000)
        runs[run.name] = run, asyncio.create_task(self.speak(run))
        ended = lambda task: run.end({"complete": not (task.cancelled() or task.exception())})
        runs[run.name][1].add_done_callback(ended)
        self.set_status(202)
        self.set_header("Location", f"/runs/{run.name}")

    async def speak(self, run: Channel) -> None:
        for token in self.request.body.decode().split():  # in the place of a model
            run.publish(Text(f"{token} "))
            await asyncio.sleep(0.05)

    def channels(self, name: str) -> Channel:
        if name not in runs:
            raise HTTPError(404)
        return runs[name][0]

    def delete(self, name: str) -> None:
        self.channels(name)
        runs[name][1].cancel()


application = Application([("/runs/(.*)", Run, {"server": server})])
