"""A bare WebSocket echo for general WebSocket test suites, from the parts that carry Waterspout's sessions.

Run it with `python tests/conformance/raw_echo.py [--port 9001] [--uvloop] [--gevent | --uvicorn] [--plain]`.

The opening handshake, the reader, compression, the transport and the link are those of production. Only two parts
differ: no Engine.IO session is behind the transport, and the compression threshold is one byte, so that each message
a suite sends comes back compressed.
"""

import argparse
import asyncio
from collections import deque
from dataclasses import dataclass

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

from waterspout import Engine
from waterspout.engine import Refuse, Response, Upgrade
from waterspout.engine.prepared import Prepared
from waterspout.engine.transports.deflating import DeflatingTransport
from waterspout.engine.transports.interfaces import Link
from waterspout.engine.transports.websocket import WebSocketTransport
from waterspout.errors import ProtocolError
from waterspout.hosts.asgiintakes import WebSocketIntake
from waterspout.hosts.asgirequests import AsgiApplication, Receive, Scope, Send
from waterspout.hosts.reception import Reception
from waterspout.hosts.requests import read
from waterspout.hosts.residence import Residence
from waterspout.types import Reason, Request
from waterspout.wire.deflate import Agreement, Deflate, negotiate
from waterspout.wire.generations import ENGINEIO_4
from waterspout.wire.websocket import Reader, check_upgrade

MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # the largest that Autobahn sends
DEFLATE = Deflate(threshold_bytes=1, window_bits=15, mem_level=8)


class Echo:
    """The sink of one transport: sends each message back, and reads no further while the client takes nothing."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport
        self._waiting: deque[Prepared] = deque()

    def receive_text(self, text: str) -> None:
        self._send(Prepared(text.encode()))

    def receive_binary(self, data: bytes) -> None:
        self._send(Prepared(b"", (data,)))

    def receive_pong(self) -> None: ...

    def writable(self) -> None:
        while self._waiting:
            if not self._transport.write(self._waiting[0]):
                return
            self._waiting.popleft()
        self._transport.resume()

    def failed(self, error: ProtocolError) -> None: ...

    def lost(self, reason: Reason) -> None: ...

    def _send(self, prepared: Prepared) -> None:
        if self._waiting or not self._transport.write(prepared):
            self._waiting.append(prepared)
            self._transport.pause()


@dataclass(frozen=True)
class Opening:
    """An accepted opening handshake, in the place of the engine's `Open`."""

    greeting: Upgrade
    agreement: Agreement | None

    def connect(self, engine: Engine, request: Request, link: Link) -> WebSocketTransport:
        transport: WebSocketTransport
        if self.agreement is None:
            transport = WebSocketTransport(link, ENGINEIO_4, Reader(MAX_MESSAGE_BYTES), engine.traffic)
        else:
            reader = Reader(MAX_MESSAGE_BYTES, deflate=True)
            deflate, driver = self.agreement.deflate, engine.driver
            transport = DeflatingTransport(link, ENGINEIO_4, reader, engine.traffic, deflate=deflate, driver=driver)
        transport.sink = Echo(transport)
        return transport

    def abort(self, engine: Engine) -> None: ...


class Mount(Router):
    """Routes every request to the echo."""

    def __init__(self, *, compress: bool) -> None:
        self._residence = Residence.of(Engine(Nobody()))
        self._compress = compress

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> HTTPMessageDelegate:
        ours = read(self._residence, request)
        connection = request.connection
        assert isinstance(connection, HTTP1Connection)
        return Decided(self._residence, ours, connection, decide(ours, compress=self._compress))


class Decided(Reception):
    """A request that is decided about without the engine."""

    def __init__(
        self, residence: Residence, request: Request, connection: HTTP1Connection, decision: Refuse | Opening
    ) -> None:
        super().__init__(residence, connection)
        self.request = request
        self.decision = decision  # type: ignore[assignment]


def decide(request: Request, *, compress: bool) -> Refuse | Opening:
    """Accept a WebSocket, and nothing else."""
    try:
        key = check_upgrade(request.method, request.header)
    except ProtocolError as error:
        return Refuse(Response(error.status, body=f"{error}\n".encode()))
    offers = request.header("Sec-WebSocket-Extensions") if compress else None
    agreement = None if offers is None else negotiate(offers, DEFLATE)
    headers = () if agreement is None else (("Sec-WebSocket-Extensions", agreement.answer),)
    return Opening(Upgrade((), key, handshake=headers), agreement)


class Nobody:
    """The application that an engine must have."""

    def open(self, session: object, request: Request) -> None: ...

    def message(self, session: object, data: str | bytes) -> None: ...

    def close(self, session: object, reason: Reason) -> None: ...


def application(*, compress: bool) -> Application:
    """Make a Tornado application that is nothing but the echo."""
    return Application([(".*", Mount(compress=compress))])


def serve_on_gevent(port: int, *, compress: bool) -> None:
    """Serve on gevent until the process ends."""
    from waterspout.hosts.gevent import Place, run
    from waterspout.hosts.wsgi import WsgiIntake

    residence = Residence.of(Engine(Nobody()))

    class Deciding(WsgiIntake):
        def admit(self, request: Request, route: object = None) -> None:
            self.request = request
            self.decision = decide(request, compress=compress)  # type: ignore[assignment]

    run(
        lambda environ, start_response: Deciding(residence, environ, start_response).serve(),
        Place(bind=[("127.0.0.1", port)]),
        ready=lambda urls: print(*urls, "on gevent", flush=True),
    )


def asgi_application(*, compress: bool) -> AsgiApplication:
    """Make an ASGI application that is nothing but the echo, for uvicorn with WebSockets of ours."""
    residence = Residence.of(Engine(Nobody()))

    class Deciding(WebSocketIntake):
        def admit(self, request: Request, route: object = None) -> None:
            self.request = request
            self.decision = decide(request, compress=compress)  # type: ignore[assignment]

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise RuntimeError(f"there is no {scope['type']}")
        await Deciding(residence, scope, receive, send).serve(scope["path"])

    return echo


def serve_on_uvicorn(port: int, *, compress: bool, loop: str) -> None:
    """Serve on uvicorn until the process ends."""
    from waterspout.hosts.uvicornserver import UvicornPlace, run

    run(
        asgi_application(compress=compress),
        UvicornPlace(bind=[("127.0.0.1", port)], loop=loop),
        ready=lambda urls: print(*urls, "on uvicorn and", loop, flush=True),
    )


async def serve(port: int, *, compress: bool) -> None:
    """Serve until the process ends."""
    application(compress=compress).listen(port, "127.0.0.1")
    print(f"ws://127.0.0.1:{port} on {type(asyncio.get_running_loop()).__module__}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the options, and serve."""
    parser = argparse.ArgumentParser(description="Echo WebSocket messages with Waterspout's WebSocket.")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--uvloop", action="store_true", help="run on uvloop instead of asyncio")
    parser.add_argument("--gevent", action="store_true", help="run on gevent")
    parser.add_argument("--uvicorn", action="store_true", help="run on uvicorn, with WebSockets of Waterspout")
    parser.add_argument("--plain", action="store_true", help="decline compression")
    options = parser.parse_args()
    compress = not options.plain
    if options.gevent:
        serve_on_gevent(options.port, compress=compress)
        return
    if options.uvicorn:
        serve_on_uvicorn(options.port, compress=compress, loop="uvloop" if options.uvloop else "asyncio")
        return
    program = serve(options.port, compress=compress)
    if options.uvloop:
        import uvloop

        uvloop.run(program)
    else:
        asyncio.run(program)


if __name__ == "__main__":
    main()
