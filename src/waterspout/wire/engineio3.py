"""Engine.IO, revision 3 of the protocol (Socket.IO 1.x and 2.x): payloads of HTTP long-polling, WebSocket messages."""

import binascii
import re
from collections.abc import Iterable, Iterator

from ..errors import DecodeError
from .engineio4 import bounded, decode_base64, decode_text, encode_open

__all__ = [
    "decode_base64_packet",
    "decode_binary",
    "decode_payload",
    "encode_base64_packet",
    "encode_binary",
    "encode_open",
    "encode_payload",
]

_MESSAGE = b"\x04"
_TEXT_HEAD = re.compile(r"(\d{1,16}):", re.ASCII)
_BINARY_HEAD = re.compile(rb"([\x00\x01])([\x00-\x09]{1,16})\xff")
_TO_ASCII = b"0123456789" + bytes(246)


def decode_payload(body: bytes, *, binary: bool = False, max_packets: int = 10_000) -> Iterator[str | bytes]:
    """Read the packets of a request body one by one ("Payload"): str with its type digit, or bytes of a message.

    Text that is not UTF-8 raises InvalidText at once, a broken packet DecodeError when its turn comes, and packet
    number `max_packets` + 1 TooMany. `binary` says that the body came as application/octet-stream, where lengths count
    bytes; in text they count the UTF-16 units of JavaScript. Text that 1.x has encoded as UTF-8 twice is decoded twice:
    a packet with all characters below U+0100 that are valid UTF-8 as bytes. A packet of a later client may look the
    same by chance, such as "Ã©" alone.
    """
    return bounded(_decode_binary_form(body) if binary else _decode_text_form(decode_text(body)), max_packets)


def _decode_text_form(text: str) -> Iterator[str | bytes]:
    start = 0
    while start < len(text) or not text:
        head = _TEXT_HEAD.match(text, start)
        if head is None:
            raise DecodeError(f"a payload is <length>:<packet> repeated, not {text[start : start + 20]!r}")
        packet = cut_units(text, head.end(), int(head[1]))
        yield decode_base64_packet(packet) if packet[0] == "b" else _decode_again(packet)
        start = head.end() + len(packet)


def cut_units(text: str, start: int, length: int) -> str:
    """Return `length` UTF-16 units from `start` on; linear, since it consumes at least half of what it encodes."""
    units = text[start : start + length].encode("utf-16-le")[: 2 * length]
    if len(units) < 2 * length or not units:
        raise DecodeError(f"a packet of {length} characters in a payload that has {len(units) // 2} more")
    try:
        return units.decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise DecodeError(f"a packet of {length} characters ends inside a surrogate pair") from error


def decode_base64_packet(packet: str) -> bytes:
    """Read a binary message that a client sends as text ("Packet"): `b4` and its base64."""
    if not packet.startswith("b4"):
        raise DecodeError(f"only messages are binary, type 4, not {packet[:2]!r}")
    return decode_base64(packet[2:])


def _decode_again(packet: str) -> str:
    """Undo the second UTF-8 encoding of 1.x, if the packet has one."""
    if packet.isascii():
        return packet
    try:
        return packet.encode("latin-1").decode()
    except UnicodeError:
        return packet


def _decode_binary_form(body: bytes) -> Iterator[str | bytes]:
    start = 0
    while start < len(body) or not body:
        head = _BINARY_HEAD.match(body, start)
        if head is None:
            raise DecodeError(f"a binary payload is <0|1><length><255><packet>, not {body[start : start + 20]!r}")
        length = int(head[2].translate(_TO_ASCII))
        content = body[head.end() : head.end() + length]
        if len(content) < length or not content:
            raise DecodeError(f"a packet of {length} bytes in a payload that has {len(content)} more")
        yield decode_binary(content) if head[1] == b"\x01" else _decode_string(content)
        start = head.end() + length


def _decode_string(content: bytes) -> str | bytes:
    packet = decode_text(content)
    return decode_base64_packet(packet) if packet[0] == "b" else packet


def encode_payload(messages: Iterable[tuple[bytes, tuple[bytes, ...]]], *, base64: bool = False) -> tuple[bytes, bool]:
    """Write packets as one response body, in order; the second value tells whether it is binary (octet-stream).

    A message is a text packet with its type digit (none if empty), then the binary contents that follow it. With
    `base64`, for clients that ask for b64=1, all is text. Otherwise any binary content makes the whole payload binary,
    and so does text beyond ASCII: in a payload of text, 1.x would decode it as UTF-8 twice, and later clients once.
    """
    messages = list(messages)
    binary = not base64 and any(contents or not text.isascii() for text, contents in messages)
    packets: list[bytes] = []
    for text, contents in messages:
        if text:
            packets.append(_binary(b"\x00", text) if binary else _text(text))
        packets += (
            _binary(b"\x01", encode_binary(one)) if binary else _text(encode_base64_packet(one)) for one in contents
        )
    return b"".join(packets), binary


def _text(packet: bytes) -> bytes:
    units = len(packet) if packet.isascii() else len(packet.decode().encode("utf-16-le")) // 2
    return b"%d:%b" % (units, packet)


def encode_base64_packet(content: bytes) -> bytes:
    """Write a binary message as text, for a client that asks for b64=1 ("Packet")."""
    return b"b4" + binascii.b2a_base64(content, newline=False)


def _binary(kind: bytes, packet: bytes) -> bytes:
    """Write a packet of a binary payload: its length is in decimal digits, as bytes of 0 to 9."""
    return b"%b%b\xff%b" % (kind, bytes(map(int, str(len(packet)))), packet)


def decode_binary(frame: bytes) -> bytes:
    """Read a binary WebSocket message ("Packet"): remove its type byte; DecodeError unless it is a message."""
    if frame[:1] != _MESSAGE:
        raise DecodeError(f"only messages are binary, type 4, not {frame[:1]!r}")
    return frame[1:]


def encode_binary(data: bytes) -> bytes:
    """Write a binary WebSocket message."""
    return _MESSAGE + data
