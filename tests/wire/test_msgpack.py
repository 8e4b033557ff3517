"""Packets of the msgpack parser: the vectors of data/msgpack.json, and what holds for any packet and any bytes."""

import math
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import load, value_of
from waterspout.errors import DecodeError, TooMany
from waterspout.wire import notepack, packets
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, GENERATIONS, PARSERS, with_parser
from waterspout.wire.msgpack import MSGPACK_4, MSGPACK_5
from waterspout.wire.packets import Ack, Connect, Disconnect, Event, Packet
from waterspout.wire.socketio import RESERVED, Revision

VECTORS = load("msgpack")
CODECS = {4: MSGPACK_4, 5: MSGPACK_5}

both = pytest.mark.parametrize("codec", [MSGPACK_4, MSGPACK_5], ids=["2.x", "3.x"])


def name(value: Any) -> str | None:
    return f"{value['source']} {value.get('call', [''])[0]}" if isinstance(value, dict) else None


def each(kind: str) -> pytest.MarkDecorator:
    """One test for each vector of a kind in each of its revisions."""
    vectors = [(CODECS[number], vector) for vector in VECTORS[kind] for number in vector["revisions"]]
    return pytest.mark.parametrize(("codec", "vector"), vectors, ids=name)


def joined(value: Any) -> str:
    return value if isinstance(value, str) else "".join(piece * times for piece, times in value)


def with_dates(value: Any) -> Any:
    match value:
        case {"date": text}:
            return datetime.fromisoformat(text)
        case list():
            return [with_dates(item) for item in value]
        case dict():
            return {key: with_dates(item) for key, item in value.items()}
    return value


def read(codec: Revision, vector: Any) -> Packet:
    if "hex" in vector:
        packet = codec.decode_binary(bytes.fromhex(joined(vector["hex"])), None)
    else:
        packet = codec.decode("4" + joined(vector["text"]), 1)  # type: ignore[assignment]
    assert packet is not None
    return packet


def event_with(*args: Any) -> bytes:
    return msgspec.msgpack.encode({"type": 2, "nsp": "/", "data": ["a", *args]})


def argument(written: tuple[bytes, tuple[bytes, ...]]) -> Any:
    """Return the argument of an event as any reader of MessagePack sees it."""
    text, (message,) = written
    assert text == b""
    return msgspec.msgpack.decode(message)["data"][1]


@each("received")
def test_a_packet_of_a_client_is_read(codec: Revision, vector: Any) -> None:
    kind, fields = vector["packet"]
    assert read(codec, vector) == getattr(packets, kind)(**value_of(with_dates(fields)))


