"""Nodes that die, are deaf, share a name or lose their broker; and what they ask each other."""

import asyncio
import sys
from random import Random
from types import FrameType
from typing import Any

import msgspec
import pytest

from server.lossy import Cluster, LossyAdapter, LossyBus
from server.stranger import TOPIC, Stranger, word
from waterspout import Server
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.engine import Driver, Pending
from waterspout.errors import AdapterError
from waterspout.server import Gap
from waterspout.server.cluster import incoming
from waterspout.server.cluster.messages import (
    Again,
    Ask,
    Broadcast,
    Fetch,
    Forgotten,
    Hello,
    Join,
    NodeAnswer,
    Repetition,
    decode_word,
    encode,
)
from waterspout.server.cluster.outgoing import OutgoingWords
from waterspout.testing import Clock, Pair
from waterspout.wire.packets import Event


def logged(caplog: pytest.LogCaptureFixture, start: str) -> list[str]:
    """Return the lines of the log that begin so."""
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith(start)]


def seen(cluster: Cluster, node: int) -> set[str]:
    return {one.name for one in cluster.servers[node].nodes()}


# Who is there


def test_nodes_know_each_other_before_they_are_ready() -> None:
    clock, bus = Clock(), MemoryBus()
    one = Server(adapter=MemoryAdapter(bus), driver=clock)
    assert not one.is_ready
    assert one.nodes() == []
    Pair(one)
    two = Pair(Server(adapter=MemoryAdapter(bus), driver=clock)).server
    assert (one.is_ready, two.is_ready) == (True, True)
    names = [node.name for node in one.nodes()]
    assert [node.name for node in two.nodes()] == names[::-1]
    clock.advance(1)
    assert [(node.sessions, node.is_self, node.is_ready, node.version) for node in one.nodes()] == [
        (1, True, True, 1),
        (1, False, True, 1),
    ]
    assert one.stats().nodes == 2


def test_a_node_is_ready_after_two_seconds_if_the_broker_does_not_know_who_hears_it() -> None:
    clock = Clock()
    bus = Cluster(0).bus
    server = Pair(Server(adapter=LossyAdapter(bus), driver=clock)).server
    bus.clock = clock
    clock.advance(1.9)
    assert not server.is_ready
    clock.advance(0.1)
    assert server.is_ready


def test_a_server_without_an_adapter_is_ready_while_it_runs() -> None:
    server = Server()
    assert not server.is_ready
    Pair(server)
    assert (server.is_ready, server.stats().ready, server.nodes(), server.stats().nodes) == (True, True, [], 0)
    server.close()
    assert not server.is_ready


