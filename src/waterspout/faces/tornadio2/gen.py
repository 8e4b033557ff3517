"""Methods that wait with `yield`: in order (`sync_engine`), or all at once (`engine`).

    @gen.sync_engine
    def on_message(self, query):
        response = yield gen.Task(http_client.fetch, url + query)
        self.send(response.body)

A method runs at once, up to the first result that is not there yet; until then no loop is needed. A decorated method
returns what the generator returned if it has ended by then, and else an `Outcome`, which can be yielded or awaited.
"""

from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from functools import partial, wraps
from inspect import isawaitable
from types import GeneratorType
from typing import Any

from ...engine import INTERRUPTS
from .runner import KeyReuseError, LeakedCallbackError, Runner, UnknownKeyError
from .yieldpoints import Arguments, Callback, Multi, Outcome, Task, Wait, WaitAll, YieldPoint

__all__ = [
    "Arguments",
    "Callback",
    "KeyReuseError",
    "LeakedCallbackError",
    "Multi",
    "Outcome",
    "Runner",
    "SyncRunner",
    "Task",
    "UnknownKeyError",
    "Wait",
    "WaitAll",
    "YieldPoint",
    "engine",
    "follow",
    "sync_engine",
]


class SyncRunner(Runner):
    """A runner that tells when its generator has ended, whether well or not."""

    def __init__(self, gen: Generator[Any, Any, Any], callback: Callable[[], object]) -> None:
        super().__init__(gen)
        self._callback = callback

    def run(self) -> None:
        """Go on until the generator has to wait; at its end the callback is called, once."""
        if self.finished:
            return
        try:
            super().run()
        finally:
            if self.finished:
                self._callback()


def engine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Drive the generators of a function; the calls run side by side, and may end in any order."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outcome = Outcome()
        _call(outcome, partial(func, *args, **kwargs))
        return outcome.hand_over()

    return wrapper


def sync_engine(func: Callable[..., Any]) -> Callable[..., Any]:
    """Drive the generators of a method; for each object, a call begins when the one before it has ended.

    The loop is not blocked meanwhile. A method that is not a generator itself may return one, as an `on_event` does
    that passes its arguments on.
    """

    @wraps(func)
    def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        queues: dict[Any, _Queue] = self.__dict__.setdefault("_call_queue", {})
        return queues.setdefault(func, _Queue()).call(partial(func, self, *args, **kwargs))

    return wrapper


def follow(result: Any) -> Outcome:
    """Return what becomes of what a handler has returned: a value, a generator, or something that can be awaited.

    A generator begins at once. What it raises is the outcome's error, and is not raised here.
    """
    outcome = Outcome()
    _settle(outcome, result)
    return outcome


class _Queue:
    """The calls of one method of one object, of which one runs."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Context, Outcome, Callable[[], Any]]] = deque()
        self._is_running = False
        self._is_advancing = False

    def call(self, function: Callable[[], Any]) -> Any:
        outcome = _QueuedOutcome(self)
        self._waiting.append((copy_context(), outcome, function))
        self._advance()
        return outcome.hand_over()

    def release(self) -> None:
        """The call that ran has ended, and those who waited for it have been told."""
        self._is_running = False
        self._advance()

    def _advance(self) -> None:
        """Run what waits, until one of them waits itself."""
        if self._is_advancing:  # or else a thousand calls that end at once would be as many frames deep
            return
        self._is_advancing = True
        try:
            while self._waiting and not self._is_running:
                self._is_running = True
                context, outcome, function = self._waiting.popleft()
                context.run(_call, outcome, function)
        finally:
            self._is_advancing = False


class _QueuedOutcome(Outcome):
    """The outcome of a call that others wait behind."""

    __slots__ = ("_queue",)

    def __init__(self, queue: _Queue) -> None:
        super().__init__()
        self._queue = queue

    def _settle(self) -> None:
        try:
            super()._settle()
        finally:
            self._queue.release()


class _OutcomeRunner(Runner):
    """A runner that tells an outcome what has become of its generator."""

    def __init__(self, gen: Generator[Any, Any, Any], outcome: Outcome) -> None:
        super().__init__(gen)
        self._outcome = outcome

    def run(self) -> None:
        if self.running or self.finished:
            return
        try:
            super().run()
        except BaseException as error:
            self._outcome.reject(error)
            if isinstance(error, INTERRUPTS):
                raise
        else:
            if self.finished:
                self._outcome.resolve(self.value)


def _call(outcome: Outcome, function: Callable[[], Any]) -> None:
    try:
        result = function()
    except BaseException as error:
        outcome.reject(error)
        if isinstance(error, INTERRUPTS):
            raise
    else:
        _settle(outcome, result)


def _settle(outcome: Outcome, result: Any) -> None:
    if isawaitable(result):
        result = _wait_for(result)
    if isinstance(result, GeneratorType):
        _OutcomeRunner(result, outcome).run()
    else:
        outcome.resolve(result)


def _wait_for(awaitable: Any) -> Generator[Any, Any, Any]:
    return (yield awaitable)