@each("broken")
def test_what_is_no_packet_is_a_decode_error(codec: Revision, vector: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        read(codec, vector)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("vector", VECTORS["sent"], ids=name)
def test_a_packet_of_the_server_is_written(vector: Any) -> None:
    encode, *arguments = vector["call"]
    text, messages = getattr(CODECS[vector["revision"]], encode)(*value_of(arguments))
    assert text.decode() == vector.get("text", "")
    assert [message.hex() for message in messages] == ([vector["hex"]] if "hex" in vector else [])


def test_every_vector_names_its_source_and_enough_are_hostile() -> None:
    assert [vector for kind in ("received", "broken", "sent") for vector in VECTORS[kind] if not vector["source"]] == []
    assert len({vector["source"] for vector in VECTORS["broken"]}) >= 100


# What holds for any value

DATES = st.datetimes(timezones=st.just(UTC)).map(lambda date: date.replace(microsecond=date.microsecond // 1000 * 1000))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | DATES
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20), max_leaves=10
)
NAMESPACES = st.text().map("/{}".format)
NAMES = st.text().filter(lambda text: text not in RESERVED)
IDS = st.integers(0, 10**16 - 1)


def read_back(codec: Revision, written: tuple[bytes, tuple[bytes, ...]]) -> Packet | None:
    text, messages = written
    if text:
        packet = codec.decode(text.decode(), 1)
        assert messages == ()
        return packet  # type: ignore[return-value]
    (message,) = messages
    return codec.decode_binary(message, None)


@both
@given(namespace=NAMESPACES, name=NAMES, args=st.lists(VALUES), number=st.none() | IDS)
def test_an_event_that_is_written_is_read_again(
    codec: Revision, namespace: str, name: str, args: list[Any], number: int | None
) -> None:
    packet = read_back(codec, codec.encode_event(namespace, name, args, number))
    assert packet == Event(namespace, name, args, number)


@both
@given(namespace=NAMESPACES, number=IDS, args=st.lists(VALUES))
def test_an_ack_that_is_written_is_read_again(codec: Revision, namespace: str, number: int, args: list[Any]) -> None:
    assert read_back(codec, codec.encode_ack(namespace, number, tuple(args))) == Ack(namespace, number, args)


@given(namespace=NAMESPACES, auth=st.none() | st.dictionaries(st.text(), VALUES))
def test_a_knock_with_auth_is_read_again(namespace: str, auth: dict[str, Any] | None) -> None:
    assert read_back(MSGPACK_5, MSGPACK_5.encode_knock(namespace, auth)) == Connect(namespace, auth)


@both
@given(namespace=NAMESPACES.filter(lambda text: "?" not in text))
def test_a_farewell_that_is_written_is_read_again(codec: Revision, namespace: str) -> None:
    assert read_back(codec, codec.encode_disconnect(namespace)) == Disconnect(namespace)


PIECES = st.lists(
    st.sampled_from([bytes([first]) for first in (*range(0x80, 0x95), 0xA1, *range(0xC0, 0xE0), 0, 1, 2, 5, 0xFF)])
    | st.sampled_from([b"\xa4type", b"\xa3nsp\xa1/", b"\xa4data", b"\xa2id", b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"])
).map(b"".join)


@both
@given(data=st.binary() | PIECES | st.recursive(SCALARS, st.lists).map(msgspec.msgpack.encode))
def test_any_bytes_give_a_packet_or_a_decode_error(codec: Revision, data: bytes) -> None:
    try:
        codec.decode_binary(data, None)
    except DecodeError:
        pass


@both
@given(text=st.text(st.characters()))
def test_any_text_gives_a_packet_or_a_decode_error(codec: Revision, text: str) -> None:
    try:
        codec.decode(text)
    except DecodeError:
        pass


@both
def test_a_changed_byte_gives_a_packet_or_a_decode_error(codec: Revision) -> None:
    rng = random.Random(5)
    whole = codec.encode_event("/chat", "say", ["é", {"a": [1.5, b"\x01", datetime(2020, 1, 1, tzinfo=UTC)]}], 7)[1][0]
    for at in range(len(whole)):
        broken = bytearray(whole)
        broken[at] = rng.randrange(256)
        for data in (bytes(broken), whole[:at]):
            try:
                codec.decode_binary(data, None)
            except DecodeError:
                continue
            assert data != whole[:at], "a packet was read from a part of it"


@given(value=VALUES)
def test_both_readers_agree(value: Any) -> None:
    """What msgspec reads fast, and what is read value by value: a Buffer behind it makes the difference."""
    packed = notepack.encode({"type": 2, "nsp": "/", "data": ["a", value]})
    with_buffer = notepack.encode({"type": 2, "nsp": "/", "data": ["a", value, b""]})
    fast, slow = MSGPACK_5.decode_binary(packed, None), MSGPACK_5.decode_binary(with_buffer, None)
    assert isinstance(fast, Event)
    assert isinstance(slow, Event)
    assert fast.args == slow.args[:1] == [value]


@pytest.mark.parametrize("depth", [1, 4, 5, 6, 7, 100])
def test_values_are_read_at_any_depth_that_json_has(depth: int) -> None:
    value: Any = "here"
    for _ in range(depth):
        value = [{"in": value}]
    assert MSGPACK_5.decode_binary(event_with(value), None) == Event("/", "a", [value])


@pytest.mark.parametrize("piece", [b"\xc0", b"\xa0", b"\x80", b"\x90", b"\xd4\0\0", b"\xc4\0", b"\xd7\0" + bytes(8)])
def test_reading_is_linear(steps: Callable[[Callable[[], object]], int], piece: bytes) -> None:
    def work(size: int) -> int:
        message = event_with(b"")[:-2].replace(b"\x92", b"\xdd" + (size + 1).to_bytes(4, "big")) + piece * size
        return steps(lambda: MSGPACK_5.decode_binary(message, None))

    assert work(2000) - work(1000) == work(3000) - work(2000) <= 30 * 1000


def test_a_megabyte_of_keys_that_collide_is_refused_at_the_first(steps: Callable[[Callable[[], object]], int]) -> None:
    keys = b"".join(b"\xcf" + (number << 44).to_bytes(8, "big") + b"\xc0" for number in range(90_000))
    message = event_with()[:-3] + b"\x92\xa1a\xdf" + (90_000).to_bytes(4, "big") + keys

    def refused() -> None:
        with pytest.raises(DecodeError, match="keys of a map are strings"):
            MSGPACK_5.decode_binary(message, None)

    assert steps(refused) < 200


# What is written


@dataclass
class Upload:
    name: str
    content: bytes


class Image(msgspec.Struct):
    pixels: bytes
    taken: datetime


class Colour(Enum):
    RED = "red"


class Blob(bytes):
    pass


class Number(int):
    pass


MORNING = datetime(2020, 1, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))
MORNING_PACKED = msgspec.msgpack.Ext(0, (1577867400000).to_bytes(8, "big"))


@both
@pytest.mark.parametrize(
    ("value", "read"),
    [
        (bytearray(b"1"), b"1"),
        (memoryview(b"12")[1:], b"2"),
        (Blob(b"1"), b"1"),
        (Upload("a", b"1"), {"name": "a", "content": b"1"}),
        (Image(b"1", MORNING), {"pixels": b"1", "taken": MORNING_PACKED}),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (Colour.RED, "red"),
        (Number(3), 3),
        ((1, (2,)), [1, [2]]),
        (defaultdict(list, a=[b"1"]), {"a": [b"1"]}),
        ({1: "one"}, {1: "one"}),
        (MORNING, MORNING_PACKED),
        ([{"at": MORNING}, (MORNING,)], [{"at": MORNING_PACKED}, [MORNING_PACKED]]),
        (MORNING.replace(microsecond=1999), msgspec.msgpack.Ext(0, (1577867400001).to_bytes(8, "big"))),
        (MORNING.replace(tzinfo=None), "2020-01-01T09:30:00"),
        ([MORNING.replace(tzinfo=None), 2**64], ["2020-01-01T09:30:00", 2.0**64]),
        (MORNING.date(), "2020-01-01"),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (2**64, 2.0**64),
        (-(2**63) - 1, -(2.0**63)),
        ({"big": (10**30, True, b"\xd7\xff")}, {"big": [1e30, True, b"\xd7\xff"]}),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (math.inf, math.inf),
        (b"\xd7\xff" * 10, b"\xd7\xff" * 10),
        ([-1, b"\xc7\x0c\xff", {1: Decimal(1)}], [-1, b"\xc7\x0c\xff", {"1": "1"}]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_can_carry_is_written(codec: Revision, value: Any, read: Any) -> None:
    written = codec.encode_event("/", "a", [value])
    assert msgspec.msgpack.decode(written[1][0], strict=False)["data"][1] == read


def test_what_is_not_a_number_stays_so() -> None:
    assert math.isnan(argument(MSGPACK_5.encode_event("/", "a", [math.nan])))


@both
@pytest.mark.parametrize("value", [object(), [b"1", object()], {"a": [object()]}, [2**64, object()]])
def test_what_cannot_be_written_is_a_type_error_that_names_the_type(codec: Revision, value: Any) -> None:
    with pytest.raises(TypeError, match="object"):
        codec.encode_event("/", "a", [value])


@both
@pytest.mark.parametrize("more", [[], [b"\xd7\xff"], [2**70], [datetime(2026, 7, 27, tzinfo=UTC)]], ids=repr)
def test_a_lone_surrogate_leaves_as_the_replacement_character(codec: Revision, more: list[Any]) -> None:
    mended, sent = [{"\ufffd": ("\ufffd", b"1")}, *more], [{"\ud83c": ("\udf0a", b"1")}, *more]
    assert codec.encode_event("/", "\ud83c", sent) == codec.encode_event("/", "\ufffd", mended)
    assert codec.encode_ack("/", 1, sent) == codec.encode_ack("/", 1, mended)


@both
def test_what_holds_itself_cannot_be_written(codec: Revision) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        codec.encode_event("/", "a", [endless])


@both
def test_the_values_of_the_caller_stay_as_they_are(codec: Revision) -> None:
    args = [{"a": [b"1", MORNING, 2**70]}]
    codec.encode_event("/", "a", args)
    assert args == [{"a": [b"1", MORNING, 2**70]}]


# The table


def test_a_row_with_a_parser_is_the_same_but_for_its_codec() -> None:
    for row, codec in ((ENGINEIO_3, MSGPACK_4), (ENGINEIO_4, MSGPACK_5)):
        changed = with_parser(row, "msgpack")
        assert changed.socketio is codec
        assert changed.name == row.name
        assert replace(changed, socketio=row.socketio) != changed
        assert with_parser(row, "json") is row


def test_every_parser_is_there_for_every_generation() -> None:
    assert [with_parser(row, parser).name for parser in PARSERS for row in GENERATIONS.values()] == [
        row.name for row in GENERATIONS.values()
    ] * len(PARSERS)


def test_an_unknown_parser_is_a_value_error_that_names_the_choices() -> None:
    with pytest.raises(ValueError, match="parser is 'xml': choose from json, msgpack"):
        with_parser(ENGINEIO_4, "xml")


def test_a_row_whose_codec_is_its_own_keeps_it() -> None:
    with pytest.raises(ValueError, match=r"Engine\.IO 4 has no parser 'msgpack' beside its own"):
        with_parser(replace(ENGINEIO_4, socketio=Revision()), "msgpack")


@pytest.mark.parametrize(
    ("item", "values"),
    [(b"\0", 1), (b"\x91\0", 2), (b"\x90", 1), (b"\x80", 1), (b"\x81\xa1a\0", 3), (b"\xd7\0" + bytes(8), 5)],
    ids=repr,
)
def test_the_values_that_are_read_one_by_one_have_a_limit(
    monkeypatch: pytest.MonkeyPatch, steps: Callable[[Callable[[], object]], int], item: bytes, values: int
) -> None:
    def decode(size: int) -> Any:
        return notepack.decode(b"\xdd" + size.to_bytes(4, "big") + item * size)

    def refused() -> None:
        with pytest.raises(TooMany, match="6000 values"):
            decode(5 * 6000)

    assert notepack.MAX_VALUES == 200_000
    monkeypatch.setattr(notepack, "MAX_VALUES", 6000)
    assert len(decode(6000 // values)) == 6000 // values
    with pytest.raises(TooMany):
        decode(6000 // values + 1)
    assert steps(refused) < 100


@pytest.mark.parametrize("header", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\0\2\0"], ids=bytes.hex)
def test_more_values_than_there_are_bytes_are_not_waited_for(header: bytes) -> None:
    with pytest.raises(DecodeError, match="in the middle of a value"):
        notepack.decode(header)
