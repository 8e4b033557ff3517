"""A driver for tests: time passes when the test says so, and what it brings has happened when it is back."""

import asyncio
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

from ..drivers import InlineDriver
from ..drivers.system import name_of
from ..drivers.tasks import as_coroutine, carry, running_asker
from ..drivers.threads import threaded_asker
from ..engine import Asker, Pending
from ..server.background import Background
from .loop import ClockLoop

Args = TypeVarTuple("Args")
R = TypeVar("R")


class Clock(InlineDriver):
    """A driver whose time stands still until `advance`; what is reported is logged, and kept in `reports`.

    An `async def` runs on a loop of the clock's own, as far as it gets without waiting for time or for the client;
    `asyncio.sleep` and timeouts keep to the clock. It cannot wait for real sockets; for that, serve on a host. The test
    may be a coroutine on a loop of its own, which stands still meanwhile.

    With `later` every call of a user's function answers later than it was asked, as where handlers run in greenlets
    or threads: after what the client, or the code that asked, is doing. When the test goes on, it has answered.
    """

    later: bool = False
    reaches_network = False

    def __init__(self, start: float = 1000.0, *, later: bool | None = None) -> None:
        super().__init__()
        if later is not None:
            self.later = later
        self.time = start
        self.reports: list[tuple[str, BaseException | None]] = []
        self._raised: list[BaseException] | None = None
        self._alarms: dict[object, tuple[float, Callable[[], object]]] = {}
        self._tokens = 0
        self._loop: ClockLoop | None = None
        self._tasks: dict[asyncio.Task[None], Asker] = {}
        self._is_over = False
        self._attending: dict[asyncio.Task[Any] | None, Pending[Any]] = {}

    @property
    def busy(self) -> int:  # type: ignore[override]
        """How many asynchronous functions have not ended."""
        return len(self._tasks)

    def now(self) -> float:
        """Return the time that the test has set."""
        return self.time

    def wall(self) -> float:
        """Return a date in November 2023, and the time since the start."""
        return 1_700_000_000.0 + self.time

    def token(self) -> str:
        """Return tokens that count: `token-0000000000000001`, ..."""
        self._tokens += 1
        return f"token-{self._tokens:016d}"

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a function; what is asynchronous goes on until it has to wait."""
        asker = asker if self._raised is None else _Witness(asker, self._raised)
        if self.later:
            self._later.append((super().run, (function, args, _Answer(asker.later(token)), token)))
        else:
            super().run(function, args, asker, token)
            self.settle()

    def perform(self, function: Callable[[*Args], R], *args: *Args) -> R:
        """Do what a client or a host does, return its result, and let what it has asked of users' functions happen."""
        if not self.later:
            return function(*args)
        results: list[R] = []
        self.hold(lambda: results.append(function(*args)))
        self.settle()
        return results[0]

    @contextmanager
    def witness(self) -> Iterator[list[BaseException]]:
        """Fill a list with what users' functions raise meanwhile, refusals too."""
        raised: list[BaseException] = []
        self._raised = raised
        try:
            yield raised
        finally:
            self._raised = None

    def start(self, awaitable: Any, function: Callable[..., Any], asker: Asker, token: Any) -> None:
        """Make a task of what an asynchronous function has returned."""
        loop = self._own_loop()
        describe = getattr(_asker_behind(asker), "describe", None)
        name = name_of(function) if describe is None else describe(token)
        asker = asker.later(token)
        task = asyncio.Task(carry(as_coroutine(awaitable), asker, token), loop=loop, name=name)
        self._tasks[task] = asker
        task.add_done_callback(self._tasks.pop)

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call the function at once, or after the one that is running."""
        super().soon(function, *args)
        self.settle()

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Call the function when `advance` or `block` gets there; several servers of one clock have one alarm each."""
        self._alarms[getattr(function, "__self__", None)] = at, function

    def next_alarm(self) -> float | None:
        """Return when the next alarm goes off."""
        return min((at for at, _ in self._alarms.values()), default=None)

    def report(self, text: str, error: BaseException | None = None) -> int:
        """Keep it in `reports`, and log it: a test that fails shows what its handlers raised."""
        self.reports.append((text, error))
        return super().report(text, error)

    def attend(self, pending: Pending[Any]) -> Generator[Any, Any, None]:
        """Suspend the running coroutine until the pending is done."""
        future = asyncio.get_running_loop().create_future()
        pending.add_done_callback(lambda _: None if future.done() else future.set_result(None))
        task = asyncio.current_task()
        self._attending[task] = pending
        try:
            yield from future
        finally:
            self._attending.pop(task, None)

    def asker(self) -> Asker | None:
        """Return who asked for the running coroutine, or for the threaded call."""
        found = running_asker() or threaded_asker()
        return None if found is None else _asker_behind(found)

    def block(self, pending: Pending[Any], timeout: float | None) -> bool:
        """Let time pass until the pending is done, or the timeout is over; all else goes on, as beside a thread."""
        done: list[Any] = []
        pending.add_done_callback(done.append)
        end = None if timeout is None else self.time + timeout
        running, self._running = self._running, 0
        try:
            self.await_until(lambda: bool(done), end)
        finally:
            self._running = running
        return bool(done)

    def await_until(self, is_done: Callable[[], bool], end: float | None = None) -> None:
        """Let time pass until something is done, or nothing more happens until `end`."""
        self.settle()
        while not is_done() and self._ring(end):
            pass

    def advance(self, seconds: float) -> None:
        """Let time pass; every deadline on the way comes at its own moment."""
        end = self.time + seconds
        self.settle()
        while self._ring(end):
            pass
        self.time = end

    def take_reports(self) -> list[tuple[str, BaseException | None]]:
        """Return the reports since the last call, and forget them."""
        reports, self.reports = self.reports, []
        return reports

    @contextmanager
    def expect(self, kind: type[BaseException] = Exception, match: str = "") -> Iterator[list[BaseException]]:
        """Expect that a function of the server's fails in this block, with this exception, and a text that matches.

        The failures are in the list behind the block, and no longer in `reports`. AssertionError if there are none.
        """
        found: list[BaseException] = []
        before = len(self.reports)
        yield found
        for report in self.reports[before:]:
            error = report[1]
            if isinstance(error, kind) and re.search(match, str(error)):
                self.reports.remove(report)
                found.append(error)
        if not found:
            others = [text for text, _ in self.reports[before:]]
            what = f"{kind.__name__} with {match!r}" if match else kind.__name__
            raise AssertionError(f"no handler failed with {what}; reported was: {'; '.join(others) or 'nothing'}")

    def running(self) -> list[str]:
        """Name the asynchronous functions that have not ended, but for those of `on_start`."""
        return [
            task.get_name() for task, asker in self._tasks.items() if not isinstance(_asker_behind(asker), Background)
        ]

    def close(self) -> list[str]:
        """End it after its servers, and return what still runs on its loop, which ends now; they may have another."""
        self._is_over = True
        return [] if self._loop is None else self._loop.end()

    def is_over(self, *, idle: bool) -> bool:
        """Tell whether it is closed."""
        return self._is_over

    def settle(self) -> None:
        """Let asynchronous functions go on until they wait for time or for a client; this happens by itself.

        It is of use after the test itself has done what one of them waits for, such as setting an `asyncio.Event`.
        """
        self._catch_up()
        while self._loop is not None and self._loop.is_waiting and not self.is_running:
            self.hold(self._loop.turn)

    def finish(
        self,
        timeout: float,
        done: Callable[[], object],
        *,
        awaited: Pending[Any] | None = None,
        unwanted: Asker | None = None,
    ) -> None:
        """Wait for asynchronous functions, cancel those that need longer, then call `done`.

        One that waits for `awaited`, which `done` is to bring about, is not waited for.
        """
        if self.later and self.is_running and self._later:  # calls that have not begun yet
            self.soon(lambda: self.finish(timeout, done, awaited=awaited, unwanted=unwanted))
            return
        self.settle()
        tasks = {task for task in self._tasks if awaited is None or self._attending.get(task) is not awaited}
        for task in tasks:
            if _asker_behind(self._tasks[task]) is unwanted:
                task.cancel()
        if not tasks or self._loop is None:
            done()
            return
        ending = asyncio.Task(_end(tasks, timeout), loop=self._loop)
        ending.add_done_callback(lambda _: done())
        self.settle()

    def _own_loop(self) -> ClockLoop:
        if self._loop is None:
            self._loop = ClockLoop(self.now)
        return self._loop

    def _ring(self, end: float | None) -> bool:
        """Go to the next moment at which something happens; False if there is none until `end`."""
        timer = None if self._loop is None else self._loop.next_timer()
        moments = [at for at in (timer, self.next_alarm()) if at is not None]
        if not moments or (end is not None and min(moments) > end):
            return False
        self.time = max(self.time, min(moments))
        for owner, (at, function) in tuple(self._alarms.items()):
            if at <= self.time and self._alarms.get(owner) == (at, function):
                del self._alarms[owner]
                function()
        if self._loop is not None:
            self._loop.ring()
        self.settle()
        return True


class _Answer:
    """Passes the result of a call to an asker whose `later` has been called already."""

    __slots__ = ("_asker", "answered", "failed")

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.answered, self.failed = asker.answered, asker.failed

    def later(self, token: Any) -> "_Answer":
        return self


class _Witness:
    """Passes the result of a call to an asker, and records what the function raised."""

    __slots__ = ("_asker", "_raised")

    def __init__(self, asker: Asker, raised: list[BaseException]) -> None:
        self._asker = asker
        self._raised = raised

    def answered(self, token: Any, result: Any) -> None:
        self._asker.answered(token, result)

    def failed(self, token: Any, error: BaseException) -> None:
        self._raised.append(error)
        self._asker.failed(token, error)

    def later(self, token: Any) -> "Asker":
        return _Witness(self._asker.later(token), self._raised)


def _asker_behind(asker: Asker) -> Asker:
    """Return the core's own asker of a call."""
    while isinstance(asker, _Witness | _Answer):
        asker = asker._asker
    return asker


async def _end(tasks: set[asyncio.Task[None]], timeout: float) -> None:
    _, late = await asyncio.wait(tasks, timeout=timeout)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=1)
