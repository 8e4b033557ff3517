"""A bus within one process: for several servers side by side, and for tests."""

from collections.abc import Callable

from ..engine import Driver, Pending


class MemoryBus:
    """What the adapters of one process share."""

    def __init__(self) -> None:
        self.adapters: list[MemoryAdapter] = []


class MemoryAdapter:
    """Carries data to the other adapters on the same bus. Nothing is lost, and nothing outlives the process."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self._callbacks: dict[str, Callable[[bytes], object]] = {}
        self._driver: Driver | None = None
        bus.adapters.append(self)

    def attach(self, driver: Driver) -> None:
        """Take the driver that calls the callbacks."""
        self._driver = driver

    def publish(self, topic: str, data: bytes) -> Pending[None]:
        """Give the data to all adapters of the bus."""
        for adapter in self._bus.adapters:
            adapter.hear(topic, data)
        return self._done()

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Pending[None]:
        """Call back with all data of the topic; a node has one subscription for each."""
        self._callbacks[topic] = callback
        return self._done()

    def unsubscribe(self, topic: str) -> Pending[None]:
        """End the subscription."""
        self._callbacks.pop(topic, None)
        return self._done()

    def hear(self, topic: str, data: bytes) -> None:
        """Pass data on to this node's subscriber, on its own thread."""
        callback = self._callbacks.get(topic)
        if callback is not None and self._driver is not None:
            self._driver.soon(callback, data)

    def _done(self) -> Pending[None]:
        assert self._driver is not None, "an adapter works for a server: give it to one"
        pending: Pending[None] = Pending(self._driver)
        pending.resolve(None)
        return pending
