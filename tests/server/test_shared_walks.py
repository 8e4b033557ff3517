"""Channels of three nodes, on a broker that delays, loses, doubles and reorders: gapless on any node, or a reset."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any

import pytest

from server.follower import REASONS
from server.listener import Heard, Listener
from server.lossystore import StoringCluster
from waterspout import Pending, Server
from waterspout.errors import AdapterError
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, EVENTS, SOCKETIO_1, Pair, Peer

pytestmark = pytest.mark.at_once

NAME = "numbers"
KINDS: list[dict[str, Any]] = [
    {"generation": ENGINEIO_4, "transport": "websocket"},
    {"generation": ENGINEIO_3, "transport": "polling"},
    {"generation": SOCKETIO_1, "transport": "websocket"},
]


class Reader:
    """A subscriber on one node. `last` is the id that it would come back with."""

    def __init__(self, walk: "Walk", server: Server, last: str | None) -> None:
        self.walk, self.server, self.last = walk, server, last
        self.is_over = last in walk.broker.ends  # there is nothing more to tell it
        self.must_reset = False

    @property
    def is_here(self) -> bool:
        raise NotImplementedError

    def heard(self) -> Iterator[Heard]:
        """Take what has come."""
        raise NotImplementedError

    def lose(self) -> None:
        """Cut the connection."""
        raise NotImplementedError

    def began(self, id: str) -> None:
        """The stream begins behind this id: the one that it came with, unless a reset follows."""
        if self.last in (None, "earliest"):
            self.last = id
        self.must_reset = id != self.last

    def listen(self) -> None:
        """Check what has come."""
        for event in self.heard():
            if event.type == "stream-open":
                self.began(event.id)
            elif event.type == "stream-reset":
                assert event.value["reason"] in REASONS
                self.last, self.must_reset = event.value["id"], False
            else:
                assert not self.must_reset, "no reset has come"
                assert self.last is not None
                epoch, _, offset = self.last.rpartition("-")
                assert event.id == f"{epoch}-{int(offset) + 1}", "a hole, or twice"
                if event.type == "stream-end":
                    self.is_over = True
                else:
                    assert json.loads(event.data) == json.loads(self.walk.broker.published[event.id])
                self.last = event.id


class SocketIOReader(Reader):
    def __init__(self, walk: "Walk", server: Server, last: str | None) -> None:
        super().__init__(walk, server, last)
        pair = Pair(server, **walk.random.choice(KINDS))
        self.peer = pair.peer
        self.start: Pending[str] | None = pair.socket.subscribe(walk.channel(server), last)

    @property
    def is_here(self) -> bool:
        return self.peer.sid in self.server.engine.sessions

    def heard(self) -> Iterator[Heard]:
        if self.start is not None and self.start.done:
            yield Heard("stream-open", "", self.start.result())
            self.start = None
        for name, *args in self.peer.events():
            if name == NAME:
                yield Heard("message", json.dumps(args[0]), args[1])
            else:
                yield Heard(name, json.dumps(args[0]), args[0]["id"])

    def lose(self) -> None:
        self.peer.polls = False
        carrier: Any = self.peer.carrier
        carrier.lose()


class EventSourceReader(Reader):
    def __init__(self, walk: "Walk", server: Server, last: str | None) -> None:
        super().__init__(walk, server, last)
        self.listener = Listener(server, "/numbers", last)
        if self.listener.response is not None:
            assert self.listener.response.status == 204
            assert walk.has_ended

    @property
    def is_here(self) -> bool:
        return not self.listener.is_closed and self.listener.response is None

    def heard(self) -> Iterator[Heard]:
        events, self.listener.reader.events = self.listener.reader.events, []
        for event in events:
            yield event if event.type != "stream-open" or event.id else Heard("stream-open", "", "a reset follows")

    def began(self, id: str) -> None:
        super().began(id)
        if id == "a reset follows":
            self.must_reset = True

    def lose(self) -> None:
        if self.is_here:
            self.listener.lose()


class PlainReader(EventSourceReader):
    def __init__(self, walk: "Walk", server: Server, last: str | None) -> None:
        Reader.__init__(self, walk, server, last)
        query = "fields=id,event,data" + (f"&last_event_id={last}" if last else "")
        self.peer: Any = Peer(server, generation=EVENTS, path="/numbers", query=query)

    @property
    def is_here(self) -> bool:
        return self.peer.sid in self.server.engine.sessions and self.peer.closed is None

    def heard(self) -> Iterator[Heard]:
        for message in map(json.loads, self.peer.take()):
            yield Heard(message["event"], json.dumps(message["data"]), message.get("id", "a reset follows"))

    def lose(self) -> None:
        if self.is_here:
            self.peer.lose()


class Walk:
    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        worst, slowest = random.choice((0.0, 0.05, 0.2)), random.choice((0.0, 0.05, 0.5))
        outbox = {"max_outbox_bytes": random.choice([600, 1_000_000])}
        self.cluster = StoringCluster(3, seed, options=outbox, lose=worst, double=worst, slowest=slowest)
        self.broker, self.clock = self.cluster.broker, self.cluster.clock
        self.options: Any = {"history": random.choice([0, 3, 20, 500]), "ttl": 60}
        for server in self.cluster.servers:
            self.expose(server)
        self.numbers = count()
        self.published: list[tuple[int, Pending[str]]] = []
        self.readers: list[Reader] = []
        self.lasts: list[str | None] = [None, None, "earliest", "elsewhere-3"]
        self.has_ended = self.has_restarted = False

    def channel(self, server: Server) -> Any:
        return server.channel(NAME, **self.options)

    def expose(self, server: Server) -> None:
        server.expose("/numbers", lambda request: self.channel(server))

    def step(self) -> None:
        steps: Any = [self.publish, self.publish, self.publish, self.come, self.come, self.cut, self.cut, self.harm]
        self.random.choice(steps)()
        self.clock.advance(self.random.choice([0, 0.01, 0.1, 1]))
        for reader in self.readers:
            reader.listen()

    def publish(self) -> None:
        server = self.random.choice(self.cluster.servers)
        for number in (next(self.numbers) for _ in range(self.random.choice([1, 3, 30, 150]))):
            try:
                self.published.append((number, self.channel(server).publish(number)))
            except ValueError:
                assert self.has_ended
        if self.random.random() < 0.01:
            with suppress(ValueError):  # it has ended before
                self.channel(server).end()
            self.has_ended = True

    def come(self) -> None:
        if len(self.readers) < 8:
            kind = self.random.choice([SocketIOReader, EventSourceReader, PlainReader])
            self.readers.append(kind(self, self.random.choice(self.cluster.servers), self.random.choice(self.lasts)))

    def cut(self) -> None:
        if self.readers:
            reader = self.readers.pop(self.random.randrange(len(self.readers)))
            reader.lose()
            self.lasts.append(reader.last)

    def harm(self) -> None:
        """Do something to the broker, or heal it."""
        act = self.random.random()
        adapter = self.random.choice(self.cluster.adapters)
        if act < 0.3:
            self.cluster.restore()
        elif act < 0.5 and not adapter.is_lost:
            adapter.lose()
        elif act < 0.6:
            adapter.logs.failing = self.random.choice([1, 3])
        elif act < 0.8:
            self.broker.save()
        elif act < 0.85:
            self.cluster.lose()
            self.has_restarted = True
            self.broker.restart(empty=self.random.random() < 0.5)
        elif act < 0.9 and len(self.cluster.servers) < 6:
            self.expose(self.cluster.start())
        else:
            self.clock.advance(25)

    def end(self) -> None:
        """Let the broker be good, and let everything come to its end."""
        self.broker.lose = 0.0
        self.cluster.restore()
        for _ in range(40):
            self.clock.advance(1)
            for reader in self.readers:
                reader.listen()

    def check(self) -> None:
        log = next(iter(self.broker.logs.values()), None)
        for reader in self.readers:
            if reader.is_here and not reader.is_over:
                assert log is not None
                assert reader.last == f"{log.epoch}-{log.head}"
        ids = [pending.result() for _, pending in self.published if pending.done and pending.error is None]
        assert all(pending.done for _, pending in self.published)
        assert len(set(ids)) == len(ids)
        for number, pending in self.published:
            if pending.error is None:
                assert json.loads(self.broker.published[pending.result()]) == number
        if not self.has_restarted:
            assert len(set(self.broker.published.values())) == len(self.broker.published), "published twice"
        assert {str(error) for _, error in self.clock.reports} <= {str(AdapterError("OOM command not allowed"))}


def walk(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(60):
        walk.step()
    walk.end()
    walk.check()


@pytest.mark.parametrize("seed", range(10))
def test_what_a_subscriber_gets_on_any_node_is_gapless_or_a_reset(seed: int) -> None:
    walk(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 1000))
def test_what_a_subscriber_gets_on_any_node_is_gapless_or_a_reset_with_many_seeds(seed: int) -> None:
    walk(seed)
