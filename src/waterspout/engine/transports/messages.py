"""A WebSocket whose frames its host reads and writes: whole messages on one side, Engine.IO packets on the other.

Hosts that are given no socket (ASGI), and handlers that users derive from, have no other.
"""

from collections import deque
from typing import TYPE_CHECKING

from ...errors import PayloadTooLarge, ProtocolError, TooMany
from ...types import Reason
from ...wire.generations import Generation
from ..prepared import Prepared
from .inflow import Slice
from .interfaces import Messenger, Sink
from .null import NOWHERE

if TYPE_CHECKING:
    from ..table import Table


class MessageTransport:
    """The transport `websocket`, by whole messages; the host feeds it, `sink` gets them.

    With `base64`, binary goes as text. A message above `max_payload_bytes` ends the connection, if the host lets it
    through.
    """

    __slots__ = (
        "__weakref__",
        "_base64",
        "_held",
        "_held_bytes",
        "_is_busy",
        "_is_over",
        "_is_paused",
        "_slice",
        "_table",
        "generation",
        "messenger",
        "name",
        "sink",
    )

    fetches = False
    http = None

    def __init__(self, messenger: Messenger, generation: Generation, table: "Table", *, base64: bool = False) -> None:
        self.name = "websocket"
        self.messenger = messenger
        self.generation = generation
        self.sink: Sink = NOWHERE
        self._table = table
        self._base64 = base64
        self._is_over = self._is_paused = False
        self._is_busy = False  # it delivers what is held, or will in the next turn
        self._slice: Slice | None = None  # of what is held
        self._held: deque[str | bytes] = deque()
        self._held_bytes = 0

    # What the host calls

    def receive(self, message: str | bytes) -> None:
        """Take a message; what breaks the protocol ends this connection and no other."""
        if self._is_over:
            return
        size, limit, traffic = wire_bytes(message), self._table.policy.max_payload_bytes, self._table.traffic
        traffic.messages_in += 1
        traffic.bytes_in += size
        try:
            if size > limit:
                raise PayloadTooLarge(f"A message has more than {limit} bytes; send less at once")
            if self._is_paused or self._held:
                self._hold(message, size)
            else:
                self._deliver(message)
        except ProtocolError as error:
            self._fail(error)

    def writable(self) -> None:
        """There is room again, after a `send` that returned False."""
        self.sink.writable()

    def lost(self) -> None:
        """The WebSocket is closed, by either side; a session that goes on elsewhere takes first what is held."""
        self._is_over = True
        self._detach().lost(Reason.TRANSPORT_CLOSE)
        self._held.clear()

    # What a session calls

    def write(self, prepared: Prepared) -> bool:
        """Send its messages, all or none; False while too much waits."""
        if self._is_over:
            return True  # nobody reads it any more
        if not self.messenger.send(self._messages(prepared)):
            return False
        self._table.traffic.messages_out += 1
        self._table.traffic.bytes_out += prepared.size_bytes
        return True

    def notify(self) -> None:
        """Do nothing: the host says when there is room again."""

    def pause(self) -> None:
        """Deliver nothing until `resume`; what the host still reads is held, up to the limit."""
        if not self._is_over and not self._is_paused:
            self._is_paused = True
            self.messenger.pause()

    def resume(self) -> None:
        """Deliver what came before the pause took effect, a slice in a turn, and read on."""
        self._is_paused = False
        if not self._is_busy:
            self._go_on()

    def finish(self, code: int, text: str = "") -> bool:
        """Close the WebSocket, and deliver no more."""
        self._detach()
        self._end(code, text)
        return True

    def retire(self) -> bool:
        """Close: a WebSocket has no other end."""
        return self.finish(1000)

    # Below this line: how it is done

    def _hold(self, message: str | bytes, size: int) -> None:
        if self._held and self._held_bytes + size > self._table.policy.max_payload_bytes:
            raise TooMany("the client sends messages while none are read: it has to wait for answers")
        self._held.append(message)
        self._held_bytes += size

    def _go_on(self) -> None:
        self._is_busy = True
        try:
            self._deliver_held()
        except ProtocolError as error:
            self._fail(error)
        if self._held and not self._is_paused:
            self._table.driver.soon(self._next_turn)
            return
        self._is_busy = False
        if not self._is_paused and not self._is_over:
            self._slice = None
            self.messenger.resume()

    def _next_turn(self) -> None:
        self._slice, self._is_busy = None, False
        if not self._is_paused and not self._is_over:
            self._go_on()

    def _deliver_held(self) -> None:
        """Deliver until the slice ends, or a pause begins."""
        part = self._slice
        if part is None:
            part = self._slice = Slice()
        while self._held and not self._is_paused and not part.is_used_up:
            message = self._held.popleft()
            size = wire_bytes(message)
            self._held_bytes -= size
            part.packets -= 1
            part.size -= size
            self._deliver(message)

    def _deliver(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.sink.receive_text(message)
        else:
            self.sink.receive_binary(self.generation.engineio.decode_binary(message))

    def _messages(self, prepared: Prepared) -> list[str | bytes]:
        messages: list[str | bytes] = [prepared.text.decode()] if prepared.text else []
        engineio = self.generation.engineio
        if self._base64:
            messages.extend(engineio.encode_base64_packet(data).decode() for data in prepared.attachments)
        else:
            messages.extend(map(engineio.encode_binary, prepared.attachments))
        return messages

    def _fail(self, error: ProtocolError) -> None:
        self._detach().failed(error)
        self._end(error.close_code, str(error))

    def _end(self, code: int, text: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._held.clear()
            self.messenger.finish(code, text)

    def _detach(self) -> Sink:
        sink, self.sink = self.sink, NOWHERE
        return sink


def wire_bytes(message: str | bytes) -> int:
    """Return how many bytes a message has on the wire."""
    return len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode(errors="replace"))
