"""What is sent: one event in one generation's spelling, shared by everybody who gets it."""

from collections.abc import Callable, Hashable

from msgspec import Struct

from ..wire.generations import Generation
from ..wire.websocket import binary_frame, text_frame


class Prepared(Struct, gc=False):
    """An Engine.IO packet with its attachments, indivisible.

    `text` is the packet, its type included, or empty for a bare binary message; `attachments` are the
    binary messages that follow. `frames` is what the ordinary transport of its generation writes, frames of a WebSocket
    or a chunk, made when the first one asks for it; `forms` has what others write (`form`). Without `compress`, no
    WebSocket compresses it. What is `volatile` does not wait in an outbox where others wait; what has a `key` waits
    there only until the next with this key comes.
    """

    text: bytes
    attachments: tuple[bytes, ...] = ()
    frames: bytes | None = None
    compress: bool = True
    forms: dict[Hashable, bytes] | None = None
    volatile: bool = False
    key: Hashable = None

    @property
    def size_bytes(self) -> int:
        """What it weighs in an outbox."""
        return len(self.text) + (sum(map(len, self.attachments)) if self.attachments else 0)

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

    def form(self, key: Hashable, make: Callable[..., bytes], *args: object) -> bytes:
        """Return what `make(self, *args)` has returned to the first that asked for this key.

        All recipients share it, so it depends on nothing but the key and what is sent.
        """
        forms = self.forms
        if forms is None:
            forms = self.forms = {}
        form = forms.get(key)
        if form is None:
            form = forms[key] = make(self, *args)
        return form
