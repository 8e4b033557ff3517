"""A bus within one process: for several servers side by side, and for tests."""

from collections.abc import Callable

from ..engine import Driver, Pending


class MemoryBus:
    """What the adapters of one process share: those that are attached receive each other's messages."""

    def __init__(self) -> None:
        self.adapters: list[MemoryAdapter] = []


class MemoryAdapter:
    """Carries data to the other adapters on the same bus. Nothing is lost, and nothing outlives the process.

    Each server needs one of its own. It is on the bus while its server has a loop.
    """

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._callbacks: dict[str, Callable[[bytes], object]] = {}
        self._driver: Driver | None = None
        self._done: Pending[None]

    def attach(self, driver: Driver) -> None:
        """Join the bus, and take the driver that calls the callbacks."""
        self._driver = driver
        self._done = Pending(driver)
        self._done.resolve(None)
        if self not in self._bus.adapters:
            self._bus.adapters.append(self)

    def detach(self) -> None:
        """Leave the bus, and forget the subscriptions."""
        self._driver = None
        self._callbacks.clear()
        if self in self._bus.adapters:
            self._bus.adapters.remove(self)

    def publish(self, topic: str, data: bytes) -> Pending[None]:
        """Give the data to all adapters of the bus."""
        assert self._driver is not None, "an adapter works for a server that has a loop: attach it first"
        for adapter in tuple(self._bus.adapters):  # a copy: one whose loop is closed leaves
            adapter.hear(topic, data)
        return self._done

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Pending[None]:
        """Call back with all data of the topic; a node has one subscription for each."""
        self._callbacks[topic] = callback
        return self._done

    def unsubscribe(self, topic: str) -> Pending[None]:
        """End the subscription."""
        self._callbacks.pop(topic, None)
        return self._done

    def hear(self, topic: str, data: bytes) -> None:
        """Pass data on to this node's subscriber, on its own thread."""
        callback, driver = self._callbacks.get(topic), self._driver
        if callback is None or driver is None:
            return
        if driver.is_over(idle=False):
            self.detach()  # its loop was closed, and its server was not
        else:
            driver.soon(callback, data)
