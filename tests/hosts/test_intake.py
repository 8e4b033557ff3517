"""What all hosts do with a request, without a socket: its body, its limit and its deadline, and the end of its client.

Each test runs on a clock whose calls answer at once, and on one whose calls answer later, as where functions of users
run in greenlets or threads.
"""

from typing import Any

import pytest

from engine.applications import Recorder, polling_of
from waterspout.engine import Admitted, Engine, Greeting, Policy, Response, Stream, Upgrade
from waterspout.hosts.intake import BODY_TIMEOUT, REFUSED_BODY_TIMEOUT, Intake
from waterspout.testing import Clock, Peer
from waterspout.testing.links import HANDSHAKE
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_4, SOCKETIO_1

LIMIT = 1000
PAGE = "http://page.example"


class MemoryIntake(Intake):
    """A request whose host keeps what it was told to do."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.answers: list[Response] = []
        self.greetings: list[Greeting] = []
        self.cuts = 0

    @property
    def status(self) -> int | None:
        """The status of the only answer."""
        return self.answers[0].status if len(self.answers) == 1 else None

    def take_back(self) -> bool:
        return False

    def _answer(self, response: Response) -> None:
        self.answers.append(response)

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        self.is_over = True
        self.greetings.append(greeting)

    def _cut(self) -> None:
        self.cuts += 1


class World:
    """An engine whose function `cors_origins` decides about each page, and a client that polls."""

    def __init__(self, *, later: bool) -> None:
        self.clock = Clock(later=later)
        self.application = Recorder()
        self.asked: list[str] = []
        policy = Policy(
            max_payload_bytes=LIMIT,
            cors_origins=self.allows,
            generations=(ENGINEIO_4, SOCKETIO_1),
            ping_interval=1000,
            connect_timeout=1000,
        )
        self.engine = Engine(self.application, policy=policy, driver=self.clock)
        self.peer = Peer(self.engine, transport="polling", polls=False)
        polling_of(self.peer)
        self.idle = len(self.engine.deadlines)

    def allows(self, origin: str) -> bool:
        self.asked.append(origin)
        return origin == PAGE

    def ask(self, method: str = "POST", *, origin: str = "", sid: str | None = None, socket: bool = False) -> Any:
        """Bring the head of a request; nothing that it asks of users' functions has happened yet."""
        intake = MemoryIntake(self.engine)
        sid = self.peer.sid if sid is None else sid
        target = f"/engine.io/?EIO=4&transport={'websocket' if socket else 'polling'}&sid={sid}"
        fields = [*(HANDSHAKE if socket else ()), *([("Origin", origin)] if origin else ())]
        intake.admit(Request(method, target, fields))
        return intake

    def settle(self) -> None:
        """Let what was asked of users' functions happen."""
        self.clock.settle()


@pytest.fixture(params=[False, True], ids=["at once", "later"])
def world(request: pytest.FixtureRequest) -> World:
    return World(later=request.param)


def test_a_body_in_pieces_is_served_when_it_is_complete(world: World) -> None:
    intake = world.ask()
    intake.expect(5)
    intake.feed(b"4he")
    intake.feed(b"llo")
    assert (intake.answers, world.application.heard) == ([], [])
    intake.complete()
    intake.complete()
    assert (intake.status, world.application.heard) == (200, ["hello"])
    assert len(world.engine.deadlines) == world.idle


def test_a_body_may_come_before_the_decision(world: World) -> None:
    intake = world.ask(origin=PAGE)
    assert (intake.admission is not None) == world.clock.later
    intake.expect(3)
    intake.feed(b"4hi")
    intake.complete()
    assert intake.answers == [] or not world.clock.later
    world.settle()
    assert (intake.status, world.application.heard, world.asked) == (200, ["hi"], [PAGE])


def test_a_page_is_refused_behind_its_body_whenever_that_is_decided(world: World) -> None:
    intake = world.ask(origin="http://evil.example")
    intake.expect(500)
    world.settle()
    intake.feed(bytes(500))
    assert (intake.answers, intake.body) == ([], b"")
    intake.complete()
    assert intake.status == 403


def test_nothing_is_kept_of_a_body_above_the_limit_which_is_read_out_and_refused(world: World) -> None:
    intake = world.ask()
    intake.expect(4 * LIMIT)
    for _ in range(4):
        intake.feed(bytes(LIMIT))
        assert len(intake.body) <= LIMIT
        assert intake.answers == []
    assert intake.body == b""
    intake.complete()
    assert (intake.status, world.application.closed) == (413, [])
    assert world.ask().status is None  # and the session may POST again


