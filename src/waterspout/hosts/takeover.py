"""Taking over Tornado's connections: after the opening handshake, a `SocketLink` owns the socket."""

import asyncio
from typing import cast

from tornado.iostream import IOStream

from ..engine import Admitted, Greeting, Layer, Level, Stream
from ..types import Request
from .adopting import Adopted, begin
from .residence import Residence
from .socketlink import SocketLink


def take_over(
    stream: IOStream, residence: Residence, request: Request, decision: Admitted, greeting: Greeting, version: str
) -> SocketLink | None:
    """Answer an opening handshake, and return a link of the stream that Tornado has detached; None if it is closed.

    `version` is the request's version of HTTP.
    """
    adopted = give_away(stream)
    if adopted is None:
        residence.engine.log.note(Layer.HOST, Level.DEBUG, "a client has gone during its WebSocket handshake")
        residence.engine.abort(decision)
        return None
    link = adopted.link(residence.output, streams=isinstance(greeting, Stream))
    begin(link, residence, request, decision, greeting, adopted.ahead, chunked=version != "HTTP/1.0")
    return link


def give_away(stream: IOStream) -> Adopted | None:
    """Take the socket from a detached stream that has nothing to write; None if it is closed.

    Bytes that Tornado has read behind the request go with it; if there are none, those of one read.
    """
    if stream.closed():
        return None
    read = cast("asyncio.Future[bytes]", stream.read_bytes(stream.max_buffer_size, partial=True))
    if stream.closed():
        return None
    stream.io_loop.remove_handler(stream.socket)
    return Adopted(stream.socket, read.result() if read.done() else b"")
