"""A broker's logs on a virtual clock: calls and entries are delayed by seed, entries are also lost and doubled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from server.lossy import LossyAdapter, LossyBus
from waterspout import Server
from waterspout.engine import Pending
from waterspout.errors import AdapterError
from waterspout.server.shared import Appended, Batch, Page, StoredEntry
from waterspout.testing import Clock


@dataclass
class BrokerLog:
    """A log as the broker has it. `entries` are all that were ever appended; `kept` is how many of them are left."""

    epoch: str
    entries: list[StoredEntry] = field(default_factory=list)
    first: int = 1
    end: StoredEntry | None = None
    writers: dict[str, tuple[int, Appended]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def head(self) -> int:
        return len(self.entries)

    def snapshot(self) -> "BrokerLog":
        """Return what was written to disk."""
        return BrokerLog(self.epoch, list(self.entries), self.first, self.end, dict(self.writers), self.options)


class Broker:
    """What the stores of all nodes reach. `published` has what was ever appended, by id."""

    def __init__(
        self, clock: Clock, seed: int = 0, *, lose: float = 0.0, double: float = 0.0, slowest: float = 0.0
    ) -> None:
        self.clock = clock
        self.random = Random(seed)
        self.lose, self.double, self.slowest = lose, double, slowest
        self.logs: dict[str, BrokerLog] = {}
        self.stores: list[LossyStore] = []
        self.published: dict[str, bytes] = {}
        self.ends: set[str] = set()
        self.reads: list[tuple[str, int, int]] = []
        self.appends: list[Batch] = []
        self._disk: dict[str, BrokerLog] = {}
        self._epochs = count(1)
        self._order = count()
        self._queue: list[tuple[float, int, Callable[[], object]]] = []

    def log(self, name: str) -> BrokerLog:
        """Return a log, which is made at its first mention."""
        if name not in self.logs:
            self.logs[name] = BrokerLog(f"epoch{next(self._epochs)}")
        return self.logs[name]

    def save(self) -> None:
        """Write everything to disk."""
        self._disk = {name: log.snapshot() for name, log in self.logs.items()}

    def restart(self, *, empty: bool = False) -> None:
        """Come back with what was last saved, or empty; every log has another epoch."""
        self.logs = {} if empty else {name: log.snapshot() for name, log in self._disk.items()}
        for log in self.logs.values():
            log.epoch = f"epoch{next(self._epochs)}"
            self.ends |= {f"{log.epoch}-{log.end.offset}"} if log.end else set()
            self.published.update({f"{log.epoch}-{stored.offset}": stored.data for stored in log.entries})

    def append(self, name: str, batch: Batch, options: Mapping[str, Any]) -> Appended:
        self.appends.append(batch)
        log = self.log(name)
        log.options = options or log.options
        known = log.writers.get(batch.writer)
        if known is not None and known[0] == batch.number:
            return known[1]._replace(epoch=log.epoch)
        first = log.head + 1
        for new in batch.entries:
            if log.end is not None:
                break
            stored = StoredEntry(log.head + 1, self.clock.now() + 5000, *new)
            log.entries.append(stored)
            self.published[f"{log.epoch}-{stored.offset}"] = new.data
            if new.is_end:
                log.end = stored
                self.ends.add(f"{log.epoch}-{stored.offset}")
            for store in self.stores:
                self.deliver(store, name, log.epoch, stored)
        history = log.options.get("history", batch.retention.most)
        log.first = max(log.first, log.head - history + 1)
        appended = Appended(log.epoch, first, log.head - first + 1)
        log.writers[batch.writer] = batch.number, appended
        return appended

    def read(self, name: str, after: int, limit: int, options: Mapping[str, Any]) -> Page:
        self.reads.append((name, after, limit))
        log = self.log(name)
        log.options = options or log.options
        start = max(after + 1, log.first)
        entries = log.entries[start - 1 : start - 1 + limit]
        return Page(log.epoch, log.head, log.first, self.clock.now() + 5000, log.end, log.options, entries)

    def deliver(self, store: "LossyStore", name: str, epoch: str, stored: StoredEntry) -> None:
        """Send an entry on its way to a follower."""
        if name in store.followed and self.random.random() >= self.lose:
            for _ in range(1 + (self.random.random() < self.double)):
                self.later(lambda: store.receive(name, epoch, stored))

    def later(self, function: Callable[[], object]) -> None:
        """Call a function after a random delay."""
        if not self.slowest:
            self.clock.soon(function)
            return
        heappush(self._queue, (self.clock.now() + self.random.random() * self.slowest, next(self._order), function))
        self.clock.alarm(self._queue[0][0], self._ring)

    def _ring(self) -> None:
        while self._queue and self._queue[0][0] <= self.clock.now():
            heappop(self._queue)[2]()
        if self._queue:
            self.clock.alarm(self._queue[0][0], self._ring)


class LossyStore:
    """A node's way to the broker. It holds its server to the seam: nothing is asked while the broker is lost."""

    largest_entry: int | None = None

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.followed: dict[str, Callable[[str, StoredEntry], object]] = {}
        self.is_lost = True
        self.failing = 0
        self._open: dict[Pending[Any], None] = {}
        broker.stores.append(self)

    def append(self, name: str, batch: Batch, options: Mapping[str, Any]) -> Pending[Appended]:
        return self._call(lambda: self.broker.append(name, batch, options))

    def read(self, name: str, after: int, limit: int, options: Mapping[str, Any]) -> Pending[Page]:
        return self._call(lambda: self.broker.read(name, after, limit, options))

    def follow(self, name: str, received: Callable[[str, StoredEntry], object]) -> Pending[None]:
        def follow() -> None:
            self.followed[name] = received

        return self._call(follow)

    def unfollow(self, name: str) -> None:
        self.followed.pop(name, None)

    def receive(self, name: str, epoch: str, stored: StoredEntry) -> None:
        """Take an entry that was delivered."""
        received = self.followed.get(name)
        if received is not None and not self.is_lost:
            received(epoch, stored)

    def lose(self) -> None:
        """Lose the broker: what was asked has an error, whether it was done or not."""
        self.is_lost = True
        pending, self._open = self._open, {}
        for one in pending:
            one.reject(ConnectionError("the connection is lost"))

    def _call(self, function: Callable[[], Any]) -> Pending[Any]:
        assert not self.is_lost
        pending: Pending[Any] = Pending(self.broker.clock)
        if self.failing:
            self.failing -= 1
            self.broker.later(lambda: pending.reject(AdapterError("OOM command not allowed")))
            return pending
        self._open[pending] = None

        def perform() -> None:
            if pending in self._open:  # else it was lost on its way there
                result = function()
                self.broker.later(lambda: answer(result))

        def answer(result: Any) -> None:
            if self._open.pop(pending, self) is None:
                pending.resolve(result)

        self.broker.later(perform)
        return pending


