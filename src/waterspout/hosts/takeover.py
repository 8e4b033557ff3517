"""A Tornado connection that becomes a WebSocket: from its opening handshake on, a link of our own has its socket."""

import asyncio
import ssl
from dataclasses import dataclass
from http.client import responses
from typing import cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate
from tornado.iostream import IOStream

from ..engine import Admitted, Layer, Level, Response
from ..types import Request
from .output import Output
from .residence import Residence
from .socketlink import SecureLink, SocketLink, prepare


@dataclass(slots=True)  # frozen, it would take five times as long to make
class Takeover(HTTPMessageDelegate):
    """An admitted opening handshake, for Tornado to say that its head is complete."""

    residence: Residence
    request: Request
    decision: Admitted
    greeting: Response
    connection: HTTP1Connection

    def headers_received(self, start_line: object, headers: object) -> None:
        """Answer the handshake, and make the socket a link."""
        take_over(self.connection.detach(), self.residence, self.request, self.decision, self.greeting)


def take_over(
    stream: IOStream, residence: Residence, request: Request, decision: Admitted, greeting: Response
) -> SocketLink | None:
    """Answer an opening handshake, and make a link of the stream that Tornado has detached; None if it has ended."""
    engine = residence.engine
    ahead = _unread(stream)
    if stream.closed():
        engine.log.note(Layer.HOST, Level.DEBUG, "a client has gone during its WebSocket handshake")
        engine.abort(decision)
        return None
    prepare(stream.socket)
    link = _link(stream, residence.output)
    link.write(_head(greeting))
    pause = decision.greeting_pause

    def start() -> None:
        link.start(engine.connect(decision, request, link), ahead)

    if pause:
        residence.output.loop.later(pause, start)
    else:
        start()
    return link


def _head(greeting: Response) -> bytes:
    """Write a status line and header fields."""
    lines = [f"HTTP/1.1 {greeting.status} {responses[greeting.status]}"]
    lines += [f"{name}: {value}" for name, value in greeting.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _unread(stream: IOStream) -> bytes:
    """Return what Tornado has read behind the request; what the kernel still holds is for the link and its turns."""
    pieces: list[bytes] = []
    if stream.closed():
        return b""
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


def _link(stream: IOStream, output: Output) -> SocketLink:
    """Take the socket away from Tornado, which has it no longer in its loop and nothing left to do with it."""
    stream.io_loop.remove_handler(stream.socket)
    if isinstance(stream.socket, ssl.SSLSocket):
        return SecureLink(stream.socket, output)
    return SocketLink(stream.socket.detach(), output)
