"""Who lives and who does not: pings in both directions, to the millisecond. The interval is 25 s, the timeout 20 s."""

import pytest

from engine.applications import Recorder, link_of
from waterspout.engine import Engine
from waterspout.testing import Clock, Peer, Refused
from waterspout.types import Reason
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

CLOSE = b"\x03\xe8ping timeout"  # code 1000


def connect(engine: Engine, generation: Generation, transport: str) -> Peer:
    peer = Peer(engine, generation=generation, transport=transport)
    peer.take()
    return peer


def assert_timed_out(peer: Peer, application: Recorder, engine: Engine) -> None:
    assert application.closed == [Reason.PING_TIMEOUT]
    assert (engine.sessions, len(engine.deadlines)) == ({}, 0)
    if peer.transport == "websocket":
        assert peer.frames[-1] == (8, CLOSE)
    else:
        assert peer.take()[-1:] == ["1"]


def test_the_server_pings_each_interval_and_hears_the_pong(engine: Engine, clock: Clock, transport: str) -> None:
    peer = connect(engine, ENGINEIO_4, transport)
    for answered_after in (0, 19.999, 5):
        clock.advance(24.999)
        assert peer.take() == []
        clock.advance(0.001)
        assert peer.take() == ["2"]
        clock.advance(answered_after)
        peer.beat()
    assert peer.take() == []
    assert peer.closed is None


def test_a_client_that_does_not_answer_a_ping_is_closed_after_the_timeout(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_4, transport)
    clock.advance(44.999)
    assert application.closed == []
    clock.advance(0.001)
    assert_timed_out(peer, application, engine)


def test_the_client_pings_and_is_answered_with_its_own_data(engine: Engine, transport: str) -> None:
    peer = connect(engine, ENGINEIO_3, transport)
    peer.send("2")
    peer.send("2probe")
    peer.send("2å😀")
    assert peer.take() == ["3", "3probe", "3å😀"]


def test_a_client_that_does_not_ping_is_closed_after_interval_and_timeout(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_3, transport)
    for _ in range(3):
        clock.advance(44.999)
        peer.beat()
    assert peer.take() == ["3", "3", "3"]
    clock.advance(44.999)
    assert application.closed == []
    clock.advance(0.001)
    assert_timed_out(peer, application, engine)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_ping_of_a_client_that_is_pinged_ends_its_session(
    engine: Engine, application: Recorder, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_4, transport)
    if transport == "websocket":
        peer.send("2")
        assert peer.closed == 1002
    else:
        with pytest.raises(Refused) as caught:
            peer.send("2")
        assert caught.value.response.status == 400
        assert peer.take() == ["1"]
    assert application.closed == [Reason.PARSE_ERROR]


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_pong_that_nobody_awaits_is_ignored(
    engine: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    peer = connect(engine, generation, transport)
    peer.take()
    peer.send("3", "4hello")
    assert (application.heard, application.closed) == (["hello"], [])
    assert peer.take() == []


def test_who_talks_but_does_not_ping_is_given_a_second_timeout_and_no_third(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_3, transport)
    for _ in range(64):
        clock.advance(1)
        peer.send("4data")
    clock.advance(0.999)
    assert application.closed == []
    clock.advance(0.001)  # 25 + 20 + 20
    assert_timed_out(peer, application, engine)


def test_who_talks_but_does_not_answer_the_ping_is_given_a_second_timeout_and_no_third(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_4, transport)
    for _ in range(64):
        clock.advance(1)
        peer.send("4data")
    clock.advance(0.999)
    assert peer.take() == ["2"]
    assert application.closed == []
    clock.advance(0.001)
    assert_timed_out(peer, application, engine)


def test_what_a_client_said_before_the_ping_says_nothing_about_its_life_afterwards(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_4, transport)
    clock.advance(24.999)
    peer.send("4data")
    clock.advance(20.001)
    assert_timed_out(peer, application, engine)


def test_a_heartbeat_in_the_extension_makes_all_well_again(
    engine: Engine, application: Recorder, clock: Clock, generation: Generation
) -> None:
    peer = connect(engine, generation, "websocket")
    for _ in range(3):
        clock.advance(44)
        peer.send(b"a long message")
        clock.advance(20.999)
        peer.beat()
    assert application.closed == []


def test_the_extension_counts_for_requests_too(
    engine: Engine, application: Recorder, clock: Clock, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    clock.advance(44)
    peer.send("4data")
    clock.advance(20.5)
    peer.send("4data")
    clock.time += 0.5
    with pytest.raises(Refused):
        peer.send("4data")
    assert application.heard == ["data", "data"]
    assert application.closed == [Reason.PING_TIMEOUT]


def test_pongs_that_nobody_awaits_change_nothing(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = connect(engine, ENGINEIO_4, transport)
    for _ in range(24):
        clock.advance(1)
        peer.send(*["3"] * 100)
    assert len(engine.deadlines) == 1
    assert peer.take() == []
    clock.advance(1)
    assert peer.take() == ["2"]
    peer.send(*["3"] * 100)
    clock.advance(45)
    assert peer.take()[:1] == ["2"]
    assert application.closed == [Reason.PING_TIMEOUT]


def test_a_timer_that_is_a_little_late_takes_nothing_from_the_time(engine: Engine, clock: Clock) -> None:
    connect(engine, ENGINEIO_4, "websocket")
    clock.time += 26.9
    engine.advance()
    assert engine.deadlines.next() == 1000 + 25 + 20


def test_a_timer_that_is_a_tenth_of_the_timeout_late_gives_the_whole_timeout(engine: Engine, clock: Clock) -> None:
    connect(engine, ENGINEIO_4, "websocket")
    clock.time += 27.1
    engine.advance()
    assert engine.deadlines.next() == 1000 + 27.1 + 20


def test_a_process_that_slept_pings_before_it_judges(engine: Engine, application: Recorder, clock: Clock) -> None:
    peer = connect(engine, ENGINEIO_4, "websocket")
    clock.time += 3600
    engine.advance()
    assert peer.take() == ["2"]
    clock.advance(19.999)
    assert application.closed == []
    clock.advance(0.001)
    assert application.closed == [Reason.PING_TIMEOUT]


def test_a_client_that_reads_nothing_is_closed_although_its_ping_could_not_be_sent(
    engine: Engine, application: Recorder, clock: Clock
) -> None:
    peer = connect(engine, ENGINEIO_4, "websocket")
    link_of(peer).blocked = True
    clock.advance(45)
    assert_timed_out(peer, application, engine)


def test_the_heartbeat_goes_on_over_an_upgrade(
    engine: Engine, application: Recorder, clock: Clock, generation: Generation
) -> None:
    peer = connect(engine, generation, "polling")
    clock.advance(20)
    peer.upgrade()
    for _ in range(3):
        clock.advance(24)
        peer.beat()
        clock.advance(1)
        peer.beat()
    assert application.closed == []
    clock.advance(60)
    assert application.closed == [Reason.PING_TIMEOUT]
    assert peer.frames[-1] == (8, CLOSE)


def test_a_session_that_has_ended_waits_for_nothing(engine: Engine, clock: Clock, generation: Generation) -> None:
    peer = connect(engine, generation, "websocket")
    peer.send("1")
    assert len(engine.deadlines) == 0
    frames = list(peer.frames)
    clock.advance(1000)
    assert peer.frames == frames
