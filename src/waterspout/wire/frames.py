"""What is done for each message of a WebSocket, in Python: what stands in where `_frames.c` could not be compiled.

Both do the same, and share their tests. Compiled, an acknowledged event costs a third less.
"""

import re

_FINAL_TEXT = 0x81


def cut(data: bytes, at: int, limit: int, messages: list[str]) -> int:
    """Append the messages of the common frames that begin at `at`; return where the first other one begins.

    Common is whole, unfragmented, masked text, short, of at most `limit` bytes, and valid. Whatever else is
    there, broken or only unusual or not complete, is left to the caller (RFC 6455, section 5.2).
    """
    n = len(data)
    while at + 6 <= n and data[at] == _FINAL_TEXT:
        size, body = data[at + 1] - 0x80, at + 6
        end = body + size
        if not 0 <= size < 126 or end > n or size > limit:
            break
        try:
            messages.append(unmask(data[at + 2 : body], data[body:end]).decode())
        except UnicodeDecodeError:
            break
        at = end
    return at


def unmask(mask: bytes, data: bytes) -> bytes:
    """Exclusive-or the data with the four bytes of the mask; ValueError for another number (section 5.3)."""
    if len(mask) != 4:
        raise ValueError(f"the mask has {len(mask)} bytes: give 4")
    n = len(data)
    key = int.from_bytes((mask * (n // 4 + 1))[:n], "little")
    return (int.from_bytes(data, "little") ^ key).to_bytes(n, "little")


def text_frame(payload: bytes) -> bytes:
    """Make a text message of UTF-8: one unmasked frame, the same bytes for every member of a room (section 5.2)."""
    n = len(payload)
    if n < 126:
        return _SHORT_HEADS[n] + payload
    if n < 65_536:
        return b"\x81\x7e" + n.to_bytes(2, "big") + payload
    return b"\x81\x7f" + n.to_bytes(8, "big") + payload


_SHORT_HEADS = [bytes((_FINAL_TEXT, n)) for n in range(126)]


def split_event(text: str) -> tuple[int | None, str] | None:
    """Split an Engine.IO message that is a common packet: return its id, and the JSON of its name and arguments.

    Common is an event in "/", without attachments, with an id of at most 16 digits or none (Socket.IO protocol,
    "Packet encoding"). For whatever else is there it returns None. Behind its first bracket the text may be anything.
    """
    head, bracket, rest = text.partition("[")
    if not bracket:
        return None
    if head in _COMMON_HEADS:
        return _COMMON_HEADS[head], "[" + rest
    digits = head[2:]
    is_event = head[:2] == "42" and len(digits) <= 16 and digits.isascii() and digits.isdigit()
    return (int(digits), "[" + rest) if is_event else None


# Every client counts its ids from 0, and from the start again with each connection.
_COMMON_HEADS: dict[str, int | None] = {"42": None, **{f"42{number}": number for number in range(1000)}}


def split_event_1(text: str) -> tuple[int | None, str, str] | None:
    """Split a packet of Socket.IO 0.7 to 0.9 that is a common one: return its id, its name, the JSON of its arguments.

    Common is what the official clients make of an event in "/": with an id of at most 16 digits and its plus, or
    none, and with the two keys in their order, the first of printable ASCII (docs/protocol-1.md, WP-45). For whatever
    else is there it returns None. Between its outer brackets the JSON may be anything.
    """
    found = _COMMON_EVENT_1.fullmatch(text)
    if found is None:
        return None
    digits, name, args = found.groups()
    return int(digits) if digits else None, name, args


_COMMON_EVENT_1 = re.compile(r'5:(?:(\d{1,16})\+)?::\{"name":"([ !#-\[\]-~]*)","args":(\[.*\])\}', re.ASCII | re.DOTALL)
