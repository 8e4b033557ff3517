"""What a request means: every official refusal with its code, status, text and sentence, and their order."""

from collections.abc import Iterable
from typing import Any

import pytest

from engine.applications import Recorder, polling_of
from waterspout.engine import Cookie, Engine, Open, Policy, Refuse, Response, Resume
from waterspout.testing import Clock, Peer, Refused, admit
from waterspout.types import Reason, Request
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

BOTH = "this server speaks Engine.IO 3 and Engine.IO 4"
UPGRADE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def ask(
    engine: Engine, query: str, method: str = "GET", fields: Iterable[tuple[str, str]] = (("Host", "localhost"),)
) -> Any:
    return admit(engine, Request(method, f"/engine.io/?{query}", fields))


def answer(decision: object) -> Response:
    assert isinstance(decision, Refuse)
    return decision.response


def refusal(decision: object) -> tuple[int, int, str, str]:
    """The status, and the code, the text and the sentence of the body."""
    response = answer(decision)
    body = json.decode(response.body)
    assert list(body) == ["code", "message", "detail"]
    return response.status, body["code"], body["message"], body["detail"]


TRANSPORTS = {
    "": "transport is '': this server offers polling or websocket",
    "transport=": "transport is '': this server offers polling or websocket",
    "transport=abc": "transport is 'abc': this server offers polling or websocket",
    "transport=Polling": "transport is 'Polling': this server offers polling or websocket",
    "transport=__class__": "transport is '__class__': this server offers polling or websocket",
    "transport=constructor": "transport is 'constructor': this server offers polling or websocket",
    "transport=close": "transport is 'close': this server offers polling or websocket",
    "transport=%1b[31m%0d%0aA": "transport is '\\x1b[31m\\r\\nA': this server offers polling or websocket",
    "transport=%e9%ff": "transport is '\\ufffd\\ufffd': this server offers polling or websocket",
    "transport=" + "x" * 80: f"transport is '{'x' * 80}': this server offers polling or websocket",
    "transport=" + "x" * 1_000_000: f"transport is '{'x' * 80}'...: this server offers polling or websocket",
}


@pytest.mark.parametrize("query", TRANSPORTS, ids=lambda query: query[:40] or "nothing")
def test_an_unknown_transport_is_refused_with_code_0(engine: Engine, query: str) -> None:
    assert refusal(ask(engine, f"EIO=4&{query}")) == (400, 0, "Transport unknown", TRANSPORTS[query])


def test_a_query_of_more_than_a_thousand_parameters_is_none(engine: Engine) -> None:
    query = "EIO=4&transport=polling" + "&a=1" * 1000
    assert refusal(ask(engine, query)) == (400, 0, "Transport unknown", TRANSPORTS[""])


@pytest.mark.parametrize("offered", ["polling", "websocket"])
def test_a_transport_that_the_policy_leaves_out_is_unknown(offered: str, clock: Clock) -> None:
    engine = Engine(Recorder(), policy=Policy(transports=(offered,)), driver=clock)
    other = {"polling": "websocket", "websocket": "polling"}[offered]
    detail = f"transport is '{other}': this server offers {offered}"
    assert refusal(ask(engine, f"EIO=4&transport={other}")) == (400, 0, "Transport unknown", detail)


def test_a_session_on_polling_offers_no_upgrade_that_the_policy_leaves_out(clock: Clock) -> None:
    engine = Engine(Recorder(), policy=Policy(transports=("polling",)), driver=clock)
    assert Peer(engine, transport="polling").handshake["upgrades"] == []


def test_an_unknown_session_is_refused_with_code_1(engine: Engine) -> None:
    detail = "the session is over, or another server has it"
    for sid in ("nobody", "__class__", "%00", "x" * 10_000):
        decision = ask(engine, f"EIO=4&transport=polling&sid={sid}")
        assert refusal(decision) == (400, 1, "Session ID unknown", detail)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "PATCH", "TRACE", "get", ""])
def test_a_session_begins_with_get_or_is_refused_with_code_2(engine: Engine, method: str) -> None:
    detail = f"a session begins with GET, not {method!r}"
    assert refusal(ask(engine, "EIO=4&transport=polling", method)) == (400, 2, "Bad handshake method", detail)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH", "TRACE", "get", ""])
def test_polling_goes_on_with_get_and_post_or_is_refused_with_code_3(engine: Engine, method: str) -> None:
    peer = Peer(engine, transport="polling")
    decision = admit(engine, peer.request(method))
    assert refusal(decision) == (400, 3, "Bad request", f"polling uses GET and POST, not {method!r}")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", f"the request has no EIO parameter; {BOTH}"),
        ("EIO=&", f"the request has no EIO parameter; {BOTH}"),
        ("EIO=1&", f"the client speaks Engine.IO 1; {BOTH}"),
        ("EIO=2&", f"the client speaks Engine.IO 2 (Socket.IO 1.0 beta); {BOTH}"),
        ("EIO=5&", f"the client speaks EIO='5'; {BOTH}"),
        ("EIO=abc&", f"the client speaks EIO='abc'; {BOTH}"),
        ("EIO=04&", f"the client speaks EIO='04'; {BOTH}"),
        ("EIO=%0a4&", f"the client speaks EIO='\\n4'; {BOTH}"),
        ("eio=4&", f"the request has no EIO parameter; {BOTH}"),
    ],
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_unknown_revision_is_refused_with_code_5(engine: Engine, transport: str, query: str, detail: str) -> None:
    decision = ask(engine, f"{query}transport={transport}", fields=UPGRADE.items())
    assert refusal(decision) == (400, 5, "Unsupported protocol version", detail)


