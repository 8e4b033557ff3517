"""Ten nodes on a bus that loses, delays, doubles and reorders: everybody gets what is theirs once, or is told."""

from itertools import count
from math import inf
from random import Random
from typing import Any, NamedTuple

import pytest

from server.lossy import Cluster, LossyAdapter
from waterspout import Pending
from waterspout.wire.packets import Event

pytestmark = pytest.mark.at_once

NODES = 10
STEPS = 50


class Said(NamedTuple):
    """An event: who emitted it, its number, when and to which room, who has to get it, and who had moved these."""

    node: int
    number: int
    at: float
    room: str | None
    recipients: frozenset[int]
    movers: frozenset[int]


class Room(NamedTuple):
    """Who is in a room, and which nodes have moved them."""

    members: frozenset[int]
    movers: frozenset[int]


class Walk:
    """Ten nodes that emit, join, leave and ask at random; and what each client has got."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        worst = random.choice((0.02, 0.05, 0.1))
        self.cluster = Cluster(NODES, seed, lose=worst, double=worst, slowest=random.random() * 0.2)
        self.ids = [pair.socket.id for pair in self.cluster.pairs]
        self.numbers = count()
        self.lost: list[LossyAdapter] = []
        self.rooms: dict[str, Room] = {}
        self.left: dict[str | None, float] = {}
        self.moving: list[tuple[Pending[None], str, Room]] = []
        self.questions: list[Pending[Any]] = []
        self.said: list[Said] = []
        self.got: list[list[tuple[int, int]]] = [[] for _ in range(NODES)]

    def step(self) -> None:
        if self.random.random() < 0.05:
            self.lose_broker()
        node, act = self.random.randrange(NODES), self.random.random()
        server = self.cluster.servers[node]
        if act < 0.2:
            whom, name = self.random.randrange(NODES), f"room {next(self.numbers)}"
            self.move(server.join(name, to=self.ids[whom]), name, Room(frozenset((whom,)), frozenset((node,))))
        elif act < 0.25 and self.rooms:
            name = self.random.choice(list(self.rooms))
            room = self.rooms.pop(name)
            self.left[name] = self.cluster.clock.now()
            self.move(server.leave(name), name, Room(frozenset(), room.movers | {node}))
        elif act < 0.35:
            ask = self.random.choice((server.fetch_sockets, server.fetch_count, lambda: server.call("ask", timeout=1)))
            self.questions.append(ask())
        else:
            to = self.random.choice([None, *self.rooms])
            room = self.rooms[to] if to else Room(frozenset(range(NODES)), frozenset())
            server.emit("news", node, len(self.said), to=to)
            self.said.append(Said(node, len(self.said), self.cluster.clock.now(), to, *room))
        self.cluster.clock.advance(self.random.random() * 0.1)
        self.look()

    def lose_broker(self) -> None:
        """Let a node lose the broker, and let others that have lost it find it again."""
        for adapter in self.lost:
            adapter.restore()
        self.lost = [self.random.choice(self.cluster.adapters)]
        self.lost[0].lose()

    def move(self, pending: Pending[None], name: str, room: Room) -> None:
        self.moving.append((pending, name, room))

    def look(self) -> None:
        """Count on the moves that are done, and be the clients."""
        for entry in [entry for entry in self.moving if entry[0].done]:
            self.moving.remove(entry)
            self.rooms[entry[1]] = entry[2]
        for got, pair in zip(self.got, self.cluster.pairs, strict=True):
            for event in pair.peer.pick(Event, "/"):
                if event.id is None:
                    got.append(tuple(event.args))
                else:
                    pair.peer.acknowledge(event.id, "here")

    def end(self) -> None:
        """Let the bus be good, and let everything come to its end."""
        self.cluster.bus.lose = 0.0
        for adapter in self.lost:
            adapter.restore()
        for _ in range(8):
            self.cluster.clock.advance(1)
            self.look()

    def check(self) -> None:
        names = self.cluster.names
        told = [{gap.node for gap in gaps} for gaps in self.cluster.gaps]
        for client, got in enumerate(self.got):
            assert len(set(got)) == len(got)
            for node in range(NODES):
                numbers = [number for sender, number in got if sender == node]
                assert numbers == sorted(numbers)
            for said in self.said:
                has_got = (said.node, said.number) in got
                was_told = not told[client].isdisjoint(names[node] for node in (said.node, *said.movers))
                may_have_left = said.at > self.left.get(said.room, inf) - 2  # what is repeated may come behind it
                assert has_got is (client in said.recipients) or was_told or (may_have_left and not has_got)
        assert all(question.done for question in self.questions)
        assert [pending for pending, _, _ in self.moving] == []
        for server in self.cluster.servers:
            assert {node.name for node in server.nodes()} == set(names)
            asked = server.fetch_sockets()
            self.cluster.clock.advance(1)
            assert {present.id for present in asked.result().sockets} == set(self.ids)
            assert asked.result().missing == ()
        assert self.cluster.logged() == []


def walk(seed: int) -> Walk:
    it = Walk(seed)
    for _ in range(STEPS):
        it.step()
    it.end()
    it.check()
    return it


@pytest.mark.parametrize("seed", range(30))
def test_everybody_gets_what_is_theirs_once_or_is_told(seed: int) -> None:
    walk(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(30, 1030, 100))
def test_everybody_gets_what_is_theirs_a_thousand_times(first: int) -> None:
    lost = repaired = 0
    for seed in range(first, first + 100):
        for server in walk(seed).cluster.servers:
            lost += server.stats().lost
            repaired += server.stats().repaired
    assert repaired > 10 * lost
