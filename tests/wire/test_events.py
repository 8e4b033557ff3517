"""The messages of plain WebSockets: docs/websocket.md."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterspout.errors import BinaryRefused, UnknownMessage
from waterspout.wire import events
from waterspout.wire.packets import Ack, Connect, Event, Heartbeat


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("{}", Heartbeat()),
        (" { }\n", Heartbeat()),
        ('{"event":"a"}', Event("/chat", "a", [])),
        ('{"event":"a","data":null}', Event("/chat", "a", [None])),
        ('{"event":"a","data":[1,2]}', Event("/chat", "a", [[1, 2]])),
        ('{"event":"a","args":[1,2]}', Event("/chat", "a", [1, 2])),
        ('{"event":"a","data":1,"id":7}', Event("/chat", "a", [1], 7)),
        ('{"event":"a","data":1,"id":"x7"}', Event("/chat", "a", [1], "x7")),
        ('{"event":"a","id":null,"more":1}', Event("/chat", "a", [])),
        ('{"event":"a","id":7.0}', Event("/chat", "a", [], 7)),
        ('{"id":7,"data":1}', Ack("/chat", 7, [1])),
        ('{"id":7}', Ack("/chat", 7, [])),
        ('{"id":7,"args":[1,2]}', Ack("/chat", 7, [1, 2])),
        ('{"id":7,"error":{"message":"no"}}', Ack("/chat", 7, [{"error": {"message": "no"}}])),
        ('{"connect":{"token":"x"}}', Connect("/chat", {"token": "x"})),
        ('{"connect":null}', Connect("/chat", None)),
        ('{"event":"a","id":-0}', Event("/chat", "a", [], 0)),
        ('{"event":"a","id":-0.0}', Event("/chat", "a", [], 0)),
        ('{"event":"a","id":1e2}', Event("/chat", "a", [], 100)),
        ('{"event":"a","id":""}', Event("/chat", "a", [], "")),
        ('{"event":"a","id":1,"event":"b","id":2}', Event("/chat", "b", [], 2)),
        ('{"event":"a","data":1,"args":5,"connect":6,"error":7}', Event("/chat", "a", [1])),
        ('{"connect":{},"id":[],"data":1}', Connect("/chat", {})),
        (r'{"event":"\ud800","data":"\udc00","id":"\ud800"}', Event("/chat", "\ufffd", ["\ufffd"], "\ufffd")),
    ],
)
def test_a_message_is_one_object(text: str, packet: Any) -> None:
    assert events.decode(text, namespace="/chat") == packet


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "broken JSON"),
        ("[]", "a message is a JSON object"),
        ('"a"', "a message is a JSON object"),
        ('{"data":1}', "event, connect or id"),
        ('{"event":1}', "the event is a text, not int"),
        ('{"event":"a","args":1}', "args is a list, not int"),
        ('{"event":"a","id":true}', "an id is"),
        ('{"event":"a","id":1.5}', "an id is"),
        ('{"event":"a","id":9007199254740992}', "an id is"),
        ('{"event":"a","id":[]}', "an id is"),
        ('{"event":"a","id":"%s"}' % ("x" * 101), "an id is"),
        ('{"id":null}', "an id is"),
        ('{"event":"a","id":1e999}', "an id is"),
        ('{"event":"a","id":1e16}', "an id is"),
        (f'{{"event":"a","id":1{"0" * 300}}}', "an id is"),
        ('{"event":"a","args":null}', "args is a list, not NoneType"),
        ('{"event":"a","data":NaN}', "broken JSON"),
        ('{"connect":[]}', "connect is an object, not list"),
        ('{"connect":"token"}', "connect is an object, not str"),
        ('{"connect":false}', "connect is an object, not bool"),
        ("[" * 2000, "levels"),
    ],
)
def test_what_is_no_message_is_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UnknownMessage, match=says) as raised:
        events.decode(text)
    assert raised.value.close_code == 4400
    assert all(word in raised.value.outline for word in says.split())


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        events.decode(text)
    except UnknownMessage:
        pass


def test_a_binary_message_is_refused() -> None:
    with pytest.raises(BinaryRefused) as raised:
        events.decode_binary(b"x")
    assert raised.value.close_code == 1003


@pytest.mark.parametrize(
    ("encoded", "form"),
    [
        (events.encode_event("/", "a", []), {"event": "a"}),
        (events.encode_event("/", "a", [None]), {"event": "a", "data": None}),
        (events.encode_event("/", "a", (1, "é")), {"event": "a", "args": [1, "é"]}),
        (events.encode_event("/", "a", [b"abc", {1}], 3), {"event": "a", "args": ["YWJj", [1]], "id": 3}),
        (events.encode_message("/", "hi"), {"event": "message", "data": "hi"}),
        (events.encode_ack("/", "x", ()), {"id": "x", "data": None}),
        (events.encode_ack("/", 1, (2,)), {"id": 1, "data": 2}),
        (events.encode_ack("/", 1, (2, 3)), {"id": 1, "args": [2, 3]}),
        (events.encode_refusal("/", 1, {"error": {"message": "no"}}), {"id": 1, "error": {"message": "no"}}),
        (events.encode_refusal("/", 1, "no"), {"id": 1, "error": "no"}),
        (events.encode_connect("/", "sid"), {"connect": {"sid": "sid"}}),
        (events.encode_connect_error("/", "no"), {"error": {"message": "no"}}),
        (events.encode_connect_error("/", "no", 5), {"error": {"message": "no", "data": 5}}),
        (events.encode_knock("/"), {"connect": {}}),
        (events.encode_knock("/", {"a": "1"}), {"connect": {"a": "1"}}),
    ],
)
def test_what_is_written(encoded: Any, form: dict[str, Any]) -> None:
    text, attachments = encoded
    assert json.loads(text) == form
    assert attachments == ()


@given(st.text(), st.lists(st.none() | st.integers(-(2**53), 2**53) | st.text() | st.lists(st.booleans()), max_size=3))
def test_what_is_written_is_read(name: str, args: list[Any]) -> None:
    text, _ = events.encode_event("/", name, args, 5)
    assert events.decode(text.decode()) == Event("/", name, args, 5)
