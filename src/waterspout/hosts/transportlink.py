"""A link over a transport of asyncio's, for a host that is lent no socket. TLS is the transport's."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from .link import Piece, QueuedLink
from .output import Output
from .socketlink import NOT_NOW, send


class LinkTransport(Protocol):
    """The part of `asyncio.Transport` that a link needs; it calls `resume_writing` when its buffer is empty."""

    def write(self, data: Piece, /) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool: ...

    def can_write_eof(self) -> bool: ...

    def write_eof(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


class TransportLink(QueuedLink):
    """Writes to a transport, whose protocol it is; `on_lost` is called when that is closed.

    With the `descriptor` of its socket, the transport writes only what the kernel has refused: uvloop's writes at the
    end of a turn, and says so twice, which costs a broadcast a sixth.
    """

    __slots__ = ("_descriptor", "_on_lost", "_transport")

    def __init__(
        self,
        transport: LinkTransport,
        output: Output,
        on_lost: Callable[[Exception | None], object] = lambda _: None,
        descriptor: int | None = None,
    ) -> None:
        super().__init__(output)
        self._transport = transport
        self._on_lost = on_lost
        self._descriptor = descriptor

    # As an asyncio.Protocol

    def connection_made(self, transport: object) -> None:
        """The transport is there already."""

    def data_received(self, data: bytes) -> None:
        """Pass on what was read."""
        if self._receiver is not None:
            self._receiver.receive(data)

    def eof_received(self) -> None:
        """The client has ended: so does the transport, which then calls `connection_lost`."""

    def pause_writing(self) -> None:
        """The buffer has its own bound: see `_hand_over`."""

    def resume_writing(self) -> None:
        """The buffer is empty; uvloop's TLS says so in the middle of `write`, too, when nothing waits yet."""
        if self._blocked:
            self._writable()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        self._abort()
        self._on_lost(error)

    # As a link

    def _hand_over(self, data: Piece) -> int:
        rest: Piece = data
        if self._descriptor is not None and data:  # nothing waits in the transport, else the link is blocked
            if self._transport.is_closing():
                raise BrokenPipeError  # its descriptor may be another connection's by now
            try:
                sent = send(self._descriptor, data)
            except NOT_NOW:
                sent = 0
            if sent == len(data):
                self._out, self.unsent_bytes = None, 0
                return sent
            rest = memoryview(data)[sent:]
        self._transport.write(rest)
        self.unsent_bytes = waiting = self._transport.get_write_buffer_size()
        self._blocked = waiting > 0
        self._out = b"" if waiting else None
        return len(data)

    def _read(self, reads: bool) -> None:
        if reads:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _end_output(self) -> None:
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client was faster
                self._transport.write_eof()
        else:
            self._transport.close()  # TLS: asyncio says no more, and waits for the client to do the same

    def _shut(self) -> None:
        self._transport.abort()
