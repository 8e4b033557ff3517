"""WebSockets of whole messages, for hosts that read and write the frames themselves."""

from typing import Any

import pytest

from engine.applications import Packets, Recorder, TurningClock
from engine.messenger import UPGRADE, Conversation, MemoryMessenger, OldConversation
from waterspout.engine import Engine, OldRequest, Policy, Prepared
from waterspout.testing import Clock, Peer, admit
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Generation


@pytest.fixture
def old() -> Engine:
    return Engine(Packets(), driver=Clock(), path="/socket.io", policy=Policy(generations=(SOCKETIO_1,)))


def packets_of(engine: Engine) -> Packets:
    assert isinstance(engine.application, Packets)
    return engine.application


def assert_over(engine: Engine, reason: Reason) -> None:
    application: Any = engine.application
    assert application.closed == [reason]
    assert (engine.sessions, len(engine.deadlines)) == ({}, 0)


# Engine.IO 3 and 4


def test_messages_are_text_and_binary(engine: Engine, application: Recorder, generation: Generation) -> None:
    application.echoes = True
    client = Conversation(engine, generation)
    client.messenger.take()
    binary = generation.engineio.encode_binary(b"\0\xff")
    client.say("4å😀", binary, "4")
    assert application.heard == ["å😀", b"\0\xff", ""]
    assert client.messenger.take() == ["4å😀", binary, "4"]


def test_the_first_message_is_the_open_packet(engine: Engine, generation: Generation) -> None:
    client = Conversation(engine, generation)
    (opened,) = client.messenger.take()
    assert isinstance(opened, str)
    assert opened.startswith('0{"sid":"')
    assert client.transport.name == "websocket"


def test_an_event_and_its_attachments_go_together_or_wait_together(engine: Engine, application: Recorder) -> None:
    client = Conversation(engine, ENGINEIO_4)
    client.messenger.take()
    client.messenger.blocked = True
    application.session.push(Prepared(b'451-["x",{"_placeholder":true,"num":0}]', (b"\1", b"\2")))
    assert client.messenger.take() == []
    client.messenger.blocked = False
    client.transport.writable()
    assert client.messenger.take() == ['451-["x",{"_placeholder":true,"num":0}]', b"\1", b"\2"]


@pytest.mark.parametrize(("generation", "text"), [(ENGINEIO_3, "b4AQL/"), (ENGINEIO_4, "bAQL/")])
def test_binary_goes_as_base64_to_who_asks_for_it(
    engine: Engine, application: Recorder, generation: Generation, text: str
) -> None:
    client = Conversation(engine, generation, "&b64=1")
    client.messenger.take()
    application.session.send(b"\1\2\xff")
    assert client.messenger.take() == [text]


def test_both_directions_are_counted(engine: Engine, application: Recorder) -> None:
    client = Conversation(engine, ENGINEIO_4)
    traffic = engine.traffic
    before = traffic.messages_out, traffic.bytes_out
    client.say("4å", b"\1\2\3")
    application.session.send("é")
    assert (traffic.messages_in, traffic.bytes_in) == (2, 6)
    assert (traffic.messages_out - before[0], traffic.bytes_out - before[1]) == (1, 3)


@pytest.mark.parametrize(
    ("message", "code"), [("", 1002), ("x", 1002), ("4" + "x" * 100, 1009), (b"x" * 101, 1009), ("4" + "é" * 50, 1009)]
)
def test_what_breaks_the_protocol_ends_this_connection(message: str | bytes, code: int, clock: Clock) -> None:
    engine = Engine(Recorder(), driver=clock, policy=Policy(max_payload_bytes=100))
    client = Conversation(engine, ENGINEIO_4)
    client.say(message)
    assert client.messenger.goodbye is not None
    assert client.messenger.goodbye[0] == code
    client.say("4late")
    assert engine.application.heard == []  # type: ignore[union-attr]
    assert_over(engine, Reason.PARSE_ERROR)


def test_a_message_of_just_the_limit_is_taken(clock: Clock) -> None:
    application = Recorder()
    engine = Engine(application, driver=clock, policy=Policy(max_payload_bytes=101))
    client = Conversation(engine, ENGINEIO_4)
    client.say("4" + "é" * 50, b"x" * 101)
    assert application.heard == ["é" * 50, b"x" * 101]


def test_who_vanishes_is_gone(engine: Engine, generation: Generation) -> None:
    client = Conversation(engine, generation)
    client.transport.lost()
    assert_over(engine, Reason.TRANSPORT_CLOSE)
    client.say("4late")
    assert client.messenger.goodbye is None


