"""What users make of a request handler of Tornado's: what they may redefine, and what that does to an engine."""

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tornado.http1connection import HTTP1Connection

from ..engine import Admitted, Decision, Greeting, Response, Resume
from .reception import TornadoIntake
from .residence import Residence

if TYPE_CHECKING:
    from .answering import EngineHandler

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


class HandlerIntake(TornadoIntake):
    """A request that a handler answers. What a user's class raises there does not reach the engine.

    Tornado reads the body with a deadline of its own, since it alone knows when the handler's methods let it begin.
    """

    keeps_refused = True  # a user's method may look at it

    def __init__(self, residence: Residence, connection: HTTP1Connection, handler: "EngineHandler") -> None:
        super().__init__(residence, connection)
        self._handler = handler
        self.has_failed = False  # nothing has been answered, or not all of it
        self.beginning: Awaitable[None] | None = None  # of what has begun, for Tornado to wait for

    def gone(self) -> None:
        """Forget the request: also one whose answer has failed, until it is over for the handler."""
        super().gone()
        self._abort()

    def take_back(self) -> bool:
        """Cut the connection if not all of the answer has left; tell whether that was so, or it has failed."""
        return self.has_failed or super().take_back()

    def _answer(self, response: Response) -> None:
        handler = self._handler
        if handler.is_redefined:
            self.engine.driver.run(handler.answer, (response,), OUTCOME, self._fail_soon)
        else:
            handler.answer(response)

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        self.is_over = True
        self.beginning = self._handler._begin(decision, greeting)

    def _fail_soon(self, error: BaseException) -> None:
        """End the request when the engine has done what it is about: it may be another client's."""
        self.has_failed = not self._handler._has_ended
        self.engine.driver.soon(self._handler._fail, error)

    def _lost(self) -> None:
        if self._handler._is_waiting:
            self._handler.on_connection_close()

    def _overflow(self) -> None:
        self._handler.serve()

    def _decided(self, decision: Decision) -> None:
        if self._is_complete:
            self.engine.driver.run(self._serve_late, (decision,), OUTCOME, self._handler._fail)
            return
        super()._decided(decision)
        if isinstance(decision, Resume):
            self.engine.await_body(decision, self)

    def _serve_late(self, decision: Decision) -> Awaitable[None] | None:
        super()._decided(decision)
        return self.beginning

    def _serve(self, decision: Decision) -> None:
        self.leave()
        super()._serve(decision)
        if not self.is_over:
            self.watch()
