"""A session of Socket.IO 0.7 to 0.9: it outlives its transports, without loss, doubling or reordering."""

import pytest

from engine.applications import Packets, TurningClock
from waterspout.engine import Engine, Policy, Prepared, State
from waterspout.engine.states import FORCED_BY_SERVER
from waterspout.testing import Clock, OldPeer, OldPolling, OldStream, OldWebSocket, Refused
from waterspout.types import Reason
from waterspout.wire.generations import SOCKETIO_1

WEBSOCKETS = ("websocket", "flashsocket")
STREAMS = ("htmlfile", "xhr-multipart")
POLLINGS = ("xhr-polling", "jsonp-polling")
TRANSPORTS = (*WEBSOCKETS, *STREAMS, *POLLINGS)


class World:
    """An engine, its application, and a client that has connected."""

    def __init__(self, transport: str, *, clock: Clock | None = None, **policy: object) -> None:
        self.clock = Clock() if clock is None else clock
        self.application = Packets()
        options = {"generations": (SOCKETIO_1,), **policy}
        self.engine = Engine(self.application, driver=self.clock, path="/socket.io", policy=Policy(**options))  # type: ignore[arg-type]
        self.peer = OldPeer(self.engine, transport=transport)
        self.session = self.application.session
        self.peer.take()

    def tell(self, *words: str) -> None:
        """Send messages to the client."""
        for word in words:
            self.session.push(Prepared(b"3:::" + word.encode()))

    @property
    def link(self) -> OldWebSocket | OldStream:
        carrier = self.peer.carrier
        assert isinstance(carrier, OldWebSocket | OldStream)
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
    if isinstance(before, OldWebSocket | OldStream):
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
        if number % 3 == 0 and isinstance(world.peer.carrier, OldWebSocket | OldStream):
            world.peer.carrier.held = True
        if number % 4 == 3:
            world.peer.lose()
            world.peer.switch(TRANSPORTS[number % len(TRANSPORTS)])
    world.peer.lose()
    world.peer.switch("xhr-polling")
    assert world.peer.take() == expected


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
    world = World("websocket", ping_interval=5, ping_timeout=1, resume_timeout=20)
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
    if packet == "" and world.session.transport.name not in WEBSOCKETS:
        return  # an empty body has no packet
    if world.session.transport.name in WEBSOCKETS:
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
    if isinstance(carrier, OldPolling):
        carrier.lose()
    else:
        carrier.blocked = True
    world.tell("a", "b")
    world.session.push(Prepared(b"0::"))
    world.session.close(FORCED_BY_SERVER)
    world.tell("too late")
    assert world.session.state is State.CLOSING
    if isinstance(carrier, OldPolling):
        carrier.poll()
    else:
        carrier.unblock()
    assert world.peer.take() == [*said("a", "b"), "0::"]
    assert world.is_forgotten()
    assert world.application.closed == [Reason.FORCED_SERVER_CLOSE]
    assert world.peer.ask("GET", f"/xhr-polling/{world.peer.sid}").body == b"7:::1+0"


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
    visitor = OldPeer(world.engine, transport=None)
    if away:
        world.peer.polls = False
        world.peer.lose()
    closing = world.engine.close()
    world.clock.advance(1)
    assert closing.done
    assert world.application.closed == [Reason.SHUTDOWN]
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
        request = world.peer.request("POST", f"/xhr-polling/{world.peer.sid}")
        answers: list[object] = []

        class Waiting:
            def __init__(self) -> None:
                self.request = request

            def respond(self, response: object) -> None:
                answers.append(response)

        world.engine.respond(world.peer.admit(request), Waiting(), "\ufffd5\ufffd3:::a\ufffd5\ufffd3:::b".encode())
        assert answers == []
    assert world.application.words() == []
    world.session.end_call()
    assert world.application.words() == ["a", "b"]


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
    request = world.peer.request("POST", f"/htmlfile/{world.peer.sid}")
    answers: list[object] = []

    class Waiting:
        def __init__(self) -> None:
            self.request = request

        def respond(self, response: object) -> None:
            answers.append(response)

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
