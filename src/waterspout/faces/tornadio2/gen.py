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
from contextvars import Context, copy_context
from functools import partial, wraps
from inspect import isawaitable
from types import GeneratorType
from typing import Any

from tornado.gen import Return

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


class KeyReuseError(Exception):
    """The generator has a callback of this key already."""


class UnknownKeyError(Exception):
    """The generator has no callback of this key."""


class LeakedCallbackError(Exception):
    """The generator has ended without waiting for one of its callbacks."""


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
    """A runner that tells when its generator has ended, whether well or not."""

    def __init__(self, gen: Generator[Any, Any, Any], callback: Callable[[], object]) -> None:
        super().__init__(gen)
        self._callback = callback

    def run(self) -> None:
        """Go on until the generator has to wait; at its end the callback is called, once."""
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
