"""Socket.IO 0.7 to 0.9: the vectors of data/socketio1.json, and what holds for any packet, payload and text."""

import inspect
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectors import bytes_of, load, text_of, value_of
from waterspout import errors
from waterspout.errors import DecodeError, ReservedName, TooMany
from waterspout.wire import packets
from waterspout.wire.packets import Ack, Connect, Disconnect, Error, Event, Heartbeat, Message, Noop, as_event
from waterspout.wire.protocol1 import socketio as socketio1
from waterspout.wire.socketio import RESERVED, REVISION_4, REVISION_5, Revision

VECTORS = load("socketio1")
HOSTILE = load("hostile_socketio1")


def name(value: Any) -> str | None:
    """Name a test after what is read or written."""
    if not isinstance(value, dict):
        return None
    return ascii(value.get("text", value.get("body", value.get("packet", ""))))[:60]


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=name)


def packet_of(vector: Any) -> Any:
    kind, fields = vector["packet"]
    return getattr(packets, kind)(**value_of(fields))


def payload_of(texts: Iterable[str]) -> bytes:
    body, is_binary = socketio1.encode_payload([(text.encode(), ()) for text in texts])
    assert not is_binary
    return body


@each("received")
def test_a_packet_of_a_client_is_read(vector: Any) -> None:
    assert socketio1.decode(vector["text"]) == packet_of(vector)


@each("broken")
def test_a_broken_packet_is_a_decode_error(vector: Any) -> None:
    with pytest.raises(DecodeError) as caught:
        socketio1.decode(text_of(vector["text"]))
    assert len(str(caught.value)) < 300


@each("sent")
def test_a_packet_of_the_server_is_written(vector: Any) -> None:
    function, *arguments = vector["call"]
    written = getattr(socketio1, function)(*arguments, **vector.get("options", {}))
    assert written == (vector["text"].encode(), ())


@each("payloads")
def test_the_packets_of_a_payload_are_read(vector: Any) -> None:
    assert list(socketio1.decode_payload(bytes_of(vector["body"]))) == vector["packets"]


@each("broken payloads")
def test_a_broken_length_is_an_error_when_its_turn_comes(vector: Any) -> None:
    read: list[str | bytes] = []
    with pytest.raises(DecodeError) as caught:
        read.extend(socketio1.decode_payload(bytes_of(vector["body"])))
    assert read == vector["packets"]
    assert type(caught.value) is getattr(errors, vector["error"])
    assert len(str(caught.value)) < 300


@each("sent payloads")
def test_packets_are_written_as_a_payload(vector: Any) -> None:
    assert payload_of(vector["packets"]) == vector["body"].encode()


@each("handshakes")
def test_the_answer_to_a_handshake_has_four_fields(vector: Any) -> None:
    written = socketio1.encode_handshake(*vector["arguments"])
    assert written == vector["text"].encode()
    assert len(written.split(b":")) == 4


@each("messages")
def test_a_message_that_browsers_would_lose_goes_to_them_as_json(vector: Any) -> None:
    instead = socketio1.as_json_message(vector["packet"].encode()).decode()
    assert instead == vector["instead"]
    assert socketio1.decode(instead) == (
        socketio1.decode(vector["packet"])
        if instead == vector["packet"]
        else as_json(socketio1.decode(vector["packet"]))
    )


def as_json(message: Any) -> Message:
    return Message(message.namespace, message.data, message.id, message.receipt, is_json=True)


def test_every_vector_names_its_source() -> None:
    assert [vector for kind in VECTORS if kind != "about" for vector in VECTORS[kind] if not vector["source"]] == []


def test_the_two_signals_have_a_text() -> None:
    assert socketio1.decode(socketio1.HEARTBEAT.decode()) == Heartbeat()
    assert socketio1.decode(socketio1.NOOP.decode()) == Noop()


@pytest.mark.parametrize("data", [b"", b"3:::hi"])
def test_a_binary_message_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="text only"):
        socketio1.decode_binary(data)


