"""Packets as dictionaries and as text (GS-70 to GS-74, EX-32, EX-52)."""

from decimal import Decimal
from typing import Any

import pytest

from waterspout.faces.gevent_socketio import packet
from waterspout.faces.gevent_socketio.defaultjson import default_json_dumps, default_json_loads

BOTH_WAYS: list[tuple[dict[str, Any], str]] = [
    ({"type": "connect", "qs": "", "endpoint": "/chat"}, "1::/chat"),
    ({"type": "connect", "qs": "?a=b", "endpoint": "/chat"}, "1::/chat:?a=b"),
    ({"type": "disconnect", "endpoint": "/chat"}, "0::/chat"),
    ({"type": "message", "data": "this is the sent string", "endpoint": "/chat"}, "3::/chat:this is the sent string"),
    ({"type": "message", "data": "a:b", "ack": True, "id": 5, "endpoint": "/chat"}, "3:5:/chat:a:b"),
    ({"type": "message", "id": 140, "ack": True, "endpoint": "/tobi", "data": ""}, "3:140:/tobi"),
    ({"type": "json", "data": {"this": "is"}, "endpoint": "/chat"}, '4::/chat:{"this":"is"}'),
    ({"type": "json", "id": 1, "ack": "data", "endpoint": "", "data": {"a": "b"}}, '4:1+::{"a":"b"}'),
    ({"type": "event", "endpoint": "/chat", "name": "my_event", "args": []}, '5::/chat:{"name":"my_event"}'),
    (
        {"type": "event", "endpoint": "", "name": "e", "ack": True, "id": 123, "args": [{"my": "object"}, 2, "x"]},
        '5:123::{"args":[{"my":"object"},2,"x"],"name":"e"}',
    ),
    ({"type": "event", "id": 1, "ack": "data", "endpoint": "", "name": "tobi", "args": []}, '5:1+::{"name":"tobi"}'),
    ({"type": "heartbeat", "endpoint": ""}, "2::"),
    ({"type": "ack", "ackId": 140, "endpoint": "", "args": []}, "6:::140"),
    ({"type": "ack", "ackId": 12, "endpoint": "", "args": ["woot", "wa+"]}, '6:::12+["woot","wa+"]'),
    ({"type": "error", "reason": "unauthorized", "advice": "reconnect", "endpoint": ""}, "7:::2+0"),
    ({"type": "error", "reason": "", "advice": "", "endpoint": ""}, "7:::"),
    ({"type": "noop", "endpoint": ""}, "8::"),
]


@pytest.mark.parametrize(("value", "text"), BOTH_WAYS)
def test_a_packet_is_a_text_and_back(value: dict[str, Any], text: str) -> None:
    before = dict(value)
    assert packet.encode(value) == text
    assert value == before
    assert packet.decode(text) == value


def test_what_the_sender_may_leave_out() -> None:
    assert packet.encode({"type": "event", "name": "x"}) == '5:::{"name":"x"}'
    assert packet.encode({"type": "event", "name": "x", "args": (), "id": 7}) == '5:7::{"args":[],"name":"x"}'
    assert packet.encode({"type": "ack", "ackId": 4}) == "6:::4"
    assert packet.decode("1::/test:?test=1")["qs"] == "?test=1"
    assert packet.decode("5:::no json") == {"type": "event", "endpoint": "", "args": []}


@pytest.mark.parametrize("text", ["", "99::", "garbage", "5:::{}", "4:::{", "7:::9+9", "6:::x", "3:y::"])
def test_what_is_no_packet_is_an_exception(text: str) -> None:
    with pytest.raises(Exception, match=r".*"):
        packet.decode(text)


def test_a_message_that_is_no_text_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"this is \{'a': 1\}: send it with json=True"):
        packet.encode({"type": "message", "data": {"a": 1}})


def test_the_tables_belong_together() -> None:
    assert {packet.MSG_VALUES[number]: number for number in packet.MSG_VALUES} == packet.MSG_TYPES
    assert packet.MSG_TYPES["noop"] == 8
    assert packet.REASONS_VALUES[2] == "unauthorized"
    assert packet.ADVICES_VALUES == {0: "reconnect"}
    assert "ackId" in packet.socketio_packet_attributes


def test_json_is_compact_and_sorted_and_takes_decimals() -> None:
    assert default_json_dumps({"b": Decimal("0.5"), "a": ["é", None]}) == '{"a":["\\u00e9",null],"b":0.5}'
    assert default_json_dumps({1: "x", "a": 2}) == '{"1":"x","a":2}'
    assert default_json_loads('{"a":0.5}') == {"a": 0.5}
    with pytest.raises(ValueError, match=r".+"):
        default_json_loads("{")


def test_other_json_may_be_used() -> None:
    assert packet.encode({"type": "json", "data": 1}, json_dumps=lambda value: f"<{value}>") == "4:::<1>"
    assert packet.decode("4:::x", json_loads=str.upper)["data"] == "X"


def test_a_packet_for_many_is_made_once_for_each_kind_and_anew_where_it_was_changed() -> None:
    shared = packet.SharedPacket(name="said", args=("x",), endpoint="/chat")
    made: list[str] = []

    def make(each: dict[str, Any]) -> str:
        made.append(packet.encode(each))
        return made[-1]

    assert shared.made("0.9", make) is shared.made("0.9", make)
    shared.made("1.x", make)
    for id in (7, 8):
        shared["id"] = id
        shared.made("0.9", make)
    for args in ("y", "z"):
        shared["args"] = [args]
        shared.made("0.9", make)
    sent = [("", "x"), ("", "x"), ("7", "x"), ("8", "x"), ("8", "y"), ("8", "z")]
    assert made == [f'5:{id}:/chat:{{"args":["{args}"],"name":"said"}}' for id, args in sent]
