"""The driver for gevent: users' functions run in greenlets, and may block.

How it works: the hub runs the core; so it must never wait. It hands each call to a `Runner`, a greenlet that waits for
one: control is back when the function has ended or waits for something. A function that has ended at once has cost two
switches and no new greenlet. While others wait, more runners are made, up to `greenlets`; a hundred are kept.

Greenlets call the core as well, in their own turn: no verb of the core waits, so nothing comes between. What the core
asks of users' functions meanwhile begins in the next turn of the hub, for it must not wait in the middle either.

Lines of the log are written by a greenlet, in their order: handlers of Python's logging may wait for locks and sockets.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVarTuple

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from greenlet import getcurrent, greenlet

from ..engine import INTERRUPTS, Pending
from ..engine.driver import Asker, Layer, Level
from ..server.arguments import Arguments
from .lag import LagGuard
from .log import write
from .natives import Natives
from .system import LOGGERS, PLAIN, SystemDriver, discard, is_asynchronous, name_of
from .threads import ThreadPool, call_threaded, threaded_asker

Args = TypeVarTuple("Args")

GREENLETS = 10_000
"""The `greenlets` of a new driver."""

_KEPT = 100  # greenlets that wait for a call
_LAST_WORDS = 1.0  # s that a function has to tidy up, when it is ended
_CLOSED = "the hub that served this server is destroyed, and its clients are gone: stop your threads before it ends"


class GeventDriver(SystemDriver):
    """Runs functions in greenlets of the hub of this thread. `greenlets`: how many of them may wait at once.

    An asynchronous function fails with TypeError: greenlets have no asyncio loop.
    """

    orders = True
    runs_coroutines = False

    def __init__(self) -> None:
        super().__init__()
        self.greenlets = GREENLETS
        self.hub = gevent.get_hub()
        self._thread = _NATIVES.get_ident()
        self._idle: list[Runner] = []
        self._count = 0  # of runners
        self._waiting: deque[_Call] = deque()  # for a runner
        self._blocked: dict[Runner, Asker] = {}  # whose function waits for something
        self._attending: dict[greenlet, Pending[Any]] = {}
        self._starting = 0  # calls that begin in the next turn
        self._changed: Event | None = None
        self._timer: Any = None
        self._pool: ThreadPool | None = None
        self._records: deque[tuple[logging.Logger, logging.LogRecord]] = deque()
        self._writer: greenlet | None = None
        self._guard = LagGuard(self, _ENTRIES, _GuardedHub(self.hub), _NATIVES)
        self.hub.loop.run_callback(self._guard.start)

    @property
    def busy(self) -> int:
        """How many functions have begun, or wait for a greenlet, and have not ended."""
        return self._count - len(self._idle) + len(self._waiting)

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function in a greenlet: at once from the hub, else in its next turn."""
        if getcurrent() is not self.hub:
            self._starting += 1
            self.hub.loop.run_callback(self._begin, _Call(function, args, asker.later(token), token))
            return
        if self._idle:
            runner = self._idle.pop()
        elif self._count < self.greenlets:
            self._count += 1
            runner = Runner(self)
        else:
            self._waiting.append(_Call(function, args, asker.later(token), token))
            return
        runner.call = call = _Call(function, args, asker, token)
        runner.switch()
        if runner.call is call:
            call.asker = self._blocked[runner] = asker.later(token)

    def _begin(self, call: "_Call") -> None:
        """Begin a call whose asker knows that it is asynchronous."""
        self._starting -= 1
        if self._idle or self._count < self.greenlets:
            if self._idle:
                runner = self._idle.pop()
            else:
                self._count += 1
                runner = Runner(self)
            runner.call = call
            runner.switch()
            if runner.call is call:
                self._blocked[runner] = call.asker
        else:
            self._waiting.append(call)
        self._look()

    def run_threaded(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a plain function in one of at most `threads` threads of the system's."""
        if self._pool is None:
            self._pool = ThreadPool(self.soon, _NATIVES)
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
        return _NATIVES.get_ident() != self._thread

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
            return None if current.call is None else current.call.asker
        return threaded_asker()

    def block(self, pending: Pending[Any], timeout: float | None) -> bool:
        """Block this greenlet, or another thread, until the pending is done; RuntimeError in the hub."""
        current = getcurrent()
        if current is self.hub:
            raise RuntimeError("wait() would block the hub: call it in a handler or another greenlet")
        if self.foreign():
            return self._block_thread(pending, timeout)
        done = Event()

        def wake(pending: Pending[Any]) -> None:
            done.set()

        pending.add_done_callback(wake)
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
        for runner, asker in self._blocked.items():
            if asker is unwanted and (awaited is None or self._attending.get(runner) is not awaited):
                self._end(runner)
        gevent.spawn(self._finish, timeout, done, awaited)

    # Below this line: how it is done

    def next_call(self, runner: "Runner") -> bool:
        """Called by a runner whose call has ended: give it another, or False if it is not needed any more."""
        self._blocked.pop(runner, None)
        self._look()
        if self._waiting:
            runner.call = self._waiting.popleft()
            self._blocked[runner] = runner.call.asker
            return True
        if len(self._idle) >= _KEPT:
            return False
        self._idle.append(runner)
        while runner.call is None:
            with suppress(BaseException):  # an exception for the function that has ended, such as of gevent.Timeout
                self.hub.switch()
        return True

    def gone(self, runner: "Runner") -> None:
        """Called by a runner at its end."""
        self._blocked.pop(runner, None)
        self._count -= 1
        self._look()

    def _block_thread(self, pending: Pending[Any], timeout: float | None) -> bool:
        done = _NATIVES.event()

        def wake(pending: Pending[Any]) -> None:
            done.set()

        self.soon(pending.add_done_callback, wake)
        if done.wait(timeout):
            return True
        self.soon(pending.remove_done_callback, wake)
        return False

    def _others(self, awaited: Pending[Any] | None) -> list["Runner"]:
        """Return the runners whose functions are to be waited for."""
        return [runner for runner in self._blocked if awaited is None or self._attending.get(runner) is not awaited]

    def _look(self) -> None:
        """Tell who waits for the end that something has changed."""
        if self._changed is not None:
            self._changed.set()

    def _finish(self, timeout: float, done: Callable[[], object], awaited: Pending[Any] | None) -> None:
        self._wait_until(lambda: self._is_quiet(awaited), timeout)
        late = self._others(awaited)
        for runner in late:
            self._end(runner)
        if late:
            self._wait_until(lambda: not self._others(awaited), _LAST_WORDS)
        self._guard.stop()
        if self._pool is not None:
            self._pool.close()
        self._wait_until(lambda: not self._records, _LAST_WORDS)
        done()

    def _is_quiet(self, awaited: Pending[Any] | None) -> bool:
        threads_are_busy = self._pool is not None and self._pool.is_busy
        return not (self._starting or self._waiting or threads_are_busy or self._others(awaited))

    def _wait_until(self, is_so: Callable[[], bool], timeout: float) -> None:
        end = self.now() + timeout
        changed = self._changed = Event()
        if self._pool is not None:
            self._pool.when_idle(changed.set)
        while not is_so() and (left := end - self.now()) > 0:
            changed.wait(left)
            changed.clear()

    def _end(self, runner: "Runner") -> None:
        gevent.kill(runner, AtTheEnd)

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


class AtTheEnd(gevent.GreenletExit):
    """Ends a function that is still running when the server has ended."""


class _Call:
    """A function, and who wants its result."""

    __slots__ = ("args", "asker", "function", "token")

    def __init__(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        self.function = function
        self.args = args
        self.asker = asker
        self.token = token


class Runner(greenlet):
    """A greenlet that performs one call after the other; `call` is the one that has not ended."""

    call: _Call | None = None

    def __init__(self, driver: GeventDriver) -> None:
        super().__init__(parent=driver.hub)
        self._driver = driver

    def run(self) -> None:
        """Perform calls while there are any."""
        try:
            while True:
                assert self.call is not None
                self._perform(self.call, self.call.function, self.call.asker, self.call.token)
                if not self._driver.next_call(self):
                    return
        finally:
            self._driver.gone(self)

    def _perform(self, call: _Call, function: Callable[..., Any], asker: Asker, token: Any) -> None:
        """Call the function, and tell the asker, which may be another one by then, what came of it.

        The guard (`lag`) reads the names of these arguments.
        """
        try:
            result = copy_context().run(function, *call.args)
            if type(result) not in PLAIN:
                result = _settled(result, function)
        except BaseException as error:
            self.call = None
            if isinstance(error, AtTheEnd):
                call.asker.failed(
                    token, TimeoutError(f"{name_of(function)} was still running at the end, and was ended")
                )
                return
            call.asker.failed(token, error)
            if isinstance(error, INTERRUPTS):
                raise
        else:
            self.call = None
            call.asker.answered(token, result)


def _settled(result: Any, function: Callable[..., Any]) -> Any:
    """Return the result of a `Pending`, as of `socket.join`; TypeError for what has to be awaited."""
    if isinstance(result, Pending):
        return result.wait()
    if is_asynchronous(result):
        discard(result)
        raise TypeError(
            f"{name_of(function)} is asynchronous, and greenlets have no event loop: write a plain function"
        )
    return result


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


class _GeventNatives(Natives):
    """The system's own threads, also after `gevent.monkey.patch_all`."""

    get_ident: Callable[[], int] = staticmethod(get_original("_thread", "get_ident"))
    queue: Callable[[], Any] = get_original("queue", "SimpleQueue")

    def event(self) -> "_NativeEvent":
        return _NativeEvent()

    def begin(self, function: Callable[[], object], name: str) -> None:
        get_original("_thread", "start_new_thread")(function, ())


class _NativeEvent:
    """A lock that is taken until `set`."""

    def __init__(self) -> None:
        self._lock = get_original("_thread", "allocate_lock")()
        self._lock.acquire()

    def set(self) -> None:
        with suppress(RuntimeError):  # it was set before
            self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        is_set: bool = self._lock.acquire(timeout=-1 if timeout is None else timeout)
        if is_set:
            self.set()
        return is_set


_NATIVES = _GeventNatives()
_ENTRIES = (Runner._perform.__code__, Arguments.convert.__code__, call_threaded.__code__)
