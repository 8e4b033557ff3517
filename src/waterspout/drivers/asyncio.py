"""The driver for asyncio loops, uvloop's among them.

A plain function is called directly: no task, no future, no timer. An `async def` becomes a task, which
takes its first steps at once where Python can do that (3.12).
"""

import asyncio
import logging
import secrets
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import copy_context
from types import CoroutineType
from typing import Any, TypeVarTuple

from ..engine.driver import Asker, Waitable

Args = TypeVarTuple("Args")

log = logging.getLogger("waterspout")

_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
_INTERRUPTS = (KeyboardInterrupt, SystemExit, GeneratorExit)  # they end the process, or a task with its loop
_SIMPLE = frozenset((type(None), bool, int, float, str, bytes, list, tuple, dict))


class AsyncioDriver:
    """Runs functions on the loop that is running when it is made.

    What they raise ends nothing else, whatever it is, but for KeyboardInterrupt and SystemExit.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Return the monotonic clock's seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def token(self) -> str:
        """Return 128 random bits."""
        return secrets.token_urlsafe(16)

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function at once, and make a task for an `async def` or another awaitable."""
        try:
            # a context of its own (41 ns), so that what one function sets no other sees
            result = copy_context().run(function, *args)
        except _INTERRUPTS:
            raise
        except BaseException as error:
            asker.failed(token, error)
            return
        if type(result) is CoroutineType:
            self._start(result, asker, token)
        elif type(result) in _SIMPLE or not hasattr(result, "__await__"):
            asker.answered(token, result)
        else:
            self._start(_await(result), asker, token)

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call it."""
        self.run(function, args, asker, token)

    def _start(self, coroutine: Coroutine[Any, Any, Any], asker: Asker, token: Any) -> None:
        task = asyncio.Task(_finish(coroutine, asker.later(token), token), loop=self.loop, **_EAGER)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call the function in the next turn of the loop; from any thread."""
        if self.foreign():
            self.loop.call_soon_threadsafe(function, *args)
        else:
            self.loop.call_soon(function, *args)

    def foreign(self) -> bool:
        """Tell whether the caller is on another thread than the loop."""
        return threading.get_ident() != self._thread

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Set the loop's timer, the only one that the core needs."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(max(0.0, at - self.now()), function)

    def report(self, text: str, error: BaseException | None = None) -> None:
        """Log it as an error of `waterspout`, with the traceback."""
        log.error("%s", text, exc_info=error)

    def attend(self, pending: Waitable) -> Generator[Any, Any, None]:
        """Suspend the running coroutine until the pending is done."""
        future = self.loop.create_future()
        pending.add_done_callback(lambda _: _wake(future))
        yield from future

    def block(self, pending: Waitable, timeout: float | None) -> bool:
        """Block another thread until the pending is done; RuntimeError on the loop's own."""
        if not self.foreign():
            raise RuntimeError("wait() would block the event loop: await this instead")
        done = threading.Event()
        self.soon(pending.add_done_callback, lambda _: done.set())
        return done.wait(timeout)

    def finish(self, timeout: float, done: Callable[[], object]) -> None:
        """Wait for running tasks, cancel those that need longer, then call `done`."""
        if self._tasks:
            task = self.loop.create_task(self._await_tasks(timeout))
            task.add_done_callback(lambda _: done())
        else:
            done()

    async def _await_tasks(self, timeout: float) -> None:
        mine = asyncio.current_task()
        others = [task for task in self._tasks if task is not mine]
        if not others:
            return
        _, late = await asyncio.wait(others, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)


async def _finish(coroutine: Coroutine[Any, Any, Any], asker: Asker, token: Any) -> None:
    try:
        result = await coroutine
    except asyncio.CancelledError as error:
        asker.failed(token, error)
        raise
    except _INTERRUPTS:
        raise
    except BaseException as error:
        asker.failed(token, error)
    else:
        asker.answered(token, result)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
