"""What a policy may choose for clients of Socket.IO 0.7 to 0.9, over the transports that it concerns."""

from typing import Any

import pytest

from engine.applications import Packets
from waterspout.engine import Engine, Policy, Prepared, Protocol1Policy, Session
from waterspout.testing import Clock, MemoryExchange, Peer, PollingCarrier, Refused, admit
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Generation

STREAMING = ("websocket", "flashsocket", "htmlfile", "xhr-multipart")
POLLINGS = ("xhr-polling", "jsonp-polling")
TRANSPORTS = (*STREAMING, *POLLINGS)


class Greeter(Packets):
    """An application that greets in `open`, as one does whose clients are there from the handshake on."""

    def open(self, session: Session, request: Request) -> None:
        super().open(session, request)
        session.push(Prepared(b"1::"))

    def packet(self, session: Session, packet: Any) -> None:
        self.heard.append(packet)


def make(**policy: Any) -> Engine:
    options = {"generations": (ENGINEIO_3, ENGINEIO_4, SOCKETIO_1), **policy}
    return Engine(Greeter(), driver=Clock(), path="/socket.io", policy=Policy(**options))


def tornadio2(*, global_heartbeats: bool = True, **policy: Any) -> Engine:
    """Make one with the policy of the TornadIO2 of 2012; and xhr-multipart, which it had not any more."""
    protocol1 = Protocol1Policy(
        poll_hold=20,
        transports=("websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart"),
        close_timeout_advertised=25,
        unknown_session=401,
        second_poll="refuse",
        post_reply="",
        missed_heartbeats=3,
        global_heartbeats=global_heartbeats,
    )
    options = {"verify_remote_ip": True, **policy}
    return make(ping_interval=12, ping_timeout=5, protocol1=protocol1, **options)


def application(engine: Engine) -> Greeter:
    assert isinstance(engine.application, Greeter)
    return engine.application


def advance(engine: Engine, seconds: float) -> None:
    assert isinstance(engine.driver, Clock)
    engine.driver.advance(seconds)


def nothing_is_left(engine: Engine) -> bool:
    return not engine.sessions and len(engine.deadlines) == 0


# The handshake


def test_the_handshake_of_tornadio2() -> None:
    handshake = Peer(tornadio2(), generation=SOCKETIO_1, transport=None).handshake
    transports = "websocket,flashsocket,xhr-polling,jsonp-polling,htmlfile,xhr-multipart"
    assert handshake.split(":")[1:] == ["17", "25", transports]


@pytest.mark.parametrize(
    ("chosen", "jsonp", "offered"),
    [
        (("htmlfile", "websocket"), True, "htmlfile,websocket"),
        (("xhr-polling", "flashsocket"), True, "xhr-polling,flashsocket"),
        (("xhr-polling", "jsonp-polling"), False, "xhr-polling"),
    ],
)
def test_clients_are_offered_the_transports_that_are_for_them_in_their_order(
    chosen: tuple[str, ...], jsonp: bool, offered: str
) -> None:
    peer = Peer(make(protocol1=Protocol1Policy(transports=chosen), jsonp=jsonp), generation=SOCKETIO_1, transport=None)
    assert peer.handshake.split(":")[3] == offered


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_not_offered_is_refused(transport: str) -> None:
    others = tuple(name for name in TRANSPORTS if name != transport)
    peer = Peer(make(protocol1=Protocol1Policy(transports=others)), generation=SOCKETIO_1, transport=None)
    assert peer.ask("GET", f"/{transport}/{peer.sid}?i=0").status == 404
    engine = make(protocol1=Protocol1Policy(transports=(transport,)), transports=("websocket",))
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    assert peer.take() == ["1::"]


def test_the_later_clients_have_the_transports_that_are_for_all() -> None:
    engine = make(protocol1=Protocol1Policy(transports=("xhr-polling",)), transports=("websocket",))
    Peer(engine, transport="websocket")
    with pytest.raises(Refused, match="Transport unknown"):
        Peer(engine, transport="polling")


# Who asks for a session


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_unknown_session_has_the_status_of_the_policy_and_no_text(transport: str, method: str) -> None:
    engine = make(protocol1=Protocol1Policy(unknown_session=401))
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    for sid in ("x", "token-0000000000000099") * 5:  # however often it is asked for
        answer = peer.ask(method, f"/{transport}/{sid}?i=0")
        assert (answer.status, answer.body) == (401, b"")
        assert ("Cache-Control", "no-store") in answer.headers


