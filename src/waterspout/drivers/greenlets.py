"""Greenlets that run functions for a hub, one after the other.

How it works: a `Runner` waits for a call; `Runners.run` gives it one, and is back when the function has ended or waits
for something. Then the asker is told that it goes on, and the runner is among the `blocked`. While others wait, more
runners are made, up to `limit`; above that, calls wait in their order. A hundred that have nothing to do are kept.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import gevent
from greenlet import getcurrent, greenlet

from ..engine import INTERRUPTS, Pending
from ..engine.driver import Asker
from .system import PLAIN, discard, is_asynchronous, name_of

_KEPT = 100  # runners that wait for a call


class Runners:
    """The runners of one hub; `changed` is called when a function has ended."""

    def __init__(self, hub: Any, limit: int, changed: Callable[[], object]) -> None:
        self.limit = limit
        self.blocked: dict[Runner, Asker] = {}
        self._hub = hub
        self._changed = changed
        self._idle: list[Runner] = []
        self._count = 0
        self._starting = 0  # calls that begin in the next turn
        self._waiting: deque[_Call] = deque()  # for a runner

    @property
    def busy(self) -> int:
        """How many functions have begun, or wait for a runner, and have not ended."""
        return self._count - len(self._idle) + self.waiting

    @property
    def waiting(self) -> int:
        """How many functions have not begun."""
        return len(self._waiting) + self._starting

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call a function: at once from the hub; from a greenlet, which goes on meanwhile, in the hub's next turn."""
        if getcurrent() is not self._hub:
            self._starting += 1
            self._hub.loop.run_callback(self._begin, _Call(function, args, asker.later(token), token))
            return
        runner = self._idle.pop() if self._idle else self._new()
        if runner is None:
            self._waiting.append(_Call(function, args, asker.later(token), token))
            return
        runner.call = call = _Call(function, args, asker, token)
        runner.switch()
        if runner.call is call:
            call.asker = self.blocked[runner] = asker.later(token)

    def end(self, runner: "Runner") -> None:
        """End the function of a runner in the next turn: it is told by `AtTheEnd`."""
        gevent.kill(runner, AtTheEnd)

    # What a runner calls

    def next_call(self, runner: "Runner") -> bool:
        """Give a runner whose call has ended another, or False if it is not needed any more."""
        self.blocked.pop(runner, None)
        self._changed()
        if self._waiting:
            runner.call = self._waiting.popleft()
            self.blocked[runner] = runner.call.asker
            return True
        if len(self._idle) >= _KEPT:
            return False
        self._idle.append(runner)
        while runner.call is None:
            with suppress(BaseException):  # an exception for the function that has ended, such as of gevent.Timeout
                self._hub.switch()
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
        return Runner(self, self._hub)

    def _begin(self, call: "_Call") -> None:
        """Begin a call whose asker knows already that it goes on."""
        self._starting -= 1
        runner = self._idle.pop() if self._idle else self._new()
        if runner is None:
            self._waiting.append(call)
            return
        runner.call = call
        runner.switch()
        if runner.call is call:
            self.blocked[runner] = call.asker
        self._changed()


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

    def __init__(self, runners: Runners, hub: Any) -> None:
        super().__init__(parent=hub)
        self._runners = runners

    def run(self) -> None:
        """Perform calls while there are any."""
        try:
            while True:
                assert self.call is not None
                self._perform(self.call, self.call.function, self.call.asker, self.call.token)
                if not self._runners.next_call(self):
                    return
        finally:
            self._runners.gone(self)

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
