"""From polling to a WebSocket while messages flow: nothing lost, nothing twice, and a failed attempt costs nothing."""

from collections.abc import Callable

import pytest

from engine.applications import Recorder, TurningClock
from waterspout.engine import Engine, Session, State
from waterspout.testing import Clock, Peer, PollingCarrier, WebSocketCarrier, client_frame
from waterspout.types import Reason
from waterspout.wire.generations import Generation


@pytest.fixture
def peer(engine: Engine, generation: Generation) -> Peer:
    """A client over polling that has read its handshake and has a poll parked."""
    peer = Peer(engine, generation=generation, transport="polling")
    peer.take()
    return peer


def goodbye(websocket: WebSocketCarrier) -> bytes:
    """The last bytes of a WebSocket that has ended."""
    assert websocket.finished
    return websocket.written[-1]


def assert_still_polling(peer: Peer, application: Recorder) -> None:
    """The session is as before, and goes on: also to another upgrade."""
    session = application.session
    assert (session.state, session.transport.name) == (State.OPEN, "polling")
    assert len(peer.engine.deadlines) == 1
    application.heard.clear()
    peer.send("4up")
    session.send("down")
    assert (application.heard, peer.take()) == (["up"], ["4down"])
    peer.upgrade()
    session.send("over there")
    assert peer.take() == ["3probe", "6", "6", "4over there"]


def test_a_websocket_proves_itself_and_takes_over(peer: Peer, application: Recorder) -> None:
    session = application.session
    websocket = peer.probe()
    assert session.state is State.UPGRADING
    assert peer.take() == []
    websocket.send(["2probe"])
    assert peer.take() == ["3probe", "6"]
    peer.polls = False
    assert session.transport.name == "polling"
    websocket.send(["5"])
    peer.carrier = websocket
    assert (session.state, session.transport.name) == (State.OPEN, "websocket")
    peer.send("4up", b"\1")
    session.send("down")
    session.send(b"\2")
    assert application.heard == ["up", b"\1"]
    assert peer.take() == ["6", "4down", b"\2"]


def test_while_a_websocket_proves_itself_each_poll_is_let_go_after_a_moment(peer: Peer, clock: Clock) -> None:
    peer.probe().send(["2probe"])
    assert peer.take() == ["3probe", "6"]
    clock.advance(0.099)
    assert peer.take() == []
    clock.advance(0.001)
    assert peer.take() == ["6"]
    clock.advance(1.05)
    assert peer.take() == ["6"] * 10


def test_a_poll_is_not_let_go_before_the_probe_has_come(peer: Peer, clock: Clock) -> None:
    peer.probe()
    clock.advance(5)
    assert peer.take() == []


def test_until_the_upgrade_messages_flow_over_polling(peer: Peer, application: Recorder) -> None:
    websocket = peer.probe()
    application.session.send("first")
    assert peer.take() == ["4first"]
    websocket.send(["2probe"])
    application.session.send("second")
    peer.send("4up")
    assert peer.take() == ["3probe", "6", "4second"]
    assert application.heard == ["up"]
    assert len(websocket.written) == 1


def test_what_no_poll_has_fetched_leaves_over_the_websocket_first(peer: Peer, application: Recorder) -> None:
    websocket = peer.probe()
    peer.polls = False
    websocket.send(["2probe"])
    application.session.send("first")
    application.session.send(b"second")
    assert peer.take() == ["3probe", "6"]
    websocket.send(["5"])
    application.session.send("third")
    assert peer.take() == ["4first", b"second", "4third"]
    assert application.session.outbox_bytes == 0


def test_a_websocket_that_takes_nothing_yet_gets_it_all_later(peer: Peer, application: Recorder) -> None:
    websocket = peer.probe()
    peer.polls = False
    websocket.send(["2probe"])
    websocket.blocked = True
    application.session.send("first")
    websocket.send(["5"])
    application.session.send("second")
    assert peer.take() == ["3probe", "6"]
    websocket.unblock()
    assert peer.take() == ["4first", "4second"]