def test_who_leaves_a_session_that_is_unknown_has_left_it() -> None:
    peer = Peer(make(protocol1=Protocol1Policy(unknown_session=401)), generation=SOCKETIO_1, transport=None)
    assert peer.ask("GET", "/xhr-polling/x?disconnect").status == 200
    assert peer.ask("GET", f"//{peer.sid}/?disconnect=1").status == 200
    assert peer.ask("GET", f"/xhr-polling/{peer.sid}").status == 401


@pytest.mark.parametrize("transport", POLLINGS)
def test_a_closed_session_is_drained_once_and_is_unknown_then(transport: str) -> None:
    engine = tornadio2()
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport, polls=False)
    assert peer.take() == ["1::"]
    session = application(engine).session
    session.push(Prepared(b"3:::last"))
    session.push(Prepared(b"0::"))
    session.close()
    assert isinstance(peer.carrier, PollingCarrier)
    peer.carrier.poll()
    assert peer.take() == ["3:::last", "0::"]
    for method in ("GET", "POST"):
        assert peer.ask(method, f"/{transport}/{peer.sid}?i=0").status == 401
    assert nothing_is_left(engine)


@pytest.mark.parametrize("transport", STREAMING)
def test_a_closed_session_is_no_session_for_what_streams(transport: str) -> None:
    engine = tornadio2()
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling", polls=False)
    application(engine).session.close()
    assert peer.ask("GET", f"/{transport}/{peer.sid}").status == 401


def test_a_request_whose_session_has_ended_while_its_body_came_has_the_status_too() -> None:
    engine = make(protocol1=Protocol1Policy(unknown_session=404))
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    exchange = MemoryExchange(peer.request("POST", "xhr-polling"))
    decision = peer.admit(exchange.request)
    peer.ask("GET", f"//{peer.sid}/?disconnect=1")
    engine.respond(decision, exchange, b"3:::late")
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.body) == (404, b"")


def from_elsewhere(peer: Peer, request: Request) -> Any:
    request.remote_address = "192.0.2.7"
    return admit(peer.engine, request)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_session_is_unknown_to_another_address(transport: str, method: str) -> None:
    engine = make(verify_remote_ip=True, protocol1=Protocol1Policy(unknown_session=401))
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    decision = from_elsewhere(peer, peer.request(method, transport))
    assert decision.response.status == 401
    decision = from_elsewhere(peer, peer.request(below=f"//{peer.sid}/?disconnect=1"))
    assert decision.response.status == 200
    application(engine).session.push(Prepared(b"3:::still here"))
    assert peer.take()[-1] == "3:::still here"


def test_a_session_has_all_addresses_unless_the_policy_says_otherwise() -> None:
    peer = Peer(make(), generation=SOCKETIO_1, transport="xhr-polling")
    assert from_elsewhere(peer, peer.request("POST", "xhr-polling")).session is not None


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
@pytest.mark.parametrize(("method", "transport"), [("GET", "polling"), ("POST", "polling"), ("GET", "websocket")])
def test_a_later_client_finds_no_session_from_another_address(
    generation: Generation, method: str, transport: str
) -> None:
    engine = make(verify_remote_ip=True)
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    decision = from_elsewhere(peer, peer.request(method, transport))
    assert decision.response.status == 400
    assert b'"Session ID unknown"' in decision.response.body
    application(engine).session.push(Prepared(b"4still here"))
    peer.carrier.poll()  # type: ignore[union-attr]
    assert peer.take()[-1] == "4still here"


# Polling


@pytest.mark.parametrize("second", POLLINGS)
@pytest.mark.parametrize("transport", POLLINGS)
def test_of_two_gets_the_second_is_refused_and_the_first_goes_on(transport: str, second: str) -> None:
    engine = make(protocol1=Protocol1Policy(second_poll="refuse"))
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    assert peer.take() == ["1::"]
    answer = peer.ask("GET", f"/{second}/{peer.sid}?i=0")
    assert (answer.status, answer.body) == (401, b"")
    application(engine).session.push(Prepared(b"3:::a"))
    assert peer.take() == ["3:::a"]
    assert application(engine).closed == []


@pytest.mark.parametrize("transport", POLLINGS)
def test_a_get_after_one_that_was_answered_or_given_up_is_no_second_one(transport: str) -> None:
    engine = make(protocol1=Protocol1Policy(second_poll="refuse"))
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport, polls=False)
    carrier = peer.carrier
    assert isinstance(carrier, PollingCarrier)
    carrier.poll()
    peer.lose()
    carrier.poll()
    advance(engine, 20)
    carrier.poll()
    application(engine).session.push(Prepared(b"3:::a"))
    assert peer.take() == ["1::", "8::", "3:::a"]


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart"])
@pytest.mark.parametrize("reply", ["1", "", "å"])
def test_a_post_is_answered_as_the_policy_says(transport: str, reply: str) -> None:
    peer = Peer(make(protocol1=Protocol1Policy(post_reply=reply)), generation=SOCKETIO_1, transport=transport)
    name, body = ("jsonp-polling", b'd="3:::hi"') if transport == "jsonp-polling" else (transport, b"3:::hi")
    answer = peer.ask("POST", f"/{name}/{peer.sid}?i=0", body)
    assert (answer.status, answer.body) == (200, reply.encode())
    assert application(peer.engine).words() == ["hi"]


