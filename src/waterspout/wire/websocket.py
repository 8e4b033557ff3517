"""WebSocket, the server's side (RFC 6455; section numbers stand beside the code).

A `Reader` decodes the bytes of one connection into messages; the `*_frame` functions encode frames; `check_upgrade` and
`accept` are for the opening handshake. Compression is in `deflate.py`.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any

from msgspec import Struct

from ..errors import DecodeError, InvalidText, PayloadTooLarge, ProtocolError, TooMany
from .deflate import inflate

try:
    from ._frames import cut, unmask
    from ._frames import text_frame as _text_frame
except ImportError:  # there was no compiler
    from .frames import cut, unmask
    from .frames import text_frame as _text_frame

VERSION = "13"
DRAFT_VERSIONS = ("8", "7")
"""Versions of draft-ietf-hybi-thewebsocketprotocol-07 to -12, with the handshake and the frames of 13."""
MAX_FRAGMENTS = 16_384

NO_STATUS = 1005
FINAL = 0x80
RESERVED = 0x70
RSV1 = 0x40
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)))  # 7.4, and IANA's 1012-1014
_KEY = re.compile("[A-Za-z0-9+/]{22}==")
_SUBPROTOCOL = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,4096}")  # some clients put a token of several kB there


class UnsupportedVersion(ProtocolError):
    """The client asks for another version; the answer lists the supported ones, in order (section 4.4)."""

    status = 426


class Ping(Struct, frozen=True, gc=False):
    """A ping, which is answered with a Pong of the same payload (section 5.5.2)."""

    payload: bytes


class Pong(Struct, frozen=True, gc=False):
    """The answer to a Ping; an unsolicited one is ignored (section 5.5.3)."""

    payload: bytes


class Close(Struct, frozen=True, gc=False):
    """The peer closes the connection; the code is 1005 if it sent none (section 7.1.5)."""

    code: int
    reason: str = ""


class Deflated(Struct, frozen=True, gc=False):
    """A message that is still compressed, for `Reader.inflate` (RFC 7692, section 6.2)."""

    opcode: int
    payload: bytes


Message = str | bytes | Deflated | Ping | Pong | Close


def check_upgrade(method: str, header: Callable[[str], str | None], versions: Sequence[str] = (VERSION,)) -> str:
    """Check an opening handshake and return its Sec-WebSocket-Key, for `accept`.

    `header` returns a field's value by its name, or None. Raises ProtocolError, and UnsupportedVersion for a version
    that is not among `versions`. The host checks HTTP's own rules (version, Host). Source: RFC 6455, section 4.2.1.
    """
    check_asks(method, header)
    version = header("Sec-WebSocket-Version") or ""
    if version.strip(" \t") not in versions:
        spoken = ", ".join(versions)
        raise UnsupportedVersion(
            f"The Sec-WebSocket-Version is {version[:40]!r}, but this server speaks only {spoken!r}"
        )
    key = (header("Sec-WebSocket-Key") or "").strip(" \t")
    if not _KEY.fullmatch(key):
        raise ProtocolError(f"The Sec-WebSocket-Key is {key[:40]!r}, but it must be 16 bytes in base64")
    return key


def check_asks(method: str, header: Callable[[str], str | None]) -> None:
    """Check that a request opens a WebSocket, of any version; raises ProtocolError."""
    if method != "GET":
        raise ProtocolError(f"The method is {method[:40]!r}, but a WebSocket opens with GET")
    _check_token("Upgrade", "websocket", header)
    _check_token("Connection", "upgrade", header)


def _check_token(name: str, token: str, header: Callable[[str], str | None]) -> None:
    value = header(name) or ""
    if value.lower() != token and token not in (part.strip(" \t") for part in value.lower().split(",")):
        raise ProtocolError(f"The {name} header is {value[:40]!r}, but a WebSocket needs {token!r} in it")


def accept(key: str) -> str:
    """Derive Sec-WebSocket-Accept from Sec-WebSocket-Key (section 4.2.2, item 5.4)."""
    digest = sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    return b64encode(digest).decode()


def choose_subprotocol(offers: str | None, spoken: Sequence[str] | None) -> str | None:
    """Return the first offer of a Sec-WebSocket-Protocol field that is among `spoken`, or None.

    With None for `spoken`, return the first of all. Offers that are no token, or longer than 4096 characters, are
    ignored, since the answer repeats the offer (sections 4.1, item 10, and 4.2.2, item 5.5).
    """
    for offer in (offers or "").split(","):
        name = offer.strip(" \t")
        if _SUBPROTOCOL.fullmatch(name) and (spoken is None or name in spoken):
            return name
    return None


text_frame: Callable[[bytes], bytes] = _text_frame
"""Make a text message of UTF-8: one unmasked frame, the same bytes for every member of a room."""


def binary_frame(payload: bytes) -> bytes:
    """Make a binary message: one unmasked frame (section 5.6)."""
    return _encode(BINARY, payload)


def deflated_frame(opcode: int, payload: bytes) -> bytes:
    """Make a message, TEXT or BINARY, whose payload is compressed: RSV1 says so (RFC 7692, section 6.1)."""
    return _encode(RSV1 | opcode, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """Make a Ping; ValueError above 125 bytes (section 5.5.2)."""
    return _control_frame(PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Make a Pong, with the payload of the Ping that it answers (section 5.5.3)."""
    return _control_frame(PONG, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Make a Close; the reason is cut to whole characters within 123 bytes (section 5.5.1).

    1005 makes a frame without code and reason, so that every received code can be sent back. ValueError for any other
    code that must not be sent (section 7.4).
    """
    if code == NO_STATUS:
        return _control_frame(CLOSE, b"")
    if code not in CLOSE_CODES:
        raise ValueError(f"{code} is not a code for a Close frame: use 1000-1003, 1007-1014 or 3000-4999")
    cut = reason.encode(errors="replace")[:123].decode(errors="ignore")
    return _control_frame(CLOSE, code.to_bytes(2, "big") + cut.encode())


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > 125:
        raise ValueError(f"A control frame carries at most 125 bytes, not {len(payload)}")
    return _encode(opcode, payload)


def _encode(opcode: int, payload: bytes) -> bytes:
    n = len(payload)
    if n < 126:  # 5.2: the minimal number of bytes encodes the length
        return bytes((FINAL | opcode, n)) + payload
    if n < 65_536:
        return bytes((FINAL | opcode, 126)) + n.to_bytes(2, "big") + payload
    return bytes((FINAL | opcode, 127)) + n.to_bytes(8, "big") + payload


class Reader:
    """Decodes bytes into messages: str for text, bytes for binary, Ping, Pong and Close.

    `limit` is the size of the largest message in bytes. A frame is checked as soon as its header is complete, so one
    that is too large is never collected. Between two calls it keeps one incomplete frame and one incomplete message.

    With `deflate`, if that was negotiated, a compressed message is returned as Deflated, and decompressed by `inflate`
    when it is delivered: so the messages of one read are never all decompressed at once.

    `error`: None, or the error that the next `receive` raises.
    """

    __slots__ = ("_deflate", "_held", "_limit", "_message", "_wanted", "error")

    def __init__(self, limit: int, *, deflate: bool = False) -> None:
        self._limit = limit
        self._deflate = deflate
        self._message: _Fragments | None = None
        self._held: bytearray | None = None  # an incomplete frame; empty at the end of the stream
        self._wanted = 0  # the length from which on `_held` is decoded again
        self.error: DecodeError | None = None

    def receive(self, data: bytes) -> list[Message]:
        """Take the bytes of one read and return the messages that they complete.

        Raises DecodeError (1002: framing), InvalidText (1007), TooMany (1008: fragments) or PayloadTooLarge (1009).
        Messages before an invalid frame are returned: then `error` is set, and every later call raises it, also
        `receive(b"")`. After a Close, all further bytes are dropped, and later calls return [].
        """
        if self._held is not None:
            data = self._resume(self._held, data)
        messages: list[Any] = []
        at, n = 0, len(data)
        try:
            while True:
                if self._message is None:
                    at = cut(data, at, self._limit, messages)  # handles the common frames
                end = at + 2
                if end <= n:
                    end = self._frame(data, at, messages)
                if end > n:
                    break
                at = end
        except (UnicodeDecodeError, DecodeError) as error:
            return self._fail(error, messages)
        if at < n:
            self._held, self._wanted = bytearray(data[at:]), end - at
        return messages

    def inflate(self, message: Deflated) -> str | bytes:
        """Decompress a message.

        Raises DecodeError or TooMany for an invalid one, InvalidText, or PayloadTooLarge once it exceeds the limit.
        """
        payload = inflate(message.payload, self._limit)
        try:
            return payload.decode() if message.opcode == TEXT else payload
        except UnicodeDecodeError as error:
            raise _plain(error) from None

    def _resume(self, held: bytearray, data: bytes) -> bytes:
        """Append new data to what was held, and return both; b"" if that is not enough, and after the end."""
        if self.error is not None:
            raise _plain(self.error)
        if not held:
            return b""
        held += data  # in place: each byte is copied a bounded number of times, and many small reads share one object
        if len(held) < self._wanted:
            return b""
        self._held = None
        return bytes(held)

    def _frame(self, data: bytes, at: int, messages: list[Any]) -> int:
        """Decode the frame at `at` and return its end; if that is beyond the data, it is the length that is needed."""
        first, second = data[at], data[at + 1]
        opcode, fragments = first & 0x0F, self._message
        self._check(first, second)
        size, body = second & 0x7F, at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            body += width
            if body > len(data):
                return body
            size = _long_size(data[at + 2 : body])
        if opcode < CLOSE and size > self._limit - (0 if fragments is None else len(fragments.payload)):
            raise too_large(self._limit)
        start = body + 4
        end = start + size
        if end > len(data):
            return end
        payload = unmask(data[body:start], data[start:end])
        if opcode < CLOSE:
            self._data(first, payload, messages)
        elif opcode == CLOSE:
            messages.append(_close(payload))
            self._stop()
            return len(data)  # 5.5.1: nothing follows a Close
        else:
            messages.append(Ping(payload) if opcode == PING else Pong(payload))
        return end

    def _check(self, first: int, second: int) -> None:
        """Check the first two bytes of a frame (section 5.2)."""
        opcode, fragments = first & 0x0F, self._message
        if first & RESERVED:
            if first & RESERVED != RSV1 or not self._deflate:
                raise DecodeError(f"A frame begins with 0x{first:02x}: reserved bits need an extension, use none")
            if opcode not in (TEXT, BINARY):  # RFC 7692, section 6.1
                raise DecodeError(f"A frame begins with 0x{first:02x}: RSV1 belongs to the first frame of a message")
        if opcode not in OPCODES:
            raise DecodeError(f"A frame has opcode {opcode}: use 0, 1, 2, 8, 9 or 10")
        if opcode >= CLOSE:
            if not first & FINAL:  # 5.5
                raise DecodeError(f"A control frame (opcode {opcode}) is fragmented: send it whole")
            if second & 0x7F > 125:  # 5.5
                raise DecodeError(f"A control frame (opcode {opcode}) is longer than 125 bytes: shorten it")
        elif (opcode == CONTINUATION) == (fragments is None):  # 5.4
            raise DecodeError(f"A frame of opcode {opcode} is out of place: end one message, then begin another")
        elif fragments is not None and fragments.count == MAX_FRAGMENTS:
            raise TooMany(f"A message has more than {MAX_FRAGMENTS} fragments: make them larger")
        if not second & 0x80:  # 5.1
            raise DecodeError("A frame is not masked: clients must mask all that they send")

    def _data(self, first: int, payload: bytes, messages: list[Any]) -> None:
        fragments = self._message
        if fragments is None:
            if first & FINAL:
                if first & RSV1:
                    messages.append(Deflated(first & 0x0F, payload))
                else:
                    messages.append(payload.decode() if first & 0x0F == TEXT else payload)
                return
            fragments = self._message = _Fragments(first)
        fragments.payload += payload
        fragments.count += 1
        if first & FINAL:
            self._message = None
            messages.append(fragments.whole())

    def _fail(self, error: UnicodeDecodeError | DecodeError, messages: list[Message]) -> list[Message]:
        """Stop reading; raise the error, or keep it for the next call if messages came before it."""
        self._stop()
        self.error = _plain(error)
        if not messages:
            raise _plain(error) from None
        return messages

    def _stop(self) -> None:
        """Drop everything collected, and stop reading."""
        self._held, self._message = bytearray(), None


class _Fragments:
    """A message without its final frame (section 5.4); empty fragments count as well."""

    __slots__ = ("count", "first", "payload")

    def __init__(self, first: int) -> None:
        self.first = first  # its first byte
        self.count = 0
        self.payload = bytearray()

    def whole(self) -> str | bytes | Deflated:
        """Return the whole message; a fragment may end within a character, so UTF-8 is checked here (section 5.6)."""
        opcode = self.first & 0x0F
        if self.first & RSV1:
            return Deflated(opcode, bytes(self.payload))
        return self.payload.decode() if opcode == TEXT else bytes(self.payload)


def too_large(limit: int) -> PayloadTooLarge:
    """Make the error of a message above the limit."""
    return PayloadTooLarge(f"A message has more than {limit} bytes; send less at once or raise the limit")


def _long_size(field: bytes) -> int:
    """Read an extended payload length of 2 or 8 bytes (section 5.2)."""
    size = int.from_bytes(field, "big")
    if size >= 1 << 63:
        raise DecodeError(f"A frame has length 0x{size:x}: the most significant bit must be 0")
    if size < (126 if len(field) == 2 else 65_536):
        raise DecodeError(f"A frame's length {size} stands in {len(field)} bytes: use the fewest")
    return size


def _close(payload: bytes) -> Close:
    """Read the body of a Close: nothing, or a code and a reason (section 5.5.1)."""
    if not payload:
        return Close(NO_STATUS)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1:
        raise DecodeError("A Close frame has 1 byte of payload: send none, or a code of 2 bytes")
    if code not in CLOSE_CODES:
        raise DecodeError(f"A Close frame has code {code}: use 1000-1003, 1007-1014 or 3000-4999")
    return Close(code, payload[2:].decode())


def _plain(error: UnicodeDecodeError | DecodeError) -> DecodeError:
    """Copy an error without its traceback, which would tie a kept one to its reader in a reference cycle."""
    if isinstance(error, DecodeError):
        return type(error)(*error.args)
    byte, offset = error.object[error.start], error.start  # 8.1
    return InvalidText(f"Text is not UTF-8 (0x{byte:02x} at offset {offset}): send other bytes as binary")
