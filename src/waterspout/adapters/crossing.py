"""The way between a server's thread and the asyncio loop of an adapter, which may be of another thread."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, cast

from ..engine import Driver

Args = TypeVarTuple("Args")
Function = TypeVar("Function", bound=Callable[..., object])


class Crossing:
    """Makes calls elsewhere, in order, with one wake-up for all that have come meanwhile.

    `wake` schedules a function there, from any thread; RuntimeError from it means that nothing runs there any more.
    """

    __slots__ = ("_calls", "_is_awake", "_wake")

    def __init__(self, wake: Callable[[Callable[[], None]], object]) -> None:
        self._wake = wake
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._is_awake = False

    def __call__(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call the function there."""
        self._calls.append((function, args))
        if not self._is_awake:
            self._is_awake = True
            self._wake(self._run)

    def _run(self) -> None:
        self._is_awake = False  # before the first call is taken, so that none is forgotten
        try:
            for _ in range(len(self._calls)):
                function, args = self._calls.popleft()
                function(*args)
        finally:
            if self._calls and not self._is_awake:  # one has raised
                self._is_awake = True
                self._wake(self._run)


class LoopHome:
    """The server's own loop, which is asyncio's.

    `reach` makes what calls a function at the adapter; `back` calls one at the server.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        context = Context()  # empty: what arrives is of no client's call
        self._context = context
        self.back = Crossing(lambda run: loop.call_soon(run, context=context))
        self._task: asyncio.Task[None] | None = None

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run what the adapter is."""
        self._task = self._loop.create_task(coroutine, context=self._context)

    @staticmethod
    def reach(function: Function) -> Function:
        """Return the function itself, which is at home here."""
        return function

    @property
    def is_over(self) -> bool:
        """Whether nothing runs here any more."""
        return self._loop.is_closed() or self._task is None or self._task.done()


class ThreadHome:
    """A loop in a native thread, beside a server whose loop is not asyncio's."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._loop = _new_loop()
        self._task: asyncio.Task[None] | None = None
        self.back = Crossing(self._wake)
        self._do = Crossing(self._loop.call_soon_threadsafe)
        self.is_over = False

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run what the adapter is, in a thread of its own."""

        def run() -> None:
            self._task = self._loop.create_task(coroutine)
            try:
                with suppress(asyncio.CancelledError):
                    self._loop.run_until_complete(self._task)
            finally:
                self.is_over = True
                self._loop.close()

        _begin_thread(run)

    def reach(self, function: Function) -> Function:
        """Return what calls the function in the thread."""
        return cast(Function, partial(self._do, function))

    def _wake(self, run: Callable[[], None]) -> None:
        """Wake the server's loop; where that is over without a word, so is the adapter."""
        try:
            self._driver.soon(run)
        except RuntimeError:
            if self._task is not None:
                self._task.cancel()


def home_of(driver: Driver) -> LoopHome | ThreadHome:
    """Return where an adapter runs: on the loop of this thread, or else beside it."""
    try:
        return LoopHome()
    except RuntimeError:  # there is none
        return ThreadHome(driver)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that gevent's monkey patch does not concern, where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _begin_thread(function: Callable[[], None]) -> None:
    """Run the function in a thread of the system's, also behind gevent's monkey patch; nobody waits for its end."""
    try:
        from gevent.monkey import get_original
    except ImportError:
        threading.Thread(target=function, name="waterspout-adapter", daemon=True).start()
    else:
        get_original("_thread", "start_new_thread")(function, ())
