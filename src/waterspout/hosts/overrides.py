"""What users make of a request handler of Tornado's: what they may redefine, and what that does to an engine."""

import inspect
from collections.abc import Awaitable, Callable
from typing import ClassVar, Protocol

from ..engine import Engine, Response
from ..types import Request

_NOBODY_WAITS = ("finish", "on_connection_close", "release", "begun", "ended", "send_messages", "session_closed")


def is_redefined(cls: type) -> bool:
    """Tell whether, before the first class of ours, anything of that is defined anew."""
    ours = next(at for at, base in enumerate(cls.__mro__) if base.__module__.partition(".")[0] == "waterspout")
    known = {name for name in dir(cls.__mro__[ours]) if not name.startswith("__") or name == "__init__"}
    return any(not known.isdisjoint(base.__dict__) for base in cls.__mro__[:ours])


def require_plain(cls: type) -> None:
    """Refuse a coroutine, by TypeError, for a method that nobody awaits: it would never run."""
    for name in _NOBODY_WAITS:
        if inspect.iscoroutinefunction(getattr(cls, name, None)):
            raise TypeError(f"{cls.__name__}.{name} is a coroutine, but nobody waits for it: make it a plain method")


class FailureAsker:
    """What comes of a user's function: what is told of a failure, by the token."""

    def answered(self, token: Callable[[BaseException], object], result: object) -> None:
        """It has done its work."""

    def failed(self, token: Callable[[BaseException], object], error: BaseException) -> None:
        """It has raised."""
        token(error)

    def later(self, token: Callable[[BaseException], object]) -> "FailureAsker":
        """It goes on."""
        return self


OUTCOME = FailureAsker()


class Answerer(Protocol):
    """Who answers an exchange."""

    engine: Engine
    is_redefined: ClassVar[bool]

    def answer(self, response: Response) -> Awaitable[None] | None:
        """Answer with this; it may be a user's."""

    def take_back(self) -> bool:
        """Cut the connection if not all of the answer has left; tell whether that was so."""

    def fail_soon(self, error: BaseException) -> None:
        """Hear of an answer that has failed."""


class HandlerExchange:
    """A request that a handler answers. What a user's class raises there does not reach who responds."""

    def __init__(self, request: Request, handler: Answerer) -> None:
        self.request = request
        self.is_over = False
        self.take_back = handler.take_back
        self._handler = handler

    def respond(self, response: Response) -> None:
        """Answer, unless the client has gone."""
        if self.is_over:
            return
        self.is_over = True
        handler = self._handler
        if handler.is_redefined:
            handler.engine.driver.run(handler.answer, (response,), OUTCOME, handler.fail_soon)
        else:
            handler.answer(response)
