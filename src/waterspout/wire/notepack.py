"""MessagePack in the dialect of notepack.io 2.2, which the official msgpack parser of Socket.IO uses.

The dialect gives extension type 0 three meanings, which only the form of the header distinguishes: one byte (d4) is
undefined, eight bytes (d7) are a Date, and one with a length (c7, c8, c9) is an ArrayBuffer.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from struct import Struct, error
from typing import Any

import msgspec

from ..errors import DecodeError, TooMany
from . import json, surrogates
from .frames import MAX_CONTAINERS, MAX_DEPTH, TOO_DEEP, TOO_MANY

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_KEPT = (bytes, bytearray, memoryview, datetime)
_INTEGERS = range(-(2**63), 2**64)
_UNCHANGED = frozenset((str, float, bool, bytes, type(None)))

MAX_VALUES = 200_000
"""How many values, keys included, one message may have if they are read one by one, which takes 50 ms.

A Date counts as 5, since reading and writing it takes as long.
"""
_DATE = 5

_pack = msgspec.msgpack.Encoder(enc_hook=json.plain).encode


def encode(value: Any) -> bytes:
    """Write a value of the types that JSON takes, or bytes.

    A datetime with a time zone becomes a Date, in whole milliseconds; without one it is a string, as in JSON. An
    integer above 64 bits becomes a double, as JavaScript reads it, and a lone surrogate U+FFFD. TypeError, with its
    name, for any other type; RecursionError for values that are too deep or contain themselves.
    """
    try:
        packed = _pack(value)
    except OverflowError:
        return _encode_again(value)
    except UnicodeEncodeError:
        return encode(surrogates.replace_all(_builtins(value)))
    return _encode_again(value) if _may_have_a_timestamp(packed) else packed


def _may_have_a_timestamp(packed: bytes) -> bool:
    """Search for the head of a timestamp, extension type -1, which msgspec writes for a datetime.

    UTF-8 has no byte ff, so the first search is nearly always enough. A false match, in binary content, only costs the
    time of encoding again.
    """
    return b"\xff" in packed and any(head in packed for head in (b"\xd7\xff", b"\xd6\xff", b"\xc7\x0c\xff"))


def _encode_again(value: Any) -> bytes:
    try:
        return _pack(_spell(_builtins(value)))
    except UnicodeEncodeError:
        return _pack(_spell(surrogates.replace_all(_builtins(value))))


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=_KEPT, str_keys=True, enc_hook=json.plain)


def _spell(value: Any) -> Any:
    """Replace what msgspec would write in another form, or not at all, by what notepack.io reads."""
    match value:
        case dict():
            return {key: item if type(item) in _UNCHANGED else _spell(item) for key, item in value.items()}
        case list() | tuple():
            return [item if type(item) in _UNCHANGED else _spell(item) for item in value]
        case datetime():
            return _spell_date(value)
        case int():
            return value if value in _INTEGERS else _double(value)
    return value


def _spell_date(value: datetime) -> Any:
    if value.tzinfo is None:
        return value.isoformat()
    return msgspec.msgpack.Ext(0, ((value - _EPOCH) // _MILLISECOND).to_bytes(8, "big", signed=True))


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def decode(data: bytes) -> Any:
    """Read one value, all of `data`: keys of maps are strings, undefined is None, a Date a datetime in UTC.

    It takes 0.2 us for each value, so it is only for input that msgspec cannot read safely. The last of equal keys
    counts. Raises DecodeError, whatever the bytes, also for more than MAX_DEPTH levels; TooMany for more than
    MAX_VALUES, or more than MAX_CONTAINERS lists and maps.
    """
    reader = _Reader(data)
    try:
        value = reader.read()
    except (IndexError, error) as cause:
        raise DecodeError(f"broken MessagePack: {len(data)} bytes end in the middle of a value") from cause
    except UnicodeDecodeError as cause:
        raise DecodeError(f"broken MessagePack: a string is not UTF-8: {cause.reason}") from cause
    except RecursionError as cause:
        raise DecodeError("broken MessagePack: nested too deeply") from cause
    if reader.at < len(data):
        raise DecodeError(f"broken MessagePack: {len(data) - reader.at} bytes behind the value")
    return value


class _Reader:
    """Reads values from index `at` on; it never allocates memory for what a header only announces."""

    __slots__ = ("_containers", "_data", "_depth", "_left", "at")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MAX_VALUES
        self._containers = self._depth = 0
        self.at = 0

    def read(self) -> Any:
        first = self._data[self.at]
        self.at += 1
        if first < 0x80:
            return first
        if first < 0x90:
            return self._map(first & 0x0F)
        if first < 0xA0:
            return self._array(first & 0x0F)
        if first < 0xC0:
            return self._text(first & 0x1F)
        if first > 0xDF:
            return first - 0x100
        return self._other(first)

    def _other(self, first: int) -> Any:
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            return self._number(_NUMBERS[first])
        if first in _SIZED:
            size, read = _SIZED[first]
            return read(self, self._number(size))
        if first in (0xD4, 0xD7):
            return self._undefined() if first == 0xD4 else self._date()
        raise DecodeError(f"broken MessagePack: the byte {first:#x} begins no value of the official parser")

    def _number(self, form: Struct) -> Any:
        (number,) = form.unpack_from(self._data, self.at)
        self.at += form.size
        return number

    def _map(self, size: int) -> dict[str, Any]:
        self._enter(2 * size)
        items = {}
        for _ in range(size):
            key = self.read()
            # only strings have random hashes: other keys may be chosen to collide, and take quadratic time
            if type(key) is not str:
                raise DecodeError(f"broken MessagePack: the keys of a map are strings, not {type(key).__name__}")
            items[key] = self.read()
        self._depth -= 1
        return items

    def _array(self, size: int) -> list[Any]:
        self._enter(size)
        items = []
        for _ in range(size):  # a comprehension would add a frame, and frames limit the depth
            items.append(self.read())  # noqa: PERF401
        self._depth -= 1
        return items

    def _enter(self, size: int) -> None:
        """Begin a list or a map of so many values, and check all limits."""
        self._depth += 1
        self._containers += 1
        if self._depth > MAX_DEPTH:
            json.check_bounds(TOO_DEEP)
        if self._containers > MAX_CONTAINERS:
            json.check_bounds(TOO_MANY)
        if size > len(self._data) - self.at:  # each value has at least one byte
            raise IndexError
        self._spend(size)

    def _spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise TooMany(f"more than {MAX_VALUES} values in a message with binary content, dates or deep nesting")

    def _text(self, size: int) -> str:
        return self._bytes(size).decode()

    def _bytes(self, size: int) -> bytes:
        content = self._data[self.at : self.at + size]
        if len(content) < size:
            raise DecodeError(f"broken MessagePack: {size} bytes are announced, {len(content)} are there")
        self.at += size
        return content

    def _extension(self, size: int) -> bytes:
        self._expect_type_0()
        return self._bytes(size)

    def _undefined(self) -> None:
        self._expect_type_0()
        if self._bytes(1) != b"\0":
            raise DecodeError("broken MessagePack: undefined is a zero")

    def _date(self) -> datetime:
        self._expect_type_0()
        self._spend(_DATE - 1)
        milliseconds: int = self._number(_INT64)
        try:
            return _EPOCH + milliseconds * _MILLISECOND
        except OverflowError as cause:
            raise DecodeError(f"a Date of {milliseconds} ms is not in the years 1 to 9999") from cause

    def _expect_type_0(self) -> None:
        kind = self._number(_INT8)
        if kind != 0:
            raise DecodeError(f"broken MessagePack: the official parser has no extension type {kind}, only 0")


_INT8, _INT64 = Struct(">b"), Struct(">q")
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {0xCA + offset: Struct(f">{code}") for offset, code in enumerate("fdBHIQbhiq")}
_SIZED: dict[int, tuple[Struct, Callable[[_Reader, int], Any]]] = {
    first + offset: (Struct(f">{code}"), read)
    for first, codes, read in (
        (0xC4, "BHI", _Reader._bytes),
        (0xC7, "BHI", _Reader._extension),
        (0xD9, "BHI", _Reader._text),
        (0xDC, "HI", _Reader._array),
        (0xDE, "HI", _Reader._map),
    )
    for offset, code in enumerate(codes)
}
