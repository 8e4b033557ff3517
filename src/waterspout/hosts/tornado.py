"""Inside any Tornado application, beside its other handlers.

    tornado.web.Application(other_routes + waterspout.hosts.tornado.routes(server))

HTTP is Tornado's, which reads the requests and carries the long-polling. A WebSocket is taken over with its
handshake: from then on a link of our own reads and writes its socket.
"""

import asyncio
import re
import socket
import ssl
from typing import Any, Protocol
from weakref import WeakSet

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router

from ..drivers import AsyncioDriver
from ..engine import Engine, Pending, Preflight, Refuse
from ..types import Request
from ..wire.generations import SOCKETIO_1
from .link import Output
from .loops import AsyncioLoop
from .processes import warn_of_company
from .reception import Exchange, Reception
from .takeover import Takeover

__all__ = ["Mount", "Mountable", "drain", "routes"]


class Server(Protocol):
    """A server with an engine of its own."""

    engine: Engine

    def close(self) -> Pending[None]:
        """End it."""


Mountable = Engine | Server

_MOUNTS: "WeakSet[Mount]" = WeakSet()  # an application keeps its own, and nobody else has to


def routes(server: Mountable) -> list[Any]:
    """Return the routes for a `tornado.web.Application`; several servers need several paths."""
    return Mount(_engine(server)).routes


async def drain(server: Mountable) -> None:
    """Wait, after the server's `close`, until its WebSockets have taken what was sent to them and are closed.

    It is the end of an application of one's own, whose loop would otherwise end before its clients have heard of it.
    A client that takes nothing has 10 s. To be awaited on the loop that serves; done at once where nobody has come.
    """
    engine = _engine(server)
    await asyncio.gather(*(mount.drain() for mount in list(_MOUNTS) if mount.engine is engine))


class Mount(Router):
    """An engine in a Tornado process, bound to the loop of its first request.

    It is a target of Tornado's routing in the place of a `RequestHandler`, whose task, futures and templates
    cost as much as all the rest of a handshake.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.output: Output
        _MOUNTS.add(self)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def routes(self) -> list[Any]:
        """The routes for a `tornado.web.Application`."""
        below = "(?:/(?:[0-9].*)?)?" if SOCKETIO_1 in self.engine.policy.generations else "/?"
        return [(re.escape(self.engine.path) + below, self)]

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        """Decide about a request whose head Tornado has read; answers come after the body."""
        connection = request.connection
        assert isinstance(connection, HTTP1Connection)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop, connection)
        ours = _read(request, connection, trusts_proxies=bool(self.engine.policy.trusted_proxies))
        decision = self.engine.admit(ours)
        if not isinstance(decision, Refuse | Preflight) and (greeting := decision.greeting) is not None:
            return Takeover(self.engine, self.output, ours, decision, greeting, connection)
        return Reception(self.engine, decision, Exchange(ours, connection), connection)

    async def drain(self) -> None:
        """Wait, after `close`, until the WebSockets have taken what was sent to them and are closed.

        A client that takes nothing has the engine's `close_timeout`, which is 10 s. See also the function `drain`.
        """
        if self._loop is not None:
            drained = asyncio.Event()
            self.output.when_empty(drained.set)
            await drained.wait()

    def cut(self) -> None:
        """Close the WebSockets that are left, at once."""
        if self._loop is not None:
            for link in list(self.output.open_links):
                link.close()

    def _bind(self, loop: asyncio.AbstractEventLoop, connection: HTTP1Connection) -> None:
        driver = self.engine.driver
        if not (isinstance(driver, AsyncioDriver) and driver.loop is loop):  # else another application has done it
            self.engine.bind(AsyncioDriver())
            if not self.engine.is_clustered:
                warn_of_company(self.engine.driver, connection.stream.socket)
        self._loop = loop
        self.output = Output(AsyncioLoop(loop), self.engine.traffic, self.engine.policy.close_timeout)


def _engine(server: Mountable) -> Engine:
    return server if isinstance(server, Engine) else server.engine


def _read(native: HTTPServerRequest, connection: HTTP1Connection, *, trusts_proxies: bool) -> Request:
    """Make a request of Tornado's.

    With trusted proxies of the server's own it starts from the real peer, so that what Tornado's `xheaders` has
    made of the same fields does not count twice.
    """
    if native.version == "HTTP/1.0":
        native.headers.pop("Upgrade", None)  # it means nothing there (RFC 9110, section 7.8)
    context: Any = connection.context
    is_unix = context.address_family == socket.AF_UNIX
    if trusts_proxies:
        address = "" if is_unix else context.address[0]
        secure = isinstance(connection.stream.socket, ssl.SSLSocket)
    else:
        address = "" if is_unix and native.remote_ip == "0.0.0.0" else native.remote_ip or ""
        secure = native.protocol == "https"
    return Request(
        native.method or "",
        native.uri or "",
        native.headers.get_all(),
        remote_address=address or ("unix" if is_unix else ""),
        secure=True if secure else None,
        native=native,
    )
