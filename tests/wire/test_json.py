"""JSON in and out: what arrives, what is refused, what is written."""

import json as standard
from collections import UserString, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from waterspout.errors import DecodeError
from waterspout.wire import json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)
# Pieces of JSON, some of them broken, that come closer to it than random characters do.
PIECES = st.lists(
    st.sampled_from([*'[]{},:"\\1-.e 😀é\0', "[1,", '{"a":', "1e400", "null", "\\ud83d", "\\ude00", "\\u00e9", "\\n"])
).map("".join)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert json.decode(json.encode(value)) == value


@given(VALUES)
def test_what_is_written_is_what_the_standard_library_reads(value: Any) -> None:
    assert standard.loads(json.encode(value)) == value


@given(VALUES)
def test_the_ascii_form_is_ascii_and_the_same_value(value: Any) -> None:
    text = json.encode_ascii(value)
    assert text.isascii()
    assert json.decode(text) == value


@given(st.text(st.characters()) | PIECES | st.binary())
def test_any_text_or_bytes_give_a_value_or_a_decode_error(text: str | bytes) -> None:
    try:
        json.encode(json.decode(text))
    except DecodeError:
        pass


@given(st.lists(st.sampled_from(["\\ud83d", "\\uDE00", "\\udbff", "\\\\", "\\n", "a", "ud83d", "\\u0041", "😀"])))
def test_escapes_are_read_as_javascript_reads_them_with_lone_surrogates_replaced(pieces: list[str]) -> None:
    text = '"' + "".join(pieces) + '"'
    utf16 = standard.loads(text).encode("utf-16-le", "surrogatepass")
    assert json.decode(text) == utf16.decode("utf-16-le", "replace")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00"', "\ufffd"),
        (r'"\uD83D x"', "\ufffd x"),
        (r'"\ud83d\u0041"', "\ufffdA"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\ud83d\ude00\ude00"', "😀\ufffd"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud83d \ud83d"', "\\ud83d \ufffd"),
        (r'{"\ud83d": 1}', {"\ufffd": 1}),
    ],
)
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_lone_surrogate_arrives_as_the_replacement_character(text: str, value: Any, kind: Any) -> None:
    assert json.decode(kind(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551616", 2**64),
        ("-9223372036854775809", -(2**63) - 1),
        ("-" + "1" * 400, int("-" + "1" * 400)),
        ("1e400", float("inf")),
        ("-1e400", float("-inf")),
        ("1e308", 1e308),
        ("5e-324", 5e-324),
        ('{"a":1,"a":2}', {"a": 2}),
        (' \t\r\n[ 1 , "a" ] ', [1, "a"]),
        ('"\\u0000"', "\0"),
        ("[" * 200 + "]" * 200, standard.loads("[" * 200 + "]" * 200)),
    ],
)
def test_the_edges_of_json_are_read(text: str, value: Any) -> None:
    assert json.decode(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nul",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "[1,]",
        '{"a":1,}',
        "{1:2}",
        "{a:1}",
        "['a']",
        "[1 2]",
        "1 2",
        "[]]",
        "01",
        "1.",
        ".5",
        "+1",
        "0x10",
        "١",
        "/**/1",
        "\ufeff1",
        '"\n"',
        '"\x00"',
        '"\\x41"',
        '"\\u12"',
        '"\\Ud83d"',
        '"\\ud83g"',
        '"\\ud83d\x00"',
        '"\ud83d"',
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\xbd"',
        b"\xff\xfe1\x00",
        "1" * 401,
        "1" * 100_000,
        "[-" + "1" * 100_000 + "]",
        "[" * 250,
    ],
    ids=lambda text: repr(text[:12]) + str(len(text)),
)
def test_broken_json_is_a_decode_error(text: str | bytes) -> None:
    with pytest.raises(DecodeError, match=r"broken JSON|more than 400 digits"):
        json.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 251,
        "[" * 251 + "]" * 251,
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        '["\\ud83d",' + "[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda text: repr(text[:12]) + str(len(text)),
)
def test_json_that_is_nested_too_deeply_is_a_decode_error(text: str | bytes) -> None:
    with pytest.raises(DecodeError, match="more than 250 levels"):
        json.decode(text)


@dataclass
class Point:
    x: int


