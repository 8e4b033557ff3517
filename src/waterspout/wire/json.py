"""JSON (RFC 8259); only this module knows which library reads and writes it."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from ..errors import DecodeError, TooMany
from . import surrogates
from .frames import BYTES_EACH, MAX_CONTAINERS, MAX_DEPTH, MAX_DIGITS, TOO_DEEP, TOO_LONG

__all__ = ["decode", "encode_plain", "encode_sorted", "encode_spaced", "with_floats"]  # the rest is for the core

try:
    from ._frames import text_bounds
except ImportError:  # there was no compiler
    from .frames import text_bounds

try:
    import orjson

    PLAIN: int = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
except ImportError:  # the extra `speed` is not installed
    orjson = None  # type: ignore[assignment]
    PLAIN = 0

StandIn = Callable[[int], Any]
"""Returns the placeholder for binary content, given the content's number."""

_SCALARS = frozenset((str, int, float, bool, type(None)))
_BINARY = (bytes, bytearray, memoryview)

# What msgspec raises for invalid input: its own error (no ValueError before 0.21), errors of UTF-8 and of numbers with
# too many digits for Python, and depth.
BROKEN = (msgspec.DecodeError, ValueError, RecursionError)

_HIGH = r"\\u(?i:d[89ab][0-9a-f]{2})"
_LOW = r"\\u(?i:d[c-f][0-9a-f]{2})"
_LONE = re.compile(rf"{_HIGH}(?!{_LOW})|{_LOW}(?<!{_HIGH}{_LOW})")

# float_hook: msgspec itself takes up to 15 us for a float (1e308), so 2.4 s for a megabyte of them; float() 0.3 s.
decode_clean = msgspec.json.Decoder(float_hook=float).decode
"""Read one JSON value, or raise one of `BROKEN`, also for a lone surrogate; `decode` costs a call more."""


def decode(text: str | bytes) -> Any:
    """Read one JSON value; the escape of a lone surrogate (section 8.2) becomes U+FFFD, as in a browser's UTF-8.

    Floats beyond a double are infinite (as in JavaScript), and the last of equal keys counts. Raises DecodeError,
    whatever the text, also for more than MAX_DEPTH levels and for more than MAX_DIGITS digits in a row; TooMany for
    more than MAX_CONTAINERS lists and objects.
    """
    if len(text) > MAX_DEPTH:
        check_bounds(text_bounds(text))
    try:
        return decode_clean(text)
    except BROKEN as error:
        return decode_again(text, error)


def check_bounds(bounds: int) -> None:
    """Raise DecodeError or TooMany for a result of `text_bounds` or `packed_bounds` that is not 0 (WITHIN)."""
    if bounds == TOO_DEEP:
        raise DecodeError(f"lists and objects are nested in more than {MAX_DEPTH} levels")
    if bounds == TOO_LONG:
        raise DecodeError(f"a number has more than {MAX_DIGITS} digits in a row")
    if bounds:
        each = f"and more than one for each {BYTES_EACH} bytes"
        raise TooMany(f"more than {MAX_CONTAINERS} lists and objects in a packet, {each}")


def decode_again(text: str | bytes, error: Exception) -> Any:
    """Read as `decode` does a text for which `decode_clean` has raised this error."""
    try:
        broken = text if isinstance(text, str) else text.decode()
        mended = _mend(broken)
        if mended != broken:
            return decode_clean(mended)
    except BROKEN as another:
        error = another
    raise DecodeError(f"broken JSON: {error}") from error


def _mend(text: str) -> str:
    """Replace lone surrogates; linear, by replacing escaped backslashes with NULs, which JSON never contains."""
    if "\0" in text:
        return text
    return _LONE.sub(r"\\ufffd", text.replace(r"\\", "\0")).replace("\0", r"\\")


