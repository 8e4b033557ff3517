"""WebSocket before RFC 6455: draft-ietf-hybi-thewebsocketprotocol-00, known as draft 76, the server's side.

It is the only version of Flash's `WebSocketMain.swf`, which clients of Socket.IO 0.7 to 0.9 use, and of browsers of
2010 (Safari 5, Chrome 6 to 13). Section numbers are those of this draft. Draft 75, which has no keys, is not supported.
"""

import re
from collections.abc import Callable
from hashlib import md5

from ...errors import DecodeError, ProtocolError
from ..websocket import NO_STATUS, Close, Message, Reader, check_asks, too_large

KEY3_BYTES = 8
CLOSING = b"\xff\x00"
"""The closing frame of both sides (section 5.3); it has neither code nor reason."""

_TEXT, _CLOSING, _END = 0x00, 0xFF, 0xFF
_DIGITS = 10  # at most, of a number of 32 bits
_NOT_A_DIGIT = re.compile(r"[^0-9]+")


def is_asked(header: Callable[[str], str | None]) -> bool:
    """Tell whether a request for a WebSocket uses this draft, valid or not."""
    return header("Sec-WebSocket-Version") is None and not (
        header("Sec-WebSocket-Key1") is None and header("Sec-WebSocket-Key2") is None
    )


def check_upgrade(method: str, header: Callable[[str], str | None]) -> bytes:
    """Check an opening handshake and return the first 8 bytes of its challenge, for `answer`.

    `header` returns a field's value by its name, or None. Raises ProtocolError. The rest of the challenge, key 3,
    follows the header fields. Source: section 5.2, items 4 to 8.
    """
    check_asks(method, header)
    return b"".join(_number(f"Sec-WebSocket-Key{count}", header).to_bytes(4, "big") for count in (1, 2))


def _number(name: str, header: Callable[[str], str | None]) -> int:
    """Return the number in a key: its digits, of at most 32 bits, divided by the count of its spaces."""
    key = header(name) or ""
    digits, spaces = _NOT_A_DIGIT.sub("", key), key.count(" ")
    if not 0 < len(digits) <= _DIGITS or not spaces:
        raise ProtocolError(f"The {name} is {key[:40]!r}, but it must have 1 to {_DIGITS} digits and a space")
    number, rest = divmod(int(digits), spaces)
    if rest or int(digits) >> 32:
        raise ProtocolError(
            f"The {name} is {key[:40]!r}, but its number must fit in 32 bits, and be divisible by its count of spaces"
        )
    return number


def answer(challenge: bytes) -> bytes:
    """Return the 16 bytes behind the head of the answer, for the whole challenge (section 5.2, item 9)."""
    return md5(challenge, usedforsecurity=False).digest()


def text_frame(payload: bytes) -> bytes:
    """Make a text message of UTF-8, in which no byte is 0xFF (section 5.3)."""
    return b"\x00%b\xff" % payload


class HixieReader(Reader):
    """The `Reader` of this draft: text, as str, and Close. Between two calls it keeps one incomplete frame.

    DecodeError for every frame but 0x00, which is text, and 0xFF 0x00, the end. The draft lets a server ignore frames
    with a length, but clients cannot send them.
    """

    __slots__ = ()

    def receive(self, data: bytes) -> list[Message]:
        """Take the bytes of one read and return the messages that they complete, as `Reader.receive` does.

        Raises DecodeError, InvalidText, or PayloadTooLarge once an incomplete frame has more bytes than `limit`.
        """
        messages: list[Message] = []
        if self.error is not None:
            return self._fail(self.error, messages)
        held = self._held
        if held is None:
            held = self._held = bytearray()
        elif not held:  # after the closing frame
            return messages
        searched = len(held)
        held += data
        try:
            end = self._cut(held, searched, messages)
        except (UnicodeDecodeError, DecodeError) as error:
            return self._fail(error, messages)
        if self._held is held:
            del held[:end]
            if not held:
                self._held = None
        return messages

    def _cut(self, data: bytearray, searched: int, messages: list[Message]) -> int:
        """Append the messages of all complete frames, and return where the first incomplete one begins.

        There is no end of a frame before `searched`, so each byte is searched once, however small the reads are.
        """
        at, n = 0, len(data)
        while at < n:
            if data[at] == _CLOSING:
                if at + 1 < n:
                    self._close(data[at + 1], messages)
                return at
            if data[at] != _TEXT:
                raise DecodeError(f"A frame begins with 0x{data[at]:02x}: use 0x00 for text, and 0xff 0x00 for the end")
            end = data.find(_END, max(at + 1, searched))
            if (n if end < 0 else end) - at - 1 > self._limit:
                raise too_large(self._limit)
            if end < 0:
                return at
            messages.append(data[at + 1 : end].decode())
            at = end + 1
        return at

    def _close(self, length: int, messages: list[Message]) -> None:
        if length:
            raise DecodeError("A frame begins with 0xff and has a length: use 0x00 for text, and 0xff 0x00 for the end")
        messages.append(Close(NO_STATUS))
        self._stop()
