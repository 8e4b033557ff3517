"""Inside any Tornado application, beside its other handlers.

    tornado.web.Application(other_routes + waterspout.hosts.tornado.routes(server))

HTTP is Tornado's, which reads the requests and carries the long-polling. A WebSocket is taken over with its
handshake: from then on a link of our own reads and writes its socket.
"""

import asyncio
import re
import ssl
import time
from http.client import responses
from typing import Any, Protocol, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    ResponseStartLine,
    format_timestamp,
)
from tornado.iostream import IOStream
from tornado.routing import Router

from ..drivers import AsyncioDriver
from ..engine import Engine, Open, Pending, Preflight, Refuse, Response, Resume
from ..types import Request
from ..wire.websocket import accept
from .link import Link, Output, SecureLink, prepare
from .loops import AsyncioLoop

__all__ = ["Mount", "Mountable", "routes"]

Decision = Refuse | Preflight | Open | Resume

_REFUSED_BODY = Response(413, (("Content-Type", "text/plain"),), b"the body is larger than max_payload_bytes")


class Server(Protocol):
    """A server with an engine of its own."""

    engine: Engine

    def close(self) -> Pending[None]:
        """End it."""


Mountable = Engine | Server


def routes(server: Mountable) -> list[Any]:
    """Return the routes for a `tornado.web.Application`; several servers need several paths."""
    engine = server if isinstance(server, Engine) else server.engine
    return [(re.escape(engine.path) + "/?", Mount(engine))]


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
        """Take a request whose head Tornado has read."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        return _Exchange(self, request)

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        driver = self.engine.driver
        if not (isinstance(driver, AsyncioDriver) and driver.loop is loop):  # else another application has done it
            self.engine.bind(AsyncioDriver())
        self._loop, self.output = loop, Output(AsyncioLoop(loop))


class _Exchange(HTTPMessageDelegate):
    """One request: refused, parked as a poll, read as a POST, or turned into a WebSocket."""

    def __init__(self, mount: Mount, native: HTTPServerRequest) -> None:
        assert isinstance(native.connection, HTTP1Connection)
        if native.version == "HTTP/1.0":
            native.headers.pop("Upgrade", None)  # it means nothing there (RFC 9110, section 7.8)
        self.request = Request(
            native.method or "",
            native.uri or "",
            native.headers.get_all(),
            remote_address=native.remote_ip or "",
            secure=True if native.protocol == "https" else None,
            native=native,
        )
        self._mount = mount
        self._connection = native.connection
        self._decision: Decision
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._answered = False

    def headers_received(self, start_line: object, headers: HTTPHeaders) -> None:
        """Decide, before the body is read; answers come after it, for Tornado closes what it has not read out."""
        self._decision = decision = self._mount.engine.admit(self.request)
        if isinstance(decision, Open | Resume) and decision.key is not None:
            self._take_over(decision)
        else:
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
            self.respond(decision.response)
        elif self._body_bytes > self._limit:
            self._refuse_body()
        else:
            self._connection.set_close_callback(self.on_connection_close)
            self._mount.engine.respond(decision, self, b"".join(self._body))

    def on_connection_close(self) -> None:
        """The client has gone before the answer: whatever waits for it ends."""
        if not self._answered:
            self._answered = True
            if isinstance(self._decision, Open | Resume):
                self._mount.engine.abort(self._decision)

    def respond(self, response: Response) -> None:
        """Send the answer, unless the client has gone."""
        if self._answered:
            return
        self._answered = True
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

    @property
    def _limit(self) -> int:
        return self._mount.engine.policy.max_payload_bytes

    def _expect(self, length: int) -> None:
        """Answer at once, and close, if a body is so long that reading it out would be a service to an attacker."""
        if length > 4 * self._limit:
            self._refuse_body()

    def _refuse_body(self) -> None:
        """Leave the session as it was."""
        if isinstance(self._decision, Resume):
            self._mount.engine.refused_body(self._decision)
        self.respond(_REFUSED_BODY)

    def _take_over(self, decision: Open | Resume) -> None:
        """Answer the handshake, and make the socket a link of our own."""
        self._answered = True
        stream = self._connection.detach()
        engine, output = self._mount.engine, self._mount.output
        ahead = _unread(stream)
        if stream.closed():
            return  # the client has gone meanwhile: there is nothing to undo
        prepare(stream.socket)
        link = _link(stream, output)
        link.write(_handshake(decision))
        pause = decision.generation.greeting_pause if isinstance(decision, Open) else 0

        def start() -> None:
            link.start(engine.connect(decision, self.request, link), ahead)

        if pause:
            output.loop.later(pause, start)
        else:
            start()


def _length(headers: HTTPHeaders) -> int:
    """Return the announced length of the body; 0 for what is none, which Tornado refuses when it comes to the body."""
    length = headers.get("Content-Length", "").partition(",")[0]  # a proxy may have repeated it
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else 0


def _handshake(decision: Open | Resume) -> bytes:
    """Write the answer to an opening handshake (RFC 6455, section 4.2.2)."""
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept(decision.key or "")),
        *decision.headers,
    ]
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _unread(stream: IOStream) -> bytes:
    """Return what Tornado has read behind the request; what the kernel still holds is for the link and its turns."""
    pieces: list[bytes] = []
    size = stream.read_chunk_size + 1  # Tornado reads less at once, so that a shorter piece is all it has
    while True:
        piece = cast("asyncio.Future[bytes]", stream.read_bytes(size, partial=True))
        if not piece.done():
            piece.add_done_callback(lambda future: future.exception())  # closing the stream ends it
            return b"".join(pieces)
        if piece.exception() is not None:
            return b"".join(pieces)
        pieces.append(piece.result())
        if len(pieces[-1]) < size:
            return b"".join(pieces)


def _link(stream: IOStream, output: Output) -> Link:
    """Take the socket away from Tornado, which has it no longer in its loop and nothing left to do with it."""
    stream.io_loop.remove_handler(stream.socket)
    if isinstance(stream.socket, ssl.SSLSocket):
        return SecureLink(stream.socket, output)
    return Link(stream.socket.detach(), output)


def _forget(future: "asyncio.Future[None]") -> None:
    """Look at the result, which is an error when the client has gone: nobody waits for it."""
    if not future.cancelled():
        future.exception()
