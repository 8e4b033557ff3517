"""A WebSocket of Socket.IO 0.7 to 0.9 that carries nothing before its client has said something (WP-22)."""

import pytest

from engine.applications import Packets
from waterspout.engine import Engine, Policy, Prepared, Protocol1Policy
from waterspout.testing import Clock, HixieCarrier, Peer, StreamCarrier, WebSocketCarrier
from waterspout.testing.frames import client_frame
from waterspout.types import Reason
from waterspout.wire.generations import ENGINEIO_4, SOCKETIO_1

NAMES = ("websocket", "flashsocket")


@pytest.fixture(params=["websocket", "hixie"])
def peer(request: pytest.FixtureRequest) -> Peer:
    """A client whose WebSocket is being looked at."""
    return Peer(make(), generation=SOCKETIO_1, transport=request.param)


def make() -> Engine:
    protocol1 = Protocol1Policy(websocket_check=True)
    policy = Policy(generations=(ENGINEIO_4, SOCKETIO_1), protocol1=protocol1, ping_timeout=5)
    return Engine(Packets(), driver=Clock(), path="/socket.io", policy=policy)


def application(peer: Peer) -> Packets:
    assert isinstance(peer.engine.application, Packets)
    return peer.engine.application


def advance(peer: Peer, seconds: float) -> None:
    assert isinstance(peer.engine.driver, Clock)
    peer.engine.driver.advance(seconds)


def websocket(peer: Peer) -> WebSocketCarrier:
    assert isinstance(peer.carrier, WebSocketCarrier)
    return peer.carrier


def code(peer: Peer, expected: int) -> int:
    """What a client hears of a close code: of draft 76, whose closing frame has none, no more than the end."""
    return 0 if isinstance(peer.carrier, HixieCarrier) else expected


@pytest.mark.parametrize("answer", ["2::", "3:::hello", "8::"])
def test_the_first_packet_of_the_client_lets_the_websocket_carry(peer: Peer, answer: str) -> None:
    advance(peer, 4.999)
    assert peer.take() == ["2::"]
    assert application(peer).heard == []
    peer.send(answer)
    assert peer.take() == ["1::"]
    advance(peer, 10)
    assert peer.closed is None
    assert application(peer).words() == (["hello"] if answer == "3:::hello" else [])


def test_a_websocket_that_brings_nothing_is_closed_and_the_client_may_try_another(peer: Peer) -> None:
    advance(peer, 5)
    assert peer.take() == ["2::"]
    assert peer.closed == code(peer, 1000)
    peer.closed = None
    peer.switch("xhr-polling")
    assert peer.take() == ["1::"]
    peer.say("here")
    assert application(peer).words() == ["here"]


def test_what_was_queued_comes_behind_the_answer() -> None:
    peer = Peer(make(), generation=SOCKETIO_1, transport="xhr-polling", polls=False)
    peer.take()
    application(peer).session.push(Prepared(b"3:::a"))
    peer.switch("websocket")
    assert peer.take() == ["2::"]
    application(peer).session.push(Prepared(b"3:::b"))
    peer.beat()
    assert peer.take() == ["3:::a", "3:::b"]


def test_a_session_waits_for_another_transport_while_none_has_proved_itself(peer: Peer) -> None:
    websocket(peer).lose()
    assert len(peer.engine.deadlines) == 1
    advance(peer, 30)
    assert not peer.engine.sessions
    assert len(peer.engine.deadlines) == 0


@pytest.mark.parametrize(
    "bytes_",
    [client_frame(2, b"binary"), client_frame(1, b"\xff"), client_frame(8, b"\x03\xe8"), b"\xff\xff\xff\xff"],
    ids=["binary", "no text", "a close frame", "no frame"],
)
def test_what_is_no_packet_ends_the_websocket_and_not_the_session(peer: Peer, bytes_: bytes) -> None:
    websocket(peer).transport.receive(bytes_)
    assert peer.closed is not None
    peer.closed = None
    assert len(peer.engine.deadlines) == 1
    peer.switch("xhr-polling")
    assert peer.take() == ["2::", "1::"]


def test_a_client_whose_first_packet_is_broken_is_treated_like_any_other(peer: Peer) -> None:
    peer.send("what?")
    assert peer.closed == code(peer, 1002)
    assert application(peer).closed == [Reason.PARSE_ERROR]
    assert len(peer.engine.deadlines) == 0


def test_a_session_that_ends_meanwhile_takes_no_websocket(peer: Peer) -> None:
    peer.ask("GET", f"//{peer.sid}/?disconnect=1")
    assert peer.closed == code(peer, 1000)
    peer.beat()
    assert application(peer).heard == []
    assert len(peer.engine.deadlines) == 0


def test_nobody_else_is_looked_at() -> None:
    engine = make()
    for transport in ("xhr-polling", "htmlfile"):
        assert Peer(engine, generation=SOCKETIO_1, transport=transport).take() == ["1::"]
    assert Peer(engine, transport="websocket").sid


@pytest.mark.parametrize("name", NAMES)
def test_what_had_not_left_another_transport_comes_once(name: str) -> None:
    engine = make()
    peer = Peer(engine, generation=SOCKETIO_1, transport="htmlfile")
    assert peer.take() == ["1::"]
    assert isinstance(peer.carrier, StreamCarrier)
    peer.carrier.held = True
    application(peer).session.push(Prepared(b"3:::a"))
    advance(peer, 10)
    peer.switch(name)
    peer.send("2::")
    assert peer.take() == ["2::", "1::", "3:::a"]
