"""How deep and how wide one packet may be: in Python and in C, in all codecs, and in both directions."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waterspout.errors import DecodeError, TooMany
from waterspout.wire import frames, json, notepack
from waterspout.wire.frames import (
    BYTES_EACH,
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_DIGITS,
    TOO_DEEP,
    TOO_LONG,
    TOO_MANY,
    WITHIN,
)
from waterspout.wire.msgpack import MSGPACK_4, MSGPACK_5
from waterspout.wire.packets import Event
from waterspout.wire.protocol1 import socketio as socketio1
from waterspout.wire.socketio import REVISION_4, REVISION_5, Partial

_frames: Any
try:
    from waterspout.wire import _frames
except ImportError:
    _frames = None

pack = msgspec.msgpack.encode
fixed = settings(derandomize=True, deadline=None, max_examples=200)


@pytest.fixture(scope="module", params=["Python", "C"])
def bounds(request: pytest.FixtureRequest) -> Any:
    if request.param == "C" and _frames is None:
        pytest.skip("_frames.c is not compiled here")
    return frames if request.param == "Python" else _frames


def nested(depth: int, inner: Any = 0) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


def deep(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + "0" + closing * depth


# JSON


@pytest.mark.parametrize(
    ("opening", "closing", "levels"),
    [("[", "]", 1), ('{"a":', "}", 1), ('["[",{"]}":', "}]", 2), ('["\\\\",', "]", 1), ('["\\"[[",', "]", 1)],
)
def test_the_deepest_json_is_within_and_one_level_more_is_not(
    bounds: Any, opening: str, closing: str, levels: int
) -> None:
    times = MAX_DEPTH // levels
    assert bounds.text_bounds(opening * times + "0" + closing * times) == WITHIN
    assert bounds.text_bounds(opening * times + "[0]" + closing * times) == TOO_DEEP


@pytest.mark.parametrize("string", ['"[[["', '"\\""', '"\\\\"', '"\\\\\\"["', '"é[\\u005b]"', '"🌊{"', '""'])
def test_brackets_in_strings_do_not_count(bounds: Any, string: str) -> None:
    text = "[" + f"{string}," * 1000 + deep(MAX_DEPTH - 1) + "]"
    assert bounds.text_bounds(text) == bounds.text_bounds(text.encode()) == WITHIN
    assert bounds.text_bounds(text.replace("0", "[0]")) == TOO_DEEP
    assert bounds.text_bounds("[" + f"{string}," * 1000 + "0" + ",[]" * MAX_CONTAINERS + "]") == TOO_MANY


@pytest.mark.parametrize("piece", ["[]", "{}", "[1]", '{"":1}', '["]"]'])
def test_so_many_lists_and_objects_are_within_and_one_more_is_not(bounds: Any, piece: str) -> None:
    pieces = f",{piece}" * (MAX_CONTAINERS - 1)
    assert bounds.text_bounds(f"[0{pieces}]") == WITHIN
    assert bounds.text_bounds(f"[0{pieces},{piece}]") == TOO_MANY


def test_a_long_text_may_have_more_of_them(bounds: Any) -> None:
    size = 60_000 * BYTES_EACH
    text = "[0" + ",[]" * 59_999 + ',"' + "é" * 400_000
    text += "x" * (size - len(text.encode()) - 2) + '"]'
    assert bounds.text_bounds(text) == WITHIN
    assert bounds.text_bounds(text.replace("x", "", 1)) == TOO_MANY


@pytest.mark.parametrize("text", ["", "[", '"', '"\\', "x" * 1000, "[" * MAX_DEPTH, '"' + "[" * 1000, "]" * 1000 + "["])
def test_what_is_short_or_no_json_is_left_to_the_reader(bounds: Any, text: str) -> None:
    assert bounds.text_bounds(text) == WITHIN


def test_a_lone_surrogate_is_left_to_the_reader_too(bounds: Any) -> None:
    with pytest.raises(DecodeError):
        json.decode("[" * 300 + '"\ud800"' + "]" * 300)
    assert bounds.text_bounds('"\ud800"' + " " * 300) == WITHIN


@pytest.mark.parametrize("before", [*range(MAX_DIGITS + 2), 3000])
def test_so_many_digits_are_within_and_one_more_is_not(bounds: Any, before: int) -> None:
    for number in ("1" * MAX_DIGITS, "-" + "1" * MAX_DIGITS, "0." + "9" * MAX_DIGITS):
        text = f"{' ' * before}[{number},{number}]"
        assert bounds.text_bounds(text) == bounds.text_bounds(text.encode()) == WITHIN
        assert bounds.text_bounds(text.replace(",", "0,")) == bounds.text_bounds(text.replace("]", "0]")) == TOO_LONG


@pytest.mark.parametrize("string", ['"{}"', '"\\"{}"', '"é{}\\\\"', '"\\\\\\"{}"'])
def test_digits_in_strings_are_no_number(bounds: Any, string: str) -> None:
    text = f"[{string.format('1' * 5000)},1,{string.format('2' * 5000)}]"
    assert bounds.text_bounds(text) == WITHIN
    assert bounds.text_bounds(text.replace(",1,", f",{'1' * 401},")) == TOO_LONG


@pytest.mark.parametrize("revision", [REVISION_4, REVISION_5, socketio1])
def test_a_number_of_more_digits_is_refused_before_it_is_read(revision: Any) -> None:
    for digits, is_read in ((MAX_DIGITS, True), (MAX_DIGITS + 1, False)):
        args = f'"said",{"7" * digits}'
        text = f'5:::{{"name":"a","args":[{args}]}}' if revision is socketio1 else f'42["a",{args}]'
        at = 0 if revision is socketio1 else 1
        if is_read:
            assert revision.decode(text, at).args == ["said", int("7" * digits)]
            continue
        with pytest.raises(DecodeError, match="a number has more than 400 digits in a row"):
            revision.decode(text, at)


@fixed
@given(
    st.lists(
        st.tuples(st.sampled_from(["[", "]", "{", "}", '"', "\\", "é", "[]", '"[" ', "1,", "1"]), st.integers(1, 200))
    ),
    st.booleans(),
)
def test_python_and_c_agree_on_any_text(pieces: list[tuple[str, int]], is_bytes: bool) -> None:
    text: Any = "".join(piece * times for piece, times in pieces)
    text = text.encode() if is_bytes else text
    assert _frames is None or bool(frames.text_bounds(text)) == bool(_frames.text_bounds(text))


# MessagePack

PIECES = [
    *(b"\x7f", b"\xe0", b"\xff", b"\xc0", b"\xc2", b"\xc3", b"\x80", b"\x90", b"\x81\xa1a\x01", b"\x92\x01\x90"),
    *(bytes((0xCA + at,)) + b"\x91" * size for at, size in enumerate((4, 8, 1, 2, 4, 8, 1, 2, 4, 8))),
    *(bytes((0xD4 + at,)) + b"\x91" * (1 + (1 << at)) for at in range(5)),
    *(b"\xc4\x03" + b"\x91" * 3, b"\xc5\0\x03" + b"\x91" * 3, b"\xc6\0\0\0\x03" + b"\x91" * 3),
    *(b"\xc7\x03" + b"\x91" * 4, b"\xc8\0\x03" + b"\x91" * 4, b"\xc9\0\0\0\x03" + b"\x91" * 4),
    *(b"\xd9\x03" + b"\x91" * 3, b"\xda\0\x03" + b"\x91" * 3, b"\xdb\0\0\0\x03" + b"\x91" * 3, b"\xa3" + b"\x91" * 3),
    *(b"\xdc\0\x01\x01", b"\xdd\0\0\0\x01\x01", b"\xde\0\x01\xa1a\x01", b"\xdf\0\0\0\x01\xa1a\x01"),
]


@pytest.mark.parametrize("piece", PIECES, ids=bytes.hex)
def test_every_value_of_messagepack_is_passed_over_as_a_whole(bounds: Any, piece: bytes) -> None:
    head = b"\xdc\x01\x91" + piece * 400
    assert bounds.packed_bounds(head + pack(nested(MAX_DEPTH - 1))) == WITHIN
    assert bounds.packed_bounds(head + pack(nested(MAX_DEPTH))) == TOO_DEEP
    bomb = b"\xdd" + MAX_CONTAINERS.to_bytes(4, "big") + b"\x90" * MAX_CONTAINERS
    assert bounds.packed_bounds(head + bomb) == TOO_MANY


@pytest.mark.parametrize("piece", [b"\x90", b"\x80", b"\x91\x01", b"\x81\xa0\x01"], ids=bytes.hex)
def test_so_many_lists_and_maps_are_within_and_one_more_is_not(bounds: Any, piece: bytes) -> None:
    for count, result in ((MAX_CONTAINERS - 1, WITHIN), (MAX_CONTAINERS, TOO_MANY)):
        assert bounds.packed_bounds(b"\xdd" + count.to_bytes(4, "big") + piece * count) == result


def test_a_long_message_may_have_more_of_them(bounds: Any) -> None:
    lists = b"\xdd" + (60_000).to_bytes(4, "big") + b"\x90" * 59_999
    for size, result in ((60_000 * BYTES_EACH, WITHIN), (59_999 * BYTES_EACH, TOO_MANY)):
        text = b"x" * (size - len(lists) - 5)
        assert bounds.packed_bounds(lists + b"\xdb" + len(text).to_bytes(4, "big") + text) == result


@pytest.mark.parametrize("data", [b"", b"\x91", b"\xdb\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc1", b"\xdc\x01"])
def test_what_is_cut_short_is_left_to_the_reader(bounds: Any, data: bytes) -> None:
    assert bounds.packed_bounds(data) == bounds.packed_bounds(b"\xdc\x03\xe8" + b"\x90" * 400 + data) == WITHIN


@fixed
@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join), st.integers(0, 400))
def test_python_and_c_agree_on_any_bytes(data: bytes, depth: int) -> None:
    data = b"\x91" * depth + data
    assert _frames is None or frames.packed_bounds(data) == _frames.packed_bounds(data)


# Codecs: what is read can be answered


def event_of(codec: Any, depth: int, inner: Any = 0) -> Any:
    """Read an event of so many levels in all."""
    if codec in (MSGPACK_4, MSGPACK_5):
        value = nested(depth - 2, inner)
        return codec.decode_binary(pack({"type": 2, "nsp": "/", "id": 1, "data": ["a", value]}), None)
    if codec is socketio1:
        return codec.decode('5:1+::{"name":"a","args":[' + deep(depth - 1) + "]}")
    return codec.decode('421["a",' + deep(depth - 1) + "]", 1)


def within(frames: int, function: Callable[[], Any]) -> Any:
    """Call a function from so deep a stack."""
    return within(frames - 1, function) if frames else function()


CODECS = [REVISION_4, REVISION_5, MSGPACK_4, MSGPACK_5, socketio1]


@pytest.mark.parametrize("codec", CODECS, ids=["4", "5", "msgpack 4", "msgpack 5", "0.9"])
def test_the_deepest_event_is_read_and_answered_and_none_is_deeper(codec: Any) -> None:
    event = within(100, lambda: event_of(codec, MAX_DEPTH))
    assert type(event) is Event
    text, attachments = within(200, lambda: codec.encode_ack("/", 1, (event.args[0],)))
    assert text or attachments
    assert within(200, lambda: codec.encode_event("/", "a", [event.args]))
    with pytest.raises(DecodeError, match=f"more than {MAX_DEPTH} levels"):
        event_of(codec, MAX_DEPTH + 1)


@pytest.mark.parametrize("codec", [REVISION_4, REVISION_5])
def test_the_deepest_attachment_is_read_and_answered(codec: Any) -> None:
    def text(levels: int) -> str:
        return '51-1["a",' + "[" * levels + '{"_placeholder":true,"num":0}' + "]" * levels + "]"

    partial = within(100, lambda: codec.decode(text(MAX_DEPTH - 2)))
    assert isinstance(partial, Partial)
    event: Any = partial.add(b"\0")
    assert within(200, lambda: codec.encode_ack("/", 1, event.args))[1] == (b"\0",)
    with pytest.raises(DecodeError, match=f"more than {MAX_DEPTH} levels"):
        codec.decode(text(MAX_DEPTH - 1))


def test_the_deepest_binary_content_of_msgpack_is_read_and_answered() -> None:
    event = within(100, lambda: event_of(MSGPACK_5, MAX_DEPTH, b"\0"))
    assert within(200, lambda: MSGPACK_5.encode_ack("/", 1, event.args))
    long_heads = b"\xdc\0\x01" * (MAX_DEPTH - 1) + b"\xdc\0\0"  # three frames of Python for each
    assert within(100, lambda: notepack.decode(long_heads)) == nested(MAX_DEPTH - 1, [])


ENCODERS: dict[str, Callable[[Any], Any]] = {
    "encode": json.encode,
    "encode_ascii": json.encode_ascii,
    "encode_spaced": json.encode_spaced,
    "encode_plain": json.encode_plain,
    "encode_plain_by_search": json.encode_plain_by_search,
    "encode_apart": lambda value: json.encode_apart([value, b"1"], lambda number: number),
    "encode_apart_by_search": lambda value: json.encode_apart_by_search([value, b"1"], lambda number: number),
    "as_read": json.as_read,
    "with_floats": json.with_floats,
    "notepack": notepack.encode,
    "notepack with a date": lambda value: notepack.encode([value, datetime(2020, 1, 1, tzinfo=UTC)]),
    "notepack with a large number": lambda value: notepack.encode([value, 2**70]),
}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("inner", [0, "é", 2**64], ids=ascii)
def test_every_writer_goes_deeper_than_that_from_a_deep_stack(encoder: str, inner: Any) -> None:
    value = {"data": [nested(MAX_DEPTH, inner)]}
    within(200, partial(ENCODERS[encoder], value))


# Codecs: width

WIDE: dict[str, Callable[[int], Any]] = {
    "4": lambda count: REVISION_4.decode('42["a"' + ",[]" * (count - 1) + "]", 1),
    "5": lambda count: REVISION_5.decode('42["a"' + ",{}" * (count - 1) + "]", 1),
    "5, in a namespace": lambda count: REVISION_5.decode('42/a,7["a"' + ",{}" * (count - 1) + "]", 1),
    "5, acknowledgement": lambda count: REVISION_5.decode("4317[0" + ",[1]" * (count - 1) + "]", 1),
    "5, connect": lambda count: REVISION_5.decode('40{"a":[0' + ",[]" * (count - 2) + "]}", 1),
    "0.9": lambda count: socketio1.decode('5:::{"name":"a","args":[0' + ",[]" * (count - 1) + "]}"),
    "0.9, JSON": lambda count: socketio1.decode("4:::[0" + ",[]" * (count - 1) + "]"),
    "0.9, acknowledgement": lambda count: socketio1.decode("6:::1+[0" + ",[]" * (count - 1) + "]"),
    "msgpack": lambda count: MSGPACK_5.decode_binary(wide_message(count, b"\x90"), None),
    "msgpack, maps": lambda count: MSGPACK_4.decode_binary(wide_message(count, b"\x80"), None),
}


def wide_message(count: int, piece: bytes) -> bytes:
    size = (count - 1).to_bytes(4, "big")  # the map and the list of the arguments are two
    return (
        pack({"type": 2, "nsp": "/"}).replace(b"\x82", b"\x83")
        + b"\xa4data\xdd"
        + size
        + b"\xa1a"
        + piece * (count - 2)
    )


@pytest.mark.parametrize("codec", WIDE)
def test_the_widest_packet_is_read_and_a_wider_one_is_refused_before_it_is(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WIDE[codec](MAX_CONTAINERS) is not None

    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(json, "decode_clean", never)
    with pytest.raises(TooMany, match="more than 50000 lists and objects"):
        WIDE[codec](MAX_CONTAINERS + 2)


def test_scalars_are_not_counted() -> None:
    assert len(json.decode("[" + "1," * 400_000 + "1]")) == 400_001
    assert len(json.decode('["' + "[" * 400_000 + '"]')[0]) == 400_000