def test_a_node_that_dies_is_noticed_and_its_questions_end(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(3)
    dead = cluster.names[2]
    cluster.adapters[2].kill()
    asked = cluster.servers[0].fetch_sockets(timeout=60)
    cluster.clock.advance(2.9)
    assert (dead in seen(cluster, 0), asked.done) == (True, False)
    cluster.clock.advance(2.1)
    assert seen(cluster, 0) == seen(cluster, 1) == set(cluster.names[:2])
    assert (len(asked.result().sockets), asked.result().missing) == (2, (dead,))
    assert len(logged(caplog, f"the node '{dead}' is silent")) == 2
    assert cluster.servers[0].is_ready


def test_a_node_that_counted_as_dead_and_runs_on_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(3)
    asleep = cluster.names[2]
    cluster.adapters[2].kill()
    cluster.clock.advance(5)
    assert asleep not in seen(cluster, 0)
    cluster.adapters[2].mute = cluster.adapters[2].deaf = False
    cluster.clock.advance(10)
    assert seen(cluster, 0) == seen(cluster, 1) == set(cluster.names)
    assert len(logged(caplog, f"the node '{asleep}' is a member again")) == 2


def test_a_node_tells_its_name_when_it_has_opened(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "waterspout.server")
    cluster = Cluster(2)
    cluster.clock.advance(10)
    told = logged(caplog, "this node")
    assert [line.partition(",")[0] for line in told] == [f"this node is {name!r}" for name in cluster.names]
    assert told[-1].endswith(", other nodes: 1")


def test_a_node_that_is_closed_says_goodbye_and_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(2)
    asked = cluster.servers[0].call("question", timeout=60)
    cluster.servers[1].close()
    cluster.clock.advance(0)
    assert seen(cluster, 0) == {cluster.names[0]}
    cluster.pairs[0].peer.acknowledge(cluster.pairs[0].peer.pick(Event, "/")[0].id or 0, "yes")
    assert len(asked.result().answers) == 1
    cluster.clock.advance(10)
    assert logged(caplog, "the node") == []


def test_a_stalled_bus_makes_nobody_declare_anybody_dead(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(3)
    cluster.bus.stalled = True
    cluster.servers[0].emit("news", 1)
    cluster.clock.advance(7)
    assert [server.is_ready for server in cluster.servers] == [False] * 3
    cluster.servers[0].emit("news", 2)
    cluster.bus.stalled = False
    cluster.bus.resume()
    cluster.clock.advance(2)
    assert [server.is_ready for server in cluster.servers] == [True] * 3
    assert cluster.events() == [[("news", 1), ("news", 2)]] * 3
    assert [len(server.nodes()) for server in cluster.servers] == [3] * 3
    assert logged(caplog, "the node") == []
    assert cluster.gaps == [[]] * 3


def test_a_node_that_is_deaf_but_connected_is_not_ready_and_judges_nobody(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(3)
    cluster.adapters[0].deaf = True
    cluster.clock.advance(20)
    assert [server.is_ready for server in cluster.servers] == [False, True, True]
    assert [len(server.nodes()) for server in cluster.servers] == [3] * 3
    assert [node.is_ready for node in cluster.servers[1].nodes()].count(False) == 1
    assert len(logged(caplog, "the bus delivers nothing")) == 1
    cluster.servers[0].emit("news")
    cluster.clock.advance(0)
    assert cluster.events() == [[("news",)]] * 3
    cluster.adapters[0].deaf = False
    cluster.clock.advance(2)
    assert cluster.servers[0].is_ready
    assert len(logged(caplog, "the bus delivers what")) == 1


def test_a_stall_that_the_adapter_tells_of_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(2)
    cluster.adapters[0].deaf = True
    while cluster.servers[0].is_ready:
        cluster.clock.advance(0.1)
    cluster.clock.advance(0.5)
    cluster.adapters[0].lose()
    cluster.clock.advance(5)
    cluster.adapters[0].restore()
    cluster.clock.advance(3)
    assert cluster.servers[0].is_ready
    assert logged(caplog, "the bus") == []
    assert len(logged(caplog, "the other nodes are")) == 2


def test_a_node_that_receives_nothing_at_its_start_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    adapter = LossyAdapter(LossyBus(clock, 0))
    server = Server(adapter=adapter, driver=clock)
    adapter.deaf = True
    Pair(server)
    for _ in range(10):
        clock.advance(1)
        assert not server.is_ready
    assert len(logged(caplog, "the bus delivers nothing")) == 1
    adapter.deaf = False
    clock.advance(1)
    assert server.is_ready
    assert len(logged(caplog, "the bus delivers what")) == 1


def test_a_node_that_receives_nothing_after_a_loss_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(2)
    cluster.adapters[0].lose()
    cluster.clock.advance(1)
    cluster.adapters[0].restore()
    cluster.adapters[0].deaf = True
    for _ in range(10):
        cluster.clock.advance(1)
        assert not cluster.servers[0].is_ready
    assert len(logged(caplog, "the bus delivers nothing")) == 1
    cluster.adapters[0].deaf = False
    cluster.clock.advance(1)
    assert cluster.servers[0].is_ready


def test_what_a_deaf_node_has_missed_is_told_when_it_hears_again() -> None:
    cluster = Cluster(2)
    cluster.adapters[1].deaf = True
    cluster.servers[0].emit("old")
    cluster.clock.advance(15)
    cluster.servers[0].emit("new")
    cluster.clock.advance(0)
    cluster.adapters[1].deaf = False
    cluster.clock.advance(3)
    assert cluster.events()[1] == [("new",)]
    assert cluster.gaps[1] == [Gap(cluster.names[0], TOPIC, 1)]
    stats = cluster.servers[1].stats()
    assert (stats.lost, stats.repaired) == (1, 1)


def test_a_node_whose_name_is_taken_takes_another_one(caplog: pytest.LogCaptureFixture) -> None:
    bus = MemoryBus()
    pairs = [Pair(Server(adapter=MemoryAdapter(bus), driver=Clock())) for _ in range(3)]  # whose tokens are the same
    names = [pair.server.nodes()[0].name for pair in pairs]
    assert len(set(names)) == 3
    for pair in pairs:
        assert {node.name for node in pair.server.nodes()} == set(names)
    pairs[1].server.emit("news")
    assert [pair.peer.events() for pair in pairs] == [[("news",)]] * 3
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == f"the name {names[0]!r} of this node is another's: it takes a new one"


def test_two_nodes_that_take_one_name_at_once_have_two() -> None:
    cluster = Cluster(0, slowest=0.01)
    clocks = [Clock(), Clock()]  # whose tokens are the same
    servers = [Server(adapter=LossyAdapter(cluster.bus), driver=clock) for clock in clocks]
    for server, clock in zip(servers, clocks, strict=True):
        server.engine.bind(clock)
    for _ in range(40):
        for clock in (cluster.clock, *clocks):
            clock.advance(0.1)
    names = [[node.name for node in server.nodes()] for server in servers]
    assert names[0] == names[1][::-1]
    assert len(set(names[0])) == 2


# Holes


def test_a_lost_tail_shows_by_the_next_hello() -> None:
    cluster = Cluster(2)
    cluster.bus.lose = 1.0
    cluster.servers[0].emit("news")
    cluster.bus.lose = 0.0
    cluster.clock.advance(0.5)
    assert cluster.events()[1] == []
    cluster.clock.advance(1)
    assert cluster.events()[1] == [("news",)]
    assert cluster.servers[1].stats().repaired == 1


def lose_one(cluster: Cluster) -> None:
    """Let the others not get an event, and never again."""
    cluster.bus.lose = 1.0
    cluster.servers[0].emit("lost")
    cluster.bus.lose = 0.0
    cluster.adapters[0].unsubscribe(f"{TOPIC}/node/{cluster.names[0]}")  # so that nobody can ask


def test_what_follows_a_hole_is_held_for_a_second_and_then_the_hole_is_told(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(2)
    lose_one(cluster)
    cluster.servers[0].emit("news", 1)
    cluster.clock.advance(0.9)
    cluster.servers[0].emit("news", 2)
    assert cluster.events()[1] == []
    assert cluster.gaps[1] == []
    cluster.clock.advance(0.1)
    assert cluster.events()[1] == [("news", 1), ("news", 2)]
    assert cluster.gaps[1] == [Gap(cluster.names[0], TOPIC, 1)]
    assert len(logged(caplog, "up to 1 messages of the node")) == 1
    cluster.clock.advance(5)
    assert len(cluster.gaps[1]) == 1


def test_a_node_whose_words_are_missing_is_asked_a_few_times_however_many_follow() -> None:
    cluster = Cluster(2)
    lose_one(cluster)
    before = len(cluster.bus.published)
    for _ in range(500):
        cluster.servers[0].emit("news")
    cluster.clock.advance(0.99)
    assert len(cluster.bus.published) - before < 510
    cluster.clock.advance(0.01)
    assert len(cluster.events()[1]) == 500


def test_what_on_gap_raises_is_reported_and_an_async_function_is_awaited() -> None:
    cluster, told = Cluster(2), list[str]()

    @cluster.servers[1].on_gap
    def fail(gap: Gap) -> None:
        raise ZeroDivisionError

    @cluster.servers[1].on_gap
    async def tell(gap: Gap) -> None:
        await asyncio.sleep(1)
        told.append(gap.node)

    lose_one(cluster)
    cluster.clock.advance(5)
    assert told == [cluster.names[0]]
    assert len([text for text in cluster.logged() if "fail' of on_gap failed" in text]) == 1
    with pytest.raises(TypeError, match="a function of on_gap"):
        cluster.servers[1].on_gap(lambda: None)


def test_a_stranger_that_numbers_its_words_is_heard_once_and_no_hole_of_it_is_told() -> None:
    clock, bus = Clock(), MemoryBus()
    pair, stranger = Pair(Server(adapter=MemoryAdapter(bus), driver=clock)), Stranger(bus, clock)
    for n in (1, 2, 2, 1, 5, 5, 4):
        stranger.say(Broadcast("news", [n], namespace="/"), n=n, prev=n - 1)
    clock.advance(5)
    assert pair.peer.events() == [("news", 1), ("news", 2), ("news", 5)]
    assert pair.server.stats().lost == 0
    assert len(pair.server.nodes()) == 1


class Neighbour:
    """A node that the test speaks for, word by word: it has said hello to another node."""

    def __init__(self) -> None:
        self.clock, bus = Clock(), MemoryBus()
        self.pair = Pair(Server(adapter=MemoryAdapter(bus), driver=self.clock))
        self.own = f"{TOPIC}/node/another"
        self.stranger = Stranger(bus, self.clock, self.own)
        self.name = self.pair.server.nodes()[0].name
        self.hello()

    def hello(self, **heads: int) -> None:
        self.stranger.say(Hello("life", 1, 1, {TOPIC: heads.get("head", 0)}))

    def say(self, n: int, prev: int) -> None:
        self.stranger.say(Broadcast("news", [n], namespace="/"), n=n, prev=prev)

    def repeat(self, n: int, prev: int, node: str = "another") -> None:
        lost = word(Broadcast("news", [n], namespace="/"), node, n, prev)
        self.stranger.say(Repetition(TOPIC, lost), f"{TOPIC}/node/{self.name}")

    def got(self) -> list[int]:
        return [number for _, number in self.pair.peer.events()]


def test_words_that_come_in_any_order_and_twice_are_delivered_in_order_and_once() -> None:
    peer = Neighbour()
    for n in (3, 3, 2, 4, 2, 3, 4):
        peer.say(n, n - 1)
    assert peer.got() == []
    assert peer.stranger.messages() == [Again(TOPIC, 0, 2), Again(TOPIC, 0, 1)]
    peer.repeat(1, 0, "somebody else")
    assert peer.got() == []
    peer.repeat(1, 0)
    peer.repeat(1, 0)
    assert peer.got() == [1, 2, 3, 4]
    peer.clock.advance(1)
    assert (peer.stranger.messages(), peer.pair.server.stats().repaired) == ([], 1)


@pytest.mark.parametrize("n", [0, 1])
def test_what_is_repeated_has_a_number_and_no_repetition_in_it(n: int) -> None:
    peer, inner = Neighbour(), word(Broadcast("news", [0], namespace="/"), n=1)
    for _ in range(500):
        inner = word(Repetition(TOPIC, inner), n=n)
    peer.stranger.publish(TOPIC, inner)
    peer.say(2, 1)
    peer.repeat(1, 0)
    assert peer.got() == [1, 2] if n == 0 else [2]
    assert peer.clock.reports == []


def test_a_repetition_for_a_topic_of_others_is_ignored() -> None:
    peer = Neighbour()
    lost = word(Broadcast("news", [1], namespace="/"), n=1)
    peer.stranger.say(Repetition(f"{TOPIC}/other", lost))
    assert peer.got() == []


def test_a_node_that_lives_is_not_forgotten_for_those_that_have_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_MOST", 10)
    peer = Neighbour()
    peer.say(1, 0)
    for number in range(5):
        peer.hello(head=1)
        peer.stranger.say(Hello("life", 1, 1, {}), node=f"node {number}")
    peer.say(3, 2)
    assert peer.got() == [1]
    peer.repeat(2, 1)
    assert peer.got() == [2, 3]


def test_a_new_sender_costs_the_same_however_many_nodes_have_died(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(dead: int) -> int:
        monkeypatch.setattr(incoming, "_MOST", 2 * dead)
        peer = Neighbour()
        for number in range(dead):
            peer.stranger.say(Hello("life", 1, 1, {}), node=f"node {number}")
        lines = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal lines
            lines += event == "line"
            return trace if frame.f_code.co_filename == incoming.__file__ else None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for number in range(10):
                peer.stranger.say(Broadcast("x", [], namespace="/", to=("nobody",)), node=f"s {number}", n=1)
        finally:
            sys.settrace(before)
        return lines

    assert steps(1000) <= steps(10) + 20


def test_a_node_that_cannot_be_asked_any_more_has_its_loss_told_at_once() -> None:
    peer = Neighbour()
    peer.stranger.unsubscribe(peer.own)
    peer.say(3, 2)
    assert peer.got() == [3]
    assert peer.pair.server.stats().lost == 2


def test_words_that_their_sender_has_forgotten_are_told_at_once_and_the_others_repeated() -> None:
    peer = Neighbour()
    peer.say(5, 4)
    peer.stranger.say(Forgotten(TOPIC, 2), f"{TOPIC}/node/{peer.name}")
    assert peer.pair.server.stats().lost == 2
    peer.repeat(3, 2)
    peer.repeat(4, 3)
    assert peer.got() == [3, 4, 5]


def test_of_too_much_that_is_held_the_first_hole_is_given_up() -> None:
    peer = Neighbour()
    for n in range(3, 8):
        text = "x" * 1_000_000
        peer.stranger.say(Broadcast("news", [n, text], namespace="/"), n=n, prev=n - 1)
    assert [event[1] for event in peer.pair.peer.events()] == [3, 4, 5, 6, 7]
    assert peer.pair.server.stats().lost == 2


def test_a_first_word_on_a_topic_that_was_lost_shows_by_the_second_and_by_a_hello() -> None:
    for is_hello in (False, True):
        peer = Neighbour()
        if is_hello:
            peer.hello(head=1)
        else:
            peer.say(2, 1)
        assert peer.stranger.messages() == [Again(TOPIC, 0, 1)]


def test_a_sender_that_was_away_for_long_begins_anew_without_a_hole() -> None:
    outgoing = OutgoingWords("all")
    assert decode_word(outgoing.number("room", "me", b"", 0.0)).prev == 0
    assert decode_word(outgoing.number("all", "me", b"", 0.0)).prev == 0
    assert outgoing.heads(60.0) == {"room": 1, "all": 2}
    assert outgoing.heads(60.1) == {"all": 2}
    assert decode_word(outgoing.number("room", "me", b"", 61.0)).prev == 0
    assert decode_word(outgoing.number("all", "me", b"", 61.0)).prev == 2
    for number in range(1100):
        outgoing.number(f"room {number}", "me", b"", 61.0)
    assert len(outgoing.heads(62.0)) == 1001
    assert outgoing.heads(62.0)["all"] == 4


def test_a_sender_keeps_what_it_can_repeat_for_ten_seconds_and_up_to_four_megabytes() -> None:
    outgoing = OutgoingWords("all")
    words = [outgoing.number("all", "me", b"x" * 1_500_000, float(at)) for at in range(4)]
    assert outgoing.repeat("all", 0, 4) == (2, words[2:])
    assert outgoing.repeat("all", 2, 3) == (0, [words[2]])
    assert outgoing.repeat("elsewhere", 0, 4) == (4, [])
    last = outgoing.number("all", "me", b"x", 12.9)
    assert outgoing.repeat("all", 0, 9) == (3, [words[3], last])


def test_an_answer_that_comes_twice_counts_once() -> None:
    peer = Neighbour()
    asked = peer.pair.server.fetch_count()
    number = 1  # its first question
    for more in (True, False, False):
        answer = NodeAnswer(number, [msgspec.Raw(b"\x05")], more=more)
        peer.stranger.say(answer, f"{TOPIC}/node/{peer.name}", node="another" if more else "nobody")
    assert not asked.done
    for _ in range(2):
        peer.stranger.say(NodeAnswer(number, [msgspec.Raw(b"\xc0")]), f"{TOPIC}/node/{peer.name}")  # nil is no number
    assert (asked.result().sockets, asked.result().missing) == (6, ())


def test_what_was_said_just_before_a_broker_was_lost_is_repeated_when_it_is_back() -> None:
    cluster = Cluster(2)
    cluster.bus.lose = 1.0
    cluster.servers[0].emit("news")
    for adapter in cluster.adapters:
        adapter.lose()
    cluster.bus.lose = 0.0
    cluster.clock.advance(15)
    for adapter in cluster.adapters:
        adapter.restore()
    cluster.clock.advance(1)
    cluster.servers[0].emit("more")
    cluster.clock.advance(1)
    assert cluster.events()[1] == [("news",), ("more",)]


def test_a_node_whose_hellos_to_all_are_lost_is_asked_before_it_counts_as_dead() -> None:
    cluster = Cluster(2)
    adapter = cluster.adapters[0]
    hear = adapter.callbacks[TOPIC]
    other = cluster.names[1].encode()
    adapter.callbacks[TOPIC] = lambda data: None if other in data[:20] else hear(data)
    cluster.clock.advance(10)
    assert seen(cluster, 0) == set(cluster.names)


# Joins


@pytest.mark.parametrize("emitter", [0, 1, 2])
def test_who_has_joined_by_another_node_gets_what_any_node_emits_then(emitter: int) -> None:
    for seed in range(4):
        cluster = Cluster(3, seed, lose=0.2, double=0.2, slowest=0.1)
        joined = cluster.servers[0].join("red", to=cluster.pairs[1].socket.id)
        if emitter:
            while not joined.done:
                cluster.clock.advance(0.05)
        cluster.servers[emitter].emit("news", to="red")
        cluster.clock.advance(6)
        assert cluster.events() == [[], [("news",)], []] or cluster.gaps != [[], [], []]


def test_a_join_waits_for_a_silent_node_no_longer_than_five_seconds() -> None:
    cluster = Cluster(2)
    cluster.adapters[1].mute = True
    joined = cluster.servers[0].join("red")
    cluster.clock.advance(3)
    assert not joined.done
    cluster.clock.advance(2)
    assert joined.result() is None


# A lost broker


def test_what_is_emitted_while_the_broker_is_lost_arrives_in_order_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(3)
    for adapter in cluster.adapters:
        adapter.lose()
    for adapter in cluster.adapters:
        adapter.on_lost("again")
    cluster.servers[0].emit("news", 1)
    joined = cluster.servers[0].join("red")
    cluster.servers[0].emit("news", 2, to="red")
    cluster.clock.advance(15)
    assert [server.is_ready for server in cluster.servers] == [False] * 3
    assert cluster.servers[0].stats().unpublished_bytes > 0
    assert not joined.done
    cluster.adapters[1].restore()
    cluster.adapters[0].restore()
    cluster.clock.advance(0.1)
    assert (cluster.events(), cluster.servers[0].is_ready) == ([[("news", 1), ("news", 2)], [], []], False)
    cluster.adapters[2].restore()
    cluster.clock.advance(0.1)
    assert cluster.events() == [[], [("news", 1), ("news", 2)], [("news", 1), ("news", 2)]]
    assert joined.done
    assert [server.is_ready for server in cluster.servers] == [True] * 3
    assert [len(server.nodes()) for server in cluster.servers] == [3] * 3
    assert len(logged(caplog, "the other nodes are not reached: connection refused")) == 3
    assert len(logged(caplog, "the other nodes are reached again")) == 3
    assert logged(caplog, "the node") == []
    assert (cluster.servers[0].stats().broker_losses, cluster.servers[0].stats().unpublished_bytes) == (1, 0)


def test_a_broker_that_is_lost_again_before_the_node_has_opened_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(2)
    for adapter in cluster.adapters:
        adapter.lose()
    for _ in range(3):
        cluster.adapters[0].restore()
        cluster.clock.advance(1)
        cluster.adapters[0].lose()
    for adapter in cluster.adapters:
        adapter.restore()
    cluster.clock.advance(1)
    assert [server.is_ready for server in cluster.servers] == [True] * 2
    assert len(logged(caplog, "the other nodes are not reached")) == 2
    assert len(logged(caplog, "the other nodes are reached again")) == 2
    assert [server.stats().broker_losses for server in cluster.servers] == [4, 1]


def test_a_broker_that_is_away_at_the_start_is_lost_once_and_back_once(caplog: pytest.LogCaptureFixture) -> None:
    class Late(LossyAdapter):
        def attach(self, driver: Driver, *reports: Any) -> Any:
            super().attach(driver, *reports)
            self.is_lost = True
            self.on_lost("connection refused")
            self.connected: Pending[None] = Pending(driver)
            return self.connected

        def subscribe(self, topic: str, callback: Any) -> Any:
            super().subscribe(topic, callback)
            return self.connected

    cluster = Cluster(0)
    adapter = Late(cluster.bus)
    other = Pair(Server(adapter=LossyAdapter(cluster.bus), driver=cluster.clock))
    pair = Pair(Server(adapter=adapter, driver=cluster.clock))
    server = pair.server
    cluster.clock.advance(10)
    assert pair.socket.join("room").done  # or handlers that await it would never end
    server.emit("news")
    assert (server.is_ready, other.peer.events()) == (False, [])
    adapter.restore()
    adapter.connected.resolve(None)
    cluster.clock.advance(3)
    assert (server.is_ready, other.peer.events()) == (True, [("news",)])
    assert len(logged(caplog, "the other nodes are")) == 2


def begin_while_others_have_no_broker() -> tuple[Cluster, Server]:
    """Return two nodes that have lost the broker, and a new one that has found it, with a client each."""
    cluster = Cluster(2)
    for adapter in cluster.adapters:
        adapter.lose()
    server = Pair(Server(adapter=LossyAdapter(cluster.bus), driver=cluster.clock)).server
    cluster.clock.advance(3)
    assert server.is_ready
    return cluster, server


def test_what_a_new_node_has_emitted_while_others_had_no_broker_is_repeated_for_them() -> None:
    cluster, new = begin_while_others_have_no_broker()
    new.emit("news", 1)
    new.emit("news", 2)
    cluster.clock.advance(5)
    for adapter in cluster.adapters:
        adapter.restore()
    cluster.clock.advance(1)
    assert cluster.events() == [[("news", 1), ("news", 2)]] * 2
    assert (cluster.gaps, new.stats().lost) == ([[], []], 0)


def test_what_a_new_node_cannot_repeat_any_more_is_told() -> None:
    cluster, new = begin_while_others_have_no_broker()
    new.emit("news", 1)
    new.emit("news", 2)
    cluster.clock.advance(11)
    new.emit("news", 3)
    for adapter in cluster.adapters:
        adapter.restore()
    cluster.clock.advance(1)
    assert cluster.events() == [[("news", 3)]] * 2
    assert cluster.gaps == [[Gap(new.nodes()[0].name, TOPIC, 2)]] * 2


def test_a_hole_before_the_first_word_of_a_new_node_is_told_when_its_hello_comes() -> None:
    cluster, new = begin_while_others_have_no_broker()
    new.emit("news", 1)
    cluster.clock.advance(0)
    old = cluster.adapters[0]
    old.mute = old.deaf = old.is_lost = False  # so that it receives words before it has asked for hellos
    new.emit("news", 2)
    cluster.clock.advance(0.1)
    for adapter in cluster.adapters:
        adapter.restore()
    cluster.clock.advance(1)
    assert cluster.events() == [[("news", 2)], [("news", 1), ("news", 2)]]
    assert cluster.gaps == [[Gap(new.nodes()[0].name, TOPIC, 1)], []]


def test_a_new_node_asks_for_nothing_that_was_emitted_before_it_began() -> None:
    cluster = Cluster(2)
    cluster.servers[0].emit("news")
    cluster.adapters[0].mute = True  # so that its first hello does not come before the new node is open
    pair = Pair(Server(adapter=LossyAdapter(cluster.bus), driver=cluster.clock))
    cluster.clock.advance(3)
    cluster.adapters[0].mute = False
    cluster.clock.advance(2)
    assert len(pair.server.nodes()) == 3
    assert (pair.peer.events(), pair.server.stats().lost) == ([], 0)


def test_a_node_of_before_that_does_not_come_back_is_waited_for_four_seconds() -> None:
    cluster = Cluster(2)
    for adapter in cluster.adapters:
        adapter.lose()
    cluster.adapters[0].restore()
    cluster.clock.advance(3.9)
    assert not cluster.servers[0].is_ready
    cluster.clock.advance(0.1)
    assert cluster.servers[0].is_ready


def test_more_than_may_wait_for_the_broker_is_refused_before_anybody_has_it() -> None:
    clock, bus = Clock(), Cluster(0).bus
    adapter = LossyAdapter(bus)
    pair = Pair(Server(adapter=adapter, driver=clock, max_unpublished_bytes=1000))
    server = pair.server
    clock.advance(2)
    adapter.lose()
    server.emit("news", "x" * 900)
    pair.peer.take()
    acts: list[Any] = [
        lambda: server.emit("news", "x" * 100),
        lambda: server.join("r" * 100),
        lambda: server.leave("r" * 100),
        lambda: server.disconnect(to="r" * 100),
    ]
    for act in acts:
        with pytest.raises(AdapterError, match=r"is sent to nobody.* of 1000 \(max_unpublished_bytes\)"):
            act()
    assert (pair.peer.take(), pair.socket.rooms) == ([], frozenset())
    assert server.fetch_sockets().result().missing == ()
    pair.socket.join("red")
    adapter.restore()
    clock.advance(4)
    server.emit("news")
    assert pair.peer.events() == [("news",)]
    assert server.stats().unpublished == 4


def test_a_thread_is_told_that_too_much_waits() -> None:
    async def main() -> None:
        bus = MemoryBus()
        server = Server(adapter=MemoryAdapter(bus), max_unpublished_bytes=1)
        server.engine.bind(AsyncioDriver())
        server._cluster._connection._lost("gone")  # type: ignore[union-attr]
        server.emit("news")
        with pytest.raises(AdapterError):
            await asyncio.to_thread(lambda: server.join("red").wait(5))

    asyncio.run(main())


def test_an_adapter_that_has_failed_for_good_leaves_the_server_alone() -> None:
    class Failing(MemoryAdapter):
        def attach(self, driver: Driver, *reports: Any) -> Any:
            super().attach(driver, *reports)
            pending: Pending[None] = Pending(driver)
            pending.reject(ConnectionError("no such broker"))
            return pending

    pair = Pair(Server(adapter=Failing(MemoryBus()), max_unpublished_bytes=10))
    for _ in range(3):
        pair.server.emit("news")
    pair.clock.advance(10)
    assert (len(pair.peer.take()), pair.server.is_ready) == (3, False)
    with pytest.raises(ConnectionError):
        pair.server.join("red").result()
    assert pair.server.close().done


# Large words


LARGE = "x" * 199_500


class Narrow(LossyAdapter):
    """An adapter that carries little."""

    largest_word = 200_000

    def publish(self, topic: str, data: bytes) -> None:
        assert len(data) <= 200_000
        super().publish(topic, data)


def test_an_event_that_is_too_large_for_the_adapter_is_refused_before_anybody_is_served() -> None:
    cluster = Cluster(2, adapter=Narrow)
    for act in (lambda: cluster.servers[0].emit("news", LARGE), lambda: cluster.servers[0].call("n", LARGE)):
        with pytest.raises(AdapterError, match=r"the event '\w+' has 1995\d\d bytes for other nodes, and the adapter"):
            act()
    cluster.clock.advance(2)
    assert cluster.events() == [[], []]
    cluster.servers[0].emit("news", LARGE[200:])
    cluster.clock.advance(0)
    assert [len(events) for events in cluster.events()] == [1, 1]


def test_an_adapter_that_carries_too_little_is_refused() -> None:
    class Tiny(LossyAdapter):
        largest_word = 131_071

    with pytest.raises(ValueError, match="the adapter carries 131071 bytes"):
        Cluster(1, adapter=Tiny)


def test_a_word_that_just_fits_can_be_repeated() -> None:
    cluster = Cluster(2, adapter=Narrow)
    cluster.bus.lose = 1.0
    cluster.servers[0].emit("news", LARGE[107:])
    cluster.bus.lose = 0.0
    cluster.clock.advance(2)
    assert len(cluster.events()[1]) == 1


def test_answers_are_divided_and_what_is_too_large_in_them_is_left_out() -> None:
    cluster = Cluster(2, adapter=Narrow)
    others = [Pair(cluster.servers[1]) for _ in range(30)]
    others[0].socket.data.update(small=1, large="x" * 300_000)
    others[1].socket.data.update(sent=[1], kept=object())
    asked = cluster.servers[0].fetch_sockets()
    called = cluster.servers[0].call("question")
    cluster.clock.advance(0)
    for number, pair in enumerate([*cluster.pairs, *others]):
        (event,) = pair.peer.pick(Event, "/")
        pair.peer.acknowledge(event.id or 0, "x" * (300_000 if number == 2 else 50_000))
    cluster.clock.advance(0)
    found = {present.id: present.data for present in asked.result().sockets}
    assert len(found) == 32
    assert (found[others[0].socket.id], found[others[1].socket.id]) == ({}, {"sent": [1]})
    replies = called.result()
    assert (len(replies.answers), replies.missing, replies.missing_nodes) == (31, (others[0].socket.id,), ())


# Questions


def test_all_clients_of_all_nodes_are_found_counted_and_asked() -> None:
    cluster = Cluster(3)
    for pair in cluster.pairs[1:]:
        pair.socket.join("red", 7)
    cluster.pairs[2].socket.data["name"] = "Ada"
    found = cluster.servers[0].fetch_sockets(to="red")
    counted, none = cluster.servers[0].fetch_count(to="red"), cluster.servers[0].of("/none").fetch_count()
    called = cluster.servers[0].call("question", to="red", timeout=2)
    cluster.clock.advance(0)
    present = {one.id: one for one in found.result().sockets}
    assert present.keys() == {pair.socket.id for pair in cluster.pairs[1:]}
    ada = present[cluster.pairs[2].socket.id]
    assert ada.rooms == {"red", 7}
    assert (ada.data, ada.transport, ada.generation) == (
        {"name": "Ada"},
        "websocket",
        "Engine.IO 4",
    )
    assert (counted.result().sockets, counted.result().missing, none.result().sockets) == (2, (), 0)
    (event,) = cluster.pairs[1].peer.pick(Event, "/")
    cluster.pairs[1].peer.acknowledge(event.id or 0, 1, 2)
    cluster.clock.advance(2)
    replies = called.result()
    assert replies.answers == {cluster.pairs[1].socket.id: (1, 2)}
    assert (replies.missing, replies.missing_nodes) == ((cluster.pairs[2].socket.id,), ())


def test_a_node_that_says_nothing_is_missing_at_the_deadline() -> None:
    cluster = Cluster(2)
    cluster.adapters[1].mute = True
    asks: list[Any] = [
        cluster.servers[0].fetch_sockets(timeout=1),
        cluster.servers[0].fetch_count(timeout=1),
        cluster.servers[0].call("question", timeout=1),
    ]
    cluster.clock.advance(1.4)
    assert [ask.done for ask in asks] == [True, True, False]
    cluster.clock.advance(0.1)
    assert asks[0].result().missing == asks[1].result().missing == asks[2].result().missing_nodes == (cluster.names[1],)
    assert (len(asks[0].result().sockets), asks[1].result().sockets) == (1, 1)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "1"])
def test_a_timeout_is_a_number_of_seconds(timeout: Any) -> None:
    for ask in (Server().fetch_sockets, Server().fetch_count):
        with pytest.raises((TypeError, ValueError), match="timeout is"):
            ask(timeout=timeout)


def test_a_question_of_a_newer_node_is_answered_as_not_understood() -> None:
    clock, bus = Clock(), MemoryBus()
    pair, stranger = (
        Pair(Server(adapter=MemoryAdapter(bus), driver=clock)),
        Stranger(bus, clock, f"{TOPIC}/node/another"),
    )
    stranger.say(msgspec.msgpack.encode({"kind": "riddle", "number": 7, "depth": 3}))
    stranger.say(msgspec.msgpack.encode({"kind": "riddle"}))
    stranger.say(Fetch(namespace="/nowhere", number=8))
    stranger.say(Join(["red"], 9, namespace="/"))
    assert stranger.messages() == [NodeAnswer(7, understood=False), NodeAnswer(8), NodeAnswer(9)]
    assert pair.socket.rooms == {"red"}
    assert len(clock.reports) == 1


def test_an_older_node_that_does_not_understand_a_question_is_missing() -> None:
    clock, bus = Clock(), MemoryBus()
    server = Pair(Server(adapter=MemoryAdapter(bus), driver=clock)).server
    older = Stranger(bus, clock, TOPIC)
    older.say(Hello("life", 0, 1, {}))
    asked = server.fetch_count()
    (question,) = older.messages()
    node = f"{TOPIC}/node/{server.nodes()[0].name}"
    older.say(NodeAnswer(question.number + 1), node)
    assert not asked.done
    older.say(NodeAnswer(question.number, understood=False), node)
    assert (asked.result().sockets, asked.result().missing) == (1, ("another",))
    assert server.nodes()[1].version == 0


@pytest.mark.parametrize("item", [b"\xc0", b"\xa1x", b"\x91" * 900 + b"\x01", b"\xa2\xff\xff"])
def test_an_answer_with_something_else_in_it_counts_for_nothing(item: bytes) -> None:
    neighbour = Neighbour()
    server = neighbour.pair.server
    asks: list[Any] = [server.fetch_sockets(), server.fetch_count(), server.call("question", to="nobody")]
    for number in (1, 2, 3):
        neighbour.stranger.say(NodeAnswer(number, [msgspec.Raw(item)]), f"{TOPIC}/node/{neighbour.name}")
    assert [ask.done for ask in asks] == [True] * 3
    assert (len(asks[0].result().sockets), asks[1].result().sockets, asks[2].result().answers) == (1, 1, {})


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_question_with_a_timeout_that_is_none_is_not_understood(timeout: float) -> None:
    neighbour = Neighbour()
    neighbour.stranger.say(Ask(event="x", args=[], timeout=timeout, number=5, namespace="/"))
    assert neighbour.pair.peer.events() == []
    assert neighbour.stranger.messages() == [NodeAnswer(5, understood=False)]
    assert len(neighbour.clock.reports) == 1


def test_an_answer_that_cannot_be_read_is_answered_by_nobody() -> None:
    neighbour = Neighbour()
    neighbour.stranger.say(msgspec.msgpack.encode({"kind": "answer", "number": 1, "items": 5}))
    assert neighbour.stranger.messages() == []
    assert len(neighbour.clock.reports) == 1


def test_a_join_that_cannot_be_done_elsewhere_is_confirmed_and_reported() -> None:
    clock, bus = Clock(), MemoryBus()
    pair = Pair(Server(adapter=MemoryAdapter(bus), driver=clock))
    other = Pair(pair.server)
    stranger = Stranger(bus, clock, f"{TOPIC}/node/another")
    stranger.say(Join([other.socket.id], 3, namespace="/"))
    assert stranger.messages() == [NodeAnswer(3)]
    assert len(clock.reports) == 1


def test_threads_ask_all_nodes() -> None:
    async def main() -> None:
        bus = MemoryBus()
        servers = [Server(adapter=MemoryAdapter(bus)) for _ in range(2)]
        driver = AsyncioDriver()
        for server in servers:
            server.engine.bind(driver)

        def ask() -> tuple[int, int, int]:
            replies = servers[0].call("x", timeout=1).wait(5)
            found, count = servers[0].fetch_sockets().wait(5), servers[0].fetch_count().wait(5)
            return len(replies.answers), len(found.sockets), count.sockets

        assert await asyncio.to_thread(ask) == (0, 0, 0)

    asyncio.run(main())


VALUES: list[Any] = [0, -1, 2**63, None, "", "red", [], {}, b"", float("nan"), float("inf"), True, [[]], {"a": 1}]


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_on_the_bus_a_node_goes_on(seed: int) -> None:
    """Each word is one that a node may send, with some of its fields, numbers or bytes changed."""
    random, neighbour = Random(seed), Neighbour()
    words: list[Any] = [
        Broadcast("news", [1, {"a": b"x"}], namespace="/", to=("red",)),
        Join(["red"], 3, namespace="/"),
        Ask(number=1, event="question", args=[1], timeout=1.0, namespace="/"),
        Fetch(number=1, namespace="/"),
        NodeAnswer(1, [msgspec.Raw(b"\x01")]),
        Hello("life", 1, 2, {TOPIC: 5}),
        Again(TOPIC, 0, 9),
        Repetition(TOPIC, word(Broadcast("news", [1], namespace="/"), "another", 3, 2)),
        Forgotten(TOPIC, 3),
    ]
    for _ in range(1000):
        fields = msgspec.msgpack.decode(encode(random.choice(words)))
        for _ in range(random.randrange(3)):
            fields[random.choice(list(fields))] = random.choice(VALUES)
        n = random.choice((0, 0, 1, 2, 3, 5, random.randrange(1000)))
        message, prev = msgspec.msgpack.encode(fields), random.choice((0, n - 1, n, -5))
        data = bytearray(word(message, random.choice(("another", "third", neighbour.name)), n, prev))
        for _ in range(random.randrange(2)):
            data[random.randrange(len(data))] = random.randrange(256)
        neighbour.stranger.publish(random.choice((TOPIC, f"{TOPIC}/node/{neighbour.name}")), bytes(data))
        if random.random() < 0.02:
            neighbour.pair.server.fetch_count()
            neighbour.clock.advance(random.random())
    asked = neighbour.pair.server.fetch_count(timeout=5)
    neighbour.clock.advance(5)
    assert asked.result().sockets >= 1
    assert len(neighbour.clock.reports) == 1
