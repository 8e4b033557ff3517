"""Event loops, as links see them."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from functools import partial

from ..drivers import AsyncioDriver
from .failures import FailureWatch
from .residence import Residence

__all__ = ["running_loop"]  # the rest is for hosts


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def settle(residence: Residence) -> None:
    """Bind the engine to the running loop; RuntimeError where there is none, or where it runs on another."""
    loop = asyncio.get_running_loop()
    if loop is not residence.home:
        driver = residence.engine.driver
        is_bound = isinstance(driver, AsyncioDriver) and driver.loop is loop  # by somebody else
        residence.bind(loop, driver if is_bound else AsyncioDriver(), AsyncioLoop(loop))


class AsyncioLoop:
    """Any asyncio loop that has `add_reader`: its own selector loops, and uvloop's, which forgets descriptors."""

    __slots__ = ("_context", "_loop", "failures", "soon")

    soon: Callable[[Callable[[], object]], object]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.failures = FailureWatch(loop)
        self._context = Context()  # empty, as that of the driver
        self.soon = partial(loop.call_soon, context=self._context)

    def reader(self, descriptor: int, callback: Callable[[], object] | None) -> None:
        """Call back whenever there is something to read, or an error; no longer with None."""
        if callback is None:
            self.failures.forget(descriptor)
            self._loop.remove_reader(descriptor)
        else:
            self._loop.add_reader(descriptor, callback)
            self.failures.watch(descriptor, callback)

    def writer(self, descriptor: int, callback: Callable[[], object] | None) -> None:
        """Call back whenever the kernel takes bytes; no longer with None."""
        if callback is None:
            self._loop.remove_writer(descriptor)
        else:
            Context().run(self._loop.add_writer, descriptor, callback)  # of which asyncio takes a copy

    def forget(self, descriptor: int) -> None:
        """Call back no more for this descriptor; a loop that is closed has forgotten it."""
        if self._loop.is_closed():
            return
        self.failures.forget(descriptor)
        self._loop.remove_reader(descriptor)
        self._loop.remove_writer(descriptor)

    def later(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back once, after so many seconds."""
        self._loop.call_later(seconds, callback, context=self._context)