@pytest.mark.parametrize("sid", [None, "unknown"])
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_of_more_than_four_times_the_limit_is_answered_at_once(
    world: World, sid: str | None, is_announced: bool
) -> None:
    intake = world.ask(sid=sid)
    intake.expect(4 * LIMIT + 1 if is_announced else 0)
    for _ in range(0 if is_announced else 5):
        assert intake.answers == []
        intake.feed(bytes(LIMIT))
    assert intake.status == (413 if sid is None else 400)
    intake.feed(b"more")
    intake.complete()
    assert len(intake.answers) == 1


def test_such_a_body_that_came_before_the_decision_is_answered_with_it(world: World) -> None:
    intake = world.ask(origin=PAGE)
    intake.expect(5 * LIMIT)
    world.settle()
    assert intake.status == 413


@pytest.mark.parametrize(("sid", "patience"), [(None, BODY_TIMEOUT), ("unknown", REFUSED_BODY_TIMEOUT)])
def test_a_body_has_a_deadline(world: World, sid: str | None, patience: float) -> None:
    intake = world.ask(sid=sid)
    intake.expect(10)
    world.clock.advance(patience - 0.1)
    assert intake.cuts == 0
    world.clock.advance(0.2)
    assert (intake.cuts, intake.answers) == (1, [])
    assert world.application.closed == [Reason.TRANSPORT_ERROR] * (sid is None)
    assert len(world.engine.deadlines) <= world.idle


def test_the_deadline_begins_with_the_decision_if_that_is_later(world: World) -> None:
    intake = world.ask(origin="http://evil.example")
    intake.expect(10)
    world.settle()
    world.clock.advance(REFUSED_BODY_TIMEOUT + 0.1)
    assert intake.cuts == 1


def test_a_session_that_ends_before_a_body_has_the_request_refused(world: World) -> None:
    intake = world.ask()
    intake.expect(10)
    intake.feed(b"4")
    world.application.session.close()
    world.clock.advance(100)
    assert (intake.status, intake.cuts) == (400, 0)
    assert b"ended before the body came" in intake.answers[0].body
    intake.gone()
    intake.complete()
    assert len(intake.answers) == 1


def test_who_goes_before_the_decision_is_not_decided_about(world: World) -> None:
    intake = world.ask(origin=PAGE)
    intake.expect(3)
    intake.gone()
    world.settle()
    intake.feed(b"4hi")
    intake.complete()
    assert (intake.answers, world.application.heard) == ([], [])
    assert world.application.closed == ([] if world.clock.later else [Reason.TRANSPORT_ERROR])
    if world.clock.later:  # nothing of it has reached the session, which may POST
        again = world.ask()
        again.feed(b"4yo")
        again.complete()
        assert (again.status, world.application.heard) == (200, ["yo"])


def test_who_goes_before_the_body_or_the_answer_ends_the_session_once(world: World) -> None:
    poll = world.ask("GET")
    poll.complete()
    poll.complete()
    assert not poll.is_over
    for _ in range(2):
        poll.gone()
    assert world.application.closed == [Reason.TRANSPORT_ERROR]
    poll.respond(Response(200))
    assert poll.answers == []


def test_who_goes_after_the_answer_ends_nothing(world: World) -> None:
    intake = world.ask()
    intake.feed(b"4hi")
    intake.complete()
    intake.gone()
    assert (intake.status, world.application.closed) == (200, [])


def test_a_websocket_begins_with_its_greeting_and_is_aborted_before(world: World) -> None:
    intake = world.ask("GET", sid="", socket=True)
    intake.complete()
    world.settle()
    (greeting,) = intake.greetings
    assert isinstance(greeting, Upgrade)
    assert greeting.key == dict(HANDSHAKE)["Sec-WebSocket-Key"]
    intake.gone()
    assert world.application.closed == []  # the link has it now
    given_up = world.ask("GET", sid="", socket=True)
    world.settle()
    given_up.gone()
    given_up.complete()
    assert (given_up.greetings, world.application.closed) == ([], [Reason.TRANSPORT_CLOSE])


def test_an_endless_answer_begins_with_its_fields(world: World) -> None:
    sid = Peer(world.engine, generation=SOCKETIO_1, transport=None).sid
    intake = MemoryIntake(world.engine)
    intake.admit(Request("GET", f"/engine.io/1/htmlfile/{sid}", [("Referer", "http://localhost/")]))
    intake.complete()
    (greeting,) = intake.greetings
    assert isinstance(greeting, Stream)
    assert ("Content-Type", "text/html; charset=UTF-8") in greeting.headers


def test_an_engine_that_closes_answers_a_request_whose_body_is_on_its_way(world: World) -> None:
    intake = world.ask()
    intake.expect(10)
    world.engine.close()
    world.clock.advance(5)
    assert (intake.status, intake.cuts) == (400, 0)
