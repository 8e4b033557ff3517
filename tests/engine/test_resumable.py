"""A session of Socket.IO 0.7 to 0.9: it outlives its transports, without loss, doubling or reordering."""

from itertools import permutations

import pytest

from engine.applications import Packets, TurningClock
from waterspout.engine import Engine, Policy, Prepared, Protocol1Policy, Session, State
from waterspout.engine.states import FORCED_BY_SERVER
from waterspout.testing import Clock, Peer, PollingCarrier, Refused, StreamCarrier, WebSocketCarrier
from waterspout.testing.frames import client_frame
from waterspout.types import Reason
from waterspout.wire.generations import SOCKETIO_1
from waterspout.wire.packets import Packet

WEBSOCKETS = ("websocket", "hixie")
STREAMS = ("htmlfile", "xhr-multipart")
POLLINGS = ("xhr-polling", "jsonp-polling")
TRANSPORTS = (*WEBSOCKETS, *STREAMS, *POLLINGS)


class World:
    """An engine, its application, and a client that has connected."""

    def __init__(self, transport: str, *, clock: Clock | None = None, polls: bool = True, **policy: object) -> None:
        self.clock = Clock() if clock is None else clock
        self.application = Packets()
        options = {"generations": (SOCKETIO_1,), **policy}
        self.engine = Engine(self.application, driver=self.clock, path="/socket.io", policy=Policy(**options))  # type: ignore[arg-type]
        self.peer = Peer(self.engine, generation=SOCKETIO_1, transport=transport, polls=polls)
        self.session = self.application.session
        self.peer.take()

    def tell(self, *words: str) -> None:
        """Send messages to the client."""
        for word in words:
            self.session.push(Prepared(b"3:::" + word.encode()))

    @property
    def link(self) -> WebSocketCarrier | StreamCarrier:
        carrier = self.peer.carrier
        assert isinstance(carrier, WebSocketCarrier | StreamCarrier)
        return carrier

    def is_forgotten(self) -> bool:
        return not self.engine.sessions and len(self.engine.deadlines) == 0


