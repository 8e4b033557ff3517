"""A session's WebSocket: frames on one side, Engine.IO packets on the other."""

from collections.abc import Iterator

from ..errors import ProtocolError
from ..types import Reason
from ..wire.generations import Generation
from ..wire.websocket import Close, Message, Ping, Reader, close_frame, pong_frame, text_frame
from .nobody import NOWHERE
from .prepared import Prepared
from .sent import Sent
from .traffic import Traffic
from .transports import Link, Sink
from .trial import Trial


class WebSocketTransport:
    """The transport `websocket`; the host feeds it, `sink` gets the messages."""

    __slots__ = (
        "__weakref__",
        "_pong",
        "_stopped",
        "_undelivered",
        "_unread",
        "generation",
        "link",
        "reader",
        "sink",
        "traffic",
    )

    name = "websocket"
    fetches = False
    http = None

    def __init__(self, link: Link, generation: Generation, reader: Reader, traffic: Traffic) -> None:
        self.link = link
        self.generation = generation
        self.reader: Reader | None = reader
        self.sink: Sink = NOWHERE
        self.traffic = traffic
        self._pong: bytes | None = None
        self._stopped = False  # paused or at its end
        self._undelivered: Iterator[Message] | None = None
        self._unread = b""

    def receive(self, data: bytes) -> None:
        """Take bytes from the socket; what breaks the protocol ends this connection and no other."""
        reader = self.reader
        if reader is None:
            return
        if self._stopped:
            self._unread += data
            return
        traffic = self.traffic
        traffic.bytes_in += len(data)
        try:
            messages = reader.receive(data)
            traffic.messages_in += len(messages)
            remaining = iter(messages)
            for message in remaining:
                if type(message) is str:
                    self.sink.receive_text(message)
                else:
                    self._other(message)
                if self._stopped:
                    self._undelivered = remaining
                    return
            if reader.error is not None:
                reader.receive(b"")
        except ProtocolError as error:
            self._fail(error)

    def pause(self) -> None:
        """Deliver nothing until `resume`, and let the link read nothing."""
        if not self._stopped:
            self._stopped = True
            self.link.pause()

    def resume(self) -> None:
        """Deliver what came before the pause, and read on."""
        reader = self.reader
        if reader is None or not self._stopped:
            return
        self._stopped = False
        try:
            for message in self._undelivered or ():
                self._deliver(message)
                if self._stopped:
                    return
            if reader.error is not None:
                reader.receive(b"")
        except ProtocolError as error:
            self._fail(error)
            return
        unread, self._unread, self._undelivered = self._unread, b"", None
        self.link.resume()
        if unread:
            self.receive(unread)

    def _deliver(self, message: Message) -> None:
        if isinstance(message, str):
            self.sink.receive_text(message)
        else:
            self._other(message)

    def _fail(self, error: ProtocolError) -> None:
        self._detach().failed(error)
        self.end(close_frame(error.close_code, str(error)))

    def _other(self, message: Message) -> None:
        if isinstance(message, bytes):
            self.sink.receive_binary(self.generation.engineio.decode_binary(message))
        elif isinstance(message, Ping):
            self._answer(pong_frame(message.payload))
        elif isinstance(message, Close):
            self.end(close_frame(message.code))  # RFC 6455, section 5.5.1: with the code received
            self._detach().lost(Reason.TRANSPORT_CLOSE)

    def _answer(self, pong: bytes) -> None:
        """Send a pong; while the client reads nothing, only the last one is kept (RFC 6455, section 5.5.3)."""
        self._pong = None if self._write_pong(pong) else pong

    def _write_pong(self, pong: bytes) -> bool:
        return self.link.write(pong)

    def lost(self) -> None:
        """The socket is gone."""
        self.reader, self._stopped = None, True
        self._detach().lost(Reason.TRANSPORT_CLOSE)

    def writable(self) -> None:
        """The socket takes bytes again."""
        if self._pong is not None and self._write_pong(self._pong):
            self._pong = None
        self.sink.writable()

    def write(self, prepared: Prepared) -> bool:
        """Write its frames, which all WebSockets share; False while the link takes nothing."""
        frames = prepared.frames
        if frames is None:
            if prepared.attachments:
                frames = prepared.as_frames(self.generation)
            else:  # as_frames does the same, but with a call more
                frames = prepared.frames = text_frame(prepared.text)
        return self.link.write(frames)

    def notify(self) -> None:
        """Do nothing: the link says when it takes bytes again."""

    def finish(self, code: int, text: str = "") -> bool:
        """Send a close frame, and read no more."""
        self._detach()
        self.end(close_frame(code, text))
        return True

    def retire(self) -> bool:
        """Close: a WebSocket has no other end."""
        return self.finish(1000)

    def end(self, frame: bytes) -> None:
        """Send the last frame, once; what the client still says is not read."""
        if self.reader is not None:
            self.reader, self._stopped = None, True
            self.link.finish(frame)

    def _detach(self) -> Sink:
        sink, self.sink = self.sink, NOWHERE
        return sink


class Base64Transport(WebSocketTransport):
    """A WebSocket whose client has asked for b64=1: binary goes as text, as with the JavaScript server, 2.x to 4.x."""

    __slots__ = ()

    def write(self, prepared: Prepared) -> bool:
        """Write its frames; those with binary content are not compressed."""
        if prepared.attachments:
            return self.link.write(prepared.as_base64(self.generation))
        return super().write(prepared)


class ResumableWebSocket(WebSocketTransport):
    """The WebSocket of a session that may go on elsewhere: it remembers what may still lie in its link."""

    __slots__ = ("_kept", "_sent", "name")

    def __init__(
        self, link: Link, generation: Generation, reader: Reader, traffic: Traffic, *, name: str, trial: Trial
    ) -> None:
        super().__init__(link, generation, reader, traffic)
        self.name = name
        self._sent = Sent(trial)
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
        if sent.trial is not None:
            sent.attempt(sent.trial, prepared)
        return True

    def lost(self) -> None:
        """The socket is gone; what it has brought is not."""
        self._detach().lost(Reason.TRANSPORT_CLOSE)
        self.reader, self._stopped = None, True

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
