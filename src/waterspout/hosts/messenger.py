"""One connection for whole messages: a queue that is bounded, one delivery in a turn, and a goodbye.

How it works: what a turn sends is queued, and given to the channel in one call at its end. The channel says how much of
it has left (`left`). While more than `HIGH_WATER_BYTES` waits in the queue and in the channel, `send` refuses; then the
transport's `writable` is called later. Messages that come before there is a transport wait for `start`.

A kind of messenger has four methods of its own: `_deliver`, `_end`, `_cut` and `_let_in`. It calls `took` and `left`
with the bytes of messages, `receive` with each message, and `lost` at the end.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..engine import MessageTransport
from ..engine.transports.messages import wire_bytes
from .link import HIGH_WATER_BYTES
from .output import Output

_REASON_BYTES = 123  # RFC 6455, section 5.5.1
_EARLY_BYTES = 1_000_000  # beyond a message, where reading goes on in spite of a pause


class QueuedMessenger(ABC):
    """What all messengers have in common: a `Messenger` of the engine.

    What the channel raises when it is given messages goes to the loop's exception handler, and closes this connection
    alone. `goodbye` is the close code and reason, once there are any. While `is_paused`, no more messages are wanted.
    """

    __slots__ = (
        "__weakref__",
        "_early",
        "_early_bytes",
        "_held_bytes",
        "_is_over",
        "_is_scheduled",
        "_output",
        "_queue",
        "_queued_bytes",
        "_refused",
        "goodbye",
        "is_paused",
        "transport",
    )

    def __init__(self, output: Output) -> None:
        self.transport: MessageTransport | None = None
        self.goodbye: tuple[int, str] | None = None
        self._output = output
        self._queue: list[str | bytes] = []
        self._queued_bytes = self._held_bytes = 0  # here, and in the channel
        self._early: list[str | bytes] = []
        self._early_bytes = 0
        self.is_paused = self._is_over = self._is_scheduled = self._refused = False
        output.open_links.add(self)

    # What the transport calls

    @property
    def unsent_bytes(self) -> int:
        """What was sent and has not left."""
        return self._queued_bytes + self._held_bytes

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

    def hurry(self) -> None:
        """Deliver what is queued now, and not at the end of the turn."""
        messages, self._queue, self._queued_bytes = self._queue, [], 0
        if messages and not self._is_over:
            self._deliver(messages)

    def finish(self, code: int, reason: str) -> None:
        """Close after what is queued."""
        if self.goodbye is None and not self._is_over:
            self.goodbye = code, reason.encode(errors="replace")[:_REASON_BYTES].decode(errors="ignore")
            self._schedule()

    def close(self) -> None:
        """Close the connection at once."""
        self._is_over = True
        self._cut()

    def pause(self) -> None:
        """Ask for no more messages until `resume`."""
        self.is_paused = True

    def resume(self) -> None:
        """Ask for messages again."""
        if self.is_paused:
            self.is_paused = False
            self._let_in()

    # What the host calls

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

    def took(self, size_bytes: int) -> None:
        """The channel holds so many bytes of messages more."""
        self._held_bytes += size_bytes

    def left(self, size_bytes: int) -> None:
        """So many bytes of messages have left the channel."""
        self._held_bytes -= size_bytes
        if self._refused and not self._is_over and self.unsent_bytes <= HIGH_WATER_BYTES:
            self._refused = False
            assert self.transport is not None
            self.transport.writable()

    def lost(self) -> None:
        """The connection is closed, by whomever."""
        self._is_over = True
        self.resume()
        self._output.forget(self)
        if self.transport is not None:
            self.transport.lost()

    # What a kind of messenger adds

    @abstractmethod
    def _deliver(self, messages: list[str | bytes]) -> None:
        """Give these to the channel, in this order; text is str."""

    @abstractmethod
    def _end(self, code: int, reason: str) -> None:
        """Close after what was delivered."""

    @abstractmethod
    def _cut(self) -> None:
        """Close at once."""

    @abstractmethod
    def _let_in(self) -> None:
        """Read on, after a pause."""

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
                self._deliver(messages)
            if self.goodbye is not None:
                self._end(*self.goodbye)
            said = True
        finally:
            if not said:
                self.close()
        self.left(0)  # the queue is empty
