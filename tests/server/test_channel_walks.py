"""Any order of publishing, subscribing, cuts, resumptions, ageing and the end: gapless, or a reset says so."""

import random
from typing import Any

import pytest

from engine.applications import TurningClock
from waterspout import Server, Socket
from waterspout.engine import Pending
from waterspout.server import readers
from waterspout.server.log import Entry, MemoryLog, Retention
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, Pair

KINDS: list[dict[str, Any]] = [
    {"generation": ENGINEIO_4, "transport": "websocket"},
    {"generation": ENGINEIO_4, "transport": "polling"},
    {"generation": ENGINEIO_3, "transport": "websocket"},
    {"generation": SOCKETIO_1, "transport": "websocket"},
    {"generation": SOCKETIO_1, "transport": "xhr-polling"},
]


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
    """One client: `last` is the id that it would come back with, and what it gets is checked as it comes."""

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
                assert args[0]["reason"] in ("expired", "epoch", "future", "unknown")
                self.last = args[0]["id"]
            elif name == "stream-end":
                assert int(args[0]["id"].rpartition("-")[2]) == self.offset + 1
                self.last, self.is_over = args[0]["id"], True
            else:
                value, id = args
                assert "-" in str(self.last), "no reset has come"
                assert int(id.rpartition("-")[2]) == value == self.offset + 1, "a hole, or twice"
                self.last = id


class Walk:
    def __init__(self, seed: int, *, slow: bool, clock: Clock) -> None:
        self.random = random.Random(seed)
        self.clock: Any = clock
        self.server = Server(driver=clock, max_outbox_bytes=self.random.choice([1500, 1_000_000]))
        self.server.on_connect(self.enter)
        self.entering: list[Any] = []
        self.channel = self.server.channel("numbers", history=self.random.choice([0, 3, 20]), ttl=60)
        self.slow: SlowLog | None = None
        if slow:
            made: Any = self.channel.log
            self.channel.log = self.slow = SlowLog(made._driver, Retention(*made._limits), made._appended)
        self.published = 0
        self.readers: list[Reader] = []
        self.lost: list[str | None] = [None, "", "earliest", "elsewhere-3", "nonsense"]

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
        if self.random.random() < 0.02:
            self.channel.end()

    def come(self) -> None:
        if len(self.readers) < 6:
            self.readers.append(Reader(self, self.random.choice(self.lost)))

    def cut(self) -> None:
        if self.readers:
            reader = self.readers.pop(self.random.randrange(len(self.readers)))
            reader.listen()
            self.lost.append(reader.last)
            reader.peer.polls = False
            reader.peer.carrier.lose()

    def block(self) -> None:
        for reader in self.readers[:2]:
            reader.peer.polls = False
            if hasattr(reader.peer.carrier, "blocked"):
                reader.peer.carrier.blocked = True

    def unblock(self) -> None:
        for reader in self.readers:
            carrier: Any = reader.peer.carrier
            reader.peer.polls = True
            if getattr(carrier, "blocked", False):
                carrier.unblock()
            elif reader.is_here and hasattr(carrier, "poll") and not carrier.is_parked:
                carrier.poll()

    def wait(self) -> None:
        if self.slow is not None:
            self.slow.answer()
        self.clock.advance(self.random.choice([0, 1, 70]))
        for reader in self.readers:
            if reader.is_here:
                reader.peer.beat()

    def end(self) -> None:
        self.unblock()
        for _ in range(50):
            if self.slow is not None:
                self.slow.answer()
            self.unblock()
            self.turn()
        for reader in self.readers:
            reader.listen()
            if reader.is_here:
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
