"""Inside any Tornado application, beside its other handlers.

    tornado.web.Application(other_routes + waterspout.hosts.tornado.routes(server))

HTTP is Tornado's: its handler admits each request and carries the long-polling. A WebSocket is taken over
after its handshake: from then on a link of our own reads and writes its socket.
"""

import asyncio
import os
import re
import ssl
from typing import Any, Protocol, cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream
from tornado.web import RequestHandler, stream_request_body

from ..drivers import AsyncioDriver
from ..engine import Engine, Open, Pending, Preflight, Refuse, Response, Resume
from ..types import Request
from ..wire.websocket import accept
from .link import Link, Output, SecureLink, prepare
from .loops import AsyncioLoop

try:
    from tornado.speedups import websocket_mask
except ImportError:  # a Tornado without its C module
    from ..wire.websocket import unmask as websocket_mask

__all__ = ["Handler", "Mountable", "routes"]

_TOO_LARGE = Response(413, (("Content-Type", "text/plain"),), b"the body is too large")


class Server(Protocol):
    """A server with an engine of its own."""

    engine: Engine

    def close(self) -> Pending[None]: ...


Mountable = Engine | Server
Decision = Refuse | Preflight | Open | Resume


def routes(server: Mountable) -> list[Any]:
    """Return the routes for a `tornado.web.Application`; several servers need several paths."""
    engine = server if isinstance(server, Engine) else server.engine
    return [(re.escape(engine.path) + "/?", Handler, {"mount": _Mount(engine)})]


class _Mount:
    """An engine in a Tornado process: bound to the loop of its first request."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self.output: Output

    def bind(self) -> None:
        """Make sure that the engine runs on this loop; RuntimeError if it runs on another."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.engine.bind(AsyncioDriver())
            self.engine.unmask = websocket_mask
            self._loop, self.output = loop, Output(AsyncioLoop(loop))


@stream_request_body
class Handler(RequestHandler):
    """One request: refused, parked as a poll, read as a POST, or turned into a WebSocket."""

    def initialize(self, mount: _Mount) -> None:
        self._mount = mount
        self._decision: Decision | None = None
        self._asked: Request | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._answered: asyncio.Future[None] | None = None

    def prepare(self) -> None:
        """Decide, before the body is read; answers come after it, for Tornado closes connections that it has not read out."""
        self._mount.bind()
        self._asked = _request(self.request)
        self._decision = decision = self._mount.engine.admit(self._asked)
        if isinstance(decision, Open | Resume) and decision.key is not None:
            self._take_over(decision, self._asked)
        else:
            self._expect(int(self.request.headers.get("Content-Length", "0")))

    def data_received(self, chunk: bytes) -> None:
        """Collect the body up to the limit; drop what is more, up to four times as much."""
        self._body_bytes += len(chunk)
        if self._body_bytes <= self._limit:
            self._body.append(chunk)
        else:
            self._body.clear()
            self._expect(self._body_bytes)

    async def get(self) -> None:
        """Serve the request, and wait for its answer."""
        decision = self._decision
        assert decision is not None and self._asked is not None
        if isinstance(decision, Refuse | Preflight):
            self.answer(decision.response)
        elif self._body_bytes > self._limit:
            self._refuse_body()
        else:
            self._mount.engine.respond(decision, _Exchange(self._asked, self), b"".join(self._body))
            if not self._finished:
                self._answered = asyncio.get_running_loop().create_future()
                await self._answered

    head = post = put = patch = delete = options = get

    def on_connection_close(self) -> None:
        """The client has gone before the answer: whatever waits for it ends."""
        super().on_connection_close()
        if isinstance(self._decision, Open | Resume) and not self._finished:
            self._mount.engine.abort(self._decision)
            self._finished = True
            self._go_on()

    def answer(self, response: Response) -> None:
        """Send the answer, unless the client has gone."""
        if self._finished:
            return
        self.set_status(response.status)
        if response.status == 204:
            self.clear_header("Content-Type")
        for name, value in response.headers:
            self.add_header(name, value) if name == "Set-Cookie" else self.set_header(name, value)
        self.finish(response.body or None)
        self._go_on()

    def check_xsrf_cookie(self) -> None:
        """Nothing: the Origin was checked, and clients of Socket.IO send no form fields."""

    def compute_etag(self) -> None:
        """Return None: an answer to a poll is never the same as one before."""

    def _go_on(self) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    @property
    def _limit(self) -> int:
        return self._mount.engine.policy.max_payload_bytes

    def _expect(self, length: int) -> None:
        """Answer at once, and close, if a body is so long that reading it out would be a service to an attacker."""
        if length > 4 * self._limit and not self._finished:
            self._refuse_body()

    def _refuse_body(self) -> None:
        """Leave the session as it was."""
        if isinstance(self._decision, Resume):
            self._mount.engine.refused_body(self._decision)
        self.answer(_TOO_LARGE)

    def _request_summary(self) -> str:
        """Describe the request for Tornado's access log, without the session's id."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def _take_over(self, decision: Open | Resume, request: Request) -> None:
        """Answer the handshake, and make the socket a link of our own."""
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        stream = connection.detach()
        self._finished = True
        mount = self._mount
        policy = mount.engine.policy
        prepare(stream.socket, user_timeout=policy.ping_interval + policy.ping_timeout)
        ahead = _unread(stream)
        link = _link(stream, mount.output)
        link.write(_handshake(decision))
        pause = decision.generation.greeting_pause if isinstance(decision, Open) else 0

        def start() -> None:
            link.start(mount.engine.connect(decision, request, link), ahead)

        if pause:
            mount.output.loop.later(pause, start)
        else:
            start()


class _Exchange:
    """A request of Tornado's that waits for its answer."""

    __slots__ = ("_handler", "request")

    def __init__(self, request: Request, handler: Handler) -> None:
        self.request = request
        self._handler = handler

    def respond(self, response: Response) -> None:
        self._handler.answer(response)


def _request(native: HTTPServerRequest) -> Request:
    return Request(
        native.method or "",
        native.uri or "",
        native.headers.get_all(),
        remote_address=native.remote_ip or "",
        secure=True if native.protocol == "https" else None,
        native=native,
    )


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
    """Return what Tornado has read behind the request."""
    pieces: list[bytes] = []
    while True:
        piece = cast("asyncio.Future[bytes]", stream.read_bytes(65_536, partial=True))
        if not piece.done():
            piece.add_done_callback(lambda future: future.exception())  # closing the stream ends it
            return b"".join(pieces)
        if piece.exception() is not None:
            return b"".join(pieces)
        pieces.append(piece.result())


def _link(stream: IOStream, output: Output) -> Link:
    """Take the socket away from Tornado."""
    if isinstance(stream.socket, ssl.SSLSocket):
        stream.io_loop.remove_handler(stream.socket)
        return SecureLink(stream.socket, output)
    descriptor = os.dup(stream.socket.fileno())
    stream.close()
    os.set_blocking(descriptor, False)
    return Link(descriptor, output)