@pytest.fixture(params=TRANSPORTS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def said(*words: str) -> list[str]:
    return [f"3:::{word}" for word in words]


# Going on over another transport


@pytest.mark.parametrize("other", TRANSPORTS)
def test_what_was_said_in_between_arrives_once_and_in_order(world: World, other: str) -> None:
    world.tell("a", "b")
    world.peer.lose()
    world.tell("c", "d")
    world.peer.switch(other)
    world.tell("e")
    assert world.peer.take() == said("a", "b", "c", "d", "e")
    world.peer.say("back")
    assert world.application.words() == ["back"]
    assert len(world.application.sessions) == 1
    assert world.application.closed == []


@pytest.mark.parametrize("other", TRANSPORTS)
def test_another_transport_may_come_before_the_first_has_gone(world: World, other: str) -> None:
    world.tell("a")
    before = world.peer.carrier
    world.peer.switch(other)
    world.tell("b")
    assert [packet for packet in world.peer.take() if packet != "8::"] == said("a", "b")
    if isinstance(before, WebSocketCarrier | StreamCarrier):
        assert before.finished
        before.transport.lost()
    world.tell("c")
    assert world.peer.take() == said("c")
    assert world.application.closed == []


@pytest.mark.parametrize("other", TRANSPORTS)
@pytest.mark.parametrize("first", [*WEBSOCKETS, *STREAMS])
def test_what_has_not_left_the_link_goes_over_the_next(first: str, other: str) -> None:
    world = World(first)
    world.tell("a")
    world.link.held = True
    world.tell("b", "c")
    world.peer.lose()
    world.tell("d")
    world.peer.switch(other)
    world.tell("e")
    assert world.peer.take() == said("a", "b", "c", "d", "e")


@pytest.mark.parametrize("other", TRANSPORTS)
@pytest.mark.parametrize("first", [*WEBSOCKETS, *STREAMS])
def test_the_link_that_holds_something_is_cut_when_another_takes_over(first: str, other: str) -> None:
    world = World(first)
    before = world.link
    before.held = True
    world.tell("a", "b")
    world.peer.switch(other)
    before.release()
    assert before.finished
    assert [packet for packet in world.peer.take() if packet != "8::"] == said("a", "b")


@pytest.mark.parametrize("first", [*WEBSOCKETS, *STREAMS])
def test_what_the_outbox_holds_comes_behind_what_the_link_holds(first: str) -> None:
    world = World(first)
    world.link.held = True
    world.tell("a", "b")
    world.link.blocked = True
    world.tell("c", "d")
    world.peer.lose()
    world.peer.switch("xhr-polling")
    assert world.peer.take() == said("a", "b", "c", "d")


def test_a_pong_that_has_not_left_the_link_is_no_message_that_has_not() -> None:
    world = World("websocket")
    world.tell("a")
    world.link.held = True
    world.link.transport.receive(b"\x89\x80\0\0\0\0")
    world.peer.lose()
    world.peer.switch("xhr-polling")
    world.tell("b")
    assert world.peer.take() == said("a", "b")


@pytest.mark.parametrize("pings", [1, 2])
def test_a_pong_that_had_to_wait_for_the_link_is_no_message_that_has_not_left_it(pings: int) -> None:
    world = World("websocket")
    world.tell("a")
    world.link.blocked = True
    world.link.transport.receive(b"\x89\x80\0\0\0\0")
    world.link.held = True
    world.link.blocked = False  # as a link that has sent a part, and tells later that there is room
    for _ in range(pings - 1):
        world.link.transport.receive(b"\x89\x80\0\0\0\0")
    world.link.unblock()
    world.tell("b")
    world.peer.lose()
    world.peer.switch("xhr-polling")
    assert world.peer.take() == said("a", "b")


@pytest.mark.parametrize("held", ["nothing", "a message", "the close frame"])
def test_a_close_frame_of_the_client_loses_and_doubles_nothing(held: str) -> None:
    world = World("websocket")
    world.tell("a")
    world.link.held = held == "a message"
    world.tell("b")
    world.link.held = held != "nothing"
    world.link.transport.receive(b"\x88\x82\0\0\0\0\x03\xe8")
    world.peer.closed = None
    world.tell("c")
    world.peer.switch("websocket")
    assert world.peer.take() == said("a", "b", "c")


def test_a_client_that_comes_back_again_and_again_misses_nothing() -> None:
    world = World("websocket")
    expected = []
    for number in range(60):
        world.tell(f"{number}")
        expected.append(f"3:::{number}")
        if number % 3 == 0 and isinstance(world.peer.carrier, WebSocketCarrier | StreamCarrier):
            world.peer.carrier.held = True
        if number % 4 == 3:
            world.peer.lose()
            world.peer.switch(TRANSPORTS[number % len(TRANSPORTS)])
    world.peer.lose()
    world.peer.switch("xhr-polling")
    assert world.peer.take() == expected


# A client that tries its transports one after the other, because nothing arrives


def try_next(world: World, transport: str, after: float = 10) -> None:
    """Let nothing that came arrive, and time pass, and the client try another transport."""
    world.peer.take()
    world.peer.polls = False
    world.clock.advance(after)
    world.peer.switch(transport)


def seen(world: World) -> list[str | bytes]:
    """What the client gets, without what says nothing."""
    return [packet for packet in world.peer.take() if packet not in ("8::", "2::")]


@pytest.mark.parametrize(("first", "other"), [*permutations(TRANSPORTS, 2)])
def test_who_has_shown_nothing_gets_all_again_over_its_next_transport(first: str, other: str) -> None:
    world = World(first, polls=False)
    world.tell("a", "b")
    try_next(world, other)
    world.tell("c")
    if other in POLLINGS:
        assert isinstance(world.peer.carrier, PollingCarrier)
        world.peer.carrier.poll()
    assert seen(world) == ["1::", *said("a", "b", "c")]
    assert len(world.application.sessions) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_each_try_gets_everything_from_the_beginning(lost: bool) -> None:
    world = World("websocket")
    for number, transport in enumerate(("htmlfile", "xhr-polling", "jsonp-polling")):
        world.tell(f"{number}")
        if lost:
            world.peer.lose()
        try_next(world, transport)
    assert seen(world) == ["1::", *said("0", "1", "2")]
    assert isinstance(world.peer.carrier, PollingCarrier)
    world.peer.carrier.poll()
    world.tell("3")
    assert seen(world) == said("3")


def test_what_had_not_left_the_first_transport_comes_once() -> None:
    world = World("htmlfile")
    world.tell("a")
    world.link.held = True
    world.tell("b", "c")
    try_next(world, "xhr-polling")
    assert seen(world) == ["1::", *said("a", "b", "c")]


@pytest.mark.parametrize("other", TRANSPORTS)
def test_who_has_shown_that_something_arrives_gets_nothing_twice(world: World, other: str) -> None:
    world.tell("a")
    world.peer.polls = False
    if isinstance(world.peer.carrier, PollingCarrier):
        world.peer.carrier.poll()
    else:
        world.peer.beat()
    try_next(world, other)
    world.tell("b")
    assert seen(world) == said("b")


@pytest.mark.parametrize("back", ["websocket", "xhr-polling"])
def test_who_comes_back_at_once_or_over_the_same_transport_had_a_connection(back: str) -> None:
    world = World("websocket")
    world.tell("a")
    world.peer.lose()
    try_next(world, back, after=20 if back == "websocket" else 0.9)
    assert seen(world) == []
    world.peer.lose()
    try_next(world, "jsonp-polling")
    world.tell("b")
    assert seen(world) == said("b")


@pytest.mark.parametrize("first", [*WEBSOCKETS, *STREAMS])
def test_a_transport_that_was_tried_in_vain_stays_open_as_long_as_the_session(first: str) -> None:
    world = World(first)  # the official client would take the end of it for the end of its connection
    before = world.link
    try_next(world, "xhr-polling")
    assert not before.finished
    if first in WEBSOCKETS:
        before.transport.receive(client_frame(1, b"3:::not heard"))
        before.transport.writable()
    assert world.application.words() == []
    world.session.drop(Reason.CLIENT_DISCONNECT)
    assert before.finished
    assert world.is_forgotten()


def test_a_transport_that_was_tried_in_vain_may_be_lost_without_harm() -> None:
    world = World("websocket")
    before = world.link
    try_next(world, "htmlfile")
    before.lose()
    world.tell("a")
    assert seen(world) == ["1::", *said("a")]
    assert world.application.closed == []


def test_two_pollings_of_one_client_do_not_drive_each_other_out() -> None:
    world = World("xhr-polling")
    first = world.peer.carrier
    assert isinstance(first, PollingCarrier)
    assert first.is_parked
    world.peer.switch("jsonp-polling")
    assert first.is_parked
    world.clock.advance(20)
    assert not first.is_parked
    assert first.responses[-1].body == b"8::"


def test_a_get_that_was_left_is_answered_when_the_session_ends() -> None:
    world = World("xhr-polling")
    first = world.peer.carrier
    assert isinstance(first, PollingCarrier)
    world.peer.switch("websocket")
    world.session.drop(Reason.PING_TIMEOUT)
    assert not first.is_parked
    assert world.is_forgotten()


def test_a_newer_get_lets_the_one_go_that_was_left() -> None:
    world = World("xhr-polling")
    first = world.peer.carrier
    assert isinstance(first, PollingCarrier)
    world.peer.switch("websocket")
    world.peer.switch("xhr-polling")
    assert not first.is_parked


@pytest.mark.parametrize(("max_bytes", "max_packets"), [(1000, 1000), (100_000, 10)])
def test_what_is_kept_to_be_sent_again_is_bounded(max_bytes: int, max_packets: int) -> None:
    world = World("websocket", max_outbox_bytes=max_bytes, max_packets=max_packets)
    world.tell(*["x" * 100] * 20)
    try_next(world, "htmlfile")
    world.tell("b")
    assert seen(world) == said("b")


# Nobody comes back


def test_the_session_ends_when_nobody_comes_back_in_time(world: World) -> None:
    world.peer.polls = False
    world.peer.lose()
    world.tell("nobody reads this")
    world.clock.advance(29.9)
    assert world.application.closed == []
    world.clock.advance(0.2)
    assert world.application.closed == [Reason.TRANSPORT_CLOSE]
    assert world.is_forgotten()


def test_a_client_that_is_away_needs_no_heartbeat_and_gets_its_whole_time_again() -> None:
    world = World("websocket", ping_interval=5, ping_timeout=1, protocol1=Protocol1Policy(resume_timeout=20))
    world.clock.advance(5)
    assert world.peer.take() == ["2::"]
    world.peer.lose()
    world.clock.advance(19)
    world.peer.switch("websocket")
    assert world.peer.take() == []
    world.clock.advance(5)
    assert world.peer.take() == ["2::"]
    world.peer.beat()
    world.peer.lose()
    world.clock.advance(19.9)
    assert world.application.closed == []


def test_what_waits_for_a_client_that_is_away_is_bounded() -> None:
    world = World("websocket", max_outbox_bytes=1000)
    world.peer.lose()
    world.tell("x" * 600, "y" * 600)
    assert world.application.closed == [Reason.SLOW_CONSUMER]
    world.clock.advance(11)
    assert world.is_forgotten()


# Heartbeats


@pytest.mark.parametrize("transport", [*WEBSOCKETS, *STREAMS])
def test_a_silent_client_is_given_up(transport: str) -> None:
    world = World(transport)
    world.clock.advance(25)
    assert world.peer.take() == ["2::"]
    world.clock.advance(20)
    assert world.application.closed == [Reason.PING_TIMEOUT]
    assert world.peer.closed in (0, 1000)
    assert world.is_forgotten()


@pytest.mark.parametrize("transport", [*WEBSOCKETS, *STREAMS])
def test_a_client_that_answers_lives_on(transport: str) -> None:
    world = World(transport)
    for _ in range(5):
        world.clock.advance(25)
        assert world.peer.take() == ["2::"]
        world.peer.beat()
    world.clock.advance(24)
    assert world.peer.take() == []
    assert world.application.closed == []


@pytest.mark.parametrize("transport", [*WEBSOCKETS, *STREAMS])
def test_other_packets_than_a_heartbeat_give_a_client_its_time_once_more(transport: str) -> None:
    world = World(transport)
    world.clock.advance(25)
    world.peer.say("busy")
    world.clock.advance(20)
    world.peer.say("still busy")
    world.clock.advance(19)
    assert world.application.closed == []
    world.clock.advance(1)
    assert world.application.closed == [Reason.PING_TIMEOUT]


@pytest.mark.parametrize("transport", POLLINGS)
def test_a_client_that_polls_lives(transport: str) -> None:
    world = World(transport)
    world.clock.advance(200)
    assert set(world.peer.take()) == {"8::"}
    assert world.application.closed == []
    world.peer.polls = False
    world.clock.advance(20)
    world.clock.advance(31)
    assert world.application.closed == [Reason.TRANSPORT_CLOSE]


def test_a_heartbeat_of_the_client_is_not_answered(world: World) -> None:
    world.peer.send("2::", "2:::", "8::", "7:::1+0")
    assert [packet for packet in world.peer.take() if packet != "8::"] == []
    assert world.application.heard[1:] == []
    assert world.application.closed == []


# The end


@pytest.mark.parametrize("packet", ["0::", "0"])
def test_a_client_leaves_and_what_it_says_behind_that_is_not_heard(world: World, packet: str) -> None:
    world.peer.send("3:::before", packet, "3:::after")
    assert world.application.words() == ["before"]
    assert world.application.closed == [Reason.CLIENT_DISCONNECT]
    assert world.is_forgotten()
    assert world.peer.closed is not None


@pytest.mark.parametrize("packet", ["9::", "garbage", "", "5:::{", "6:::x", "3:x::y", "5:::[]", "4:::nope"])
def test_a_broken_packet_ends_the_session(world: World, packet: str) -> None:
    if packet == "" and not isinstance(world.peer.carrier, WebSocketCarrier):
        return  # an empty body has no packet
    if isinstance(world.peer.carrier, WebSocketCarrier):
        world.peer.send(packet)
    else:
        with pytest.raises(Refused, match="400"):
            world.peer.send(packet)
    assert world.application.closed == [Reason.PARSE_ERROR]
    assert world.is_forgotten()


def test_a_binary_message_ends_the_session() -> None:
    world = World("websocket")
    world.link.transport.receive(b"\x82\x81\0\0\0\0x")
    assert world.application.closed == [Reason.PARSE_ERROR]
    assert world.peer.closed == 1002


def test_what_is_queued_is_said_before_the_server_ends_the_session(world: World) -> None:
    world.peer.polls = False
    carrier = world.peer.carrier
    if isinstance(carrier, PollingCarrier):
        carrier.lose()
    else:
        carrier.blocked = True
    world.tell("a", "b")
    world.session.push(Prepared(b"0::"))
    world.session.close(FORCED_BY_SERVER)
    world.tell("too late")
    assert world.session.state is State.CLOSING
    if isinstance(carrier, PollingCarrier):
        carrier.poll()
    else:
        carrier.unblock()
    assert world.peer.take() == [*said("a", "b"), "0::"]
    assert world.is_forgotten()
    assert world.application.closed == [Reason.FORCED_SERVER_CLOSE]
    assert world.peer.ask("GET", f"/xhr-polling/{world.peer.sid}").body == b"7:::1+0"


def test_who_would_not_notice_that_the_server_goes_is_told_to_begin_again(world: World) -> None:
    world.tell("a")
    world.engine.close()
    goodbye = [] if isinstance(world.peer.carrier, WebSocketCarrier) else ["7:::1+0"]
    assert [packet for packet in world.peer.take() if packet != "8::"] == [*said("a"), *goodbye]
    world.clock.advance(1)
    assert world.is_forgotten()
    assert world.application.closed == [Reason.SHUTDOWN]


def test_the_last_words_to_a_client_that_does_not_come_are_dropped() -> None:
    world = World("xhr-polling")
    world.peer.polls = False
    world.peer.lose()
    world.session.push(Prepared(b"0::"))
    world.session.close(FORCED_BY_SERVER)
    world.clock.advance(10)
    assert world.is_forgotten()
    assert world.application.closed == [Reason.FORCED_SERVER_CLOSE]


@pytest.mark.parametrize("away", [False, True])
def test_an_engine_that_closes_ends_all(world: World, away: bool) -> None:
    visitor = Peer(world.engine, generation=SOCKETIO_1, transport=None)
    if away:
        world.peer.polls = False
        world.peer.lose()
    closing = world.engine.close()
    world.clock.advance(1)
    assert closing.done
    assert world.application.closed == [Reason.SHUTDOWN, Reason.SHUTDOWN]
    assert world.is_forgotten()
    assert visitor.ask("GET", "/").status == 503


# Calls that take their time


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_with_too_many_calls_is_read_no_further(transport: str) -> None:
    world = World(transport, max_calls=2)
    world.session.begin_call()
    world.session.begin_call()
    if transport in WEBSOCKETS:
        assert world.link.paused
        world.peer.send("3:::a", "3:::b")
    else:
        request = world.peer.request("POST", "xhr-polling")
        answers: list[object] = []

        class Waiting:
            def __init__(self) -> None:
                self.request = request

            def respond(self, response: object, written: object = None) -> None:
                answers.append(response)

            def take_back(self) -> bool:
                return False

        world.engine.respond(world.peer.admit(request), Waiting(), "\ufffd5\ufffd3:::a\ufffd5\ufffd3:::b".encode())
        assert answers == []
    assert world.application.words() == []
    world.session.end_call()
    assert world.application.words() == ["a", "b"]


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("other", TRANSPORTS)
def test_what_was_read_before_a_pause_is_delivered_before_what_the_next_transport_brings(
    other: str, gone: bool
) -> None:
    world = World("websocket", max_calls=1)
    application = world.application
    hear = world.engine.table.packet

    # the first word takes its time, so that those behind it are read and wait
    def packet(session: Session, packet: Packet) -> None:
        hear(session, packet)
        if application.words() == ["a"]:
            session.begin_call()

    world.engine.table.packet = packet
    frames = [client_frame(1, b"3:::" + word) for word in (b"a", b"b", b"c", b"d")]
    world.link.transport.receive(b"".join(frames[:3]))
    world.link.transport.receive(frames[3])
    assert application.words() == ["a"]
    if gone:
        world.peer.lose()
    world.peer.switch(other)
    if other in WEBSOCKETS:
        world.peer.send("3:::e")
    world.session.end_call()
    if other not in WEBSOCKETS:
        world.peer.send("3:::e")
    assert application.words() == ["a", "b", "c", "d", "e"]
    assert world.engine.traffic.messages_in == 5


def test_a_paused_client_that_breaks_the_protocol_and_goes_elsewhere_is_found_out() -> None:
    world = World("websocket", max_calls=1)
    world.session.begin_call()
    world.link.transport.receive(client_frame(1, b"3:::a") + b"\xff\xff")
    world.peer.switch("htmlfile")
    assert world.application.closed == []
    world.session.end_call()
    assert world.application.words() == ["a"]
    assert world.application.closed == [Reason.PARSE_ERROR]
    assert world.is_forgotten()


def test_who_comes_and_goes_while_it_is_not_read_is_ended() -> None:
    world = World("websocket", max_calls=1)
    world.session.begin_call()
    for _ in range(10):
        world.peer.send("3:::a")
        world.peer.switch("websocket")
    assert world.application.closed == []
    world.peer.send("3:::a")
    world.peer.switch("websocket")
    assert world.application.closed == [Reason.PARSE_ERROR]
    assert world.is_forgotten()


def test_posts_go_on_when_the_session_does_whatever_carries_it_by_then() -> None:
    world = World("xhr-polling", max_calls=1)
    world.session.begin_call()
    world.peer.switch("websocket")
    world.session.end_call()
    world.peer.say("by websocket")
    assert world.peer.ask("POST", f"/xhr-polling/{world.peer.sid}", b"3:::by post").body == b"1"
    assert world.application.words() == ["by websocket", "by post"]


def test_posts_that_wait_are_answered_when_the_session_ends() -> None:
    world = World("htmlfile", max_calls=1)
    world.session.begin_call()
    request = world.peer.request("POST", "htmlfile")
    answers: list[object] = []

    class Waiting:
        def __init__(self) -> None:
            self.request = request

        def respond(self, response: object, written: object = None) -> None:
            answers.append(response)

        def take_back(self) -> bool:
            return False

    world.engine.respond(world.peer.admit(request), Waiting(), b"3:::a")
    world.session.drop(Reason.PING_TIMEOUT)
    assert len(answers) == 1
    assert world.application.words() == []


def test_two_transports_in_one_turn_confuse_nobody() -> None:
    clock = TurningClock()
    world = World("xhr-polling", clock=clock)
    clock.turn()
    world.peer.take()
    world.tell("a")
    world.peer.switch("websocket")
    world.tell("b")
    clock.turn()
    assert [packet for packet in world.peer.take() if packet != "8::"] == said("a", "b")
