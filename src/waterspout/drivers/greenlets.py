"""Greenlets that run functions for a hub, one after the other.

How it works: a `Runner` waits for a call; `Runners.run` gives it one, and is back when the function has ended or waits
for something. Then the asker is told that it goes on, and the runner is among the `blocked`. While others wait, more
runners are made, up to `limit`; above that, calls wait in their order. A hundred that have nothing to do are kept.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any

import gevent
from greenlet import getcurrent, greenlet

from ..engine import INTERRUPTS, Pending
from ..engine.driver import Asker
from .system import PLAIN, discard, is_asynchronous, name_of

_KEPT = 100  # runners that wait for a call


class Runners:
    """The runners of one hub; `changed` is called when a function that others wait for has ended."""

    def __init__(self, hub: Any, limit: int, changed: Callable[[], object]) -> None:
        self.limit = limit
        self.blocked: dict[Runner, Asker] = {}
        self.hub = hub
        self._changed = changed
        self.idle: list[Runner] = []
        self._count = 0
        self._starting = 0  # calls that begin in the next turn
        self._waiting: deque[Call] = deque()  # for a runner

    @property
    def busy(self) -> int:
        """How many functions have begun, or wait for a runner, and have not ended."""
        return self._count - len(self.idle) + self.waiting

    @property
    def waiting(self) -> int:
        """How many functions have not begun."""
        return len(self._waiting) + self._starting

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a function: at once from the hub; from a greenlet, which goes on meanwhile, in the hub's next turn."""
        if getcurrent() is not self.hub:
            self._starting += 1
            self.hub.loop.run_callback(self._begin, ((function, args, token), asker.later(token)))
            return
        runner = self.idle.pop() if self.idle else self._new()
        if runner is None:
            self._waiting.append(((function, args, token), asker.later(token)))
            return
        runner.work, runner.asker = (function, args, token), asker
        runner.switch()
        if runner.asker is not None and runner not in self.blocked:
            runner.asker = self.blocked[runner] = asker.later(token)

    def end(self, runner: "Runner") -> None:
        """End the function of a runner in the next turn: it is told by `AtTheEnd`."""
        gevent.kill(runner, AtTheEnd)

    def drop_waiting(self) -> None:
        """Let the calls fail that have not begun, because the server ends."""
        while self._waiting:
            (function, _, token), asker = self._waiting.popleft()
            asker.failed(token, TimeoutError(f"{name_of(function)} had not begun at the end"))

    # What a runner calls

    def next_call(self, runner: "Runner") -> bool:
        """Give a runner whose call has ended another if one waits; tell whether it is needed any more."""
        if self.blocked.pop(runner, None) is not None:
            self._changed()
        if self._waiting:
            runner.work, runner.asker = self._waiting.popleft()
            self.blocked[runner] = runner.asker
        elif len(self.idle) < _KEPT:
            self.idle.append(runner)
        else:
            return False
        return True

    def gone(self, runner: "Runner") -> None:
        """Forget a runner that ends."""
        self.blocked.pop(runner, None)
        self._count -= 1
        self._changed()

    # Below this line: how it is done

    def _new(self) -> "Runner | None":
        if self._count >= self.limit:
            return None
        self._count += 1
        return Runner(self, self.hub)

    def _begin(self, call: "Call") -> None:
        """Begin a call whose asker knows already that it goes on."""
        self._starting -= 1
        runner = self.idle.pop() if self.idle else self._new()
        if runner is None:
            self._waiting.append(call)
            return
        runner.work, runner.asker = call
        runner.switch()
        if runner.asker is not None and runner not in self.blocked:
            self.blocked[runner] = runner.asker
        self._changed()


Work = tuple[Callable[..., Any], Sequence[Any], Any]
"""A function, its arguments, and the token of the asker."""

Call = tuple[Work, Asker]
"""Work, and who wants its result."""


class AtTheEnd(gevent.GreenletExit):
    """Ends a function that is still running when the server has ended."""


class Runner(greenlet):
    """A greenlet that performs one call after the other; `asker` is None between them."""

    __slots__ = ("_runners", "asker", "work")

    def __init__(self, runners: Runners, hub: Any) -> None:
        super().__init__(parent=hub)
        self._runners = runners
        self.asker: Any = None
        self.work: Work | None = None  # until it has begun: a runner that is idle keeps nothing of a client

    def run(self) -> None:
        """Perform calls while there are any."""
        runners = self._runners
        wait = greenlet.switch.__get__(runners.hub)  # without the hooks of gevent's own, which this needs not
        try:
            while True:
                self._perform(self.asker)
                if not runners.next_call(self):
                    return
                while self.asker is None:
                    try:
                        wait()
                    except BaseException:  # for the function that has ended, as a late gevent.Timeout
                        pass
        finally:
            runners.gone(self)

    def _perform(self, asker: Asker) -> None:
        """Do the work, and tell the asker, which may be another one by then, what came of it.

        The guard (`lag`) reads these names.
        """
        function, args, token = self.work  # type: ignore[misc]
        self.work = None
        try:
            if len(args) == 2:  # a star takes longer, and nearly all have a socket and one argument
                result = copy_context().run(function, args[0], args[1])
            else:
                result = copy_context().run(function, *args)
            if type(result) not in PLAIN:
                result = _settled(result, function)
        except BaseException as error:
            asker, self.asker = self.asker, None
            asker.failed(token, _told(error, function))
            if isinstance(error, INTERRUPTS):
                raise
        else:
            asker, self.asker = self.asker, None
            asker.answered(token, result)


def _told(error: BaseException, function: Any) -> BaseException:
    """Return what is told of a function that has failed."""
    if isinstance(error, AtTheEnd):
        return TimeoutError(f"{name_of(function)} was still running at the end, and was ended")
    return error


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
