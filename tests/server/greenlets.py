"""A clock whose calls of users' functions run in greenlets of gevent's driver, so that they may block."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

import gevent
from gevent.event import Event
from greenlet import getcurrent

from server.later import Later
from waterspout.drivers.gevent import GeventDriver
from waterspout.drivers.greenlets import Runner
from waterspout.drivers.system import is_asynchronous
from waterspout.engine import Asker, Pending
from waterspout.testing import Clock

Args = TypeVarTuple("Args")
R = TypeVar("R")


class GreenletClock(Clock):
    """The core runs in the hub, as behind a host; the test is a greenlet like those of an application."""

    def __init__(self, start: float = 1000.0, *, later: bool | None = None) -> None:
        super().__init__(start, later=later)
        self.greenlets = GeventDriver()
        self.greenlets.slow_handler = None
        self._timers: list[tuple[float, Event | _Ending]] = []
        self._ending: _Ending | None = None

    def perform(self, function: Callable[[*Args], R], *args: *Args) -> R:
        result = self._in_hub(super().perform, function, *args)
        self.settle()
        return result

    def hold(self, function: Callable[[*Args], object], *args: *Args) -> None:
        self._in_hub(super().hold, function, *args)

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        self._in_hub(super().soon, function, *args)
        self.settle()

    def settle(self) -> None:
        super().settle()
        if getcurrent() is not self.greenlets.hub and not isinstance(getcurrent(), Runner):
            for _ in range(4):
                gevent.sleep(0)
            if self._ending is not None and self._ending.is_so():
                self._ending.set()

    def block(self, pending: Pending[Any], timeout: float | None) -> bool:
        if not isinstance(getcurrent(), Runner):
            return super().block(pending, timeout)
        done = Event()
        pending.add_done_callback(lambda _: done.set())
        if timeout is not None:
            self._timers.append((self.time + timeout, done))
        done.wait()
        return pending.done

    def finish(
        self,
        timeout: float,
        done: Callable[[], object],
        *,
        awaited: Pending[Any] | None = None,
        unwanted: Asker | None = None,
    ) -> None:
        def end() -> None:
            self._ending = None
            super(GreenletClock, self).finish(max(0.0, late - self.time), done, awaited=awaited, unwanted=unwanted)

        late = self.time + timeout
        if self.greenlets._others(awaited) and self._ending is None:
            self._ending = _Ending(lambda: not self.greenlets._others(awaited), end)
            self._timers.append((late, self._ending))
        else:
            end()

    def asker(self) -> Asker | None:
        return self.greenlets.asker() or super().asker()

    def _in_hub(self, function: Callable[[*Args], R], *args: *Args) -> R:
        if getcurrent() is self.greenlets.hub or isinstance(getcurrent(), Runner):
            return function(*args)
        came: list[Any] = []

        def call() -> None:
            try:
                came.extend((function(*args), None))
            except BaseException as error:
                came.extend((None, error))

        self.greenlets.hub.loop.run_callback(call)
        while not came:
            gevent.sleep(0)
        if came[1] is not None:
            raise came[1]
        result: R = came[0]
        return result

    def _answer(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        awaitables: list[Any] = []

        def call(*args: Any) -> Any:
            result = function(*args)
            if is_asynchronous(result) and not isinstance(result, Pending):
                awaitables.append(result)
                return None
            return result

        self.greenlets.run(call, args, _Awaiting(self, function, asker, awaitables), token)

    def _ring(self, end: float | None) -> bool:
        due = [at for at, _ in self._timers if end is None or at <= end]
        alarm = self.next_alarm()
        if due and (alarm is None or min(due) < alarm):
            self.time = max(self.time, min(due))
            for timer in [one for one in self._timers if one[0] <= self.time]:
                self._timers.remove(timer)
                timer[1].set()
            self.settle()
            return True
        return super()._ring(end)


class _Ending:
    """What comes when no greenlet is left that is waited for, or at its time."""

    def __init__(self, is_so: Callable[[], bool], function: Callable[[], object]) -> None:
        self.is_so = is_so
        self._function: Callable[[], object] | None = function

    def set(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()


class _Awaiting:
    """Lets the clock carry on what a function has returned that is asynchronous, of which greenlets know nothing."""

    def __init__(self, clock: GreenletClock, function: Any, asker: Asker, awaitables: list[Any]) -> None:
        self._clock, self._function, self._asker, self._awaitables = clock, function, asker, awaitables

    def answered(self, token: Any, result: Any) -> None:
        if self._awaitables:
            self._clock.start(self._awaitables[0], self._function, self._asker, token)
            self._clock.settle()
        else:
            self._asker.answered(token, result)

    def failed(self, token: Any, error: BaseException) -> None:
        self._asker.failed(token, error)

    def later(self, token: Any) -> Asker:
        return _Awaiting(self._clock, self._function, self._asker.later(token), self._awaitables)


class LateGreenletClock(GreenletClock):
    """The same where a `Later` that a function returns blocks its greenlet until the test says what it answers."""

    def _answer(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        def call(*args: Any) -> Any:
            result = function(*args)
            return _Blocked(self, result).wait() if isinstance(result, Later) else result

        super()._answer(call, args, asker, token)


class _Blocked:
    """Waits in a greenlet for what a `Later` answers."""

    def __init__(self, clock: GreenletClock, later: Later) -> None:
        self._came = Event()
        self._result: Any = None
        self._error: BaseException | None = None
        later.begin(clock, self, None)

    def wait(self) -> Any:
        self._came.wait()
        if self._error is not None:
            raise self._error
        return self._result

    def answered(self, token: Any, result: Any) -> None:
        self._result = result
        self._came.set()

    def failed(self, token: Any, error: BaseException) -> None:
        self._error = error
        self._came.set()

    def later(self, token: Any) -> Asker:
        return self