# What is written is read again

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ENDPOINTS = st.text(
    st.characters(codec="utf-8", exclude_characters=":?\x7f\u2028\u2029", exclude_categories=["Cc"]), min_size=1
)
NAMESPACES = st.just("/") | ENDPOINTS.map("/{}".format)
NAMES = st.text().filter(lambda text: text not in RESERVED)
IDS = st.integers(0, 10**16 - 1)
TEXTS = st.text() | st.lists(st.sampled_from(["\\", "/", "\n", "\r", "\u2028", ":", "+", "\ufffd", "😀"])).map("".join)


def read_back(encoded: tuple[bytes, tuple[bytes, ...]]) -> Any:
    text, attachments = encoded
    assert attachments == ()
    return socketio1.decode(text.decode())


@given(namespace=NAMESPACES, name=NAMES, args=st.lists(VALUES), number=st.none() | IDS)
def test_an_event_that_is_written_is_read_again(namespace: str, name: str, args: list[Any], number: int | None) -> None:
    assert read_back(socketio1.encode_event(namespace, name, args, number)) == Event(namespace, name, args, number)


@given(namespace=NAMESPACES, number=IDS, args=st.lists(VALUES))
def test_an_ack_that_is_written_is_read_again(namespace: str, number: int, args: list[Any]) -> None:
    assert read_back(socketio1.encode_ack(namespace, number, args)) == Ack(namespace, number, args)


@given(namespace=NAMESPACES, text=TEXTS, number=st.none() | IDS, receipt=st.booleans())
def test_a_text_that_is_written_is_read_again(namespace: str, text: str, number: int | None, receipt: bool) -> None:
    written = socketio1.encode_message(namespace, text, number, receipt=receipt)
    message = Message(namespace, text, number, receipt=receipt and number is not None)
    assert read_back(written) == message
    assert read_back((socketio1.as_json_message(written[0]), ())) in (message, as_json(message))


@given(namespace=NAMESPACES, value=VALUES, number=st.none() | IDS, receipt=st.booleans())
def test_a_value_that_is_written_is_read_again(namespace: str, value: Any, number: int | None, receipt: bool) -> None:
    written = socketio1.encode_message(namespace, value, number, is_json=True, receipt=receipt)
    message = Message(namespace, value, number, receipt=receipt and number is not None, is_json=True)
    assert read_back(written) == message
    assert socketio1.as_json_message(written[0]) == written[0]


@given(namespace=NAMESPACES, query=st.text())
def test_what_enters_and_leaves_a_namespace_is_read_again(namespace: str, query: str) -> None:
    assert read_back(socketio1.encode_knock(namespace, query)) == Connect(namespace, query=query)
    assert read_back(socketio1.encode_connect(namespace, "sid")) == Connect(namespace)
    assert read_back(socketio1.encode_disconnect(namespace)) == Disconnect(namespace)


@given(
    namespace=NAMESPACES,
    reason=st.sampled_from(["", *socketio1.REASONS]),
    advice=st.sampled_from(["", *socketio1.ADVICE]),
)
def test_an_error_that_is_written_is_read_again(namespace: str, reason: str, advice: str) -> None:
    assert read_back(socketio1.encode_error(namespace, reason, advice)) == Error(namespace, reason, advice)


@pytest.mark.parametrize(("reason", "advice"), [("broken", ""), ("", "hide"), ("0", "")])
def test_an_error_has_no_words_of_its_own(reason: str, advice: str) -> None:
    with pytest.raises(ValueError):
        socketio1.encode_error("/", reason, advice)


# Any text

PIECES = st.lists(
    st.sampled_from(
        [
            *"0123456789:+?/",
            "::",
            ":::",
            "5:1+::",
            '{"name":',
            '"args":',
            '"x"',
            "[",
            "]",
            "}",
            "é",
            "😀",
            "\ud83d",
            "\n",
        ]
    )
).map("".join)


@given(st.text(st.characters()) | PIECES)
def test_any_text_gives_a_packet_or_a_decode_error(text: str) -> None:
    try:
        packet = socketio1.decode(text)
    except DecodeError:
        return
    assert type(packet) in (Connect, Disconnect, Event, Message, Ack, Error, Heartbeat, Noop)


