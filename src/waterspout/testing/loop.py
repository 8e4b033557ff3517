"""The event loop of a clock: its time stands still, and it turns when it is told to."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar, TypeVarTuple

_TURNS_TO_END = 100

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
    `is_waiting` tells that something is to be called in the next turn. It may turn while another loop runs, as that of
    a test that is a coroutine.
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
        outer = asyncio._get_running_loop()
        if outer is None:
            self.run_forever()
        else:
            self._turn_within(outer)

    def end(self) -> list[str]:
        """Cancel all tasks and drop all timers; return a line for each that was left."""
        tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
        left = [f"the task of {_shown(task.get_coro())}" for task in tasks]
        for task in tasks:
            task.cancel()
        for _ in range(_TURNS_TO_END):
            if self.is_waiting:
                self.turn()
        left += [f"the timer {timer[2]!r}" for timer in self._timers if not timer[2].cancelled()]
        self._timers.clear()
        return left

    def _turn_within(self, outer: asyncio.AbstractEventLoop) -> None:
        """Turn while a task of another loop runs, which is to notice nothing of it."""
        task = asyncio.current_task(outer)
        if task is not None:
            asyncio.tasks._leave_task(outer, task)
        asyncio._set_running_loop(None)
        try:
            self.run_forever()
        finally:
            asyncio._set_running_loop(outer)
            if task is not None:
                asyncio.tasks._enter_task(outer, task)


def _shown(coroutine: Any) -> str:
    """Name what a task runs, with the line where it waits."""
    frame = getattr(coroutine, "cr_frame", None)
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    return name if frame is None else f"{name}, {os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