def test_a_generation_that_the_policy_leaves_out_is_named_in_the_refusal(clock: Clock) -> None:
    engine = Engine(Recorder(), policy=Policy(generations=(ENGINEIO_4,)), driver=clock)
    detail = "the client speaks Engine.IO 3; this server speaks Engine.IO 4"
    assert refusal(ask(engine, "EIO=3&transport=polling")) == (400, 5, "Unsupported protocol version", detail)


@pytest.mark.parametrize("name", ["EIO", "transport", "sid"])
def test_a_parameter_that_has_two_values_is_refused_and_one_that_stands_there_twice_is_not(
    engine: Engine, name: str
) -> None:
    peer = Peer(engine, transport="polling")
    values = {"EIO": "4", "transport": "polling", "sid": peer.sid}
    query = "&".join(f"{key}={value}" for key, value in values.items())
    detail = f"the query has {name} more than once, with different values"
    for second in ("", "x"):
        assert refusal(ask(engine, f"{query}&{name}={second}")) == (400, 3, "Bad request", detail)
    assert isinstance(ask(engine, f"{query}&{name}={values[name]}&{name}={values[name]}"), Resume)
    assert isinstance(ask(engine, f"{query}&t=1&t=2"), Resume)


def test_a_request_in_another_revision_than_its_session_is_refused(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, transport="polling")
    other = {ENGINEIO_3: ENGINEIO_4, ENGINEIO_4: ENGINEIO_3}[generation]
    detail = f"the session speaks {generation.name}, the request {other.name}"
    for transport in ("polling", "websocket"):
        for method in ("GET", "POST"):
            query = f"EIO={other.revision}&transport={transport}&sid={peer.sid}"
            assert refusal(ask(engine, query, method, UPGRADE.items())) == (400, 3, "Bad request", detail)
    peer.send("4hello")
    assert application.heard == ["hello"]


