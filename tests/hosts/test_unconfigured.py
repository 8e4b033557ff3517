"""In a Tornado application that has not set up logging, and under `waterspout serve`, what was forgotten is written."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from serving import Client, running

APP = """
import asyncio
import tornado.web
import waterspout
from waterspout.hosts.tornado import routes

server = waterspout.Server()

@server.on("say")
def say(socket, text: str):
    return "ok"

async def main():
    site = tornado.web.Application(routes(server)).listen(0, "127.0.0.1")
    port = next(iter(site._sockets.values())).getsockname()[1]
    print(f"at http://127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    "arguments", [("app.py",), ("-m", "waterspout", "serve", "app:server", "--bind", "127.0.0.1:0")]
)
def test_what_a_program_has_forgotten_is_written_without_any_setup(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "app.py").write_text(APP)
    with running(tmp_path, program=arguments) as command:
        address = command.address()
        foreign = urllib.request.Request(f"{address}/socket.io/?EIO=4", headers={"Origin": "http://else.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign)
        with Client(address) as client:
            client.enter()
            assert client.ask("40/chat").startswith("44/chat")
            client.send('42["syn"]')
            assert client.ask('420["say",1]').startswith('430[{"error"')
        lines = command.log.read_text()
    for words in (
        "Origin 'http://else.example'",
        "asks for the namespace '/chat'",
        "the event 'syn'",
        "does not take this as 'text'",
    ):
        assert lines.count(words) == 1, lines
