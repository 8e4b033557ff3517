"""A session's WebSocket: frames on one side, Engine.IO packets on the other.

How it works: the host calls `receive` with the bytes of each read. The `Reader` cuts them into messages, and each
goes to the sink: a session, or the probe of an upgrade. A message may pause the transport (too many calls of the
session are pending): then the messages of this read that are left are kept as an iterator, further bytes are kept as
bytes, and the link stops reading, until `resume`.

Frames are made once for each `Prepared`, and shared by all WebSockets that send it. `write` hands them to the link,
which joins all of a turn; while the link is full it returns False, and the session keeps its messages.
"""

from collections.abc import Iterator

from ...errors import ProtocolError
from ...types import Reason
from ...wire.generations import Generation
from ...wire.websocket import Close, Message, Ping, Pong, Reader, close_frame, pong_frame, text_frame
from ..prepared import Prepared
from ..traffic import Traffic
from .interfaces import Link, Sink
from .null import NOWHERE


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
        elif isinstance(message, Pong):
            self.sink.receive_pong()
        elif isinstance(message, Close):
            self.end(close_frame(message.code))  # RFC 6455, section 5.5.1: with the code received
            self._detach().lost(Reason.TRANSPORT_CLOSE)

    def _answer(self, pong: bytes) -> None:
        """Send a pong; while the client reads nothing, only the last one is kept (RFC 6455, section 5.5.3)."""
        self._pong = None if self._write_pong(pong) else pong

    def _write_pong(self, pong: bytes) -> bool:
        return self.link.write(pong)

    def lost(self) -> None:
        """The socket is gone; a session that goes on elsewhere takes first what was received and not delivered."""
        self._detach().lost(Reason.TRANSPORT_CLOSE)
        self.reader, self._stopped = None, True

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
            return self.link.write(prepared.form("base64", _base64, self.generation))
        return super().write(prepared)


def _base64(prepared: Prepared, generation: Generation) -> bytes:
    contents = map(generation.engineio.encode_base64_packet, prepared.attachments)
    return b"".join(map(text_frame, (prepared.text, *contents) if prepared.text else contents))
