"""Engine.IO, revision 4 of the protocol (Socket.IO 3.x and 4.x): payloads of HTTP long-polling, WebSocket messages."""

import binascii
from collections.abc import Iterable, Iterator, Sequence

from ..errors import DecodeError, InvalidText, TooMany
from . import json

_SEPARATOR = "\x1e"
_REPLACEMENT = "\ufffd".encode()


def encode_open(
    sid: str, upgrades: Sequence[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> bytes:
    """Write the open packet ("Handshake"); seconds come in, milliseconds go out, `max_payload` is in bytes."""
    handshake = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
        "maxPayload": max_payload,
    }
    return b"0" + json.encode(handshake)


def decode_payload(body: bytes, *, binary: bool = False, max_packets: int = 10_000) -> Iterator[str | bytes]:
    """Read the packets of a request body one by one ("HTTP long-polling"): str with its type digit, or bytes.

    Text that is not UTF-8 raises InvalidText at once, a broken packet DecodeError when its turn comes, and packet
    number `max_packets` + 1 TooMany. `binary` says that the body came as application/octet-stream, which this revision
    does not have.
    """
    if binary:
        raise DecodeError("Engine.IO 4 has no binary payload, send base64 as text/plain")
    texts = decode_text(body).split(_SEPARATOR, max_packets + 1)
    packets = map(_decode_packet, texts)
    return packets if len(texts) <= max_packets else bounded(packets, max_packets)


def bounded(packets: Iterator[str | bytes], max_packets: int) -> Iterator[str | bytes]:
    """Yield at most `max_packets` packets; TooMany for more."""
    for number, packet in enumerate(packets):
        if number == max_packets:
            raise TooMany(f"more than {max_packets} packets in one payload")
        yield packet


def decode_text(data: bytes) -> str:
    """Read UTF-8; raises InvalidText."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidText(f"not UTF-8: {error.reason} at byte {error.start}") from error


def decode_base64(text: str) -> bytes:
    """Read base64 (RFC 4648, section 4), strictly; raises DecodeError."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise DecodeError(f"not base64: {text[:20]!r}") from error


def _decode_packet(packet: str) -> str | bytes:
    if not packet:
        raise DecodeError("an empty packet in a payload")
    return decode_base64_packet(packet) if packet[0] == "b" else packet


def decode_base64_packet(packet: str) -> bytes:
    """Read a binary message that a client sends as text: `b` and its base64.

    "HTTP long-polling" has these; the JavaScript client with `forceBase64` sends them over its WebSocket as well.
    """
    return decode_base64(packet[1:])


def encode_payload(messages: Iterable[tuple[bytes, tuple[bytes, ...]]], *, base64: bool = False) -> tuple[bytes, bool]:
    """Write packets as one response body, in order; the second value, "is it binary", is always false here.

    A message is a text packet with its type digit (none if empty), then the binary contents that follow it. `base64`
    has no effect: binary content is always base64 in this revision. U+001E separates packets and cannot be escaped
    ("HTTP long-polling"): within a text it becomes U+FFFD, so that a text cannot contain forged packets.
    """
    packets: list[bytes] = []
    for text, contents in messages:
        if text:
            packets.append(text.replace(b"\x1e", _REPLACEMENT))
        if contents:
            packets.extend(map(encode_base64_packet, contents))
    return b"\x1e".join(packets), False


def encode_base64_packet(content: bytes) -> bytes:
    """Write a binary message as text: "HTTP long-polling", and the JavaScript server's WebSockets with b64=1."""
    return b"b" + binascii.b2a_base64(content, newline=False)


def decode_binary(frame: bytes) -> bytes:
    """Read a binary WebSocket message ("WebSocket": binary payloads are sent as is)."""
    return frame


def encode_binary(data: bytes) -> bytes:
    """Write a binary WebSocket message."""
    return data
