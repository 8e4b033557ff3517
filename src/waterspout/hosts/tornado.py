"""Inside any Tornado application, beside its other handlers.

    tornado.web.Application(other_routes + waterspout.hosts.tornado.routes(server))

HTTP is Tornado's, which reads the requests and carries the long-polling. A WebSocket is taken over with its
handshake: from then on a link of our own reads and writes its socket.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Callable
from http.client import responses
from typing import Any, Protocol

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    ResponseStartLine,
    format_timestamp,
)
from tornado.routing import Router

from ..drivers import AsyncioDriver
from ..engine import Engine, Open, Pending, Preflight, Refuse, Response, Resume, Visit
from ..types import Request
from ..wire.generations import SOCKETIO_1
from .link import Output
from .loops import AsyncioLoop
from .processes import warn_of_company
from .takeover import Takeover

__all__ = ["Mount", "Mountable", "routes"]

Decision = Refuse | Preflight | Open | Resume | Visit


class Server(Protocol):
    """A server with an engine of its own."""

    engine: Engine

    def close(self) -> Pending[None]:
        """End it."""


Mountable = Engine | Server


def routes(server: Mountable) -> list[Any]:
    """Return the routes for a `tornado.web.Application`; several servers need several paths."""
    engine = server if isinstance(server, Engine) else server.engine
    below = "(?:/(?:[0-9].*)?)?" if SOCKETIO_1 in engine.policy.generations else "/?"
    return [(re.escape(engine.path) + below, Mount(engine))]


class Mount(Router):
    """An engine in a Tornado process, bound to the loop of its first request.

    It is a target of Tornado's routing in the place of a `RequestHandler`, whose task, futures and templates
    cost as much as all the rest of a handshake.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.output: Output
        self._loop: asyncio.AbstractEventLoop | None = None

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
        return _Reception(self.engine, decision, _Exchange(ours, connection), connection)

    def _bind(self, loop: asyncio.AbstractEventLoop, connection: HTTP1Connection) -> None:
        driver = self.engine.driver
        if not (isinstance(driver, AsyncioDriver) and driver.loop is loop):  # else another application has done it
            self.engine.bind(AsyncioDriver())
            if not self.engine.is_clustered:
                warn_of_company(self.engine.driver, connection.stream.socket)
        self._loop, self.output = loop, Output(AsyncioLoop(loop), self.engine.traffic)


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


class _Exchange:
    """A request that waits for its answer."""

    def __init__(self, request: Request, connection: HTTP1Connection) -> None:
        self.request = request
        self._connection = connection
        self.is_answered = False

    def give_up(self, function: Callable[[], object]) -> None:
        """The client has gone: call the function, unless there was an answer."""
        if not self.is_answered:
            self.is_answered = True
            function()

    def respond(self, response: Response) -> None:
        """Send the answer, unless the client has gone."""
        if self.is_answered:
            return
        self.is_answered = True
        fields = HTTPHeaders()
        for name, value in response.headers:
            fields.add(name, value)
        fields.add("Date", format_timestamp(time.time()))
        if response.status != 204:
            fields.add("Content-Length", str(len(response.body)))
        start_line = ResponseStartLine("HTTP/1.1", response.status, responses.get(response.status, "Unknown"))
        body = None if self.request.method == "HEAD" else response.body or None
        self._connection.write_headers(start_line, fields, body).add_done_callback(_forget)
        self._connection.finish()


class _Reception(HTTPMessageDelegate):
    """The body of a request that has been decided about, and then its service."""

    def __init__(self, engine: Engine, decision: Decision, exchange: _Exchange, connection: HTTP1Connection) -> None:
        self._engine = engine
        self._decision = decision
        self._exchange = exchange
        self._connection = connection
        self._limit = engine.policy.max_payload_bytes
        self._body: list[bytes] = []
        self._body_bytes = 0

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> None:
        """Expect the body; the answer comes after it, for Tornado closes what it has not read out."""
        self._expect(_length(headers))

    def data_received(self, chunk: bytes) -> None:
        """Collect the body up to the limit; drop what is more, up to four times as much."""
        self._body_bytes += len(chunk)
        if self._body_bytes <= self._limit:
            self._body.append(chunk)
        else:
            self._body.clear()
            self._expect(self._body_bytes)

    def finish(self) -> None:
        """Serve the request, which is complete."""
        decision = self._decision
        if isinstance(decision, Refuse | Preflight):
            self._exchange.respond(decision.response)
        elif self._body_bytes > self._limit:
            self._refuse_body(decision)
        else:
            self._connection.set_close_callback(self.on_connection_close)
            self._engine.respond(decision, self._exchange, b"".join(self._body))

    def on_connection_close(self) -> None:
        """The client has gone before the answer: whatever waits for it ends."""
        decision = self._decision
        if not isinstance(decision, Refuse | Preflight):
            self._exchange.give_up(lambda: self._engine.abort(decision))

    def _expect(self, length: int) -> None:
        """Answer at once, and close, if a body is so long that reading it out would be a service to an attacker."""
        if length <= 4 * self._limit:
            return
        if isinstance(self._decision, Refuse | Preflight):
            self._exchange.respond(self._decision.response)
        else:
            self._refuse_body(self._decision)

    def _refuse_body(self, decision: Open | Resume | Visit) -> None:
        if not self._exchange.is_answered:
            self._exchange.respond(self._engine.refuse_body(decision))


def _length(headers: HTTPHeaders) -> int:
    """Return the announced length of the body; 0 for what is none, which Tornado refuses when it comes to the body."""
    length = headers.get("Content-Length", "").partition(",")[0]  # a proxy may have repeated it
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else 0


def _forget(future: "asyncio.Future[None]") -> None:
    """Look at the result, which is an error when the client has gone: nobody waits for it."""
    if not future.cancelled():
        future.exception()
