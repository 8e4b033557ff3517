"""The event loop of a clock: its time stands still, and it turns when it is told to."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar, TypeVarTuple

Args = TypeVarTuple("Args")
T = TypeVar("T")


class _NoSelector:
    """A selector without descriptors: nothing is ever ready."""

    def select(self, timeout: float | None) -> tuple[()]:
        return ()


class ClockLoop(asyncio.BaseEventLoop):
    """A loop without a time of its own: `asyncio.sleep` and timeouts end when `now` says so and `ring` is called.

    What is given to an executor (`asyncio.to_thread`) is called in place. Waiting for a real socket raises
    NotImplementedError: the loop owns no descriptor, so one that a test leaves behind holds nothing of the process.
    `is_waiting` tells that something is to be called in the next turn.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._now = now
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Callable[[], object]]] = []
        self._numbers = count()
        self.is_waiting = False

    def __del__(self) -> None:
        self.close()

    def time(self) -> float:
        """Return the clock's time."""
        return self._now()

    def call_soon(
        self, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.Handle:
        """Call it in the next turn."""
        self.is_waiting = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call it when the clock has got there."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def fire() -> None:
            if not handle.cancelled():
                callback(*args)

        heappush(self._timers, (when, next(self._numbers), handle, lambda: self.call_soon(fire, context=context)))
        return handle

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Args], T], *args: *Args) -> asyncio.Future[T]:
        """Call it at once: here is one thread only."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log it, but for tasks that a test leaves behind: it may end in the middle of one that runs for ever."""
        if context.get("message") != "Task was destroyed but it is pending!":
            super().call_exception_handler(context)

    def next_timer(self) -> float | None:
        """Return when the next timer rings."""
        while self._timers and self._timers[0][2].cancelled():
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def ring(self) -> None:
        """Call the timers that are due."""
        while (at := self.next_timer()) is not None and at <= self._now():
            heappop(self._timers)[3]()

    def _process_events(self, event_list: tuple[()]) -> None:
        """Do nothing: `_NoSelector` finds no events."""

    def _write_to_self(self) -> None:
        """Do nothing: a turn does not sleep, so `call_soon_threadsafe` has nobody to wake."""

    def turn(self) -> None:
        """Call what waits for the next turn."""
        self.is_waiting = False
        self.stop()
        self.run_forever()
