"""gevent's event loop, as links see it."""

import select
from collections.abc import Callable
from typing import Any

import gevent
from gevent.monkey import get_original

from ..drivers.gevent import GeventDriver
from .failures import FailureWatch
from .residence import Residence

_READ, _WRITE = 1, 2  # of libev
_epoll: Any = get_original("select", "epoll") if hasattr(select, "EPOLLIN") else None  # also after `patch_all`


def settle(residence: Residence) -> None:
    """Bind the engine to the hub of this thread; RuntimeError where it runs on another loop."""
    hub = gevent.get_hub()
    if hub is not residence.home:
        driver = residence.engine.driver
        is_bound = isinstance(driver, GeventDriver) and driver.hub is hub  # by somebody else
        residence.bind(hub, driver if is_bound else GeventDriver(), GeventLoop(hub))


class GeventLoop:
    """A hub: its watchers call back in the hub itself, so that a connection needs no greenlet."""

    __slots__ = ("_hub", "_readers", "_timers", "_writers", "failures", "soon")

    soon: Callable[[Callable[[], object]], object]

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._readers: dict[int, Any] = {}
        self._writers: dict[int, Any] = {}
        self._timers: set[Any] = set()
        self.failures = FailureWatch(self, _epoll)
        self.soon = hub.loop.run_callback

    def reader(self, descriptor: int, callback: Callable[[], object] | None) -> None:
        """Call back whenever there is something to read, or an error; no longer with None."""
        self._watch(self._readers, descriptor, _READ, callback)
        if callback is None:
            self.failures.forget(descriptor)
        else:
            self.failures.watch(descriptor, callback)

    def writer(self, descriptor: int, callback: Callable[[], object] | None) -> None:
        """Call back whenever the kernel takes bytes; no longer with None."""
        self._watch(self._writers, descriptor, _WRITE, callback)

    def forget(self, descriptor: int) -> None:
        """Call back no more for this descriptor."""
        self.failures.forget(descriptor)
        self._watch(self._readers, descriptor, _READ, None)
        self._watch(self._writers, descriptor, _WRITE, None)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back once, after so many seconds."""
        timer = self._hub.loop.timer(seconds)
        self._timers.add(timer)  # one that nobody refers to never comes

        def come() -> None:
            self._timers.discard(timer)
            timer.close()
            callback()

        timer.start(come, update=True)

    # What the watch of failures needs

    def add_reader(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call back whenever there is something to read."""
        self._watch(self._readers, descriptor, _READ, callback)

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Call the function in the next turn."""
        self._hub.loop.run_callback(function, *args)

    def _watch(
        self, watchers: dict[int, Any], descriptor: int, events: int, callback: Callable[[], object] | None
    ) -> None:
        watcher = watchers.pop(descriptor, None)
        if watcher is not None:
            watcher.close()
        if callback is not None and self._hub.loop is not None:
            watcher = watchers[descriptor] = self._hub.loop.io(descriptor, events)
            watcher.start(callback)
