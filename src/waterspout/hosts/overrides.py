"""What users make of a request handler of Tornado's: what they may redefine, and what that does to an engine."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado.http1connection import HTTP1Connection

from ..engine import Admitted, Asker, Decision, Greeting, Response, Resume
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


Failed = Callable[[BaseException], object]


class FailureAsker(Asker):
    """Asks for users' functions, and calls the token with what they raise."""

    def answered(self, token: Failed, result: object) -> None: ...

    def failed(self, token: Failed, error: BaseException) -> None:
        token(error)


OUTCOME = FailureAsker()


class HandlerIntake(TornadoIntake):
    """A request that a handler answers. What a user's class raises there does not reach the engine.

    Tornado reads the body with a deadline of its own, since it alone knows when the handler's methods let it begin.
    """

    keeps_refused = True  # a user's method may look at it

    def __init__(self, residence: Residence, connection: HTTP1Connection, handler: "EngineHandler") -> None:
        super().__init__(residence, connection)
        self._handler = handler

    def gone(self) -> None:
        """Abort the request: also one whose answer has failed, until it is over for the handler."""
        self.is_lost |= self.decision is not None
        super().gone()
        self._abort()

    def _answer(self, response: Response) -> None:
        self._run(self._handler.answer, (response,), self._fail_soon)

    def _begin(self, decision: Admitted, greeting: Greeting) -> None:
        self.is_over = True
        self._run(self._handler.begin, (decision, self.request, greeting), self._handler._fail)

    def _run(self, method: Callable[..., Any], args: tuple[Any, ...], failed: Failed) -> None:
        """Call a method of the handler; while it runs as a coroutine, the client is watched."""
        if not self._handler.is_redefined:
            method(*args)
            return
        self.engine.driver.run(method, args, OUTCOME, failed)
        if self.decision is not None and self._handler._is_waiting:
            self.watch()

    def _fail_soon(self, error: BaseException) -> None:
        """End the request in the next turn: the engine may be serving another client now."""
        self.is_lost |= self.decision is not None
        self.engine.driver.soon(self._handler._fail, error)

    def _lost(self) -> None:
        if self._handler._is_waiting:
            self._handler.on_connection_close()

    def _overflow(self) -> None:
        self._handler.serve()

    def _decided(self, decision: Decision) -> None:
        super()._decided(decision)
        if isinstance(decision, Resume) and not self._is_complete:
            self.engine.await_body(decision, self)