def test_the_application_closes_after_what_it_sent(engine: Engine, application: Recorder) -> None:
    client = Conversation(engine, ENGINEIO_4)
    client.messenger.take()
    application.session.send("last")
    application.session.close()
    application.session.send("too late")
    assert client.messenger.take() == ["4last"]
    assert client.messenger.goodbye == (1000, "")
    client.transport.lost()
    assert_over(engine, Reason.FORCED_CLOSE)


def test_a_silent_client_is_cut(engine: Engine, clock: Clock) -> None:
    client = Conversation(engine, ENGINEIO_4)
    clock.advance(25)
    assert client.messenger.take()[-1] == "2"
    clock.advance(20)
    assert client.messenger.goodbye == (1000, "ping timeout")
    assert_over(engine, Reason.PING_TIMEOUT)


def test_a_slow_consumer_is_cut(engine: Engine, application: Recorder) -> None:
    client = Conversation(engine, ENGINEIO_4)
    client.messenger.blocked = True
    for _ in range(3):
        application.session.send("x" * 400_000)
    assert client.messenger.goodbye is not None
    assert client.messenger.goodbye[0] == 1008
    assert_over(engine, Reason.SLOW_CONSUMER)


# Pauses


def test_while_the_session_reads_nothing_what_comes_on_waits_in_order(engine: Engine, application: Recorder) -> None:
    client = Conversation(engine, ENGINEIO_4)
    client.transport.pause()
    client.say("4a", b"b", "4c")
    assert client.messenger.paused
    assert application.heard == []
    client.transport.resume()
    assert application.heard == ["a", b"b", "c"]
    assert not client.messenger.paused


def test_a_pause_within_what_waited_holds_the_rest(clock: Clock) -> None:
    class Pausing(Recorder):
        def message(self, session: Any, data: str | bytes) -> None:
            super().message(session, data)
            session.transport.pause()

    application = Pausing()
    client = Conversation(Engine(application, driver=clock), ENGINEIO_4)
    client.say("4a", "4b", "4c")
    assert application.heard == ["a"]
    client.transport.resume()
    assert application.heard == ["a", "b"]
    assert client.messenger.paused


@pytest.mark.parametrize("pausing", [False, True])
def test_what_waited_is_delivered_over_several_turns_and_in_order(*, pausing: bool) -> None:
    class Pausing(Recorder):
        def message(self, session: Any, data: str | bytes) -> None:
            super().message(session, data)
            if pausing:
                session.transport.pause()
                session.transport.resume()  # within the turn, as a plain handler's end does

    clock, application = TurningClock(), Pausing()
    client = Conversation(Engine(application, driver=clock), ENGINEIO_4)
    clock.turn()
    client.transport.pause()
    client.say(*[f"4{number}" for number in range(1200)])
    client.transport.resume()
    counts = [len(application.heard)]
    client.say("4last")  # of a host that brings more meanwhile
    while clock.is_waiting:
        assert client.messenger.paused
        clock.turn_once()
        counts.append(len(application.heard))
    assert counts == [500, 1000, 1201]
    assert application.heard == [*map(str, range(1200)), "last"]
    assert not client.messenger.paused
    client.say("4more")
    assert application.heard[-1] == "more"


def test_a_pause_between_the_turns_of_what_waited_holds_the_rest() -> None:
    clock, application = TurningClock(), Recorder()
    client = Conversation(Engine(application, driver=clock), ENGINEIO_4)
    clock.turn()
    client.transport.pause()
    client.say(*["4" + "x" * 1000] * 100)
    client.transport.resume()
    assert len(application.heard) == 66  # 64 KB
    client.transport.pause()
    client.transport.resume()  # which begins no second chain of turns
    client.transport.pause()
    clock.turn()
    assert len(application.heard) == 66
    client.transport.resume()
    assert len(application.heard) == 100


def test_what_waited_may_be_broken(engine: Engine) -> None:
    client = Conversation(engine, ENGINEIO_4)
    client.transport.pause()
    client.say("broken")
    client.transport.resume()
    assert client.messenger.goodbye is not None
    assert client.messenger.goodbye[0] == 1002
    assert client.messenger.paused
    assert_over(engine, Reason.PARSE_ERROR)


def test_a_host_that_does_not_stop_reading_is_borne_with_up_to_the_limit(clock: Clock) -> None:
    engine = Engine(Recorder(), driver=clock, policy=Policy(max_payload_bytes=100))
    client = Conversation(engine, ENGINEIO_4)
    client.transport.pause()
    client.say(*["4" + "x" * 49] * 2)
    assert client.messenger.goodbye is None
    client.say("4")
    assert client.messenger.goodbye is not None
    assert client.messenger.goodbye[0] == 1008
    assert_over(engine, Reason.PARSE_ERROR)


