"""The inner loops of WebSockets and JSON in Python, used if `_frames.c` could not be compiled.

Both versions do the same, and share their tests. With the compiled one, an acknowledged event costs a third less.
"""

import re
from itertools import accumulate

_FINAL_TEXT = 0x81

MAX_DEPTH = 250
"""How deep lists and objects of one packet may be nested. A handler can send back everything within this limit: the
libraries encode more levels on all Pythons, and so does Python code that uses three frames for each level.
"""

MAX_CONTAINERS = 50_000
"""How many lists and objects a packet may have; or one for each BYTES_EACH bytes, if that is more.

The garbage collector visits each of them: a megabyte of JSON with 330,000 empty ones takes 75 ms.
"""

BYTES_EACH = 20

MAX_DIGITS = 400
"""How many digits in a row a number of JSON may have; a double has at most 309. Reading 232 integers of 4,299 digits,
and writing them for clients of two generations, takes 140 ms."""

WITHIN, TOO_DEEP, TOO_MANY, TOO_LONG = range(4)


def cut(data: bytes, at: int, limit: int, messages: list[str]) -> int:
    """Append the messages of the common frames from `at` on; return where the first other frame begins.

    A common frame is complete, unfragmented, masked and valid text below 126 bytes, of at most `limit` bytes. The
    caller decodes all other frames: invalid, unusual and incomplete ones (RFC 6455, section 5.2).
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
    """Split an Engine.IO message with a common packet: return its id, and the JSON of its name and arguments.

    A common packet is an event in "/", without attachments, with an id of at most 16 digits or none (Socket.IO
    protocol, "Packet encoding"), whose JSON is WITHIN according to `text_bounds`. None for any other message. From the
    first bracket on, the text is not checked otherwise.
    """
    head, bracket, rest = text.partition("[")
    data = bracket + rest
    if not bracket or text_bounds(data) != WITHIN:
        return None
    if head in _COMMON_HEADS:
        return _COMMON_HEADS[head], data
    digits = head[2:]
    is_event = head[:2] == "42" and len(digits) <= 16 and digits.isascii() and digits.isdigit()
    return (int(digits), data) if is_event else None


# Every client counts its ids from 0, anew for each connection.
_COMMON_HEADS: dict[str, int | None] = {"42": None, **{f"42{number}": number for number in range(1000)}}


def split_event_1(text: str) -> tuple[int | None, str, str] | None:
    """Split a common packet of Socket.IO 0.7 to 0.9: return its id, its name, and the JSON of its arguments.

    A common packet is an event in "/" as the official clients write it: an id of at most 16 digits with a plus, or
    none; the two keys in their order, with a name in printable ASCII (docs/protocol-1.md, WP-45); and arguments that
    are WITHIN according to `text_bounds`. None for any other packet. Between the outer brackets, the JSON is not
    checked otherwise.
    """
    found = _COMMON_EVENT_1.fullmatch(text)
    if found is None or text_bounds(found[3]) != WITHIN:
        return None
    digits, name, args = found.groups()
    return int(digits) if digits else None, name, args


_COMMON_EVENT_1 = re.compile(r'5:(?:(\d{1,16})\+)?::\{"name":"([ !#-\[\]-~]*)","args":(\[.*\])\}', re.ASCII | re.DOTALL)


def text_bounds(text: str | bytes) -> int:
    """Tell whether JSON is WITHIN the bounds, TOO_DEEP, has TOO_MANY lists and objects, or a number that is TOO_LONG.

    If several apply, it returns any of them; for invalid JSON, any result. MAX_DEPTH characters are always WITHIN.
    """
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if len(text) <= MAX_DEPTH:
        return WITHIN
    if _has_long_number(text):
        return TOO_LONG
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return WITHIN
    brackets = _NO_BRACKETS.sub("", _STRING.sub("", text))
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        return TOO_DEEP
    is_beyond = brackets.count("[") + brackets.count("{") > _most_containers(len(text.encode(errors="replace")))
    return TOO_MANY if is_beyond else WITHIN


def _has_long_number(text: str) -> bool:
    """Sample every MAX_DIGITS + 1st character, one of which is a digit of such a number; only then search the text."""
    if not _DIGIT.search(text[MAX_DIGITS :: MAX_DIGITS + 1]) or not _MANY_DIGITS.search(text):
        return False
    return _MANY_DIGITS.search(_STRING.sub('"', text)) is not None  # they may be part of a string


_DIGIT = re.compile("[0-9]")
_MANY_DIGITS = re.compile(f"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")


def _most_containers(size: int) -> int:
    return max(MAX_CONTAINERS, size // BYTES_EACH)


def packed_bounds(data: bytes) -> int:
    """Do for MessagePack what `text_bounds` does for JSON; for incomplete or invalid data, any result.

    This version takes 0.2 us for each value, so it only looks at data with many bytes that may begin a list or a map.
    """
    most, containers, at, left = _most_containers(len(data)), 0, 0, [1]
    if len(data) - len(data.translate(None, _HEADS)) <= MAX_DEPTH:
        return WITHIN
    try:
        while left:
            if not left[-1]:
                left.pop()
                continue
            left[-1] -= 1
            head = data[at]
            is_container, width, number = _FORMS[head]
            at += 1 + width
            if width:
                number += int.from_bytes(data[at - width : at], "big")
            if not is_container:
                at += number
                continue
            containers += 1
            if containers > most:
                return TOO_MANY
            if len(left) > MAX_DEPTH:
                return TOO_DEEP
            left.append(number * is_container)
    except IndexError:
        pass  # the end is missing
    return WITHIN


_HEADS = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))


# What each head announces: values per entry (0: no container), the width of its number, and its number or its bytes.
_FORMS = [
    *[(0, 0, 0)] * 0x80,  # 00: positive integers
    *((2, 0, size) for size in range(16)),  # 80: maps
    *((1, 0, size) for size in range(16)),  # 90: lists
    *((0, 0, size) for size in range(32)),  # a0: strings
    *[(0, 0, 0)] * 4,  # c0: nil, a head that is not used, false, true
    *((0, width, 0) for width in (1, 2, 4)),  # c4: binary content
    *((0, width, 1) for width in (1, 2, 4)),  # c7: extensions
    *((0, 0, size) for size in (4, 8, 1, 2, 4, 8, 1, 2, 4, 8)),  # ca: floats, then integers
    *((0, 0, 1 + size) for size in (1, 2, 4, 8, 16)),  # d4: extensions without a length
    *((0, width, 0) for width in (1, 2, 4)),  # d9: strings
    *((values, width, 0) for values in (1, 2) for width in (2, 4)),  # dc: lists, then maps
    *[(0, 0, 0)] * 0x20,  # e0: negative integers
]
