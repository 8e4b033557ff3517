"""What drives a generator: the part of Tornado 2's `gen` that Tornado has dropped."""

import asyncio
from collections.abc import Callable, Generator, Hashable
from contextvars import copy_context
from typing import Any

from tornado.gen import Return

from .yieldpoints import Outcome, YieldPoint, packed, point_of


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
        try:
            answer = self._awaited.get_result()
        except (Exception, asyncio.CancelledError) as error:
            self._resume(self.gen.throw, error)
        else:
            self._resume(self.gen.send, answer)

    def _resume(self, resume: Callable[[Any], Any], value: Any) -> None:
        try:
            yielded = self._context.run(resume, value)
        except (StopIteration, Return) as end:
            self.finished, self.value = True, end.value
            self._check_callbacks()
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

    def _check_callbacks(self) -> None:
        leaked = [*self._unanswered, *self._answers]
        if leaked:
            raise LeakedCallbackError(f"the generator has ended without waiting for the callbacks {leaked!r}")