def test_polling_on_a_session_that_has_a_websocket_is_refused(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    upgraded = Peer(engine, generation=generation, transport="polling")
    upgraded.upgrade()
    for peer in (upgraded, Peer(engine, generation=generation)):
        for method in ("GET", "POST"):
            decision = admit(engine, peer.request(method, "polling"))
            detail = "the session has left polling for websocket"
            assert refusal(decision) == (400, 3, "Bad request", detail)
        peer.send("4hello")
    assert application.heard == ["hello", "hello"]


FAULTS: list[tuple[dict[str, str], int, str]] = [
    ({"Upgrade": ""}, 400, "The Upgrade header is '', but a WebSocket needs 'websocket' in it"),
    ({"Upgrade": "h2c"}, 400, "The Upgrade header is 'h2c', but a WebSocket needs 'websocket' in it"),
    ({"Connection": "close"}, 400, "The Connection header is 'close', but a WebSocket needs 'upgrade' in it"),
    ({"Sec-WebSocket-Version": ""}, 426, "The Sec-WebSocket-Version is '', but this server speaks only '13'"),
    ({"Sec-WebSocket-Version": "8"}, 426, "The Sec-WebSocket-Version is '8', but this server speaks only '13'"),
    ({"Sec-WebSocket-Version": "13, 8"}, 426, "The Sec-WebSocket-Version is '13, 8', but this server speaks only '13'"),
    ({"Sec-WebSocket-Key": ""}, 400, "The Sec-WebSocket-Key is '', but it must be 16 bytes in base64"),
    ({"Sec-WebSocket-Key": "x"}, 400, "The Sec-WebSocket-Key is 'x', but it must be 16 bytes in base64"),
]


@pytest.mark.parametrize(("change", "status", "detail"), FAULTS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("known", [False, True], ids=["a new session", "an upgrade"])
def test_a_faulty_websocket_handshake_is_refused(
    engine: Engine, known: bool, change: dict[str, str], status: int, detail: str
) -> None:
    sid = f"&sid={Peer(engine, transport='polling').sid}" if known else ""
    decision = ask(engine, f"EIO=4&transport=websocket{sid}", fields=(UPGRADE | change).items())
    assert refusal(decision) == (status, 3, "Bad request", detail)
    assert (("Sec-WebSocket-Version", "13") in answer(decision).headers) == (status == 426)
    assert len(engine.sessions) == known


def test_a_websocket_for_a_known_session_opens_with_get(engine: Engine) -> None:
    peer = Peer(engine, transport="polling")
    decision = ask(engine, f"EIO=4&transport=websocket&sid={peer.sid}", "POST", UPGRADE.items())
    assert refusal(decision) == (400, 3, "Bad request", "The method is 'POST', but a WebSocket opens with GET")


def test_a_plain_get_to_the_websocket_transport_is_refused(engine: Engine) -> None:
    detail = (
        "The Upgrade header is '', but a WebSocket needs 'websocket' in it: a proxy before the server has probably "
        "dropped it, let it forward Upgrade and Connection"
    )
    assert refusal(ask(engine, "EIO=4&transport=websocket")) == (400, 3, "Bad request", detail)


def test_upgrade_headers_on_polling_change_nothing(engine: Engine) -> None:
    decision = ask(engine, "EIO=4&transport=polling", fields=UPGRADE.items())
    assert isinstance(decision, Open)
    assert decision.upgrade is None


def test_the_first_fault_in_the_official_order_is_the_answer(engine: Engine) -> None:
    evil = [("Host", "localhost"), ("Origin", "http://evil.example")]
    steps = [
        (ask(engine, "EIO=9&EIO=8&transport=x&sid=y", "PUT", evil), 4),
        (ask(engine, "EIO=9&EIO=8&transport=x&sid=y", "PUT"), 3),
        (ask(engine, "EIO=9&transport=x&sid=y", "PUT"), 0),
        (ask(engine, "EIO=9&transport=polling&sid=y", "PUT"), 5),
        (ask(engine, "EIO=4&transport=polling&sid=y", "PUT"), 1),
        (ask(engine, "EIO=4&transport=polling", "PUT"), 2),
    ]
    assert [refusal(decision)[1] for decision, _ in steps] == [code for _, code in steps]


def test_a_refusal_is_json_that_nobody_keeps_or_takes_for_a_page(engine: Engine) -> None:
    response = answer(ask(engine, "EIO=4&transport=<script>"))
    assert response.headers == (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    )


def test_a_refusal_can_be_read_by_the_pages_that_may_connect(clock: Clock) -> None:
    engine = Engine(Recorder(), policy=Policy(cors_origins="*"), driver=clock)
    response = answer(ask(engine, "EIO=4", fields=[("Origin", "http://page.example")]))
    assert ("Access-Control-Allow-Origin", "*") in response.headers


def test_a_server_that_shuts_down_admits_nobody(engine: Engine, generation: Generation, transport: str) -> None:
    engine.close()
    with pytest.raises(Refused) as caught:
        Peer(engine, generation=generation, transport=transport)
    detail = "the server is shutting down: connect again later"
    assert refusal(Refuse(caught.value.response)) == (503, 3, "Bad request", detail)
    assert engine.sessions == {}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_at_interval_and_timeout_is_refused_whether_or_not_a_timer_has_gone_off(
    engine: Engine, application: Recorder, clock: Clock, generation: Generation, method: str
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    clock.time += 44.999
    assert isinstance(admit(engine, peer.request(method)), Resume)
    clock.time += 0.001
    assert refusal(admit(engine, peer.request(method)))[:3] == (400, 1, "Session ID unknown")
    assert application.closed == [Reason.PING_TIMEOUT]
    assert engine.sessions == {}
    clock.advance(100)
    assert application.closed == [Reason.PING_TIMEOUT]


def test_an_expired_session_is_told_about_by_its_parked_poll(engine: Engine, clock: Clock) -> None:
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling")
    clock.time += 45
    with pytest.raises(Refused):
        peer.admit(peer.request("POST"))
    assert peer.take()[1:] == ["1"]


def test_an_admitted_session_has_the_id_that_its_client_is_told(engine: Engine, generation: Generation) -> None:
    decision = ask(engine, f"EIO={generation.revision}&transport=polling")
    assert isinstance(decision, Open)
    assert decision.session is not None
    assert (decision.generation, decision.session.id) == (generation, "token-0000000000000001")
    assert list(engine.sessions) == [decision.session.id]


def test_an_empty_sid_begins_a_session(engine: Engine) -> None:
    assert isinstance(ask(engine, "EIO=4&transport=polling&sid="), Open)


def test_the_cookie_goes_with_the_handshake_and_with_nothing_else(clock: Clock, transport: str) -> None:
    engine = Engine(Recorder(), policy=Policy(cookie=Cookie(name="node")), driver=clock)
    cookie = ("Set-Cookie", "node=token-0000000000000001; Path=/; HttpOnly; SameSite=Lax")
    opened = ask(engine, f"EIO=4&transport={transport}", fields=UPGRADE.items())
    assert opened.headers == (cookie,)
    peer = Peer(engine, transport="polling")
    polling_of(peer).post(b"4hello")
    assert ("Set-Cookie", f"node={peer.sid}; Path=/; HttpOnly; SameSite=Lax") in polling_of(peer).responses[0].headers
    assert peer.admit(peer.request()).headers == ()