@pytest.mark.parametrize("piece", ["[", '"', ":", "+", "?", "1", "\ud83d", '{"name":', "\\"])
@pytest.mark.parametrize("head", ["", "1::", "5:::", "5:", "6:::1", "7:::", '5:::{"name":"x","args":['])
def test_the_work_does_not_grow_with_the_text(
    steps: Callable[[Callable[[], object]], int], head: str, piece: str
) -> None:
    def work() -> None:
        try:
            socketio1.decode(head + piece * 50_000)
        except DecodeError:
            pass

    assert steps(work) < 60


# Payloads

FRAMED = st.lists(st.text(min_size=1), min_size=2)
UNSENDABLE_STARTS = ("\ufffd", "data=")


@given(FRAMED)
def test_packets_of_any_text_come_out_of_their_payload(texts: list[str]) -> None:
    assert list(socketio1.decode_payload(payload_of(texts))) == texts


@given(st.text(min_size=1).filter(lambda text: not text.startswith(UNSENDABLE_STARTS)))
def test_a_lone_packet_goes_without_a_length(text: str) -> None:
    assert payload_of([text]) == text.encode()
    assert list(socketio1.decode_payload(text.encode())) == [text]


@given(st.lists(st.text(st.characters()), min_size=2).filter(all))
def test_lengths_are_those_of_javascript_whatever_a_text_was_cut_from(texts: list[str]) -> None:
    """A browser counts UTF-16 units, and sends each lone surrogate as U+FFFD, which is one unit as well."""
    written, expected = "", []
    for text in texts:
        units = text.encode("utf-16-le", "surrogatepass")
        arrived = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in joined(text))
        written += f"\ufffd{len(units) // 2}\ufffd{arrived}"
        expected.append(arrived)
    assert list(socketio1.decode_payload(written.encode())) == expected


