"""The WebSockets whose clients have agreed to compression."""

from ...wire.deflate import Deflate
from ...wire.generations import Generation
from ...wire.websocket import BINARY, TEXT, Deflated, Message, Reader, binary_frame, deflated_frame, text_frame
from ..driver import Driver
from ..prepared import Prepared
from ..traffic import Traffic
from .interfaces import Link
from .websocket import Base64Transport, WebSocketTransport

_INFLATED_BYTES = 65_536  # in one turn; as much as a link reads at once


class DeflatingTransport(WebSocketTransport):
    """A WebSocket whose client has agreed to permessage-deflate (RFC 7692); it keeps no stream for that.

    One read may hold a thousand times its size. So it rests until the next turn whenever much has been unpacked;
    a pause that begins or ends meanwhile counts as well.
    """

    __slots__ = ("_driver", "_inflated_bytes", "_is_paused", "_is_resting", "deflate")

    def __init__(
        self, link: Link, generation: Generation, reader: Reader, traffic: Traffic, *, deflate: Deflate, driver: Driver
    ) -> None:
        super().__init__(link, generation, reader, traffic)
        self.deflate = deflate
        self._driver = driver
        self._inflated_bytes = 0
        self._is_paused = self._is_resting = False

    def pause(self) -> None:
        """Deliver nothing until `resume`, whether it rests or not."""
        self._is_paused = True
        super().pause()

    def resume(self) -> None:
        """Deliver on, now or after the rest."""
        self._is_paused = False
        if not self._is_resting:
            super().resume()

    def write(self, prepared: Prepared) -> bool:
        """Write its compressed frames, which all with the same window share; small ones are the ordinary ones."""
        deflate = self.deflate
        if not prepared.compress or (not prepared.attachments and len(prepared.text) < deflate.threshold_bytes):
            return WebSocketTransport.write(self, prepared)
        frames = None if prepared.forms is None else prepared.forms.get(deflate.window_bits)
        if frames is None:  # `form` looks as well, but costs a call
            frames = prepared.form(deflate.window_bits, _deflated, self.generation, deflate)
        return self.link.write(frames)

    def _other(self, message: Message) -> None:
        if isinstance(message, Deflated) and self.reader is not None:
            message = self.reader.inflate(message)
            self._inflated_bytes += len(message)
        if isinstance(message, str):
            self.sink.receive_text(message)
        else:
            super()._other(message)
        if self._inflated_bytes > _INFLATED_BYTES:
            self._rest()

    def _rest(self) -> None:
        self._inflated_bytes = 0
        self._is_resting = True
        super().pause()
        self._driver.soon(self._wake)

    def _wake(self) -> None:
        self._is_resting = False
        if not self._is_paused:
            super().resume()


class DeflatingBase64Transport(Base64Transport, DeflatingTransport):
    """A WebSocket that is both."""

    __slots__ = ()


def _deflated(prepared: Prepared, generation: Generation, deflate: Deflate) -> bytes:
    """Make the frames, compressed where they reach the threshold and become shorter by it."""
    encode = generation.engineio.encode_binary
    text = _frame(TEXT, prepared.text, deflate) if prepared.text else b""
    return text + b"".join(_frame(BINARY, encode(data), deflate) for data in prepared.attachments)


def _frame(opcode: int, payload: bytes, deflate: Deflate) -> bytes:
    if len(payload) >= deflate.threshold_bytes:
        deflated = deflate.deflate(payload)
        if len(deflated) < len(payload):
            return deflated_frame(opcode, deflated)
    return text_frame(payload) if opcode == TEXT else binary_frame(payload)