def plain(value: object) -> str | int | float | bytes:
    """Convert an instance of a subclass to its JSON type, as msgspec takes exact types only; TypeError for others."""
    match value:
        case str():
            return str(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case bytes():
            return bytes(value)
        case Awaitable():
            raise TypeError(
                f"{type(value).__name__} cannot be sent as JSON: await it, or call its wait(), and send the result"
            )
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON: make it a dict, a list, a string or a number")


_encode = msgspec.json.Encoder(enc_hook=plain).encode


def encode(value: Any) -> bytes:
    """Write a value compactly, as UTF-8; NaN and Infinity become null, and a lone surrogate U+FFFD.

    It takes JSON's types, and datetimes, UUIDs, Decimals, Enums, sets, dataclasses and Structs. TypeError, with its
    name, for any other type; RecursionError for values that are too deep or contain themselves.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(surrogates.replace_all(as_builtins(value)))


def encode_plain_by_search(value: Any) -> bytes | None:
    """Do what `encode_plain` does, without orjson."""
    if not _is_plain((value,)):
        return None
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return encode(value)


def _is_plain(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind in _SCALARS:
            continue
        if kind is dict:
            for item in value.values():  # a level without a call of its own
                if type(item) not in _SCALARS and not _is_plain((item,)):
                    return False
        elif (kind is not list and kind is not tuple) or not _is_plain(value):
            return False
    return True


def stop(value: object) -> None:
    """Raise TypeError, as orjson's `default`: this value is not of a JSON type."""
    raise TypeError


def encode_clean_by_search(value: Any, stop: Callable[[object], None], options: int) -> bytes:
    """Do what `encode_clean` does, without orjson."""
    return _insist(encode_plain_by_search(value))


def _insist(text: bytes | None) -> bytes:
    if text is None:
        raise TypeError from TypeError()  # as orjson does when `stop` has raised one
    return text


EncodeClean = Callable[[Any, Callable[[object], None], int], bytes]
encode_clean: EncodeClean
encode_clean = orjson.dumps if "orjson" in sys.modules else encode_clean_by_search
"""Do what `encode_plain` does, with `stop` and `PLAIN` as arguments; TypeError if its result is, or may be, None.

It saves a call on hot paths, where `encode_again` handles the error: with orjson it is orjson's own function.
"""


def encode_again(value: Any, error: TypeError) -> bytes | None:
    """Do what `encode_plain` does for a value for which `encode_clean` has raised this error."""
    # orjson's own errors have no cause: it raises them for values that msgspec takes, such as integers above 64 bits
    return None if error.__cause__ else encode_plain_by_search(value)


def encode_plain(value: Any) -> bytes | None:
    """Write a value of JSON's own types; None for a value with any other type in it, such as bytes.

    For a small dictionary it takes 0.1 us with orjson, and 0.3 us without, two thirds of it for the search.
    """
    try:
        return encode_clean(value, stop, PLAIN)
    except TypeError as error:
        return encode_again(value, error)


def encode_clean_ascii(value: Any, stop: Callable[[object], None], options: int) -> bytes:
    """Do what `encode_clean` does, in ASCII."""
    return _insist(encode_plain_ascii(value))


def encode_plain_ascii(value: Any) -> bytes | None:
    """Do what `encode_plain` does, in ASCII."""
    text = encode_plain(value)
    return text if text is None or text.isascii() else _escape(text)


def encode_apart_by_search(value: Any, stand_in: StandIn) -> tuple[bytes, list[bytes]]:
    """Do what `encode_apart` does, without orjson, or for values that it does not take."""
    contents: list[bytes] = []
    return encode(_exchange(value, _collector(contents, stand_in))), contents


def _exchange(value: Any, collect: Callable[[Any], Any]) -> Any:
    """Return the value itself if it has no binary content, else a copy of the containers above that."""
    kind = type(value)
    if kind is list or kind is tuple:
        items: Iterable[tuple[Any, Any]] = enumerate(value)
    elif kind is dict:
        items = value.items()
    elif kind in _BINARY:
        return collect(value)
    else:
        return value if kind in _SCALARS else _exchange(as_builtins(value), collect)
    copy = value
    for key, item in items:
        if type(item) not in _SCALARS:  # no call for scalars, which are the most frequent
            new = _exchange(item, collect)
            if new is not item:
                if copy is value:
                    copy = value.copy() if kind is dict else list(value)
                copy[key] = new
    return copy


def as_builtins(value: Any) -> Any:
    """Convert a value to dicts with strings as keys, lists, tuples and scalars; binary content is unchanged."""
    return msgspec.to_builtins(value, builtin_types=_BINARY, str_keys=True, enc_hook=plain)


def _collector(contents: list[bytes], stand_in: StandIn) -> Callable[[Any], Any]:
    def collect(content: Any) -> Any:
        contents.append(bytes(content))
        return stand_in(len(contents) - 1)

    return collect


def encode_apart_by_orjson(value: Any, stand_in: StandIn) -> tuple[bytes, list[bytes]]:
    """Do what `encode_apart` does with orjson, which calls back for binary content: no search is needed."""
    contents: list[bytes] = []
    collect = _collector(contents, stand_in)
    try:
        return orjson.dumps(
            value, lambda item: (collect if type(item) in _BINARY else as_builtins)(item), PLAIN
        ), contents
    except TypeError:  # also for values that msgspec takes, such as integers above 64 bits
        return encode_apart_by_search(value, stand_in)


encode_apart = encode_apart_by_orjson if "orjson" in sys.modules else encode_apart_by_search
"""Write a value as `encode` does, with placeholders for binary content; return the text and the contents.

Every emit with binary content uses it. A megabyte of lists takes 5 ms with orjson, and 35 ms without.
"""


def encode_apart_ascii(value: Any, stand_in: StandIn) -> tuple[bytes, list[bytes]]:
    """Do what `encode_apart` does, in ASCII."""
    text, contents = encode_apart(value, stand_in)
    return text if text.isascii() else _escape(text), contents


def encode_ascii(value: object) -> bytes:
    """Write a value as `encode` does, in ASCII: other characters are escaped, each UTF-16 unit separately."""
    text = encode(value)
    return text if text.isascii() else _escape(text)


def _escape(text: bytes) -> bytes:
    # Escape the text as one string, in C; then undo the escapes of its quotes and backslashes.
    escaped = json.dumps(text.decode())[1:-1]
    return escaped.replace(r"\\", "\0").replace(r"\"", '"').replace("\0", "\\").encode()


def encode_spaced(value: Any) -> str:
    """Write a value as Python's own library does: in ASCII, with blanks after commas and colons, a Decimal as a number.

    Binary content becomes a string in base64, NaN and Infinity null. Otherwise, it takes and raises what `encode` does.
    """
    try:
        return json.dumps(value, default=_simpler, allow_nan=False)
    except ValueError:  # NaN; or a list that contains itself, which raises again
        return encode_ascii(value).decode()


def encode_sorted(value: Any) -> str:
    """Write a value as `encode_spaced` does, but compactly, and with the keys of objects in their order.

    Keys of several types have none: then the order is the value's own.
    """
    try:
        return json.dumps(value, default=_simpler, allow_nan=False, separators=(",", ":"), sort_keys=True)
    except ValueError:
        return encode_ascii(value).decode()
    except TypeError:
        return json.dumps(value, default=_simpler, allow_nan=False, separators=(",", ":"))


def _simpler(value: object) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return b64encode(value).decode() if isinstance(value, _BINARY) else as_builtins(value)


def with_floats(value: Any) -> Any:
    """Copy a value with floats instead of Decimals, as `encode_spaced` writes them."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: with_floats(item) for key, item in value.items()}
        case list() | tuple():
            return [with_floats(item) for item in value]
    return value


def as_read(value: object) -> Any:
    """Return a value as its JSON is read back, in JSON's own types.

    TypeError or ValueError for values that JSON does not have, such as binary content, NaN and infinite numbers;
    RecursionError for values that are too deep or contain themselves.
    """
    text = json.dumps(as_builtins(value), allow_nan=False, ensure_ascii=False)
    return json.loads(text.encode())  # a lone surrogate has no UTF-8: ValueError


def schema(kind: Any, shape_of: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a type; `shape_of` returns that of classes which JSON does not have.

    TypeError for a type without a schema, such as one with a default that JSON does not have.
    """
    return msgspec.json.schema(kind, schema_hook=shape_of)
