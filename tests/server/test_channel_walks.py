"""Any order of publishing, subscribing, cuts, resumptions, ageing and the end: gapless, or a reset says so."""

import json
import random
from typing import Any

import pytest

from engine.applications import TurningClock
from server.follower import REASONS, Follower
from server.listener import Heard, Listener
from server.listener import Reader as EventStreamReader
from waterspout import Server, Socket
from waterspout.engine import Pending
from waterspout.server import readers
from waterspout.server.log import Entry, MemoryLog, Retention
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, EVENTS, SOCKETIO_1, Clock, Pair, Peer

KINDS: list[dict[str, Any]] = [
    {"generation": ENGINEIO_4, "transport": "websocket"},
    {"generation": ENGINEIO_4, "transport": "polling"},
    {"generation": ENGINEIO_3, "transport": "websocket"},
    {"generation": SOCKETIO_1, "transport": "websocket"},
    {"generation": SOCKETIO_1, "transport": "xhr-polling"},
    {"generation": EVENTS, "path": "/ws"},
]


NAMES = {"/numbers": ["numbers"], "/both": ["numbers", "others"]}


class SlowLog(MemoryLog):
    """A log that answers what it is asked when the walk says so, as one of a broker does."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[tuple[Pending[list[Entry]], Pending[list[Entry]]]] = []

    def read(self, after: int, limit: int) -> Pending[list[Entry]]:
        page: Pending[list[Entry]] = Pending(self._driver())
        self.asked.append((page, super().read(after, min(limit, 3))))
        return page

    def answer(self) -> None:
        while self.asked:
            page, found = self.asked.pop(0)
            page.follow(found)


class Reader:
    """A client of Socket.IO: `last` is the id that it would come back with; what it gets is checked as it comes."""

    path = ""

    def __init__(self, walk: "Walk", last: str | None) -> None:
        self.walk, self.last, self.is_over = walk, last, False
        kind = walk.random.choice(KINDS)
        if walk.random.random() < 0.5:  # subscribe in the connect handler
            walk.entering = [last]
            self.peer = Pair(walk.server, **kind).peer
            self.hear(walk.entering.pop())
        else:
            pair = Pair(walk.server, **kind)
            self.peer = pair.peer
            self.hear(pair.socket.subscribe(walk.channel, last).result())

    @property
    def offset(self) -> int:
        return int(str(self.last).rpartition("-")[2])

    def hear(self, start: str) -> None:
        """Take what has come; the stream begins behind `start`, unless a reset says otherwise."""
        if self.last in (None, "", "earliest"):
            self.last = start
        elif start != self.last:
            self.last = "0"  # a reset has to come before all others
        self.listen()

    @property
    def is_here(self) -> bool:
        return self.peer.sid in self.walk.server.engine.sessions and self.peer.closed is None

    def listen(self) -> None:
        for name, *args in self.peer.events():
            if name == "stream-reset":
                assert args[0]["reason"] in REASONS
                self.last = args[0]["id"]
            elif name == "stream-end":
                assert int(args[0]["id"].rpartition("-")[2]) == self.offset + 1
                self.last, self.is_over = args[0]["id"], True
            else:
                value, id = args
                assert "-" in str(self.last), "no reset has come"
                assert int(id.rpartition("-")[2]) == value == self.offset + 1, "a hole, or twice"
                self.last = id

    def lose(self) -> None:
        self.listen()
        self.peer.polls = False
        carrier: Any = self.peer.carrier
        carrier.lose()

    def block(self) -> None:
        self.peer.polls = False
        if hasattr(self.peer.carrier, "blocked"):
            self.peer.carrier.blocked = True

    def unblock(self) -> None:
        carrier: Any = self.peer.carrier
        self.peer.polls = True
        if getattr(carrier, "blocked", False):
            carrier.unblock()
        elif self.is_here and hasattr(carrier, "poll") and not carrier.is_parked:
            carrier.poll()

    def beat(self) -> None:
        if self.is_here:
            self.peer.beat()


class EventReader(Follower):
    """An EventSource of one channel or of both."""

    def __init__(self, walk: "Walk", path: str, last: str | None) -> None:
        super().__init__(NAMES[path], last)
        self.walk, self.path = walk, path
        self.listener = Listener(walk.server, path, last)
        if self.listener.response is not None:
            assert self.listener.response.status == 204
            assert walk.channel.ended

    @property
    def is_here(self) -> bool:
        return not self.listener.is_closed and self.listener.response is None

    @property
    def offset(self) -> int:
        return self.places[0]

    def listen(self) -> None:
        events, self.listener.reader.events = self.listener.reader.events, []
        for event in events:
            self.hear(event)

    def lose(self) -> None:
        """Cut the connection in the middle of something."""
        self.listen()
        if not self.listener.response:
            written = self.listener.written
            heard = EventStreamReader(self.listener.reader.began_with)
            heard.feed(bytes(written[: self.walk.random.randint(len(written) // 2, len(written))]))
            self.last = heard.last_id
        if self.is_here:
            self.listener.lose()

    def block(self) -> None:
        self.listener.blocked = True

    def unblock(self) -> None:
        if self.listener.blocked and self.is_here:
            self.listener.unblock()

    def beat(self) -> None:
        """Do nothing: it never does."""


class PlainReader(EventReader):
    """The same over a plain WebSocket, which loses no part of a message."""

    def __init__(self, walk: "Walk", path: str, last: str | None) -> None:
        Follower.__init__(self, NAMES[path], last)
        self.walk, self.path = walk, path
        query = f"fields=id,event,data&last_event_id={self.last}"
        self.peer: Any = Peer(walk.server, generation=EVENTS, path=path, query=query)

    @property
    def is_here(self) -> bool:
        return self.peer.sid in self.walk.server.engine.sessions and self.peer.closed is None

    def listen(self) -> None:
        for message in map(json.loads, self.peer.take()):
            value = message["data"]
            if "channel" in message:
                value = {"channel": message["channel"], "data": value}
            self.hear(Heard(message["event"], json.dumps(value), message.get("id", "")))

    def lose(self) -> None:
        self.listen()
        self.peer.lose()

    def block(self) -> None:
        self.peer.carrier.blocked = True

    def unblock(self) -> None:
        if self.peer.carrier.blocked:
            self.peer.carrier.unblock()

    def beat(self) -> None:
        if self.is_here:
            self.peer.beat()


class Walk:
    def __init__(self, seed: int, *, slow: bool, clock: Clock) -> None:
        self.random = random.Random(seed)
        self.clock: Any = clock
        self.server = Server(driver=clock, max_outbox_bytes=self.random.choice([300, 1500, 1_000_000]))
        self.server.on_connect(self.enter)
        self.entering: list[Any] = []
        self.channel = self.server.channel("numbers", history=self.random.choice([0, 3, 20]), ttl=60)
        self.slow: SlowLog | None = None
        if slow:
            made: Any = self.channel.log
            self.channel.log = self.slow = SlowLog(made._driver, Retention(*made._limits), made._appended)
        self.published = self.published_others = 0
        self.others = self.server.channel("others", history=self.random.choice([0, 3, 20]))
        self.server.expose("/numbers", self.channel)
        self.server.expose("/both", [self.channel, self.others])
        self.server.expose("/ws", self.server.of("/"))
        self.readers: list[Reader | EventReader] = []
        self.lost: dict[str, list[str | None]] = {
            path: [None, "", "earliest", "elsewhere-3", "nonsense"] for path in ("", "/numbers", "/both")
        }

    def enter(self, socket: Socket, auth: object) -> None:
        if self.entering:
            self.entering = [socket.subscribe(self.channel, self.entering[0]).result()]
            if self.random.random() < 0.5:
                self.publish()

    def step(self) -> None:
        """Do something, on a clock with turns up to three things in one."""
        steps: Any = [self.publish, self.publish, self.come, self.cut, self.block, self.unblock, self.wait]
        for step in self.random.choices(steps, k=self.random.randint(1, 3)):
            step()
        self.turn()
        for reader in self.readers:
            reader.listen()

    def turn(self) -> None:
        self.clock.settle()  # what the log has answered
        if isinstance(self.clock, TurningClock):
            self.clock.turn()

    def publish(self) -> None:
        if self.channel.ended:
            return
        for _ in range(self.random.choice([1, 1, 5, 30])):
            self.published += 1
            self.channel.publish(self.published)
        for _ in range(self.random.choice([0, 0, 1, 5])):
            self.published_others += 1
            self.others.publish(self.published_others)
        if self.random.random() < 0.02:
            self.channel.end()

    def come(self) -> None:
        if len(self.readers) < 8:
            path = self.random.choice(["", "/numbers", "/both"])
            last = self.random.choice(self.lost[path])
            kind: Any = self.random.choice([EventReader, PlainReader])
            self.readers.append(kind(self, path, last) if path else Reader(self, last))

    def cut(self) -> None:
        if self.readers:
            reader = self.readers.pop(self.random.randrange(len(self.readers)))
            reader.lose()
            self.lost[reader.path].append(reader.last)

    def block(self) -> None:
        for reader in self.readers[:2]:
            reader.block()

    def unblock(self) -> None:
        for reader in self.readers:
            reader.unblock()

    def wait(self) -> None:
        if self.slow is not None:
            self.slow.answer()
        self.clock.advance(self.random.choice([0, 1, 70]))
        for reader in self.readers:
            reader.beat()

    def end(self) -> None:
        self.unblock()
        for _ in range(50):
            if self.slow is not None:
                self.slow.answer()
            self.unblock()
            self.turn()
        for reader in self.readers:
            reader.listen()
            if reader.is_here and reader.last not in ("", "earliest"):
                assert reader.offset == self.channel.log.head


@pytest.mark.parametrize("clock", [Clock, TurningClock])
@pytest.mark.parametrize("slow", [False, True], ids=["memory", "a slow log"])
@pytest.mark.parametrize("seed", range(30))
def test_what_a_subscriber_gets_is_gapless_or_a_reset(
    seed: int, slow: bool, clock: type[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_PAGE", 4)
    walk = Walk(seed, slow=slow, clock=clock())
    for _ in range(60):
        walk.step()
    walk.end()
    assert walk.clock.reports == []
