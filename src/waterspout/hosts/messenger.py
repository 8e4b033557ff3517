"""The messages of a connection that a handler of Tornado's carries."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from tornado.iostream import IOStream

from ..engine import MessageTransport
from ..engine.transports.messages import wire_bytes
from .link import HIGH_WATER_BYTES
from .output import Output

_REASON_BYTES = 123  # RFC 6455, section 5.5.1
_EARLY_BYTES = 1_000_000  # beyond a message, of a handler that does not wait for the gate


class Speaker(Protocol):
    """A handler that says what it is given; it tells its messenger of each write."""

    def send_messages(self, messages: list[Any]) -> None:
        """Send these, in this order; text is str."""

    def session_closed(self) -> None:
        """End after what was sent."""


class HandlerMessenger:
    """All messages of a turn go to the handler in one call at its end.

    What a handler raises there goes to the loop's exception handler, and closes this connection alone.
    """

    __slots__ = (
        "__weakref__",
        "_early",
        "_early_bytes",
        "_gate",
        "_handler",
        "_is_over",
        "_is_scheduled",
        "_output",
        "_queue",
        "_queued_bytes",
        "_refused",
        "_stream",
        "_written",
        "_written_bytes",
        "goodbye",
        "transport",
    )

    def __init__(self, handler: Speaker, stream: IOStream, output: Output) -> None:
        self.transport: MessageTransport | None = None
        self.goodbye: tuple[int, str] | None = None
        self._handler = handler
        self._stream = stream
        self._output = output
        self._queue: list[str | bytes] = []
        self._queued_bytes = 0
        self._written: deque[tuple[asyncio.Future[None] | None, int]] = deque()  # what may lie in the stream
        self._written_bytes = 0
        self._early: list[str | bytes] = []
        self._early_bytes = 0
        self._gate: asyncio.Future[None] | None = None
        self._is_over = self._is_scheduled = self._refused = False
        output.open_links.add(self)

    # What the transport calls

    @property
    def unsent_bytes(self) -> int:
        """What was sent and has not gone to the kernel."""
        return self._queued_bytes + self._written_bytes

    def send(self, messages: Sequence[str | bytes]) -> bool:
        """Queue messages for the end of the turn, or return False while too much waits."""
        if self._is_over:
            return True  # nobody reads them any more
        if self.unsent_bytes > HIGH_WATER_BYTES:
            self._refused = True
            return False
        self._queue.extend(messages)
        self._queued_bytes += sum(map(wire_bytes, messages))
        self._schedule()
        return True

    def finish(self, code: int, reason: str) -> None:
        """Let the handler close, after what is queued; what it is to say is in `goodbye`."""
        if self.goodbye is None and not self._is_over:
            self.goodbye = code, reason.encode(errors="replace")[:_REASON_BYTES].decode(errors="ignore")
            self._schedule()

    def close(self) -> None:
        """Close the connection at once."""
        self._is_over = True
        self._stream.close()

    def pause(self) -> None:
        """Have the handler's `on_message` awaited until `resume`."""
        if self._gate is None:
            self._gate = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Let it return."""
        gate, self._gate = self._gate, None
        if gate is not None and not gate.done():
            gate.set_result(None)

    # What the handler calls

    @property
    def gate(self) -> Awaitable[None] | None:
        """What to wait for before the next message is read."""
        return self._gate

    def start(self, transport: MessageTransport) -> None:
        """Deliver to this transport, also what has come already."""
        self.transport = transport
        early, self._early = self._early, []
        for message in early:
            transport.receive(message)

    def receive(self, message: str | bytes) -> None:
        """Take a message of the client's; who sends on before there is a transport is cut off."""
        if self.transport is not None:
            self.transport.receive(message)
        elif self._early and self._early_bytes > _EARLY_BYTES:
            self.close()
        else:
            self._early.append(message)
            self._early_bytes += wire_bytes(message)

    def wrote(self, message: str | bytes, future: "asyncio.Future[None] | None") -> None:
        """Hear of a message in the stream, and of what is done when it has left; None if it was too late for it."""
        if future is None or self._stream.writing():
            size = wire_bytes(message)
            self._written.append((future, size))
            self._written_bytes += size
        else:
            self._written.clear()
            self._written_bytes = 0
        if future is not None:
            future.add_done_callback(self._left)

    def lost(self) -> None:
        """The connection is closed, by whomever."""
        self._is_over = True
        self.resume()
        self._output.forget(self)
        if self.transport is not None:
            self.transport.lost()

    # Below this line: how it is done

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._output.loop.soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False
        if self._is_over:
            return
        messages, self._queue, self._queued_bytes = self._queue, [], 0
        said = False
        try:
            if messages:
                self._handler.send_messages(messages)
            if self.goodbye is not None:
                self._handler.session_closed()
            said = True
        finally:
            if not said:
                self.close()
        self._make_room()

    def _left(self, future: "asyncio.Future[None]") -> None:
        if future.cancelled() or future.exception() is not None:
            return  # the connection has ended: what was written may not have left
        if self._written and self._written[0][0] is future:
            self._written_bytes -= self._written.popleft()[1]
        self._make_room()

    def _make_room(self) -> None:
        if self._refused and not self._is_over and self.unsent_bytes <= HIGH_WATER_BYTES:
            self._refused = False
            assert self.transport is not None
            self.transport.writable()
