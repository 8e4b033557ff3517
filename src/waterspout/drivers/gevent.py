"""The driver for gevent: users' functions run in greenlets, and may block.

How it works: the hub runs the core; so it must never wait. It hands each call to a greenlet that waits for one
(greenlets.py). A function that does not wait costs two switches and no new greenlet.

Greenlets call the core as well, in their own turn: no verb of the core waits, so nothing comes between. What the core
asks of users' functions meanwhile begins in the next turn of the hub, for it must not wait in the middle either.

Lines of the log are written by a greenlet, in their order: handlers of Python's logging may wait for locks and sockets.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVarTuple

import gevent
from gevent.event import Event
from greenlet import getcurrent, greenlet

from ..engine import Pending
from ..engine.driver import Asker, Layer, Level
from ..server.arguments import Arguments
from .geventlogging import share_logging
from .geventnatives import NATIVES
from .greenlets import Runner, Runners
from .lag import LagGuard, call_guarded
from .log import write
from .system import LOGGERS, SystemDriver
from .threads import ThreadPool, block_thread, call_threaded, threaded_asker

Args = TypeVarTuple("Args")

GREENLETS = 10_000
"""The `greenlets` of a new driver."""

_LAST_WORDS = 1.0  # s that a function has to tidy up, when it is ended
_CLOSED = "the hub that served this server is destroyed, and its clients are gone: stop your threads before it ends"


class GeventDriver(SystemDriver):
    """Runs functions in greenlets of the hub of this thread: at once from the hub, from a greenlet in the next turn.

    An asynchronous function fails with TypeError: greenlets have no asyncio loop.
    """

    orders = True
    runs_coroutines = False

    def __init__(self) -> None:
        super().__init__()
        share_logging()
        self.hub = gevent.get_hub()
        self._thread = NATIVES.get_ident()
        self._runners = Runners(self.hub, GREENLETS, self._look)
        self.run = self._runners.run
        self._attending: dict[greenlet, Pending[Any]] = {}
        self._changed: Event | None = None
        self._timer: Any = None
        self._pool: ThreadPool | None = None
        self._records: deque[tuple[logging.Logger, logging.LogRecord]] = deque()
        self._writer: greenlet | None = None
        self._guard = LagGuard(self, _ENTRIES, _GuardedHub(self.hub), NATIVES)
        self.hub.loop.run_callback(self._guard.start)

    @property
    def greenlets(self) -> int:
        """How many functions may be running at once; more wait in their order."""
        return self._runners.limit

    @greenlets.setter
    def greenlets(self, greenlets: int) -> None:
        self._runners.limit = greenlets

    @property
    def busy(self) -> int:
        """How many functions have begun, or wait for a greenlet or a thread, and have not ended."""
        return self._runners.busy + (0 if self._pool is None else self._pool.busy)

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function in one of at most `threads` threads of the system's."""
        if self._pool is None:
            self._pool = ThreadPool(self.soon, NATIVES)
        self._pool.submit(self.threads, self.around_thread_call, function, args, asker.later(token), token)

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        """Call the function in the next turn of the hub; from any thread. RuntimeError once the hub is destroyed."""
        loop = self.hub.loop
        if loop is None:
            raise RuntimeError(_CLOSED)
        if self.foreign():
            loop.run_callback_threadsafe(function, *args)
        else:
            loop.run_callback(function, *args)

    def foreign(self) -> bool:
        """Tell whether the caller is on another thread than the hub; all greenlets of the hub are on its own."""
        return NATIVES.get_ident() != self._thread

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Set the hub's timer, the only one that the core needs."""
        if self._timer is not None:
            self._timer.close()
        self._timer = self.hub.loop.timer(max(0.0, at - self.now()))
        self._timer.start(function, update=True)

    def attend(self, pending: Pending[Any]) -> Generator[Any, Any, None]:
        """Refuse with RuntimeError: there is no asyncio loop."""
        raise RuntimeError("greenlets cannot await: call wait() of this")

    def asker(self) -> Asker | None:
        """Return who asked for the call that runs in this greenlet, or in a thread of the pool."""
        current = getcurrent()
        if isinstance(current, Runner):
            asker: Asker | None = current.asker
            return asker
        return threaded_asker()

    def block(self, pending: Pending[Any], timeout: float | None) -> bool:
        """Block this greenlet, or another thread, until the pending is done; RuntimeError in the hub."""
        current = getcurrent()
        if current is self.hub:
            raise RuntimeError("wait() would block the hub: call it in a handler or another greenlet")
        if self.foreign():
            return block_thread(self, pending, timeout, NATIVES)
        done = Event()

        def wake(pending: Pending[Any]) -> None:
            done.set()

        pending.when_done(wake)
        self._attending[current] = pending
        self._look()
        try:
            return done.wait(timeout)
        finally:  # also where the greenlet is killed, or gevent.Timeout is raised
            del self._attending[current]
            pending.remove_done_callback(wake)

    def is_over(self, *, idle: bool) -> bool:
        """Tell whether the hub is destroyed."""
        return self.hub.loop is None

    def report(self, text: str, error: BaseException | None = None) -> int:
        """Log it as an error of `waterspout.server`, with the traceback; return how many characters that has."""
        return write(LOGGERS[Layer.SERVER], Level.ERROR, "%s", text, error=error, handle=self._hand_over)

    def note(self, layer: Layer, level: Level, text: str, *values: object) -> None:
        """Log it."""
        write(LOGGERS[layer], level, text, *values, handle=self._hand_over)

    def finish(
        self,
        timeout: float,
        done: Callable[[], object],
        *,
        awaited: Pending[Any] | None = None,
        unwanted: Asker | None = None,
    ) -> None:
        """Wait for running functions and threads, end or leave behind those that need longer, then call `done`.

        A function that waits for `awaited`, which `done` is to bring about, is not waited for.
        """
        for runner, asker in self._runners.blocked.items():
            if asker is unwanted and (awaited is None or self._attending.get(runner) is not awaited):
                self._runners.end(runner)
        gevent.spawn(self._finish, timeout, done, awaited)

    # Below this line: how it is done

    def _others(self, awaited: Pending[Any] | None) -> list[Runner]:
        """Return the runners whose functions are to be waited for."""
        blocked, attending = self._runners.blocked, self._attending
        return [runner for runner in blocked if awaited is None or attending.get(runner) is not awaited]

    def _look(self) -> None:
        """Tell who waits for the end that something has changed."""
        if self._changed is not None:
            self._changed.set()

    def _finish(self, timeout: float, done: Callable[[], object], awaited: Pending[Any] | None) -> None:
        self._wait_until(lambda: self._is_quiet(awaited), timeout)
        self._runners.drop_waiting()
        late = self._others(awaited)
        for runner in late:
            self._runners.end(runner)
        if late:
            self._wait_until(lambda: not self._others(awaited), _LAST_WORDS)
        self._guard.stop()
        if self._pool is not None:
            self._pool.close()
        self._wait_until(lambda: not self._records, _LAST_WORDS)
        done()

    def _is_quiet(self, awaited: Pending[Any] | None) -> bool:
        threads_are_busy = self._pool is not None and self._pool.busy > 0
        return not (self._runners.waiting or threads_are_busy or self._others(awaited))

    def _wait_until(self, is_so: Callable[[], bool], timeout: float) -> None:
        end = self.now() + timeout
        changed = self._changed = Event()
        if self._pool is not None:
            self._pool.when_idle(changed.set)
        while not is_so() and (left := end - self.now()) > 0:
            changed.wait(left)
            changed.clear()

    def _hand_over(self, log: logging.Logger, record: logging.LogRecord) -> None:
        """Queue a line for the greenlet that writes; a thread writes by itself, also while the hub is blocked."""
        if self.foreign():
            log.handle(record)
            return
        filtered: Any = log.filter(record)
        if filtered:
            self._records.append((log, filtered if isinstance(filtered, logging.LogRecord) else record))
            if self._writer is None:
                self._writer = gevent.spawn(self._write)

    def _write(self) -> None:
        try:
            while self._records:
                log, record = self._records.popleft()
                log.callHandlers(record)
        finally:
            self._writer = None
            self._look()


class _GuardedHub:
    """The hub, as the guard of slow functions needs it."""

    def __init__(self, hub: Any) -> None:
        self._hub = hub

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> None:
        loop = self._hub.loop
        if loop is None:
            raise RuntimeError(_CLOSED)
        loop.run_callback_threadsafe(callback)

    def is_closed(self) -> bool:
        return self._hub.loop is None


_ENTRIES = (
    Runner._perform.__code__,
    Arguments.convert.__code__,
    call_threaded.__code__,
    call_guarded.__code__,
)