# Heartbeats that are counted


@pytest.mark.parametrize("is_global", [True, False])
@pytest.mark.parametrize("transport", STREAMING)
def test_the_third_heartbeat_without_an_answer_ends_the_session(transport: str, is_global: bool) -> None:
    engine = tornadio2(global_heartbeats=is_global)
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    assert peer.take() == ["1::"]
    for packets in (["2::"], ["2::"], ["2::", "0::"]):
        advance(engine, 11.999)
        assert peer.take() == []
        advance(engine, 0.001)
        assert peer.take() == packets
    assert peer.closed is not None
    assert application(engine).closed == [Reason.PING_TIMEOUT]
    assert nothing_is_left(engine)


@pytest.mark.parametrize("transport", POLLINGS)
def test_polling_hears_them_too_if_they_are_for_all(transport: str) -> None:
    engine = tornadio2()
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    for packets in (["1::"], ["2::"], ["2::"], ["2::", "0::"]):
        assert peer.take() == packets
        advance(engine, 12)
    assert application(engine).closed == [Reason.PING_TIMEOUT]
    assert nothing_is_left(engine)


@pytest.mark.parametrize("transport", POLLINGS)
def test_polling_hears_none_if_they_are_for_what_streams(transport: str) -> None:
    engine = tornadio2(global_heartbeats=False)
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    for _ in range(10):
        advance(engine, 20)
    assert peer.take() == ["1::", *["8::"] * 10]
    assert application(engine).closed == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_only_a_heartbeat_answers_and_it_answers_all_before_it(transport: str) -> None:
    engine = tornadio2()
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    peer.take()
    for _ in range(3):
        advance(engine, 24)
        assert [packet for packet in peer.take() if packet != "8::"] == ["2::", "2::"]
        peer.beat()
    advance(engine, 24)
    peer.send("3:::I live", "8::", "6:::7")
    peer.take()
    advance(engine, 12)
    assert peer.take() == ["2::", "0::"]
    assert application(engine).closed == [Reason.PING_TIMEOUT]


@pytest.mark.parametrize("is_global", [True, False])
def test_they_come_as_regularly_as_a_clock_whatever_else_comes(is_global: bool) -> None:
    engine = tornadio2(global_heartbeats=is_global)
    peer = Peer(engine, generation=SOCKETIO_1, transport="websocket")
    peer.take()
    for _ in range(5):
        advance(engine, 5)
        peer.beat()
        peer.send("3:::a")
        application(engine).session.push(Prepared(b"3:::b"))
        advance(engine, 6.999)
        assert peer.take() == ["3:::b"]
        advance(engine, 0.001)
        assert peer.take() == ["2::"]


def test_they_begin_with_the_handshake_if_they_are_for_all() -> None:
    engine = tornadio2()
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    advance(engine, 25)
    peer.switch("websocket")
    assert peer.take() == ["1::", "2::", "2::"]
    peer.send("8::")  # so that nothing is told twice
    peer.lose()
    advance(engine, 11)
    peer.switch("xhr-polling")
    assert peer.take() == ["2::", "0::"]


def test_they_begin_with_what_streams_if_they_are_for_that() -> None:
    engine = tornadio2(global_heartbeats=False)
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    advance(engine, 25)
    peer.switch("websocket")
    assert peer.take() == ["1::"]
    advance(engine, 24)
    assert peer.take() == ["2::", "2::"]
    peer.send("8::")  # so that nothing is told twice
    peer.lose()
    advance(engine, 25)
    peer.switch("htmlfile")
    assert peer.take() == []
    advance(engine, 24)
    assert peer.take() == ["2::", "2::"]
    peer.switch("xhr-polling")
    advance(engine, 60)
    assert peer.take() == ["8::"] * 3
    assert application(engine).closed == []


def test_the_answers_of_a_client_that_is_not_read_are_not_missed() -> None:
    engine = tornadio2(max_calls=1)
    peer = Peer(engine, generation=SOCKETIO_1, transport="websocket")
    session = application(engine).session
    session.begin_call()
    for _ in range(5):
        advance(engine, 12)
    assert peer.take() == ["1::", *["2::"] * 5]
    session.end_call()
    advance(engine, 36)
    assert peer.take() == ["2::", "2::", "2::", "0::"]
