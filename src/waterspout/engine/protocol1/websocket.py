"""The WebSockets of Socket.IO 0.7 to 0.9, whose sessions may go on over another transport."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...wire.websocket import Close, Message, Reader, text_frame
from ..prepared import Prepared
from ..transports.interfaces import Link, Messenger
from ..transports.messages import MessageTransport
from ..transports.websocket import WebSocketTransport
from .replay import Sent

if TYPE_CHECKING:
    from .session import ResumableSession


class ResumableWebSocket(WebSocketTransport):
    """The WebSocket of a session that may go on elsewhere: it remembers what may still lie in its link."""

    __slots__ = ("_kept", "_sent", "name")

    def __init__(self, link: Link, session: "ResumableSession", name: str, reader: Reader) -> None:
        super().__init__(link, session.generation, reader, session.table.traffic)
        self.name = name
        self._sent = Sent(session.replay)
        self._kept: list[Prepared] = []

    def write(self, prepared: Prepared) -> bool:
        """Write, and remember, as `Sent.add` does: the call would be a fiftieth of an acknowledgement."""
        frames = prepared.frames
        if frames is None:
            frames = prepared.frames = text_frame(prepared.text)  # there are no attachments
        link, sent = self.link, self._sent
        written, unsent_bytes = sent.written, link.unsent_bytes
        if not unsent_bytes:
            written.clear()
        elif written and written[0][0] <= sent.total_bytes - unsent_bytes:
            sent.forget(unsent_bytes)
        if not link.write(frames):
            return False
        sent.total_bytes = end = sent.total_bytes + len(frames)
        written.append((end, prepared))
        if sent.replay is not None:
            sent.attempt(sent.replay, prepared)
        return True

    def leave(self) -> None:
        """Go quiet, and stay open: the official client takes the end of any of its WebSockets for that of all."""
        self._detach()

    def unsent(self) -> list[Prepared]:
        """Give back what has not left the link, which sends no more of it."""
        self._keep()
        kept, self._kept = self._kept, []
        return kept

    def undelivered(self) -> Iterator[str | bytes] | None:
        """Hand over what came before a pause, for good; None if there is nothing."""
        messages, unread, reader = list(self._undelivered or ()), self._unread, self.reader
        self._undelivered, self._unread = None, b""
        if reader is None or not (messages or unread or reader.error):
            return None
        self.traffic.bytes_in += len(unread)
        self.traffic.messages_in -= len(messages)  # they are counted again
        return _rest(reader, messages, unread)

    def _other(self, message: Message) -> None:
        if isinstance(message, Close):
            self._keep()  # before the close frame lies in the link, too: the client takes no more messages
        super()._other(message)

    def _write_pong(self, pong: bytes) -> bool:
        if not super()._write_pong(pong):
            return False
        self._sent.total_bytes += len(pong)
        return True

    def _keep(self) -> None:
        unsent = self._sent.give_back(self.link.unsent_bytes)
        if unsent:
            self._kept += unsent
            self.reader, self._stopped = None, True
            self.link.close()


def _rest(reader: Reader, messages: list[Message], unread: bytes) -> Iterator[str | bytes]:
    """Cut on where a transport has stopped; raises ProtocolError where it would have found one."""
    yield from _to_deliver(messages)
    if unread:
        yield from _to_deliver(reader.receive(unread))
    if reader.error is not None:
        reader.receive(b"")


def _to_deliver(messages: list[Message]) -> Iterator[str | bytes]:
    return (message for message in messages if isinstance(message, str | bytes))


class ResumableMessages(MessageTransport):
    """The same for a session that may go on elsewhere: it remembers what its host may not have sent."""

    __slots__ = ("_sent",)

    def __init__(self, messenger: Messenger, session: "ResumableSession", name: str) -> None:
        super().__init__(messenger, session.generation, session.table)
        self.name = name
        self._sent = Sent(session.replay)

    def write(self, prepared: Prepared) -> bool:
        """Send, and remember."""
        unsent_bytes = self.messenger.unsent_bytes
        if self._is_over or not super().write(prepared):
            return self._is_over
        self._sent.add(len(prepared.text), prepared, unsent_bytes)
        return True

    def leave(self) -> None:
        """Go quiet, and stay open: the official client takes the end of any of its WebSockets for that of all."""
        self._detach()

    def undelivered(self) -> Iterator[str | bytes] | None:
        """Hand over what came before a pause, for good; None if there is nothing."""
        held, self._held = self._held, deque()
        self._held_bytes = 0
        return iter(held) if held else None

    def unsent(self) -> list[Prepared]:
        """Give back what has not been sent, and will not be."""
        unsent = self._sent.give_back(self.messenger.unsent_bytes)
        if unsent:
            self._is_over = True
            self.messenger.close()
        return unsent
