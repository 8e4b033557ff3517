"""A broker on a virtual clock that loses, delays, doubles and reorders by seed, and ten nodes around it."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from waterspout import Server
from waterspout.engine import Driver
from waterspout.server.cluster import Gap
from waterspout.testing import Clock, Pair


class LossyBus:
    """Carries data with delays of at most `slowest` seconds; `lose` and `double` are probabilities.

    While it is `stalled`, it takes what is published, and delivers it afterwards.
    """

    def __init__(
        self, clock: Clock, seed: int, *, lose: float = 0.0, double: float = 0.0, slowest: float = 0.0
    ) -> None:
        self.clock = clock
        self.random = Random(seed)
        self.lose, self.double, self.slowest = lose, double, slowest
        self.stalled = False
        self.adapters: list[LossyAdapter] = []
        self.published: list[tuple[str, bytes]] = []
        self._order = count()
        self._queue: list[tuple[float, int, LossyAdapter, str, bytes]] = []

    def publish(self, topic: str, data: bytes) -> None:
        """Send data on its ways."""
        self.published.append((topic, data))
        for adapter in self.adapters:
            if topic in adapter.callbacks and self.random.random() >= self.lose:
                for _ in range(1 + (self.random.random() < self.double)):
                    at = self.clock.now() + self.random.random() * self.slowest
                    heappush(self._queue, (at, next(self._order), adapter, topic, data))
        self.resume()

    def resume(self) -> None:
        """Deliver again."""
        if self._queue:
            self.clock.alarm(self._queue[0][0], self.deliver)

    def deliver(self) -> None:
        """Deliver what has had its time."""
        while not self.stalled and self._queue and self._queue[0][0] <= self.clock.now():
            _, _, adapter, topic, data = heappop(self._queue)
            adapter.hear(topic, data)
        if not self.stalled:
            self.resume()


class LossyAdapter:
    """A node's place at the bus; `mute`: nothing that it says arrives. `deaf`: it hears nothing.

    It holds its server to the seam: nothing is published before it is attached, or while the broker is lost.
    """

    largest_word: int | None = None

    def __init__(self, bus: LossyBus) -> None:
        self.bus = bus
        self.callbacks: dict[str, Callable[[bytes], object]] = {}
        self.mute = self.deaf = False
        self.is_lost = True
        self._driver: Driver | None = None
        bus.adapters.append(self)

    def attach(self, driver: Driver, on_lost: Callable[[str], object], on_restored: Callable[[], object]) -> None:
        self._driver = driver
        self.on_lost, self.on_restored = on_lost, on_restored
        self.is_lost = False

    def detach(self) -> None:
        self.is_lost = True
        self.callbacks.clear()

    def publish(self, topic: str, data: bytes) -> None:
        assert not self.is_lost
        if not self.mute:
            self.bus.publish(topic, data)

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> None:
        self.callbacks[topic] = callback

    def unsubscribe(self, topic: str) -> None:
        self.callbacks.pop(topic, None)

    def hear(self, topic: str, data: bytes) -> None:
        """Pass data on to the node."""
        callback = self.callbacks.get(topic)
        if callback is not None and not self.deaf:
            callback(data)

    def kill(self) -> None:
        """Be a node that is dead, as the others see it."""
        self.mute = self.deaf = True

    def lose(self) -> None:
        """Lose the broker."""
        self.kill()
        self.is_lost = True
        self.on_lost("connection refused")

    def restore(self) -> None:
        """Find it again."""
        self.mute = self.deaf = self.is_lost = False
        self.on_restored()


class Cluster:
    """Nodes on one bus and one clock, with one client each, and the gaps that each has told of."""

    def __init__(self, size: int, seed: int = 0, *, adapter: type[LossyAdapter] = LossyAdapter, **bus: Any) -> None:
        self.clock = Clock()
        self.bus = LossyBus(self.clock, seed, **bus)
        self.adapters = [adapter(self.bus) for _ in range(size)]
        self.servers = [Server(adapter=adapter, driver=self.clock) for adapter in self.adapters]
        self.gaps: list[list[Gap]] = [[] for _ in self.servers]
        for server, gaps in zip(self.servers, self.gaps, strict=True):
            server.on_gap(gaps.append)
        self.pairs = [Pair(server) for server in self.servers]
        self.clock.advance(3)

    @property
    def names(self) -> list[str]:
        """The names of the nodes."""
        return [server.nodes()[0].name for server in self.servers]

    def events(self) -> list[list[tuple[Any, ...]]]:
        """Return what each client has got since."""
        return [pair.peer.events() for pair in self.pairs]

    def logged(self) -> list[str]:
        """Return what all nodes have reported as errors."""
        return [text for text, _ in self.clock.reports]
