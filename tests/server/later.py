"""Handlers that take their time, without a loop: each answers when the test says so."""

from collections.abc import Callable, Sequence
from typing import Any

from waterspout.engine import Asker
from waterspout.testing import Clock


class Later:
    """What a handler returns that goes on: it has the answer of `answer`, or raises that of `fail`."""

    def begin(self, driver: Clock, asker: Asker, token: Any) -> None:
        self._driver, self._asker, self._token = driver, asker, token

    def answer(self, result: Any = None) -> None:
        self._driver.soon(self._asker.answered, self._token, result)

    def fail(self, error: BaseException) -> None:
        self._driver.soon(self._asker.failed, self._token, error)


class LateClock(Clock):
    """A clock that waits for every `Later`, as a loop waits for a coroutine."""

    def _answer(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        laters: list[Later] = []

        def call(*args: Any) -> Any:
            result = function(*args)
            if isinstance(result, Later):
                laters.append(result)
            return result

        super()._answer(call, args, _Deferring(self, asker, laters), token)


class _Deferring:
    def __init__(self, driver: Clock, asker: Asker, laters: list[Later]) -> None:
        self._driver, self._asker, self._laters = driver, asker, laters

    def answered(self, token: Any, result: Any) -> None:
        if self._laters:
            self._laters[0].begin(self._driver, self._asker.later(token), token)
        else:
            self._asker.answered(token, result)

    def failed(self, token: Any, error: BaseException) -> None:
        self._asker.failed(token, error)

    def later(self, token: Any) -> Asker:
        return self._asker.later(token)


class Handler:
    """A handler that keeps what it was called with, and its answers for the test to give."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.open: list[Later] = []

    def __call__(self, socket: Any, *args: Any) -> Later:
        self.heard.append(args)
        self.open.append(Later())
        return self.open[-1]

    def answer(self, result: Any = None) -> None:
        """Answer the oldest."""
        self.open.pop(0).answer(result)

    def fail(self, error: BaseException) -> None:
        self.open.pop(0).fail(error)


def note(heard: list[Any], what: object, result: Any) -> Any:
    """Keep what was heard, and return the result of a handler that is a lambda."""
    heard.append(what)
    return result
