"""Socket.IO packets: the vectors of data/socketio.json, and what holds for any packet and any text."""

import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field

from vectors import load, name, text_of, value_of
from waterspout import errors
from waterspout.errors import DecodeError, TooMany
from waterspout.wire import json, packets
from waterspout.wire.frames import MAX_CONTAINERS
from waterspout.wire.packets import Ack, Connect, Event, Packet
from waterspout.wire.socketio import RESERVED, REVISION_4, REVISION_5, Partial, Revision

VECTORS = load("socketio")
REVISIONS = {4: REVISION_4, 5: REVISION_5}

both = pytest.mark.parametrize("revision", [REVISION_4, REVISION_5], ids=["revision 4", "revision 5"])


def each(kind: str) -> pytest.MarkDecorator:
    """One test for each vector of a kind in each of its revisions."""
    vectors = [(REVISIONS[number], vector) for vector in VECTORS[kind] for number in vector["revisions"]]
    return pytest.mark.parametrize(("revision", "vector"), vectors, ids=name)


def packet_of(vector: Any) -> Packet:
    kind, fields = vector["packet"]
    packet: Packet = getattr(packets, kind)(**value_of(fields))
    return packet


def complete(packet: Packet | Partial | None, attachments: list[bytes]) -> Packet:
    """Add all attachments, checking that none but the last completes the packet."""
    for number, attachment in enumerate(attachments, 1):
        assert isinstance(packet, Partial)
        whole = packet.add(attachment)
        assert (whole is not None) == (number == len(attachments))
        packet = packet if whole is None else whole
    assert packet is not None
    assert not isinstance(packet, Partial)
    return packet


@each("received")
@pytest.mark.parametrize("before", ["", "4", "451-[😀"], ids=["alone", "in a message", "later"])
def test_a_packet_of_a_client_is_read(revision: Revision, vector: Any, before: str) -> None:
    packet = revision.decode(before + text_of(vector["text"]), len(before))
    assert complete(packet, [bytes.fromhex(content) for content in vector.get("attachments", [])]) == packet_of(vector)


@each("broken")
def test_a_broken_packet_is_a_decode_error(revision: Revision, vector: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        revision.decode("4" + text_of(vector["text"]), 1)
    assert type(caught.value) is getattr(errors, vector["error"])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("vector", VECTORS["sent"], ids=name)
def test_a_packet_of_the_server_is_written(vector: Any) -> None:
    encode, *arguments = vector["call"]
    written = getattr(REVISIONS[vector["revision"]], encode)(*value_of(arguments))
    text, attachments = written
    assert text.decode() == vector["text"]
    assert attachments == tuple(bytes.fromhex(content) for content in vector.get("attachments", []))


def test_every_vector_names_its_source() -> None:
    assert [vector for kind in ("received", "broken", "sent") for vector in VECTORS[kind] if not vector["source"]] == []


KEYS = st.text().filter(lambda key: key != "_placeholder")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=10,
)
NAMESPACES = st.just("/") | st.text(st.characters(codec="utf-8", exclude_characters=",")).map("/{}".format)
NAMES = st.text().filter(lambda text: text not in RESERVED)
IDS = st.integers(0, 10**16 - 1)


def read_back(revision: Revision, text: bytes, attachments: tuple[bytes, ...]) -> Packet:
    return complete(revision.decode(text.decode(), 1, max_attachments=1000), list(attachments))


@both
@given(namespace=NAMESPACES, name=NAMES, args=st.lists(VALUES), number=st.none() | IDS)
def test_an_event_that_is_written_is_read_again(
    revision: Revision, namespace: str, name: str, args: list[Any], number: int | None
) -> None:
    written = revision.encode_event(namespace, name, args, number)
    assert read_back(revision, *written) == Event(namespace, name, args, number)


@both
@given(namespace=NAMESPACES, number=IDS, args=st.lists(VALUES))
def test_an_ack_that_is_written_is_read_again(revision: Revision, namespace: str, number: int, args: list[Any]) -> None:
    assert read_back(revision, *revision.encode_ack(namespace, number, args)) == Ack(namespace, number, args)