@pytest.mark.parametrize("kind", [Clock, TurningClock], ids=["at once", "in turns"])
@pytest.mark.parametrize("held", [1, 7, 50])
def test_of_a_thousand_messages_none_is_lost_or_doubled_or_overtakes(
    application: Recorder, kind: type[Clock], generation: Generation, held: int
) -> None:
    """A turn ends after every `held` messages; the steps of the upgrade come anywhere between them."""
    clock, websocket = kind(), None
    peer = Peer(Engine(application, driver=clock), generation=generation, transport="polling")
    for number in range(1000):
        application.session.send(f"{number}")
        if number == 211:
            websocket = peer.probe()
        elif number == 499 and websocket:
            websocket.send(["2probe"])
        elif number == 777 and websocket:
            websocket.send(["5"])
            peer.carrier = websocket
        if number % held == 0 and isinstance(clock, TurningClock):
            clock.turn()
    if isinstance(clock, TurningClock):
        clock.turn()
    messages = [packet for packet in peer.take()[1:] if packet not in ("6", "3probe")]
    assert messages == [f"4{number}" for number in range(1000)]
    assert application.session.transport.name == "websocket"


# Attempts that fail

FAILURES: dict[str, tuple[Callable[[WebSocketCarrier], object], int]] = {
    "a message": (lambda websocket: websocket.send(["4hello"]), 1000),
    "binary": (lambda websocket: websocket.send([b"hello"]), 1000),
    "an empty text": (lambda websocket: websocket.send([""]), 1000),
    "another probe": (lambda websocket: websocket.send(["2prob"]), 1000),
    "a close packet": (lambda websocket: websocket.send(["1"]), 1000),
    "a close frame": (lambda websocket: websocket.feed(client_frame(8, b"\x03\xe9bye")), 1001),
    "a broken frame": (lambda websocket: websocket.feed(b"\xf1\x80\0\0\0\0"), 1002),
    "broken text": (lambda websocket: websocket.feed(client_frame(1, b"\xff")), 1007),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("probed", [False, True], ids=["before the probe", "after the probe"])
def test_a_websocket_that_says_something_else_is_closed_and_the_session_lives(
    peer: Peer, application: Recorder, failure: str, probed: bool
) -> None:
    websocket = peer.probe()
    if probed:
        websocket.send(["2probe"])
        peer.take()
    fail, code = FAILURES[failure]
    fail(websocket)
    assert goodbye(websocket)[2:4] == code.to_bytes(2)
    websocket.send(["2probe", "5", "4late"])
    assert (application.closed, application.heard, peer.take()) == ([], [], [])
    assert_still_polling(peer, application)


@pytest.mark.parametrize("probed", [False, True], ids=["before the probe", "after the probe"])
def test_a_websocket_that_is_cut_costs_the_session_nothing(peer: Peer, application: Recorder, probed: bool) -> None:
    websocket = peer.probe()
    if probed:
        websocket.send(["2probe"])
        peer.take()
    websocket.lose()
    assert application.closed == []
    assert_still_polling(peer, application)


@pytest.mark.parametrize("probed", [False, True], ids=["before the probe", "after the probe"])
def test_a_websocket_that_never_finishes_is_closed_after_the_timeout(
    peer: Peer, application: Recorder, clock: Clock, probed: bool
) -> None:
    websocket = peer.probe()
    if probed:
        websocket.send(["2probe"])
    clock.advance(9.999)
    assert not websocket.finished
    clock.advance(0.001)
    assert goodbye(websocket) == b"\x88\x02\x03\xe8"
    peer.take()
    assert_still_polling(peer, application)


def test_probing_without_end_does_not_extend_the_timeout(peer: Peer, clock: Clock) -> None:
    websocket = peer.probe()
    for _ in range(99):
        clock.advance(0.1)
        websocket.send(["2probe"])
    assert not websocket.finished
    clock.advance(0.1)
    assert websocket.finished


def test_a_second_websocket_is_closed_and_changes_nothing(peer: Peer, application: Recorder) -> None:
    first = peer.probe()
    second = peer.probe()
    assert goodbye(second) == b"\x88\x25\x03\xe8the session has a WebSocket already"
    second.send(["2probe", "5"])
    first.send(["2probe", "5"])
    peer.carrier = first
    third = peer.probe()
    assert goodbye(third) == b"\x88\x25\x03\xe8the session has a WebSocket already"
    third.lose()
    peer.send("4hello")
    assert application.heard == ["hello"]
    assert application.closed == []


def test_a_websocket_session_cannot_be_upgraded(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation)
    assert goodbye(peer.probe()) == b"\x88\x25\x03\xe8the session has a WebSocket already"
    peer.send("4hello")
    assert application.heard == ["hello"]


def test_a_second_5_says_nothing(peer: Peer, application: Recorder) -> None:
    peer.upgrade()
    peer.send("5", "5", "4hello")
    assert application.heard == ["hello"]
    assert peer.closed is None


def test_a_5_without_a_probe_upgrades_like_the_javascript_server_does(peer: Peer, application: Recorder) -> None:
    websocket = peer.probe()
    websocket.send(["5"])
    assert application.session.transport.name == "websocket"
    assert peer.take() == ["6"]


# A session that ends meanwhile

ENDS: dict[str, tuple[Callable[[Peer, Session], object], Reason, str]] = {
    "the application closes": (lambda peer, session: session.close(), Reason.FORCED_CLOSE, "1"),
    "the server shuts down": (lambda peer, session: peer.engine.close(), Reason.SHUTDOWN, "1"),
    "the client closes": (lambda peer, session: peer.send("1"), Reason.TRANSPORT_CLOSE, "6"),
    "the poll is given up": (lambda peer, session: peer.lose(), Reason.TRANSPORT_ERROR, ""),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("probed", [False, True], ids=["before the probe", "after the probe"])
def test_a_session_that_ends_takes_its_attempt_with_it(
    peer: Peer, application: Recorder, end: str, probed: bool
) -> None:
    websocket = peer.probe()
    if probed:
        websocket.send(["2probe"])
        peer.take()
    act, reason, last = ENDS[end]
    act(peer, application.session)
    assert goodbye(websocket) == b"\x88\x02\x03\xe8"
    assert "".join(map(str, peer.take())) == last
    websocket.send(["2probe", "5", "4late"])
    assert (application.closed, application.heard) == ([reason], [])
    assert (peer.engine.sessions, len(peer.engine.deadlines)) == ({}, 0)


def test_a_client_that_is_changing_over_still_gets_what_was_said_before_the_end(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    websocket = peer.probe()
    websocket.send(["2probe"])  # from its answer on, the client polls no more
    application.session.send("the last word")
    application.session.close()
    application.session.send("too late")
    assert (websocket.finished, application.closed) == (False, [Reason.FORCED_CLOSE])
    peer.carrier = websocket
    websocket.send(["5"])
    assert peer.take()[-1] == "4the last word"
    assert (peer.closed, peer.engine.sessions, len(peer.engine.deadlines)) == (1000, {}, 0)


def test_a_client_that_gives_up_changing_over_gets_it_with_its_next_poll(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    websocket = peer.probe()
    application.session.send("the last word")
    application.session.close()
    websocket.lose()
    assert isinstance(peer.carrier, PollingCarrier)
    peer.carrier.poll()
    assert peer.take()[-1:] == ["4the last word"]
    peer.carrier.poll()
    assert peer.take() == ["1"]
    assert (peer.engine.sessions, len(peer.engine.deadlines)) == ({}, 0)


def test_a_client_that_says_goodbye_between_two_polls_ends_its_attempt_too(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    websocket = peer.probe()
    websocket.send(["2probe"])
    peer.send("1")
    assert goodbye(websocket) == b"\x88\x02\x03\xe8"
    websocket.send(["5", "4late"])
    assert (application.closed, application.heard) == ([Reason.TRANSPORT_CLOSE], [])


def test_a_probe_is_no_heartbeat(peer: Peer, application: Recorder, clock: Clock) -> None:
    clock.advance(40)
    websocket = peer.probe()
    websocket.send(["2probe"])
    clock.advance(5)
    assert websocket.finished
    assert application.closed == [Reason.PING_TIMEOUT]
