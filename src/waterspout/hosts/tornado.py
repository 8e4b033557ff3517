"""Inside any Tornado application, beside its other handlers.

    tornado.web.Application(other_routes + waterspout.hosts.tornado.routes(server))

HTTP is Tornado's, which reads the requests and carries the long-polling. A WebSocket is taken over with its
handshake: from then on a link of our own reads and writes its socket.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import AnyMatches, Router

from ..drivers.log import logger
from ..engine import Engine
from .loops import running_loop, settle
from .reception import Reception
from .requests import read
from .residence import Mountable, Residence, engine_of
from .signals import CLOSE_TIMEOUT, LATE, ending

__all__ = ["Mount", "Mountable", "drain", "routes", "serve", "start"]

log = logger("waterspout.host")


def routes(server: Mountable) -> list[Any]:
    """Return the routes for a `tornado.web.Application`; several servers need several paths.

    At each request the engine is asked whether it serves the path, so paths may be added later. Of two servers at one
    path the first one gets all requests, and Tornado warns of "multiple handlers" for the path.

    On a running loop the server is started there, as by `start`, with its RuntimeError; elsewhere at its first request.
    """
    return Mount(engine_of(server)).routes


def start(server: Mountable) -> None:
    """Start the server on the running loop, on which it is to serve; nothing happens where it is started already.

    RuntimeError without a running loop, and where the server is in use on another. One whose loop is closed, or has
    stopped when nobody is connected, begins anew, also after its `close`.
    """
    settle(Residence.of(engine_of(server)))


async def drain(server: Mountable) -> None:
    """Wait, after the server's `close`, until its WebSockets have taken what was sent to them and are closed.

    It is the end of an application of one's own, whose loop would otherwise end before its clients have heard of it.
    A client that takes nothing has the policy's `close_timeout`, 10 s unless it says otherwise. To be awaited on the
    loop that serves; done at once where nobody has come.
    """
    await Residence.of(engine_of(server)).drain()


async def serve(server: Mountable) -> None:
    """Serve until SIGTERM, SIGINT or `server.close()`; then send within 8 s what clients still get.

    It is the end of a program of one's own, whose `Application` with the `routes` of the server listens already. The
    server is started as by `start`. Signals are for the main thread; a second one ends the process at once.
    """
    residence = Residence.of(engine_of(server))
    settle(residence)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    residence.engine.when_closing(stop.set)
    with ending(lambda: loop.call_soon_threadsafe(stop.set)):
        try:
            await stop.wait()
        finally:
            async with ended_in_time(residence):
                await server.close()
                await residence.drain()
            residence.engine.log.flush()


@asynccontextmanager
async def ended_in_time(residence: Residence) -> AsyncIterator[None]:
    """Give what is awaited here 8 s; then cut the connections that are left."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            yield
    except TimeoutError:
        log.warning(LATE, CLOSE_TIMEOUT)
    residence.cut()


class Mount(Router):
    """An engine's routes in a Tornado process.

    It is a target of Tornado's routing in the place of a `RequestHandler`, whose task, futures and templates
    cost as much as all the rest of a handshake. (Who has to derive from one has it in `hosts/handlers.py`.)
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.residence = Residence.of(engine)
        if running_loop() is not None:
            settle(self.residence)

    @property
    def routes(self) -> list[Any]:
        """The routes for a `tornado.web.Application`; by their name it finds a second server at the path."""
        return [(AnyMatches(), self, {}, f"a server at {self.engine.path}")]

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Decide about a request whose head Tornado has read; answers come after the body.

        None for a path that is not the engine's now: Tornado goes on with the application's next route.
        """
        if not self.engine.serves(request.path):
            return None
        connection = request.connection
        assert isinstance(connection, HTTP1Connection)
        reception = Reception(self.residence, connection)
        reception.version = request.version
        reception.admit(read(self.residence, request))
        return reception