@given(namespace=NAMESPACES, sid=st.text())
def test_a_connect_that_is_written_is_read_again(namespace: str, sid: str) -> None:
    assert REVISION_5.decode(REVISION_5.encode_connect(namespace, sid)[0].decode(), 1) == Connect(
        namespace, {"sid": sid}
    )


PIECES = st.lists(
    st.sampled_from(
        [
            *'0123456789/-,?[]{}:"\\ é',
            '["a"',
            '{"_placeholder":true,"num":',
            "true",
            "null",
            "51-",
            "2/a,",
            "😀",
            "\ud83d",
        ]
    )
).map("".join)


@both
@given(text=st.text(st.characters()) | PIECES, attachments=st.lists(st.binary(max_size=2), max_size=4))
def test_any_text_gives_a_packet_or_a_decode_error(revision: Revision, text: str, attachments: list[bytes]) -> None:
    try:
        packet: Packet | Partial | None = revision.decode(text)
        for attachment in attachments:
            if isinstance(packet, Partial):
                packet.add(attachment)
    except DecodeError:
        pass


def outcome(revision: Revision, text: str, at: int) -> Packet | type[DecodeError]:
    try:
        packet = revision.decode(text, at)
    except DecodeError as error:
        return type(error)
    return Event("/", "partial", []) if isinstance(packet, Partial) else packet


EVENTS = st.builds("2{}{}".format, st.sampled_from(["", "0", "7", "0012", "1234", "9" * 17, "/,"]), PIECES)


@both
@given(text=st.text(st.characters()) | PIECES | EVENTS | st.sampled_from(['2["a",1]', '217["a"]', "2[]", "2[1]", "2["]))
def test_the_short_way_of_an_event_in_a_message_comes_to_the_same(revision: Revision, text: str) -> None:
    assert outcome(revision, "4" + text, 1) == outcome(revision, text, 0)


BY_SEARCH = Revision(json.encode_clean_by_search)


@given(args=st.lists(VALUES | st.just(2**70) | st.just(datetime(2026, 7, 27, tzinfo=UTC))), number=IDS)
def test_without_orjson_the_same_is_written(args: list[Any], number: int) -> None:
    for namespace in ("/", "/a"):
        events = [way.encode_event(namespace, "é", args, number) for way in (BY_SEARCH, REVISION_5)]
        acks = [way.encode_ack(namespace, number, args) for way in (BY_SEARCH, REVISION_5)]
        for by_search, expected in (events, acks):  # but for the spelling of floats, which is 1e16 or 1e+16
            assert read_back(REVISION_5, *by_search) == read_back(REVISION_5, *expected)


def test_revision_4_is_ascii_also_where_an_integer_is_beyond_64_bits() -> None:
    written = rb'["\u00e9",1180591620717411303424]'
    assert REVISION_4.encode_event("/", "é", [2**70]) == (b"42" + written, ())
    assert REVISION_4.encode_ack("/", 7, ["é", 2**70]) == (b"437" + written, ())


def test_the_most_attachments_can_be_set() -> None:
    text = '52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert complete(REVISION_5.decode(text, max_attachments=2), [b"a", b"b"]) == Event("/", "a", [b"a", b"b"])
    with pytest.raises(TooMany):
        REVISION_5.decode(text, max_attachments=1)


def test_an_attachment_too_many_is_a_decode_error() -> None:
    partial = REVISION_5.decode('51-["a",{"_placeholder":true,"num":0}]')
    assert isinstance(partial, Partial)
    assert partial.namespace == "/"
    assert partial.add(b"1") == Event("/", "a", [b"1"])
    with pytest.raises(DecodeError):
        partial.add(b"2")


@dataclass
class Upload:
    name: str
    content: bytes


class Image(Struct):
    pixels: bytes


class Magic(Enum):
    PNG = b"\x89PNG"


class Blob(bytes):
    pass