class Pixel(Struct):
    y: int


class Side(Enum):
    LEFT = "left"


class Word(StrEnum):
    LEFT = "left"


class Number(IntEnum):
    LEFT = 3


class Text(str):
    """As template libraries mark what is safe to show."""

    __slots__ = ()


class Count(int):
    pass


class Ratio(float):
    pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, True, None, "é"]}, '{"a":[1,2.5,true,null,"é"]}'),
        ((1, (2,)), "[1,[2]]"),
        ({1: "a", 1.5: "b"}, '{"1":"a","1.5":"b"}'),
        ([float("nan"), float("inf"), float("-inf")], "[null,null,null]"),
        (datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), '"2020-01-02T03:04:05Z"'),
        (date(2020, 1, 2), '"2020-01-02"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.10"), '"1.10"'),
        (Point(1), '{"x":1}'),
        (Pixel(2), '{"y":2}'),
        (Side.LEFT, '"left"'),
        (Word.LEFT, '"left"'),
        (Number.LEFT, "3"),
        ({1}, "[1]"),
        ([Text("a"), Count(1), Ratio(1.5)], '["a",1,1.5]'),
        ({Text("a"): 1}, '{"a":1}'),
        ("\u2028 \x1e \x7f </", '"\u2028 \\u001e \x7f </"'),
    ],
    ids=repr,
)
def test_values_are_written_compactly(value: Any, text: str) -> None:
    assert json.encode(value) == text.encode()


@pytest.mark.parametrize("value", [object(), 1j, deque([1]), UserString("a"), range(3), iter([]), Exception])
def test_what_json_does_not_have_is_a_type_error_that_names_the_type(value: object) -> None:
    for encode in (json.encode, json.encode_ascii):
        with pytest.raises(TypeError, match=type(value).__name__):
            encode([value])


def test_a_value_that_holds_itself_is_a_recursion_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(RecursionError):
        json.encode(value)


@dataclass
class Note:
    text: str


@pytest.mark.parametrize("encode", [json.encode, json.encode_ascii], ids=["UTF-8", "ASCII"])
@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("\ud83d", "\ufffd"),
        ("a\ude00b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d\ude00\ud83d", "\ufffd😀\ufffd"),
        ({"\ud83d": [{"x": ("\ud83d", 1.5, None)}]}, {"\ufffd": [{"x": ["\ufffd", 1.5, None]}]}),
        ([Note("\ud83d"), {UUID(int=1): {"\ud83d"}}], [{"text": "\ufffd"}, {str(UUID(int=1)): ["\ufffd"]}]),
        ([2**70, "\ud83d"], [2**70, "\ufffd"]),
    ],
    ids=ascii,
)
def test_a_lone_surrogate_leaves_as_it_arrives(encode: Callable[[Any], bytes], value: Any, read: Any) -> None:
    assert standard.loads(encode(value)) == read


@pytest.mark.parametrize("encode", [json.encode_plain_by_search, json.encode_plain, json.encode_plain_ascii])
def test_a_lone_surrogate_leaves_also_in_what_is_plain(encode: Callable[[Any], bytes | None]) -> None:
    value = {"\ud83d": ["\ude00"]}
    text = encode(value) or json.encode(value)  # None: not plain for this version of the library
    assert standard.loads(text) == {"\ufffd": ["\ufffd"]}


def test_a_surrogate_hides_nothing_that_cannot_be_sent() -> None:
    with pytest.raises(TypeError, match="object cannot be sent as JSON"):
        json.encode(["\ud83d", object()])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", b'"a"'),
        ("é", rb'"\u00e9"'),
        ("€😀", rb'"\u20ac\ud83d\ude00"'),
        ('é"', rb'"\u00e9\""'),
        ("é\\", rb'"\u00e9\\"'),
        ("\\é", rb'"\\\u00e9"'),
        ('\\"\n\\u00e9é', rb'"\\\"\n\\u00e9\u00e9"'),
        ({"ключ": ["Ã©"]}, rb'{"\u043a\u043b\u044e\u0447":["\u00c3\u00a9"]}'),
    ],
)
def test_the_ascii_form_escapes_what_is_beyond_ascii(value: Any, text: bytes) -> None:
    assert json.encode_ascii(value) == text
