"""What is sent: one event in one generation's spelling, shared by everybody who gets it."""

from ..wire.generations import Generation
from ..wire.websocket import binary_frame, text_frame


class Prepared:
    """An Engine.IO packet with its attachments, indivisible and never changed.

    `text` is the packet, its type included, or empty for a bare binary message; `attachments` are the
    binary messages that follow. A transport's form is made when the first one asks for it.
    """

    __slots__ = ("attachments", "frames", "size_bytes", "text")

    def __init__(self, text: bytes, attachments: tuple[bytes, ...] = ()) -> None:
        self.text = text
        self.attachments = attachments
        self.size_bytes = len(text) if not attachments else len(text) + sum(map(len, attachments))
        self.frames: bytes | None = None

    def as_frames(self, generation: Generation) -> bytes:
        """Return the WebSocket frames, one after the other."""
        frames = text_frame(self.text) if self.text else b""
        if self.attachments:
            encode = generation.engineio.encode_binary
            frames += b"".join(binary_frame(encode(data)) for data in self.attachments)
        self.frames = frames
        return frames