def joined(text: str) -> str:
    """The text as JavaScript has it, where two halves that meet are a character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@given(
    st.binary()
    | st.lists(st.sampled_from(["\ufffd", "1", "4", "3:::", "😀", "0", "data="])).map("".join).map(str.encode)
)
def test_any_bytes_give_packets_or_a_decode_error(body: bytes) -> None:
    try:
        read = list(socketio1.decode_payload(body))
    except DecodeError:
        return
    assert "" not in read


def test_a_payload_is_read_as_it_is_asked_for() -> None:
    packets = socketio1.decode_payload("\ufffd3\ufffd2::\ufffd9\ufffd3".encode())
    assert next(packets) == "2::"
    with pytest.raises(DecodeError):
        next(packets)


def test_the_number_of_packets_is_bounded() -> None:
    body = payload_of(["2::"] * 3)
    assert len(list(socketio1.decode_payload(body, max_packets=3))) == 3
    with pytest.raises(TooMany):
        list(socketio1.decode_payload(body, max_packets=2))
    with pytest.raises(TooMany):
        list(socketio1.decode_payload(payload_of(["2::"] * 10_001)))


@pytest.mark.parametrize("packet", ["2::", "3:::" + "😀" * 50, "3:::" + "x" * 500])
def test_the_work_for_a_payload_is_linear(steps: Callable[[Callable[[], object]], int], packet: str) -> None:
    def work(size: int) -> int:
        body = payload_of([packet] * size)
        return steps(lambda: list(socketio1.decode_payload(body)))

    assert work(2000) - work(1000) == work(3000) - work(2000) <= 20 * 1000


# Values


@pytest.mark.parametrize("value", [b"1", bytearray(b"1"), memoryview(b"1")])
def test_binary_content_becomes_base64(value: Any) -> None:
    assert socketio1.encode_event("/", "draw", [value, [{"a": value}]])[0] == (
        b'5:::{"name":"draw","args":["MQ==",[{"a":"MQ=="}]]}'
    )
    assert socketio1.encode_ack("/", 7, [value])[0] == b'6:::7+["MQ=="]'
    assert socketio1.encode_message("/", value, is_json=True)[0] == b'4:::"MQ=="'


@pytest.mark.parametrize("data", [b"1", 1, None, {"a": 1}])
def test_a_message_that_is_no_text_is_a_type_error_that_says_what_to_do(data: Any) -> None:
    with pytest.raises(TypeError, match="send it as JSON"):
        socketio1.encode_message("/", data)


def test_what_cannot_be_written_is_a_type_error_that_names_the_type() -> None:
    for args in ([object()], [{"a": [object()]}]):
        with pytest.raises(TypeError, match="object"):
            socketio1.encode_event("/", "a", args)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), b'"2020-01-01T00:00:00Z"'),
        (Decimal("1.5"), b'"1.5"'),
        ((1, (2,)), b"[1,[2]]"),
        (float("nan"), b"null"),
        ({2: "é"}, b'{"2":"\\u00e9"}'),
    ],
)
def test_what_the_later_revisions_can_write_is_written(value: Any, text: bytes) -> None:
    assert socketio1.encode_event("/", "a", [value]) == (b'5:::{"name":"a","args":[' + text + b"]}", ())
    assert REVISION_4.encode_event("/", "a", [value]) == (b'42["a",' + text + b"]", ())


def test_the_values_of_the_caller_stay_as_they_are() -> None:
    args = [{"a": (1, datetime(2020, 1, 1, tzinfo=UTC))}]
    socketio1.encode_event("/", "a", args)
    assert args == [{"a": (1, datetime(2020, 1, 1, tzinfo=UTC))}]


# One vocabulary


@pytest.mark.parametrize(
    "function", [each for each in vars(Revision) if each.startswith("encode_") and each != "encode_knock"]
)
def test_a_server_asks_this_codec_as_it_asks_the_others(function: str) -> None:
    theirs = list(inspect.signature(getattr(REVISION_5, function)).parameters.values())
    ours = list(inspect.signature(getattr(socketio1, function)).parameters.values())
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize("revision", [REVISION_4, REVISION_5])
@pytest.mark.parametrize(("data", "is_json"), [("hi", False), ({"a": 1}, True)])
def test_a_message_is_the_event_message_where_there_are_no_messages(
    revision: Revision, data: Any, is_json: bool
) -> None:
    encoded = revision.encode_message("/ep", data, 7, is_json=is_json)
    assert encoded == revision.encode_event("/ep", "message", [data], 7)
    message = Message("/ep", data, 7, is_json=is_json)
    assert as_event(message) == revision.decode(encoded[0].decode(), 1)


def test_a_receipt_stays_one_as_an_event() -> None:
    message = socketio1.decode("3:4:/ep:hi")
    assert isinstance(message, Message)
    assert as_event(message) == Event("/ep", "message", ["hi"], 4, receipt=True)


# Hostile packets: what the whole server makes of them is in the outcome, what this module makes of them in `broken`


def test_there_are_hostile_rows_enough_and_each_says_where_it_is_from() -> None:
    assert len(HOSTILE) >= 45
    assert len({row["name"] for row in HOSTILE}) == len(HOSTILE)
    assert all(
        row["source"].startswith(("CVE-", "RFC 6455, section ", "Socket.IO 0.9, WP-", "rule: ")) for row in HOSTILE
    )
    assert {row["outcome"] for row in HOSTILE} == {"closed", "ignored"}
    assert {transport for row in HOSTILE for transport in row["transports"]} == {"xhr-polling", "websocket"}


@pytest.mark.parametrize("row", HOSTILE, ids=lambda row: row["name"])
def test_a_hostile_row_is_a_decode_error_or_harmless(row: Any) -> None:
    error = None
    try:
        for text in texts_of(row):
            socketio1.decode(text)
    except DecodeError as caught:
        error = caught
    assert (error is not None) == row["broken"]
    assert error is None or isinstance(error, ReservedName) or row["outcome"] == "closed"
    assert len(str(error)) < 300


def texts_of(row: Any) -> Iterable[Any]:
    if "body" in row:
        return socketio1.decode_payload(bytes_of(row["body"]))
    return (
        socketio1.decode_binary(bytes_of(packet)) if isinstance(packet, dict) else text_of(packet)
        for packet in row.get("packets", ())
    )