@pytest.fixture(params=[json.encode_apart, json.encode_apart_by_search], ids=["installed", "no orjson"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write binary content in each of the two ways there are."""
    monkeypatch.setattr(Revision, "_json_apart", staticmethod(request.param))
    monkeypatch.setattr(type(REVISION_4), "_json_apart", staticmethod(request.param))


@both
@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize(
    ("value", "text", "attachments"),
    [
        (bytearray(b"1"), b'{"_placeholder":true,"num":0}', (b"1",)),
        (memoryview(b"12")[1:], b'{"_placeholder":true,"num":0}', (b"2",)),
        (Blob(b"1"), b'{"_placeholder":true,"num":0}', (b"1",)),
        (Magic.PNG, b'{"_placeholder":true,"num":0}', (b"\x89PNG",)),
        ((b"1", (b"2",)), b'[{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]', (b"1", b"2")),
        (Upload("a", b"1"), b'{"name":"a","content":{"_placeholder":true,"num":0}}', (b"1",)),
        ([Image(b"1")], b'[{"pixels":{"_placeholder":true,"num":0}}]', (b"1",)),
        (defaultdict(list, a=[b"1"]), b'{"a":[{"_placeholder":true,"num":0}]}', (b"1",)),
        ({1: b"1"}, b'{"1":{"_placeholder":true,"num":0}}', (b"1",)),
        ([b"1", datetime(2020, 1, 1, tzinfo=UTC)], b'[{"_placeholder":true,"num":0},"2020-01-01T00:00:00Z"]', (b"1",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_binary_content_is_found_wherever_it_hides(
    revision: Revision, value: Any, text: bytes, attachments: tuple[bytes, ...]
) -> None:
    count = b"%d-" % len(attachments)
    assert revision.encode_event("/", "a", [value]) == (b"45" + count + b'["a",' + text + b"]", attachments)
    assert revision.encode_ack("/", 7, (value,)) == (b"46" + count + b"7[" + text + b"]", attachments)


@both
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), b'"2020-01-01T00:00:00Z"'),
        ({2.5: float("nan")}, b'{"2.5":null}'),
        (defaultdict(list, a=[1]), b'{"a":[1]}'),
        ({"_placeholder": True, "num": 0}, b'{"_placeholder":true,"num":0}'),
    ],
)
def test_what_has_no_binary_content_is_a_text_packet(revision: Revision, value: Any, text: bytes) -> None:
    assert revision.encode_event("/x", "a", [value], 3) == (b'42/x,3["a",' + text + b"]", ())
    assert revision.encode_ack("/x", 3, [value]) == (b"43/x,3[" + text + b"]", ())


IMPOSTOR = {"_placeholder": True, "num": 5}
DISARMED = b'{"_placeholder":false,"num":5}'
REAL = b'{"_placeholder":true,"num":0}'


class Named(Struct):
    number: int
    is_placeholder: bool = field(default=True, name="_placeholder")


@both
@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (IMPOSTOR, DISARMED),
        ({"_placeholder": True, "num": 0}, b'{"_placeholder":false,"num":0}'),
        ({"_placeholder": 1, "num": 5}, DISARMED),  # true enough for clients of 1.x
        ({"_placeholder": {}, "num": 5}, DISARMED),
        ({"_placeholder": b"lost", "num": 5}, DISARMED),
        (
            [({"deep": IMPOSTOR}, datetime(2020, 1, 1, tzinfo=UTC))],
            b'[[{"deep":%b},"2020-01-01T00:00:00Z"]]' % DISARMED,
        ),
        (defaultdict(list, a=[IMPOSTOR]), b'{"a":[%b]}' % DISARMED),
        (Named(7), b'{"number":7,"_placeholder":false}'),
        ({1: IMPOSTOR, "big": 2**70}, b'{"1":%b,"big":1180591620717411303424}' % DISARMED),
        (['"_placeholder":', {'"_placeholder': 1}], rb'["\"_placeholder\":",{"\"_placeholder":1}]'),
    ],
)
def test_what_looks_like_a_placeholder_beside_attachments_is_none(revision: Revision, value: Any, text: bytes) -> None:
    written = b'["a",%b,%b]' % (text, REAL)
    assert revision.encode_event("/", "a", [value, b"1"]) == (b"451-" + written, (b"1",))
    assert revision.encode_ack("/x", 7, ["a", value, b"1"]) == (b"461-/x,7" + written, (b"1",))


@both
def test_binary_content_that_only_a_false_placeholder_had_is_no_attachment(revision: Revision) -> None:
    assert revision.encode_event("/", "a", [{"_placeholder": b"1"}]) == (b'42["a",{"_placeholder":false}]', ())


HAS_OWN = [
    ({"hasOwnProperty": 1}, b"{}", b'{"hasOwnProperty":1}'),
    ({"a": [({"hasOwnProperty": "x", "b": 2},)]}, b'{"a":[[{"b":2}]]}', b'{"a":[[{"hasOwnProperty":"x","b":2}]]}'),
    ({"hasOwnProperty": {"_placeholder": True}}, b"{}", b'{"hasOwnProperty":{"_placeholder":false}}'),
    (['"hasOwnProperty":'], rb'["\"hasOwnProperty\":"]', rb'["\"hasOwnProperty\":"]'),
]


@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize(("value", "since_3_x", "before"), HAS_OWN)
def test_a_key_that_makes_clients_of_3_x_throw_is_left_out_beside_attachments(
    value: Any, since_3_x: bytes, before: bytes
) -> None:
    for revision, text in ((REVISION_5, since_3_x), (REVISION_4, before)):
        written = b'["a",%b,%b]' % (text, REAL)
        assert revision.encode_event("/", "a", [value, b"1"]) == (b"451-" + written, (b"1",))
        assert revision.encode_ack("/x", 7, ["a", value, b"1"]) == (b"461-/x,7" + written, (b"1",))


def test_without_attachments_such_a_key_stays() -> None:
    text = b'42["a",{"hasOwnProperty":1}]'
    assert REVISION_5.encode_event("/", "a", [{"hasOwnProperty": 1}]) == (text, ())
    assert REVISION_5.encode_event("/", "a", [{"hasOwnProperty": b"1"}]) == (b'42["a",{}]', ())


@both
def test_the_search_for_false_placeholders_looks_at_no_value_where_there_is_none(
    revision: Revision, steps: Callable[[Callable[[], object]], int]
) -> None:
    def work(value: object) -> int:
        return steps(lambda: revision._encode_binary(b"5", "/", None, ["a", value, b"1"]))

    assert work(["_placeholder"] * 1000) - work([]) < (10 if "orjson" in sys.modules else 10_000)
    assert work([IMPOSTOR] * 2000) - work([IMPOSTOR] * 1000) < 60_000


@both
def test_the_values_of_the_caller_stay_as_they_are(revision: Revision) -> None:
    args = [{"a": [b"1", IMPOSTOR]}]
    revision.encode_event("/", "a", args)
    assert args == [{"a": [b"1", {"_placeholder": True, "num": 5}]}]


@both
def test_what_cannot_be_written_is_a_type_error_that_names_the_type(revision: Revision) -> None:
    for args in ([object()], [b"1", object()], [{"a": [object()]}]):
        with pytest.raises(TypeError, match="object"):
            revision.encode_event("/", "a", args)


@pytest.mark.parametrize("piece", ["[]", "[0]", "{}", '{"a":0}', "0", '"a"', '{"_placeholder":false}'])
def test_the_search_for_placeholders_is_linear(steps: Callable[[Callable[[], object]], int], piece: str) -> None:
    def work(size: int) -> int:
        text = '51-["a",{"_placeholder":true,"num":0}' + f",{piece}" * size + "]"
        return steps(lambda: REVISION_5.decode(text))

    assert work(2000) - work(1000) == work(3000) - work(2000) <= 15 * 1000


@pytest.mark.parametrize("piece", ["[0]", '{"a":0}', "[[0]]"])
def test_the_containers_that_are_searched_for_placeholders_have_a_limit(
    steps: Callable[[Callable[[], object]], int], piece: str
) -> None:
    def decode(containers: int) -> object:
        size = (containers - 2) // (2 if piece == "[[0]]" else 1)  # the list of the arguments and the placeholder
        return REVISION_5.decode('51-["a",{"_placeholder":true,"num":0}' + f",{piece}" * size + "]")

    def refused() -> None:
        with pytest.raises(TooMany, match="50000 lists and objects"):
            decode(5 * MAX_CONTAINERS)

    assert isinstance(decode(MAX_CONTAINERS), Partial)
    with pytest.raises(TooMany):
        decode(MAX_CONTAINERS + 2)
    assert steps(refused) < 15 * MAX_CONTAINERS


def test_a_long_packet_may_have_more_containers_but_not_with_attachments() -> None:
    args = f'"{"x" * 2_000_000}"' + ",[0]" * 60_000
    event: Any = REVISION_5.decode(f'2["a",{args}]')
    assert len(event.args) == 60_001
    with pytest.raises(TooMany, match="50000 lists and objects"):
        REVISION_5.decode('51-["a",{"_placeholder":true,"num":0},' + args + "]")


@pytest.mark.parametrize("piece", ["0", '"a"'])
def test_a_scalar_is_no_container_to_search(piece: str) -> None:
    text = '51-["a",{"_placeholder":true,"num":0}' + f",{piece}" * (MAX_CONTAINERS + 1) + "]"
    assert isinstance(REVISION_5.decode(text), Partial)


@pytest.mark.parametrize("piece", [[0], {"a": 0}, [], 0, "a"], ids=repr)
def test_binary_content_is_written_without_a_step_for_each_value(
    steps: Callable[[Callable[[], object]], int], piece: Any
) -> None:
    pytest.importorskip("orjson", reason="the extra `speed` is not installed")
    assert steps(lambda: REVISION_5.encode_event("/", "a", [[piece] * 10_000, b"1"])) < 50


def deep(levels: int) -> list[Any]:
    return reduce(lambda inner, _: [inner], range(levels), [])


@pytest.mark.parametrize("unusual", [2**64, {1: 2}, deep(300)], ids=type)
def test_what_orjson_refuses_is_written_in_linear_time(
    steps: Callable[[Callable[[], object]], int], unusual: Any
) -> None:
    def work(size: int, *more: Any) -> int:
        return steps(lambda: REVISION_5.encode_event("/", "a", [unusual, *([0] for _ in range(size)), *more]))

    for more in ([], [b"1"]):
        assert work(2000, *more) - work(1000, *more) <= 25 * 1000


@pytest.mark.parametrize("at", [0, 1], ids=["alone", "in a message"])
@pytest.mark.parametrize(
    ("text", "most"),
    [
        ('2["a",[]]', 1),
        ('21234["a",[]]', 1),
        ('2/a,7["a",[]]', 1),
        ('2["connect",[]]', 1),
        ("2[0,[]]", 1),
        ('2["a",[]', 1),
        ('2/a,["a",[]', 1),
        ('2["a","\\ud83d"]', 2),
        ('2["a","\\ud83d"', 2),
    ],
)
def test_json_is_read_once_and_once_more_if_there_are_lone_surrogates(
    monkeypatch: pytest.MonkeyPatch, text: str, most: int, at: int
) -> None:
    read: list[str] = []

    def decode_clean(text: str, real: Callable[[str], Any] = json.decode_clean) -> Any:
        read.append(text)
        return real(text)

    monkeypatch.setattr(json, "decode_clean", decode_clean)
    with suppress(DecodeError):
        REVISION_5.decode("4" * at + text, at)
    assert len(read) == most


def test_a_placeholder_is_found_at_any_depth_that_json_has() -> None:
    text = '51-["a",' + "[" * 248 + '{"_placeholder":true,"num":0}' + "]" * 249
    assert isinstance(REVISION_5.decode(text), Partial)
