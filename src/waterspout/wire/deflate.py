"""permessage-deflate, the compression of WebSockets; the server's side (RFC 7692; section numbers are in the code).

There is no context takeover in either direction: each message is compressed by itself. So a connection keeps no state,
and all clients with the same window share the same bytes.
"""

import re
import zlib
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import NamedTuple

from ..errors import DecodeError, PayloadTooLarge, TooMany

EXTENSION = "permessage-deflate"
MAX_STREAMS = 32
MAX_PARTS = 100
"""The limit of names, parameters and empty elements in a list of extensions; browsers send three."""

_WINDOW_BYTES = 32_768
_FLUSHED = b"\x00\x00\xff\xff"  # 7.2.1: the end of each message, which is removed
_END = _FLUSHED + b"\x03\x00"  # with an empty final block, which zlib reaches only if the previous block was complete

_RANGES = {"threshold_bytes": (0, inf), "level": (1, 9), "window_bits": (9, 15), "mem_level": (1, 9)}

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PART = re.compile(  # possessive quantifiers: linear time for any header
    rf"[ \t]*+(?:({_TOKEN})(?:[ \t]*+=[ \t]*+(?:({_TOKEN})|\"((?:[^\"\\]|\\.)*+)\"))?+)?+[ \t]*+([;,]|\Z)"
)
Offer = tuple[str, list[tuple[str, str | None]]]  # name and parameters

_BITS = re.compile("[89]|1[0-5]")  # 7.1.2.1: no leading zeros


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """How messages are compressed.

    Messages below `threshold_bytes` are not compressed. `level` is 1 (fast) to 9 (small); `window_bits`, 9 to 15, is
    the binary logarithm of the window in bytes; `mem_level` is 1 to 9. Compressing a message takes
    4 * 2**window_bits + 512 * 2**mem_level bytes of memory, 32 KB by default, only while it runs. ValueError for a
    value out of range.
    """

    threshold_bytes: int = 1024
    level: int = 6
    window_bits: int = 12
    mem_level: int = 5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least, most = _RANGES[name]
            if type(value) is not int or not least <= value <= most:
                between = f"from {least} to {most}" if most < inf else f"of at least {least}"
                raise ValueError(f"{name} is {value!r}: give a whole number {between}")

    def deflate(self, payload: bytes) -> bytes:
        """Compress the payload of a message (section 7.2.1)."""
        stream = zlib.compressobj(self.level, zlib.DEFLATED, -self.window_bits, self.mem_level)
        return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[: -len(_FLUSHED)]


class Agreement(NamedTuple):
    """The result of a negotiation: the answer's Sec-WebSocket-Extensions, and how to compress for the client."""

    answer: str
    deflate: Deflate


def negotiate(offers: str, deflate: Deflate) -> Agreement | None:
    """Accept the first acceptable offer, or none; `offers` is the request's Sec-WebSocket-Extensions.

    An offer with an unknown, repeated or invalid parameter is declined, and so is a window of 2**8 bytes, which zlib
    does not support. A malformed header, or one with more than MAX_PARTS, is declined as a whole. Then the handshake
    continues without compression (section 5.1).
    """
    try:
        parsed = _parse(offers)
    except _Malformed:
        return None
    agreements = (_agree(parameters, deflate) for name, parameters in parsed if name == EXTENSION)
    return next(filter(None, agreements), None)


def inflate(payload: bytes, limit: int) -> bytes:
    """Decompress the payload of a message (section 7.2.2).

    PayloadTooLarge once it has more than `limit` bytes, of which at most one too many is produced; DecodeError for an
    invalid or incomplete one; TooMany for more than 32 final blocks, each of which needs a new stream. A message that
    ends with a final block may lack the zero byte of section 7.2.3.4, which some senders omit.
    """
    if not payload:
        return b""
    rest, inflated = payload + _END, b""
    for _ in range(MAX_STREAMS):
        stream = zlib.decompressobj(-15, inflated[-_WINDOW_BYTES:])
        try:
            inflated += stream.decompress(rest, limit + 1 - len(inflated))
        except zlib.error as error:
            raise DecodeError(f"A compressed message is broken ({error}): send raw DEFLATE") from None
        if len(inflated) > limit:
            raise PayloadTooLarge(f"A message unpacks to more than {limit} bytes; send less at once or raise the limit")
        if not stream.eof:
            raise DecodeError("A compressed message ends within a block: send all of it but the last 00 00 ff ff")
        rest = stream.unused_data
        if rest in (b"", _END):
            return inflated
    raise TooMany(f"A compressed message has more than {MAX_STREAMS} final blocks: one is enough")


class _Malformed(Exception):
    """The header is not a list of extensions, or it is too long."""


def _parse(header: str) -> list[Offer]:
    """Read a list of extensions (RFC 6455, section 9.1), whose elements may be empty."""
    offers: list[Offer] = []
    at, before, parts = 0, ",", 0
    while at < len(header) or before == ";":
        part = _PART.match(header, at)
        parts += 1
        if part is None or parts > MAX_PARTS:
            raise _Malformed
        name, value, quoted, after = part.groups()
        if before == ";" and name:
            offers[-1][1].append((name, value if quoted is None else re.sub(r"\\(.)", r"\1", quoted)))
        elif before == "," and name and value is quoted is None:
            offers.append((name, []))
        elif name or ";" in (before, after):
            raise _Malformed
        at, before = part.end(), after
    return offers


def _agree(parameters: list[tuple[str, str | None]], ours: Deflate) -> Agreement | None:
    """Answer an offer, or decline it (section 7.1)."""
    asked = dict(parameters)
    if len(asked) < len(parameters) or not all(map(_is_valid, asked, asked.values())):
        return None
    answer = [EXTENSION, "server_no_context_takeover", "client_no_context_takeover"]  # 7.1.1: may be said unasked
    bits = asked.get("server_max_window_bits")
    if bits is not None:
        if int(bits) < _RANGES["window_bits"][0]:
            return None
        ours = replace(ours, window_bits=min(int(bits), ours.window_bits))
        answer.append(f"server_max_window_bits={ours.window_bits}")
    return Agreement("; ".join(answer), ours)


def _is_valid(name: str, value: str | None) -> bool:
    match name:
        case "server_no_context_takeover" | "client_no_context_takeover":
            return value is None
        case "server_max_window_bits":
            return value is not None and _BITS.fullmatch(value) is not None
        case "client_max_window_bits":
            return value is None or _BITS.fullmatch(value) is not None
    return False
