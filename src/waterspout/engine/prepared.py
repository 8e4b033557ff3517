"""What is sent: one event in one generation's spelling, shared by everybody who gets it."""

from collections.abc import Hashable

from msgspec import Struct

from ..wire.deflate import Deflate
from ..wire.generations import Generation
from ..wire.websocket import BINARY, TEXT, binary_frame, deflated_frame, text_frame


class Prepared(Struct, gc=False):
    """An Engine.IO packet with its attachments, indivisible.

    `text` is the packet, its type included, or empty for a bare binary message; `attachments` are the
    binary messages that follow. `frames` is a transport's form, made when the first one asks for it, and
    `deflated` are those of compressed WebSockets, by their window's bits; without `compress` there are none. `base64`
    is for WebSockets on which binary goes as text.
    What is `volatile` does not wait in an outbox where others wait; what has a `key` waits there only until
    the next with this key comes.
    """

    text: bytes
    attachments: tuple[bytes, ...] = ()
    frames: bytes | None = None
    compress: bool = True
    deflated: dict[int, bytes] | None = None
    volatile: bool = False
    key: Hashable = None
    base64: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """What it weighs in an outbox."""
        return len(self.text) + sum(map(len, self.attachments))

    @property
    def packets(self) -> int:
        """How many packets it is in a payload."""
        return bool(self.text) + len(self.attachments)

    def as_frames(self, generation: Generation) -> bytes:
        """Return the WebSocket frames, one after the other."""
        if not self.attachments:
            self.frames = text_frame(self.text)
        else:
            encode = generation.engineio.encode_binary
            text = text_frame(self.text) if self.text else b""
            self.frames = text + b"".join(binary_frame(encode(data)) for data in self.attachments)
        return self.frames

    def as_base64(self, generation: Generation) -> bytes:
        """Return the WebSocket frames with binary as text, made once for all who have it so."""
        if self.base64 is None:
            contents = map(generation.engineio.encode_base64_packet, self.attachments)
            self.base64 = b"".join(map(text_frame, (self.text, *contents) if self.text else contents))
        return self.base64

    def as_deflated(self, generation: Generation, deflate: Deflate) -> bytes:
        """Return the WebSocket frames, compressed where they reach the threshold and become shorter by it."""
        encode = generation.engineio.encode_binary
        text = _frame(TEXT, self.text, deflate) if self.text else b""
        frames = text + b"".join(_frame(BINARY, encode(data), deflate) for data in self.attachments)
        if self.deflated is None:
            self.deflated = {}
        self.deflated[deflate.window_bits] = frames
        return frames


def _frame(opcode: int, payload: bytes, deflate: Deflate) -> bytes:
    if len(payload) >= deflate.threshold_bytes:
        deflated = deflate.deflate(payload)
        if len(deflated) < len(payload):
            return deflated_frame(opcode, deflated)
    return text_frame(payload) if opcode == TEXT else binary_frame(payload)
