"""What is told of an answer that the kernel has taken as a whole, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from hosts.test_socketlink import PATIENCE
from waterspout import Server
from waterspout.engine import Decision, Engine, Response
from waterspout.hosts.handlers import EngineHandler
from waterspout.hosts.reception import Reception
from waterspout.hosts.requests import read
from waterspout.hosts.tornado import Mount

LARGE = 16_000_000  # bytes, more than the kernel takes

Answers = asyncio.Queue[str]


class Told(Reception):
    """A request whose answer the test gives."""

    size = 0
    answers: Answers

    def _serve(self, decision: Decision) -> None:
        self.respond(Response(200, body=bytes(self.size)), lambda: self.answers.put_nowait("written"))

    def gone(self) -> None:
        super().gone()
        self.answers.put_nowait("gone")


class ToldMount(Mount):
    """Brings each request of its server to a `Told`."""

    def __init__(self, engine: Engine, size: int, answers: Answers) -> None:
        super().__init__(engine)
        self.size, self.answers = size, answers

    def find_handler(self, request: Any, **kwargs: Any) -> Told:
        told = Told(self.residence, request.connection)
        told.size, told.answers = self.size, self.answers
        told.admit(read(self.residence, request))
        return told


class ToldHandler(EngineHandler):
    """The same behind a handler; its routes have the size and the queue."""

    def initialize(self, engine: Engine, size: int, answers: Answers) -> None:  # type: ignore[override]
        super().initialize(engine)
        self.size, self.answers = size, answers

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        self._intake.respond(Response(200, body=bytes(self.size)), lambda: self.answers.put_nowait("written"))
        return None

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.answers.put_nowait("gone")


@asynccontextmanager
async def asked(kind: str, size: int, answers: Answers) -> AsyncIterator[socket.socket]:
    """A client that has asked for an answer of a size."""
    engine = Server().engine
    if kind == "mount":
        route: Any = (".*", ToldMount(engine, size, answers))
    else:
        route = (".*", ToldHandler, {"engine": engine, "size": size, "answers": answers})
    server = HTTPServer(Application([route]))
    sock, port = bind_unused_port()
    server.add_sockets([sock])
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.setblocking(False)
        wire.send(b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            yield wire
    server.stop()
    await server.close_all_connections()


def on_both(test: Callable[[str], Coroutine[Any, Any, None]]) -> Any:
    """Run a test on a loop, for each kind of host."""

    def run(kind: str) -> None:
        asyncio.run(test(kind))

    return pytest.mark.parametrize("kind", ["mount", "handler"])(run)


@on_both
async def test_a_small_answer_is_written_at_once(kind: str) -> None:
    answers: Answers = asyncio.Queue()
    async with asked(kind, 10, answers):
        assert await answers.get() == "written"
    assert answers.empty()


@on_both
async def test_a_large_one_is_written_when_the_client_has_read_enough(kind: str) -> None:
    answers: Answers = asyncio.Queue()
    loop = asyncio.get_running_loop()
    async with asked(kind, LARGE, answers) as wire:
        came = len(await loop.sock_recv(wire, 1000))
        for _ in range(20):
            await asyncio.sleep(0)
        assert answers.empty()
        while came < LARGE:
            came += len(await loop.sock_recv(wire, 1 << 20))
        assert await answers.get() == "written"


@on_both
async def test_nothing_is_written_to_a_client_that_goes(kind: str) -> None:
    answers: Answers = asyncio.Queue()
    async with asked(kind, LARGE, answers) as wire:
        await asyncio.get_running_loop().sock_recv(wire, 1000)
        wire.close()  # with unread bytes, which resets the connection
        for _ in range(20):
            await asyncio.sleep(0)
    assert "written" not in [answers.get_nowait() for _ in range(answers.qsize())]
