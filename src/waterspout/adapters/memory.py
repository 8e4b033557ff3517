"""A bus within one process: for several servers side by side, and for tests."""

from collections.abc import Callable

from ..engine import Driver
from ..server.cluster.adapter import check_free


class MemoryBus:
    """What the adapters of one process share: those that are attached receive each other's messages."""

    def __init__(self) -> None:
        self.adapters: list[MemoryAdapter] = []


class MemoryAdapter:
    """Carries data to the other adapters on the same bus. Nothing is lost, and nothing outlives the process.

    Each server needs one of its own. It is on the bus while its server has a loop.
    """

    largest_word: int | None = None

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._callbacks: dict[str, Callable[[bytes], object]] = {}
        self._driver: Driver | None = None

    def attach(self, driver: Driver, on_lost: Callable[[str], object], on_restored: Callable[[], object]) -> None:
        """Join the bus, which is never lost, and take the driver that calls the callbacks.

        RuntimeError if it is attached already.
        """
        check_free(self._driver)
        self._driver = driver
        if self not in self._bus.adapters:
            self._bus.adapters.append(self)

    def detach(self) -> None:
        """Leave the bus, and forget the subscriptions."""
        self._driver = None
        self._callbacks.clear()
        if self in self._bus.adapters:
            self._bus.adapters.remove(self)

    def publish(self, topic: str, data: bytes) -> int:
        """Give the data to all adapters of the bus; return how many have subscribed to the topic."""
        assert self._driver is not None, "an adapter works for a server that has a loop: attach it first"
        return sum([adapter.hear(topic, data) for adapter in tuple(self._bus.adapters)])  # one whose loop closed leaves

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> None:
        """Call back with all data of the topic; a node has one subscription for each."""
        self._callbacks[topic] = callback

    def unsubscribe(self, topic: str) -> None:
        """End the subscription."""
        self._callbacks.pop(topic, None)

    def hear(self, topic: str, data: bytes) -> bool:
        """Pass data on to this node's subscriber, on its own thread; return whether there is one."""
        callback, driver = self._callbacks.get(topic), self._driver
        if callback is None or driver is None:
            return False
        if driver.is_over(idle=False):
            self.detach()  # its loop was closed, and its server was not
            return False
        driver.soon(callback, data)
        return True
