"""A program that is no node: what it publishes for clients, and what it asks the nodes, on a bus in memory."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from server.stranger import TOPIC, word
from waterspout import Server
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.errors import AdapterError
from waterspout.server import Headcount, Replies
from waterspout.server.cluster import encode_word, incoming
from waterspout.server.cluster.messages import Broadcast, NodeAnswer, largest_message, node_topic
from waterspout.server.cluster.survey import Survey, WordCounter
from waterspout.server.fanout import ORDINARY, Delivery
from waterspout.server.inquiries import read_headcount, read_presence, read_replies
from waterspout.server.remote import RemoteNamespace
from waterspout.server.rooms import Audience
from waterspout.testing import Clock, Pair, Peer
from waterspout.wire.packets import Event

ALL = Audience(None)
NAME = "emitter-1"


class Program(MemoryAdapter):
    """Two nodes with a client each, and a program beside them that is on their bus."""

    def __init__(self, bus: MemoryBus, clock: Clock) -> None:
        super().__init__(bus)
        self.clock = clock
        self.attach(clock, lambda reason: None, lambda: None)
        self.servers = [Server(adapter=MemoryAdapter(bus), driver=clock) for _ in range(2)]
        for server in self.servers:
            server.of("/chat")
        self.pairs = [Pair(server) for server in self.servers]
        self.counter = WordCounter(NAME)
        self.heard: list[bytes] = []
        self.subscribe(node_topic(TOPIC, NAME), self.heard.append)

    def say(self, message: bytes) -> int:
        return self.publish(TOPIC, self.counter.word(message))

    def ask(self, message: bytes, receivers: int | None = 2, timeout: float = 5.0) -> Survey:
        survey = Survey(2, receivers, self.clock.now(), timeout)
        if receivers is None:
            self.say(Survey.roll(2))
        self.say(message)
        self.pass_on(survey)
        return survey

    def pass_on(self, survey: Survey) -> None:
        for data in self.heard:
            survey.receive(data)
        self.heard.clear()

    def received(self, namespace: str = "/") -> list[list[tuple[Any, ...]]]:
        return [pair.peer.events(namespace) for pair in self.pairs]

    @property
    def names(self) -> set[str]:
        return {node.name for node in self.servers[0].nodes()}


@pytest.fixture
def program() -> Program:
    return Program(MemoryBus(), Clock())


@pytest.fixture
def lobby() -> RemoteNamespace:
    return RemoteNamespace("/", None)


# What it publishes


def test_an_event_of_a_program_reaches_the_clients_of_all_nodes_once(program: Program, lobby: RemoteNamespace) -> None:
    assert program.say(lobby.event("news", (1, {"a": b"\x01"}), ALL, ORDINARY)) == 2
    assert program.received() == [[("news", 1, {"a": b"\x01"})]] * 2


def test_a_word_that_is_published_again_is_delivered_once(program: Program, lobby: RemoteNamespace) -> None:
    first, second = (program.counter.word(lobby.event("news", (n,), ALL, ORDINARY)) for n in (1, 2))
    for data in (first, second, second, first):
        program.publish(TOPIC, data)
    assert program.received() == [[("news", 1), ("news", 2)]] * 2


def test_a_word_that_was_never_published_is_waited_for_by_nobody(program: Program, lobby: RemoteNamespace) -> None:
    program.counter.word(b"")
    program.say(lobby.event("news", (), ALL, ORDINARY))
    assert program.received() == [[("news",)]] * 2
    program.clock.advance(5)
    assert [server.stats().lost for server in program.servers] == [0, 0]
    assert {node.name for node in program.servers[1].nodes()} == program.names
    assert len(program.names) == 2


def test_rooms_of_a_program_are_those_of_the_servers(program: Program, lobby: RemoteNamespace) -> None:
    one, two = (pair.socket for pair in program.pairs)
    program.say(lobby.join(("red", 7), Audience((two.id,))))
    assert one.rooms == frozenset()
    assert two.rooms == {"red", 7}
    program.say(lobby.event("news", (), Audience(("red",)), ORDINARY))
    program.say(lobby.event("others", (), Audience(None, (7,)), Delivery(compress=False)))
    assert program.received() == [[("others",)], [("news",)]]
    program.say(lobby.leave(("red",), Audience(("red",))))
    assert two.rooms == {7}
    program.say(lobby.disconnect(Audience((7,)), close=True))
    assert [len(server.sockets()) for server in program.servers] == [1, 0]
    assert program.pairs[1].peer.closed is not None


def test_another_namespace_has_clients_of_its_own(program: Program) -> None:
    program.pairs[0].peer.connect("/chat")
    program.say(RemoteNamespace("/chat", None).event("news", (), ALL, ORDINARY))
    assert program.received("/chat") == [[("news",)], []]
    assert program.received() == [[], []]


@pytest.mark.parametrize(
    ("write", "error", "text"),
    [
        (lambda chat: chat.event("news", (object(),), ALL, ORDINARY), TypeError, "the event 'news' cannot be sent"),
        (lambda chat: chat.event("news", (2**64,), ALL, ORDINARY), TypeError, "'news' cannot be sent to other nodes"),
        (lambda chat: chat.event("connect", (), ALL, ORDINARY), ValueError, "'connect' is reserved by Socket.IO"),
        (lambda chat: chat.event(1, (), ALL, ORDINARY), TypeError, "the event's name is 1"),
        (lambda chat: chat.event("news", ("x" * 3000,), ALL, ORDINARY), AdapterError, "'news' has 30.. bytes for"),
        (lambda chat: chat.join((["red"],), ALL), TypeError, "is not a room"),
        (lambda chat: chat.leave((True,), ALL), TypeError, "is not a room"),
        (lambda chat: chat.call("disconnect", (), ALL, 1.0, 2), ValueError, "is reserved by Socket.IO"),
        (lambda chat: chat.call("ask", (timedelta,), ALL, 1.0, 2), TypeError, "the event 'ask' cannot be sent"),
        (lambda chat: chat.call("ask", (), ALL, 0.0, 2), ValueError, "timeout is 0.0"),
        (lambda chat: RemoteNamespace("chat", None), ValueError, "begin it with a slash"),
    ],
)
def test_a_program_is_refused_what_a_server_is(
    write: Callable[[RemoteNamespace], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        write(RemoteNamespace("/chat", largest_message(3540, TOPIC)))


def test_programs_that_come_and_end_make_a_node_forget_no_other_node(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "_MOST", 10)
    program.clock.advance(1)
    for number in range(30):
        event = Broadcast("news", [number], namespace="/")
        program.publish(TOPIC, word(event, f"emitter-{number}", 1))
    assert len(program.received()[0]) == 30
    other = program.servers[1].nodes()[0].name
    program.publish(TOPIC, word(Broadcast("late", [], namespace="/"), other, 2, 1))
    assert program.received()[0] == [("late",)]
    assert program.servers[0].stats().lost == 1  # the word before, of which it would know nothing


# What it asks


def test_a_question_ends_when_all_have_answered(program: Program, lobby: RemoteNamespace) -> None:
    survey = program.ask(lobby.call("ask", (1,), ALL, 3.0, 2))
    now = program.clock.now()
    assert survey.seconds_left(now) == 5.0
    for pair in program.pairs:
        assert pair.peer.pick(Event, "/") == [Event("/", "ask", [1], 1)]
        pair.peer.acknowledge(1, "yes", 2)
    program.pass_on(survey)
    assert survey.seconds_left(now) == 0.0
    answers = {pair.socket.id: ("yes", 2) for pair in program.pairs}
    assert read_replies(survey.items, survey.missing()) == Replies(answers, ())


def test_clients_that_do_not_answer_and_nodes_that_do_not_are_named(program: Program, lobby: RemoteNamespace) -> None:
    survey = program.ask(lobby.call("ask", (), ALL, 3.0, 2), receivers=3, timeout=3.5)
    program.clock.advance(3)
    program.pass_on(survey)
    assert survey.seconds_left(program.clock.now()) == 0.5
    assert survey.lacks_names
    silent = tuple(pair.socket.id for pair in program.pairs)
    missing = survey.missing([*program.names, "third"])
    assert read_replies(survey.items, missing) == Replies({}, silent, ("third",))
    assert survey.missing() == ("?",)


def test_who_and_how_many_are_there_is_answered_at_once(program: Program, lobby: RemoteNamespace) -> None:
    Peer(program.servers[1]).connect()
    fetched = program.ask(lobby.fetch_sockets(ALL, 5.0, 2))
    found = read_presence(fetched.items, fetched.missing())
    assert {each.id for each in found.sockets} == {s.id for server in program.servers for s in server.sockets()}
    counted = program.ask(lobby.fetch_count(ALL, 5.0, 2))
    assert read_headcount(counted.items, counted.missing()) == Headcount(3)
    assert counted.seconds_left(program.clock.now()) == 0.0


def test_where_nobody_listens_a_question_ends_at_once() -> None:
    survey = Survey(2, 0, 10.0, 5.0)
    assert (survey.seconds_left(10.0), survey.lacks_names, survey.missing()) == (0.0, False, ())


def test_where_the_broker_cannot_count_those_who_tell_that_they_are_there_are_waited_for(
    program: Program, lobby: RemoteNamespace
) -> None:
    survey = program.ask(lobby.call("ask", (), ALL, 3.0, 2), receivers=None, timeout=3.5)
    now = program.clock.now()
    assert survey.seconds_left(now) == survey.seconds_left(now + 0.5) + 0.5 == 3.5
    assert not survey.lacks_names
    assert set(survey.missing()) == program.names
    for pair in program.pairs:
        pair.peer.acknowledge(1, "yes")
    program.pass_on(survey)
    assert survey.missing() == ()
    assert (survey.seconds_left(now), survey.seconds_left(now + 1)) == (1.0, 0.0)


def test_an_answer_in_parts_ends_with_its_last_part_and_none_counts_twice() -> None:
    survey = Survey(2, 1, 0.0, 5.0)
    parts = [NodeAnswer(2, [msgspec.Raw(b"\x01")], more=True), NodeAnswer(2, [msgspec.Raw(b"\x02")])]
    for part in (NodeAnswer(4, [msgspec.Raw(b"\x07")]), *parts, *parts):  # the first is of another question
        survey.receive(word(part, "node"))
    survey.receive(b"no word")
    survey.receive(word(Broadcast("news", [], namespace="/"), "node"))
    assert read_headcount(survey.items, ()) == Headcount(3)
    assert survey.seconds_left(0.0) == 0.0


def test_a_node_that_does_not_understand_is_missing_and_is_not_waited_for() -> None:
    survey = Survey(2, 1, 0.0, 5.0)
    survey.receive(word(NodeAnswer(2, understood=False), "older"))
    assert (survey.seconds_left(0.0), survey.lacks_names, survey.missing(["older"])) == (0.0, False, ("older",))


@given(some.binary(max_size=40), some.booleans())
def test_whatever_comes_on_the_bus_a_survey_takes_answers_and_ignores_the_rest(data: bytes, is_message: bool) -> None:
    survey = Survey(2, 1, 0.0, 5.0)
    survey.receive(encode_word("node", 1, 0, data) if is_message else data)
    read_replies(survey.items, survey.missing())
    read_presence(survey.items, survey.missing())
