"""Packets, JSON and frames as TornadIO2 writes them (T2-50 to T2-61)."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterspout.faces.tornadio2 import proto
from waterspout.wire.packets import Ack, Connect, Disconnect, Event, Message
from waterspout.wire.protocol1 import socketio as socketio1


def test_t2_50_disconnect_names_the_endpoint_or_nobody() -> None:
    assert proto.disconnect() == "0::"
    assert proto.disconnect("/test") == "0::/test"


def test_t2_51_connect_names_the_endpoint_or_nobody() -> None:
    assert proto.connect() == "1::"
    assert proto.connect("/test") == "1::/test"


def test_t2_52_a_heartbeat_is_bare() -> None:
    assert proto.heartbeat() == "2::"


@pytest.mark.parametrize(
    ("given", "packet"),
    [
        ((None, "hi"), "3:::hi"),
        (("/ep", "hi", 1), "3:1:/ep:hi"),
        (("/ep", "hi", "1+"), "3:1+:/ep:hi"),
        ((None, ""), "3:::"),
        ((None, "é 😀".encode()), "3:::é 😀"),
        ((None, {"a": 1}), '4:::{"a": 1}'),
        ((None, [1, "b"]), '4:::[1, "b"]'),
        ((None, 5), "4:::5"),
        ((None, True), "4:::true"),
        ((None, {"price": Decimal("1.5")}), '4:::{"price": 1.5}'),
        ((None, '{"done":1}', None, True), '4:::{"done":1}'),
        ((None, {"a": 1}, None, True), '4:::{"a": 1}'),
        ((None, None), ""),
    ],
)
def test_t2_53_a_message_is_text_or_json(given: tuple[Any, ...], packet: str) -> None:
    assert proto.message(*given) == packet


@pytest.mark.parametrize(
    ("given", "names", "packet"),
    [
        ((None, "x", None), {}, '5:::{"args": [{}], "name": "x"}'),
        ((None, b"x", None), {}, '5:::{"args": [{}], "name": "x"}'),
        (("/ep", "x", None, 1, "b"), {}, '5::/ep:{"args": [1, "b"], "name": "x"}'),
        (("/ep", "x", 7), {"a": 1}, '5:7:/ep:{"args": [{"a": 1}], "name": "x"}'),
        ((None, "x", "7+"), {}, '5:7+::{"args": [{}], "name": "x"}'),
        (
            (None, "x", None),
            {"name": 1, "endpoint": 2, "message_id": 3},
            '5:::{"args": [{"name": 1, "endpoint": 2, "message_id": 3}], "name": "x"}',
        ),
    ],
)
def test_t2_54_an_event_has_arguments_or_one_dictionary(
    given: tuple[Any, ...], names: dict[str, Any], packet: str
) -> None:
    assert proto.event(*given, **names) == packet


def test_t2_54_arguments_with_names_beside_others_are_not_sent_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert proto.event(None, "x", None, 1, a=2) == '5:::{"args": [1], "name": "x"}'
    assert "arguments with a name and without" in caplog.text


@pytest.mark.parametrize(
    ("given", "packet"),
    [
        ((None, 4), "6:::4"),
        (("/ep", 4, None), "6::/ep:4"),
        ((None, 4, "A"), '6:::4+["A"]'),
        ((None, 4, ("A", "B")), '6:::4+["A", "B"]'),
        ((None, 4, ["A", "B"]), '6:::4+[["A", "B"]]'),
        ((None, "4+", ()), "6:::4+[]"),
    ],
)
def test_t2_55_an_acknowledgement_has_one_value_or_those_of_a_tuple(given: tuple[Any, ...], packet: str) -> None:
    assert proto.ack(*given) == packet


def test_t2_56_an_error_has_a_reason_and_advice_and_the_plus_always() -> None:
    assert proto.error("/ep", "reason", "advice") == "7::/ep:reason+advice"
    assert proto.error(None, None) == "7:::+"


def test_t2_57_a_noop_is_bare() -> None:
    assert proto.noop() == "8::"


def test_t2_58_json_is_written_as_by_python_and_read_back() -> None:
    value = {"a": [1, 2.5, None, True, "é 😀 \u2028 \\/"], "b": {}}
    assert proto.json_load(proto.json_dumps(value)) == value == json.loads(proto.json_dumps(value))
    assert proto.json_dumps({"a": 1, "b": [1, 2]}) == '{"a": 1, "b": [1, 2]}'
    assert proto.json_load(b"[1]") == [1]
    with pytest.raises(ValueError, match="broken JSON"):
        proto.json_load("{broken")


def test_t2_58_what_json_does_not_have_becomes_null_or_base64_or_is_refused() -> None:
    assert proto.json_dumps([float("nan"), float("inf")]) == "[null,null]"
    assert proto.json_dumps([b"\0\xff", 1]) == '["AP8=", 1]'
    with pytest.raises(TypeError, match="object"):
        proto.json_dumps(object())


def test_t2_58_a_function_of_the_users_own_writes_and_reads_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proto, "json_dumps", lambda value: json.dumps(value, default=sorted))
    assert proto.message(None, {3, 1, 2}) == "4:::[1, 2, 3]"
    assert proto.event(None, "x", None, {2, 1}) == '5:::{"args": [[1, 2]], "name": "x"}'
    assert proto.ack(None, 1, {2, 1}) == "6:::1+[[1, 2]]"
    assert proto.outgoing([{2, 1}]) == [[1, 2]]
    monkeypatch.setattr(proto, "json_load", lambda text: json.loads(text, parse_float=Decimal))
    assert proto.incoming([1.5]) == [Decimal("1.5")]


def test_json_of_the_users_own_has_no_character_where_clients_stop_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proto, "json_dumps", lambda value: json.dumps(value, ensure_ascii=False))
    assert proto.message(None, ["\u2028é"]) == '4:::["\\u2028é"]'


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        ("", []),
        ("3:::a", ["3:::a"]),
        ("\ufffd5\ufffd3:::5\ufffd7\ufffd3:::53d\ufffd3\ufffd0::", ["3:::5", "3:::53d", "0::"]),
        ("\ufffd7\ufffd3:::😀1\ufffd5\ufffd3:::x", ["3:::😀1", "3:::x"]),
    ],
)
def test_t2_59_frames_are_cut_by_utf_16_units(body: str, packets: list[str]) -> None:
    assert proto.decode_frames(body) == proto.decode_frames(body.encode()) == packets


@pytest.mark.parametrize("body", ["\ufffd", "\ufffd9\ufffd3:::a", "\ufffdx\ufffda", "\ufffd1\ufffd3:::", "\ufffd3"])
def test_t2_59_garbled_frames_are_a_value_error(body: str) -> None:
    with pytest.raises(ValueError):
        proto.decode_frames(body)


def test_t2_60_frames_are_bytes_and_one_packet_alone_has_none() -> None:
    assert proto.encode_frames([]) == b""
    assert proto.encode_frames(["3:::é"]) == "3:::é".encode()
    assert proto.encode_frames(["3:::5", "0::"]) == "\ufffd5\ufffd3:::5\ufffd3\ufffd0::".encode()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2))
def test_t2_60_what_is_framed_is_cut_again(texts: list[str]) -> None:
    packets = [proto.message(None, text) for text in texts]
    assert proto.decode_frames(proto.encode_frames(packets)) == packets


def test_t2_61_the_constants_are_strings() -> None:
    names = ("DISCONNECT", "CONNECT", "HEARTBEAT", "MESSAGE", "JSON", "EVENT", "ACK", "ERROR", "NOOP")
    assert [getattr(proto, name) for name in names] == list("012345678")
    assert proto.FRAME_SEPARATOR == "\ufffd"


@pytest.mark.parametrize(
    ("pack", "packet"),
    [
        (proto.connect("/a"), Connect("/a")),
        (proto.disconnect(), Disconnect("/")),
        (proto.message(None, "x"), Message("/", "x")),
        (proto.message("/a", [1], 2), Message("/a", [1], 2, receipt=True, is_json=True)),
        (proto.message(None, '{"a":1}', None, True), Message("/", {"a": 1}, is_json=True)),
        (proto.event(None, "x", "2+", b"bytes"), Event("/", "x", [b"bytes"], 2)),
        (proto.ack("/a", 3, (1, 2)), Ack("/a", 3, [1, 2])),
        ("3:::text of the user's own", Message("/", "text of the user's own")),
    ],
)
def test_a_packet_knows_what_it_says_for_clients_with_other_words(pack: str, packet: object) -> None:
    assert proto.meaning(pack) == packet


@pytest.mark.parametrize(
    "pack",
    [proto.message("/a", ["b", {"c": 1}], 2), proto.event("/a", "x", "2+", 1, "b"), proto.ack("/a", 3, (1, 2))],
)
def test_what_a_packet_says_is_what_its_text_says(pack: str) -> None:
    assert proto.meaning(pack) == socketio1.decode(pack)


def test_what_is_no_packet_says_nothing() -> None:
    with pytest.raises(ValueError, match="a packet is"):
        proto.meaning("garbage")
