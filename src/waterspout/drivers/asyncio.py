"""The driver for asyncio loops, uvloop's among them.

A plain function is called directly: no task, no future, no timer. An `async def` becomes a task, which
takes its first steps at once where Python can do that (3.12).
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import Context, copy_context
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import Any, TypeVarTuple

from ..engine import INTERRUPTS, Pending
from ..engine.driver import Asker, Layer, Level
from ..server.arguments import Arguments
from .ending import TaskWait
from .lag import LagGuard
from .system import PLAIN, SystemDriver, answer, is_asynchronous
from .tasks import as_coroutine, carry, running_asker
from .threads import ThreadPool, block_thread, threaded_asker

Args = TypeVarTuple("Args")

_CLOSED = (
    "the event loop that served this server is closed, and its clients are gone: stop your threads before the "
    "loop ends, for example in a function of server.on_stop"
)
_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class AsyncioDriver(SystemDriver):
    """Runs functions on the loop that is running when it is made.

    What they raise ends nothing else, whatever it is, but for KeyboardInterrupt and SystemExit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._process = os.getpid()
        self._tasks: dict[asyncio.Task[None], tuple[Coroutine[Any, Any, Any], Asker, Any]] = {}
        self._attending: dict[asyncio.Task[Any], Pending[Any]] = {}
        self._wait: TaskWait | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pool: ThreadPool | None = None
        self._context = Context()  # empty: what runs later may be for another client than the call that schedules it
        self._guard = LagGuard(self, _ENTRIES, self.loop)
        self.loop.call_soon(self._guard.start)

    @property
    def busy(self) -> int:
        """How many functions have begun, and have not ended; those in threads, or waiting for one, among them."""
        return len(self._tasks) + (0 if self._pool is None else self._pool.busy)

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function at once, and make a task for an `async def` or another awaitable."""
        try:
            # A context of its own (41 ns), so that what one function sets no other sees. Nearly all take a socket and
            # one argument, and a star costs 1,300 instructions, of 27,000 for an acknowledged event.
            if len(args) == 2:
                result = copy_context().run(function, args[0], args[1])
            else:
                result = copy_context().run(function, *args)
        except BaseException as error:
            asker.failed(token, error)
            if isinstance(error, INTERRUPTS):
                raise
            return
        kind = type(result)
        if kind is CoroutineType:
            self._start(result, asker, token)
        elif kind in PLAIN or not is_asynchronous(result):
            asker.answered(token, result)
        elif isinstance(result, Pending) and result.done:
            answer(result, asker, token)
        else:
            self._start(as_coroutine(result), asker, token)

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function in one of at most `threads` threads."""
        if self._pool is None:
            self._pool = ThreadPool(self.soon)
        self._pool.submit(self.threads, self.around_thread_call, function, args, asker.later(token), token)

    def _start(self, coroutine: Coroutine[Any, Any, Any], asker: Asker, token: Any) -> None:
        asker = asker.later(token)
        task = asyncio.Task(carry(coroutine, asker, token), loop=self.loop, **_EAGER)
        if not task.done():
            self._tasks[task] = coroutine, asker, token
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forget a task; if it was cancelled before its first step, which leaves it no time to answer, answer."""
        coroutine, asker, token = self._tasks.pop(task)
        if task.cancelled() and getcoroutinestate(coroutine) == CORO_CREATED:
            coroutine.close()
            asker.failed(token, asyncio.CancelledError())
        if self._wait is not None:
            self._wait.look()

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call the function in the next turn of the loop; from any thread. RuntimeError once the loop is closed."""
        try:
            if self.foreign():
                self.loop.call_soon_threadsafe(function, *args, context=self._context)
            else:
                self.loop.call_soon(function, *args, context=self._context)
        except RuntimeError as error:
            if self.loop.is_closed():
                raise RuntimeError(_CLOSED) from error
            raise

    def foreign(self) -> bool:
        """Tell whether the caller is on another thread than the loop."""
        return threading.get_ident() != self._thread

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Set the loop's timer, the only one that the core needs."""
        if os.getpid() != self._process:
            self._forked()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(max(0.0, at - self.now()), function, context=self._context)

    def attend(self, pending: Pending[Any]) -> Generator[Any, Any, None]:
        """Suspend the running coroutine until the pending is done."""
        future, task = self.loop.create_future(), asyncio.current_task()
        assert task is not None
        pending.add_done_callback(lambda _: _wake(future))
        self._attending[task] = pending
        if self._wait is not None:
            self._wait.look()
        try:
            yield from future
        finally:
            del self._attending[task]

    def asker(self) -> Asker | None:
        """Return who asked for the running coroutine, or in a thread of the pool for the call."""
        return threaded_asker() if self.foreign() else running_asker()

    def block(self, pending: Pending[Any], timeout: float | None) -> bool:
        """Block another thread until the pending is done; RuntimeError on the loop's own."""
        if not self.foreign():
            raise RuntimeError("wait() would block the event loop: await this instead")
        return block_thread(self, pending, timeout)

    def is_over(self, *, idle: bool) -> bool:
        """Tell whether the loop is closed; where nobody is connected, whether it does not run."""
        return self.loop.is_closed() or (idle and not self.loop.is_running())

    def finish(
        self,
        timeout: float,
        done: Callable[[], object],
        *,
        awaited: Pending[Any] | None = None,
        unwanted: Asker | None = None,
    ) -> None:
        """Wait for running tasks and threads, cancel or leave behind those that need longer, then call `done`.

        A task that waits for `awaited`, which `done` is to bring about, is not waited for; none is, where the loop
        does not run.
        """

        def end() -> None:
            self._guard.stop()
            if self._pool is not None:
                self._pool.close()
            done()

        for task, (_, asker, _) in self._tasks.items():
            if asker is unwanted and (awaited is None or self._attending.get(task) is not awaited):
                task.cancel()
        if self.loop.is_running() and (self._tasks or (self._pool is not None and self._pool.busy)):
            self._wait = TaskWait(self._tasks, self._attending, awaited)
            waits = []
            if self._pool is not None and self._pool.busy:
                idle = self.loop.create_future()
                self._pool.when_idle(lambda: _wake(idle))
                waits.append(idle)
            task = self.loop.create_task(self._wait.wait(timeout, *waits))
            task.add_done_callback(lambda _: end())
        else:
            end()

    def _forked(self) -> None:
        self._process, parent = os.getpid(), self._process
        self.note(
            Layer.HOST,
            Level.WARNING,
            "process %d was forked from process %d, which served already, and both accept the same connections: "
            "fork first, then create the server and the loop in each process",
            self._process,
            parent,
        )


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_ENTRIES = (AsyncioDriver.run.__code__, carry.__code__, Arguments.convert.__code__)
