"""A link over a transport in the way of asyncio's: what a host needs that is lent no socket."""

from typing import Protocol

from waterspout.hosts.link import Piece, QueuedLink
from waterspout.hosts.output import Output


class Transport(Protocol):
    """The part of `asyncio.Transport` that a link needs; it calls `resume_writing` when its buffer is empty."""

    def write(self, data: Piece, /) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write_eof(self) -> None: ...

    def abort(self) -> None: ...


class TransportLink(QueuedLink):
    __slots__ = ("_transport",)

    def __init__(self, transport: Transport, output: Output) -> None:
        super().__init__(output)
        self._transport = transport

    # As an asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.receive(data)

    def resume_writing(self) -> None:
        self._writable()

    def connection_lost(self, error: Exception | None) -> None:
        self._abort()

    # As a link

    def _hand_over(self, data: Piece) -> int:
        self._transport.write(data)
        self.unsent_bytes = rest = self._transport.get_write_buffer_size()
        self._blocked = rest > 0
        self._out = b"" if rest else None
        return len(data)

    def _read(self, reads: bool) -> None:
        if reads:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _end_output(self) -> None:
        self._transport.write_eof()

    def _shut(self) -> None:
        self._transport.abort()