class StoringAdapter(LossyAdapter):
    """An adapter whose broker keeps logs, too."""

    def __init__(self, bus: LossyBus, broker: Broker) -> None:
        super().__init__(bus)
        self.logs = LossyStore(broker)

    def attach(self, *args: Any) -> None:
        super().attach(*args)
        self.logs.is_lost = False

    def detach(self) -> None:
        super().detach()
        self.logs.lose()
        self.logs.followed.clear()

    def lose(self) -> None:
        """Lose the broker."""
        self.logs.lose()
        super().lose()

    def restore(self) -> None:
        """Find it again."""
        self.logs.is_lost = False
        super().restore()


class StoringCluster:
    """Servers whose channels one broker keeps."""

    def __init__(self, size: int, seed: int = 0, *, options: Mapping[str, Any] | None = None, **broker: Any) -> None:
        self.clock = Clock()
        self.bus = LossyBus(self.clock, seed)
        self.broker = Broker(self.clock, seed, **broker)
        self.adapters: list[StoringAdapter] = []
        self.servers: list[Server] = []
        for _ in range(size):
            self.start(**(options or {}))

    def start(self, **options: Any) -> Server:
        """Start one more node."""
        adapter = StoringAdapter(self.bus, self.broker)
        server = Server(adapter=adapter, driver=self.clock, **options)
        self.adapters.append(adapter)
        self.servers.append(server)
        server.engine.bind(self.clock)
        self.clock.advance(3)
        return server

    def lose(self) -> None:
        """Let all nodes lose the broker."""
        for adapter in self.adapters:
            if not adapter.is_lost:
                adapter.lose()

    def restore(self) -> None:
        """Let all nodes find it again."""
        for adapter in self.adapters:
            if adapter.is_lost:
                adapter.restore()