# Upgrades


def test_a_session_that_polls_goes_over(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation, transport="polling")
    client = Conversation(engine, generation, sid=peer.sid)
    client.say("2probe")
    assert client.messenger.take() == ["3probe"]
    peer.polls = False
    application.session.send("queued")
    client.say("5", "4hello")
    application.session.send("there")
    assert application.heard == ["hello"]
    assert client.messenger.take()[-1:] == ["4there"]
    assert application.session.transport is client.transport


def test_a_second_websocket_is_sent_away(engine: Engine, application: Recorder, generation: Generation) -> None:
    peer = Peer(engine, generation=generation, transport="polling")
    Conversation(engine, generation, sid=peer.sid)
    second = Conversation(engine, generation, sid=peer.sid)
    assert second.messenger.goodbye == (1000, "the session has a WebSocket already")
    assert application.closed == []


def test_an_upgrade_that_breaks_off_leaves_the_session_on_polling(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, transport="polling")
    peer.take()
    client = Conversation(engine, ENGINEIO_4, sid=peer.sid)
    client.transport.lost()
    application.session.send("a")
    assert peer.take() == ["4a"]


# Socket.IO 0.7 to 0.9


@pytest.mark.parametrize("name", ["websocket", "flashsocket", "htmlfile", "xhr-multipart"])
def test_a_client_of_0_9_speaks_whole_packets(old: Engine, name: str) -> None:
    client = OldConversation(old, name)
    application = packets_of(old)
    assert client.messenger.take() == ["1::"]
    assert client.transport.name == name
    application.session.push(Prepared(b"3:::h\xc3\xa9"))
    assert client.messenger.take() == ["3:::hé"]
    client.say("3:::ü")
    assert application.words() == ["ü"]
    client.say("0::")
    assert client.messenger.goodbye == (1000, "client namespace disconnect")
    assert_over(old, Reason.CLIENT_DISCONNECT)


def test_binary_is_none_of_theirs(old: Engine) -> None:
    client = OldConversation(old)
    client.say(b"\1")
    assert client.messenger.goodbye is not None
    assert_over(old, Reason.PARSE_ERROR)


def test_a_session_outlives_its_messages(old: Engine) -> None:
    client = OldConversation(old)
    session = packets_of(old).session
    client.transport.lost()
    session.push(Prepared(b"3:::a"))
    again = OldConversation(old, peer=client.peer)
    assert again.messenger.take() == ["3:::a"]
    assert packets_of(old).closed == []


def test_what_has_not_left_comes_over_the_next_transport_once_and_in_order(old: Engine) -> None:
    client = OldConversation(old)
    client.messenger.take()
    session = packets_of(old).session
    session.push(Prepared(b"3:::gone"))
    client.messenger.held = True
    session.push(Prepared("3:::é".encode()))
    session.push(Prepared(b"3:::b"))
    client.transport.lost()
    again = OldConversation(old, peer=client.peer)
    assert client.messenger.take() == ["3:::gone"]
    assert again.messenger.take() == ["3:::é", "3:::b"]
    session.push(Prepared(b"3:::c"))
    assert again.messenger.take() == ["3:::c"]


def test_the_next_transport_takes_over_from_one_that_holds_something(old: Engine) -> None:
    client = OldConversation(old)
    client.messenger.take()
    client.messenger.held = True
    packets_of(old).session.push(Prepared(b"3:::a"))
    again = OldConversation(old, peer=client.peer)
    assert client.messenger.is_cut
    assert again.messenger.take() == ["3:::a"]
    client.transport.lost()
    packets_of(old).session.push(Prepared(b"3:::b"))
    assert again.messenger.take() == ["3:::b"]


def test_the_next_transport_takes_over_politely_from_one_that_holds_nothing(old: Engine) -> None:
    client = OldConversation(old)
    OldConversation(old, "htmlfile", peer=client.peer)
    assert client.messenger.goodbye == (1000, "")
    assert not client.messenger.is_cut


def test_a_session_that_ended_since_it_was_admitted_has_nothing_to_say(old: Engine) -> None:
    peer = Peer(old, generation=SOCKETIO_1, transport=None)
    request = Request("GET", f"/socket.io/1/websocket/{peer.sid}", UPGRADE)
    decision = admit(old, request)
    assert isinstance(decision, OldRequest)
    old.sessions[peer.sid].drop(Reason.FORCED_CLOSE)
    messenger = MemoryMessenger()
    old.connect_messages(decision, request, messenger)
    assert messenger.goodbye == (1000, "")
    assert messenger.take() == []
