"""One connection: its states, its outbox, its life and its end."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from engine.applications import Recorder, TurningClock, link_of, polling_of
from waterspout import Server
from waterspout.engine import TRANSITIONS, Ending, Engine, Policy, Prepared, Session, State, Step
from waterspout.engine.dialects import EngineIO
from waterspout.testing import SOCKETIO_1, Clock, Peer, Refused, admit, server_frames
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_4, Generation


class NarrowLink:
    """A socket that takes as many writes as there is `room`, whether or not it has been full before."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.written: list[bytes] = []
        self.last: bytes | None = None

    def write(self, data: bytes) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.written += [payload for _, payload in server_frames(data)]
        return True

    def finish(self, data: bytes) -> None:
        self.last = data

    unsent_bytes = 0

    def close(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def knock(engine: Engine) -> tuple[Request, Any]:
    """Ask for a WebSocket of Engine.IO 4; returns the request, and what it means."""
    request = Request("GET", "/engine.io/?EIO=4&transport=websocket", HANDSHAKE.items())
    return request, admit(engine, request)


def open_on(link: NarrowLink, engine: Engine) -> Any:
    """Open a session of Engine.IO 4 on a link; returns its transport."""
    request, decision = knock(engine)
    return engine.connect(decision, request, link)


def messages(peer: Peer) -> list[str | bytes]:
    return [packet for packet in peer.take() if packet[:1] == "4" or isinstance(packet, bytes)]


# States


def test_every_state_has_its_row_and_only_the_last_has_no_way_out() -> None:
    assert set(TRANSITIONS) == set(State)
    assert [state for state, row in TRANSITIONS.items() if not row] == [State.CLOSED]
    assert all(row[Step.END] is State.CLOSED for row in TRANSITIONS.values() if row)


@pytest.mark.parametrize(
    ("before", "act", "sentence"),
    [
        (lambda session: None, Session.abandon_upgrade, "a session that is open cannot abandon"),
        (lambda session: session.lost(Reason.TRANSPORT_CLOSE), Session.abandon_upgrade, "closed cannot abandon"),
        (lambda session: session.begin_upgrade(None), lambda it: it.begin_upgrade(None), "upgrading cannot probe"),
    ],
)
def test_what_the_table_does_not_have_is_refused(
    engine: Engine, application: Recorder, before: Callable[[Any], object], act: Callable[[Any], object], sentence: str
) -> None:
    Peer(engine)
    before(application.session)
    with pytest.raises(RuntimeError, match=sentence):
        act(application.session)


def test_a_session_is_known_by_its_id_while_it_lives(
    engine: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    peer = Peer(engine, generation=generation, transport=transport, query="a=1&a=2")
    session = application.session
    assert engine.sessions == {peer.sid: session}
    assert (session.id, session.generation, session.transport.name) == (peer.sid, generation, transport)
    assert session.request.query["a"] == ["1", "2"]
    assert session.outbox_bytes == 0
    peer.send("1")
    assert engine.sessions == {}


# The outbox: what the transport does not take


def test_what_a_slow_client_does_not_take_waits_and_arrives_in_order(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation)
    peer.take()
    for _ in range(3):
        link_of(peer).blocked = True
        for number in range(100):
            application.session.send(f"{number}")
        application.session.send(b"\0\1")
        assert peer.take() == []
        assert application.session.outbox_bytes == 292
        link_of(peer).unblock()
        application.session.send("last")
        assert peer.take() == [*(f"4{number}" for number in range(100)), b"\0\1", "4last"]
        assert application.session.outbox_bytes == 0


def test_a_client_that_takes_a_little_at_a_time_loses_nothing(engine: Engine, application: Recorder) -> None:
    link = NarrowLink(1)
    websocket = open_on(link, engine)
    for number in range(100):
        application.session.send(f"{number}")
        if number % 3 == 0:
            link.room = 2
        if number % 5 == 0:
            websocket.writable()
    link.room = 1000
    websocket.writable()
    assert link.written[1:] == [b"4%d" % number for number in range(100)]


@pytest.fixture
def small(application: Recorder, clock: Clock) -> Engine:
    """An engine whose outboxes hold 100 bytes."""
    return Engine(application, policy=Policy(max_outbox_bytes=100), driver=clock)


def test_the_cap_can_be_reached_but_not_passed(
    small: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    peer = Peer(small, generation=generation, transport=transport, polls=False)
    if transport == "websocket":
        link_of(peer).blocked = True
    application.session.send("x" * 49)
    application.session.send(b"x" * 50)
    assert application.session.outbox_bytes == 100
    assert application.session.state is State.OPEN
    application.session.send("")
    assert application.closed == [Reason.SLOW_CONSUMER]
    assert application.session.outbox_bytes == 0


def test_a_slow_consumer_is_told_1008_and_nothing_else(
    small: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(small, generation=generation)
    peer.take()
    link_of(peer).blocked = True
    for _ in range(1000):
        application.session.send("some text")
    assert peer.frames[1:] == [(8, b"\x03\xf0")]
    assert application.closed == [Reason.SLOW_CONSUMER]
    assert (small.sessions, len(small.deadlines)) == ({}, 0)


def test_a_slow_consumer_on_polling_is_told_to_close(
    small: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(small, generation=generation, transport="polling", polls=False)
    peer.take()
    for _ in range(1000):
        application.session.send("some text")
    polling_of(peer).poll()
    assert peer.take() == ["1"]
    assert application.closed == [Reason.SLOW_CONSUMER]
    assert small.sessions == {}


def test_the_number_of_messages_is_bounded_too(
    application: Recorder, clock: Clock, generation: Generation, transport: str
) -> None:
    engine = Engine(application, policy=Policy(max_packets=3), driver=clock)
    peer = Peer(engine, generation=generation, transport=transport, polls=False)
    peer.take()
    if transport == "websocket":
        link_of(peer).blocked = True
    for _ in range(3):
        application.session.send("")
    assert application.session.is_live
    application.session.send("")
    assert application.closed == [Reason.SLOW_CONSUMER]


def test_nothing_overtakes_what_was_dropped(application: Recorder) -> None:
    clock = TurningClock()
    engine = Engine(application, policy=Policy(max_outbox_bytes=100), driver=clock)
    link = NarrowLink(2)
    websocket = open_on(link, engine)
    for _ in range(20):
        application.session.send("some text")
    link.room = 1000
    application.session.send("later")
    websocket.writable()
    clock.turn()
    assert link.written[1:] == [b"4some text"]
    assert link.last == b"\x88\x02\x03\xf0"
    assert application.closed == [Reason.SLOW_CONSUMER]


def test_a_message_above_the_cap_is_sent_if_nothing_else_waits(
    small: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    peer = Peer(small, generation=generation, transport=transport, polls=False)
    peer.take()
    for _ in range(3):
        if transport == "websocket":
            link_of(peer).blocked = True
        application.session.send("x" * 10_000)
        assert application.session.outbox_bytes == 10_001
        link_of(peer).unblock() if transport == "websocket" else polling_of(peer).poll()
        assert peer.take() == ["4" + "x" * 10_000]
    assert application.closed == []


def test_a_slow_consumer_costs_its_neighbours_nothing(
    small: Engine, application: Recorder, generation: Generation
) -> None:
    slow, quick = (Peer(small, generation=generation) for _ in range(2))
    quick.take()
    link_of(slow).blocked = True
    for number in range(100):
        for session in application.sessions:
            session.send(f"{number}")
    assert quick.take() == [f"4{number}" for number in range(100)]
    assert list(small.sessions) == [quick.sid]


def test_one_who_is_cut_in_a_fan_out_is_cut_after_it(application: Recorder, small: Engine) -> None:
    peers = [Peer(small) for _ in range(3)]
    link_of(peers[0]).blocked = True
    prepared = Prepared(b"4" + b"x" * 60)
    with small.turn:
        for _ in range(3):
            for session in application.sessions:
                session.push(prepared)
        assert application.closed == []
        assert len(small.sessions) == 3
    assert application.closed == [Reason.SLOW_CONSUMER]
    assert len(small.sessions) == 2


# Closing


def test_what_is_queued_is_sent_before_the_goodbye(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation)
    peer.take()
    link_of(peer).blocked = True
    application.session.send("first")
    application.session.send("second")
    application.session.close(Ending(code=3000))
    assert application.closed == [Reason.FORCED_CLOSE]
    assert (application.session.state, peer.closed) == (State.CLOSING, None)
    link_of(peer).unblock()
    assert peer.take() == ["4first", "4second"]
    assert (application.session.state, peer.closed) == (State.CLOSED, 3000)


def test_a_goodbye_without_flush_drops_what_is_queued(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    peer = Peer(engine, generation=generation)
    peer.take()
    link_of(peer).blocked = True
    application.session.send("first")
    application.session.close(Ending(flush=False))
    assert (peer.take(), peer.closed) == ([], 1000)
    assert application.session.state is State.CLOSED


@pytest.mark.parametrize(("within", "seconds"), [(None, 10), (3, 3)], ids=["by the policy", "by the caller"])
def test_a_client_that_does_not_take_what_is_queued_is_cut_in_the_end(
    engine: Engine, application: Recorder, clock: Clock, within: float | None, seconds: float
) -> None:
    peer = Peer(engine)
    link_of(peer).blocked = True
    application.session.send("first")
    application.session.close(Ending(code=3000, within=within))
    clock.advance(seconds - 0.001)
    assert peer.closed is None
    clock.advance(0.001)
    assert peer.closed == 3000
    assert application.session.state is State.CLOSED
    assert len(engine.deadlines) == 0


def test_closing_twice_is_closing_once_with_the_first_reason(
    engine: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    peer = Peer(engine, generation=generation, transport=transport)
    application.session.close(Ending(reason=Reason.FORCED_SERVER_CLOSE, code=3000))
    application.session.close(Ending(code=1008))
    assert application.closed == [Reason.FORCED_SERVER_CLOSE]
    assert peer.closed == {"websocket": 3000, "polling": 0}[transport]
    application.session.close()
    application.session.lost(Reason.TRANSPORT_CLOSE)
    application.session.drop(Reason.PING_TIMEOUT)
    assert application.closed == [Reason.FORCED_SERVER_CLOSE]


def test_what_is_sent_after_the_end_goes_nowhere(
    engine: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    peer = Peer(engine, generation=generation, transport=transport)
    application.session.close()
    peer.take()
    application.session.send("late")
    application.session.send(b"late")
    assert peer.take() == []
    assert application.session.outbox_bytes == 0


def test_the_application_hears_of_the_end_after_what_is_running(generation: Generation, transport: str) -> None:
    clock, application = TurningClock(), Recorder()
    peer = Peer(Engine(application, driver=clock), generation=generation, transport=transport)
    application.session.close()
    assert application.closed == []
    assert not application.session.is_live
    peer.lose()
    clock.turn()
    assert application.closed == [Reason.FORCED_CLOSE]
    assert application.session.state is State.CLOSED


def test_a_session_may_be_closed_by_the_message_it_brings(
    engine: Engine, application: Recorder, generation: Generation, transport: str
) -> None:
    class Once(Recorder):
        def message(self, session: Session, data: str | bytes) -> None:
            super().message(session, data)
            session.send("bye")
            session.close()

    once = Once()
    peer = Peer(Engine(once), generation=generation, transport=transport)
    peer.take()
    peer.send("4first", "4second")
    assert once.heard == ["first"]
    assert messages(peer) == ["4bye"]
    assert peer.closed is not None
    assert once.closed == [Reason.FORCED_CLOSE]


def test_a_session_may_be_closed_as_soon_as_it_is_open(generation: Generation, transport: str) -> None:
    class Never(Recorder):
        def open(self, session: Session, request: Request) -> None:
            super().open(session, request)
            session.close()

    never = Never()
    engine = Engine(never)
    peer = Peer(engine, generation=generation, transport=transport, polls=False)
    assert peer.take()[0][:1] == "0"
    if transport == "polling" and peer.closed is None:
        polling_of(peer).poll()
    assert peer.closed is not None
    assert (never.closed, engine.sessions) == ([Reason.FORCED_CLOSE], {})


def test_goodbyes_may_cross(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation)
    link_of(peer).blocked = True
    application.session.send("queued")
    application.session.close()
    peer.send("1")
    assert application.closed == [Reason.FORCED_CLOSE]
    assert application.session.state is State.CLOSED
    assert peer.closed == 1000


# The whole engine closes


def test_an_engine_that_closes_tells_everybody_and_is_done_when_they_have_gone(
    engine: Engine, application: Recorder, generation: Generation
) -> None:
    websocket = Peer(engine, generation=generation)
    polling = Peer(engine, generation=generation, transport="polling")
    late = Peer(engine, generation=generation, transport="polling", polls=False)
    pending = engine.close()
    assert engine.close() is pending
    assert (websocket.closed, polling.closed) == (1001, 0)
    assert application.closed == [Reason.SHUTDOWN] * 3
    assert not pending.done
    polling_of(late).poll()
    assert late.take()[1:] == ["1"]
    assert pending.done


def test_who_does_not_come_for_the_goodbye_has_gone_after_a_second(
    engine: Engine, clock: Clock, generation: Generation
) -> None:
    Peer(engine, generation=generation, transport="polling", polls=False)
    blocked = Peer(engine, generation=generation)
    link_of(blocked).blocked = True
    engine.sessions[blocked.sid].send("queued")
    pending = engine.close()
    clock.advance(0.999)
    assert not pending.done
    clock.advance(0.001)
    assert pending.done
    assert blocked.closed == 1001


def test_who_was_admitted_before_the_end_and_comes_afterwards_is_told_at_once(
    engine: Engine, application: Recorder
) -> None:
    request, decision = knock(engine)
    closing = engine.close()
    assert application.closed == [Reason.SHUTDOWN]
    assert not closing.done
    link = NarrowLink(10)
    engine.connect(decision, request, link)
    assert link.last == b"\x88\x02\x03\xe9"
    assert closing.done
    assert (application.closed, engine.sessions) == ([Reason.SHUTDOWN], {})


def test_who_was_admitted_before_the_end_and_never_comes_does_not_hold_it_up(engine: Engine, clock: Clock) -> None:
    knock(engine)
    closing = engine.close()
    clock.advance(1)
    assert closing.done
    assert (engine.sessions, len(engine.deadlines)) == ({}, 0)


def test_a_session_that_was_closing_already_does_not_hold_up_the_engine(
    engine: Engine, application: Recorder, clock: Clock, transport: str
) -> None:
    peer = Peer(engine, transport=transport, polls=False)
    if transport == "websocket":
        link_of(peer).blocked = True
    application.session.send("queued")
    application.session.close(Ending(code=3000))
    pending = engine.close()
    clock.advance(1)
    assert pending.done
    assert application.closed == [Reason.FORCED_CLOSE]
    assert peer.closed == {"websocket": 3000, "polling": None}[transport]


def test_an_engine_without_sessions_is_closed_at_once(engine: Engine) -> None:
    assert engine.close().done


# Socket.IO's own waits


def test_a_client_that_enters_no_namespace_is_closed_after_the_connect_timeout(clock: Clock, transport: str) -> None:
    server = Server(driver=clock)
    peer = Peer(server, transport=transport)
    clock.advance(9.999)
    assert peer.closed is None
    clock.advance(0.001)
    assert peer.closed == {"websocket": 1000, "polling": 0}[transport]
    assert server.engine.sessions == {}


def test_a_client_that_has_entered_stays(clock: Clock, generation: Generation, transport: str) -> None:
    peer = Peer(Server(driver=clock), generation=generation, transport=transport)
    if generation is ENGINEIO_4:
        peer.connect()
    clock.advance(20)
    assert peer.closed is None


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_what_only_the_handshake_needed_goes_with_it(generation: Generation, transport: str, clock: Clock) -> None:
    seen: list[object] = []

    class Native(Peer):
        def request(self, *args: Any, **options: Any) -> Any:
            request = super().request(*args, **options)
            request.native = "the host's own"
            return request

    class Asking(Recorder):
        def open(self, session: Session, request: Request) -> None:
            super().open(session, request)
            seen.append(request.native)

    engine = Engine(Asking(), driver=clock)
    peer = Native(engine, generation=generation, transport=transport, headers=[("Cookie", "a=1")])
    request = engine.sessions[peer.sid].request
    assert seen == ["the host's own"]
    assert request.native is None
    assert isinstance(request._head, bytes)
    assert (request._headers, request._query) == (None, None)
    assert (request.header("cookie"), request.param("transport")) == ("a=1", transport)


def test_attachments_that_do_not_come_end_the_session(clock: Clock, generation: Generation, transport: str) -> None:
    server = Server(driver=clock)
    peer = Peer(server, generation=generation, transport=transport)
    if generation is ENGINEIO_4:
        peer.connect()
    header = '452-["upload",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    peer.send(header)
    clock.advance(9)
    peer.send(b"first")
    clock.advance(0.999)
    assert peer.closed is None
    clock.advance(0.001)
    assert peer.closed == {"websocket": 1002, "polling": 0}[transport]
    assert server.engine.sessions == {}


def test_attachments_that_come_in_time_end_the_wait(clock: Clock, generation: Generation, transport: str) -> None:
    server = Server(driver=clock)
    uploads: list[bytes] = []
    server.on("upload")(lambda socket, data: uploads.append(data))
    peer = Peer(server, generation=generation, transport=transport)
    if generation is ENGINEIO_4:
        peer.connect()
    for second in range(3):
        peer.send('451-["upload",{"_placeholder":true,"num":0}]')
        clock.advance(9.999)
        peer.beat()
        peer.send(b"%d" % second)
    clock.advance(15)
    assert uploads == [b"0", b"1", b"2"]
    assert peer.closed is None


def test_a_packet_for_a_namespace_that_was_not_entered_is_never_half_kept(clock: Clock, generation: Generation) -> None:
    server = Server(driver=clock)
    peer = Peer(server, generation=generation, transport="polling")
    packet = '451-/elsewhere,["upload",{"_placeholder":true,"num":0}]'
    if generation is ENGINEIO_4:
        peer.connect()
        with pytest.raises(Refused, match="which the client has not entered"):
            peer.send(packet, b"data")
        assert (server.engine.sessions, len(server.engine.deadlines)) == ({}, 0)
        return
    before = len(server.engine.deadlines)
    peer.send(packet, b"data")  # their servers ignored it, too
    assert len(server.engine.deadlines) == before
    peer.send(packet)
    clock.advance(10)
    assert (server.engine.sessions, len(server.engine.deadlines)) == ({}, 0)


def test_the_log_says_what_a_client_did_against_the_protocol_and_not_whose_session_it_was(
    engine: Engine, clock: Clock, generation: Generation, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer(engine, generation=generation, transport=transport)
    with caplog.at_level("INFO", "waterspout.engine"), suppress(Refused):
        peer.send("9")
    (line,) = [record.getMessage() for record in caplog.records if "broke the protocol" in record.getMessage()]
    assert line.startswith(
        f"session {peer.sid[:4]}... is closed because its client broke the protocol: ... is not a packet of"
    )
    assert peer.sid not in caplog.text


SECRET = "SECRET'\"TOKEN\\"
BROKEN = [
    SECRET,
    f"4{SECRET}",
    f'40{{"token":"{SECRET}"',
    f'40["{SECRET}"]',
    f"44{SECRET}",
    f'42["{SECRET}"',
    f"45{SECRET}",
    f'46-["{SECRET}"]',
    f"b{SECRET}",
    f"b4{SECRET}",
    f"-1:{SECRET}",
    SECRET.encode(),
    b"\x04" + SECRET.encode(),
    b"\x00\x02\xff" + SECRET.encode(),
]


@pytest.mark.parametrize("said", BROKEN, ids=ascii)
def test_what_a_client_sent_is_not_in_the_log(
    engine: Engine,
    clock: Clock,
    generation: Generation,
    transport: str,
    said: str | bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    peer = Peer(engine, generation=generation, transport=transport)
    with caplog.at_level("DEBUG", "waterspout"), suppress(Refused):
        peer.send(said)
    assert not re.search("SECRET|TOKEN", caplog.text)


@pytest.mark.parametrize("said", [SECRET, f"5:{SECRET}::x", f"6:::{SECRET}", f"5:::{SECRET}", f"4:::{SECRET}"])
def test_nor_is_what_a_client_of_0_7_to_0_9_sent(said: str, caplog: pytest.LogCaptureFixture) -> None:
    peer = Peer(Server(driver=Clock()), generation=SOCKETIO_1)
    with caplog.at_level("DEBUG", "waterspout"), suppress(Refused):
        peer.send(said)
    assert not re.search("SECRET|TOKEN", caplog.text)


# What an application or a dialect raises that it may not


class Failing(Recorder):
    """Raises at the message "bad"."""

    def message(self, session: Session, data: str | bytes) -> None:
        super().message(session, data)
        if data in ("bad", b"bad"):
            raise ZeroDivisionError("a fault")


@pytest.mark.parametrize("bad", ["4bad", b"bad"], ids=["text", "binary"])
def test_a_fault_ends_its_session_alone_and_is_reported(
    clock: Clock, generation: Generation, transport: str, bad: str | bytes
) -> None:
    application = Failing()
    engine = Engine(application, driver=clock)
    other = Peer(engine, generation=generation, transport=transport)
    peer = Peer(engine, generation=generation, transport=transport)
    peer.send("4before", bad, "4behind")
    assert application.heard == ["before", "bad" if isinstance(bad, str) else b"bad"]
    assert application.closed == [Reason.TRANSPORT_ERROR]
    assert peer.closed == {"websocket": 1011, "polling": 0}[transport]
    ((_, error),) = clock.reports
    assert isinstance(error, ZeroDivisionError)
    other.send("4good")
    assert application.heard[-1] == "good"
    assert len(engine.sessions) == 1


def test_a_fault_behind_a_pause_ends_its_session(clock: Clock, generation: Generation, transport: str) -> None:
    application = Failing()
    engine = Engine(application, driver=clock, policy=Policy(max_calls=1))
    peer = Peer(engine, generation=generation, transport=transport)
    application.session.begin_call()
    peer.send("4bad", "4behind")
    assert application.heard == []
    application.session.end_call()
    assert application.heard == ["bad"]
    assert application.closed == [Reason.TRANSPORT_ERROR]
    assert (engine.sessions, len(engine.deadlines)) == ({}, 0)


def test_a_fault_while_a_client_is_greeted_ends_its_session(
    engine: Engine,
    application: Recorder,
    clock: Clock,
    generation: Generation,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def greet(dialect: EngineIO, session: Session) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(EngineIO, "greet", greet)
    if transport == "polling":
        with pytest.raises(Refused, match="the server has failed"):
            Peer(engine, generation=generation, transport=transport)
    else:
        assert Peer(engine, generation=generation, transport=transport).closed == 1011
    assert engine.sessions == {}
    assert application.closed == [Reason.TRANSPORT_ERROR]
    assert len(clock.reports) == 1
