"""Methods that wait with `yield`: in order (`sync_engine`), or all at once (`engine`).

    @gen.sync_engine
    def on_message(self, query):
        response = yield gen.Task(http_client.fetch, url + query)
        self.send(response.body)

A method runs at once, up to the first result that is not there yet; until then no loop is needed. A decorated method
returns what the generator returned if it has ended by then, and else an `Outcome`, which can be yielded or awaited.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Hashable
from contextvars import copy_context
from functools import partial, wraps
from inspect import isawaitable
from types import GeneratorType
from typing import Any

from tornado.gen import KeyReuseError, LeakedCallbackError, Return, UnknownKeyError

from ...engine import INTERRUPTS
from .yieldpoints import Arguments, Callback, Multi, Outcome, Task, Wait, WaitAll, YieldPoint, packed, point_of

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


class Runner:
    """Waits for what a generator yields, and sends the result back in.

    `run` begins, and goes on as far as it gets at once; callbacks and futures call it again. It raises what the
    generator raises. `finished` tells that the generator has ended, `value` is what it has returned.
    """

    def __init__(self, gen: Generator[Any, Any, Any]) -> None:
        self.gen = gen
        self.running = False
        self.finished = False
        self.value: Any = None
        self._awaited: YieldPoint = Outcome().resolve(None)
        self._context = copy_context()
        self._unanswered: set[Hashable] = set()
        self._answers: dict[Hashable, Any] = {}

    def run(self) -> None:
        """Go on until the generator has to wait, unless it runs already."""
        if self.running:
            return
        self.running = True
        try:
            while not self.finished and self._awaited.is_ready():
                self._step()
        finally:
            self.running = False

    def register_callback(self, key: Hashable) -> None:
        """Expect an answer for this key. Raises KeyReuseError."""
        if key in self._unanswered or key in self._answers:
            raise KeyReuseError(f"the key {key!r} is in use already")
        self._unanswered.add(key)

    def result_callback(self, key: Hashable) -> Callable[..., None]:
        """Return the function that is to be called with the answer for this key."""
        return lambda *args, **kwargs: self.set_result(key, packed(args, kwargs))

    def set_result(self, key: Hashable, result: Any) -> None:
        """Take the answer for this key, and go on; what comes after the first is ignored."""
        if key in self._unanswered:
            self._unanswered.remove(key)
            self._answers[key] = result
            self.run()

    def is_ready(self, key: Hashable) -> bool:
        """Tell whether the answer for this key is there. Raises UnknownKeyError."""
        if key not in self._unanswered and key not in self._answers:
            raise UnknownKeyError(f"no callback has the key {key!r}: yield Callback({key!r}) first")
        return key in self._answers

    def pop_result(self, key: Hashable) -> Any:
        """Return the answer for this key, which is free again; it must be ready."""
        return self._answers.pop(key)

    def _step(self) -> None:
        resume: Callable[[Any], Any]
        try:
            resume, value = self.gen.send, self._awaited.get_result()
        except (Exception, asyncio.CancelledError) as error:
            resume, value = self.gen.throw, error
        try:
            yielded = self._context.run(resume, value)
        except (StopIteration, Return) as end:
            self.finished, self.value = True, end.value
            if leaked := [*self._unanswered, *self._answers]:
                text = f"the generator has ended without waiting for the callbacks {leaked!r}"
                raise LeakedCallbackError(text) from None
        except BaseException:
            self.finished = True
            raise
        else:
            self._wait_for(yielded)

    def _wait_for(self, yielded: Any) -> None:
        try:
            self._awaited = point_of(yielded)
            self._context.run(self._awaited.start, self)
        except Exception as error:
            self._awaited = Outcome().reject(error)


class SyncRunner(Runner):
    """A runner that calls `callback` once, when its generator has ended, whether well or not."""

    def __init__(self, gen: Generator[Any, Any, Any], callback: Callable[[], object]) -> None:
        super().__init__(gen)
        self._callback = callback

    def run(self) -> None:
        if not self.finished:
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
        queue: _Queue = self.__dict__.setdefault("_call_queue", {}).setdefault(func, _Queue())
        outcome = Outcome(queue.release)
        queue.waiting.append(partial(copy_context().run, _call, outcome, partial(func, self, *args, **kwargs)))
        queue.advance()
        return outcome.hand_over()

    return wrapper


def follow(result: Any, outcome: Outcome | None = None) -> Outcome:
    """Return what becomes of what a handler has returned: a value, a generator, or something that can be awaited.

    A generator begins at once. What it raises is the outcome's error, and is not raised here.
    """
    outcome = outcome or Outcome()
    if isawaitable(result):
        result = _wait_for(result)
    if isinstance(result, GeneratorType):
        _OutcomeRunner(result, outcome).run()
    else:
        outcome.resolve(result)
    return outcome


class _Queue:
    """The calls of one method of one object, of which one runs."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], object]] = deque()
        self._is_running = self._is_advancing = False

    def release(self) -> None:
        """The call that ran has ended, and those who waited for it have been told."""
        self._is_running = False
        self.advance()

    def advance(self) -> None:
        """Run what waits, until one of them waits itself."""
        if self._is_advancing:  # or else a thousand calls that end at once would be as many frames deep
            return
        self._is_advancing = True
        try:
            while self.waiting and not self._is_running:
                self._is_running = True
                self.waiting.popleft()()
        finally:
            self._is_advancing = False


class _OutcomeRunner(Runner):
    """A runner that tells an outcome what has become of its generator, and raises nothing but interrupts."""

    def __init__(self, gen: Generator[Any, Any, Any], outcome: Outcome) -> None:
        super().__init__(gen)
        self._outcome = outcome

    def run(self) -> None:
        _attempt(self._outcome, super().run)
        if self.finished:
            self._outcome.resolve(self.value)


def _call(outcome: Outcome, function: Callable[[], Any]) -> None:
    result = _attempt(outcome, function)
    if not outcome.done:
        follow(result, outcome)


def _attempt(outcome: Outcome, function: Callable[[], Any]) -> Any:
    """Call a function; what it raises becomes the error of an outcome."""
    try:
        return function()
    except BaseException as error:
        outcome.reject(error)
        if isinstance(error, INTERRUPTS):
            raise


def _wait_for(awaitable: Any) -> Generator[Any, Any, Any]:
    return (yield awaitable)
