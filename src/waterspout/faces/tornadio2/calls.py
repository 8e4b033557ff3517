"""The calling of what users wrote: plain, async or a generator, and what becomes of what it raises."""

import logging
from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from types import GeneratorType
from typing import Any, Protocol

from ...drivers import InlineDriver
from ...engine import Asker, Driver
from . import gen
from .carrier import Carrier
from .outcome import Outcome

log = logging.getLogger("tornadio2.session")

Then = Callable[[Any], None]


class Owner(Protocol):
    """A session, whose connections are called."""

    server: Any
    conn: Any
    handler: Any

    def close(self) -> None:
        """End it, because what was called has failed."""


def ask(owner: Owner, function: Any, *args: Any) -> BaseException | None:
    """Call a function, and return what it has raised at once; what it raises later is logged, and closes the session.

    Without an engine, and so without a loop, a coroutine is refused with a sentence.
    """
    call = _Call(owner)
    _driver(owner).run(function, args, call, None)
    return call.error


def then(owner: Owner, result: Any, follow: Then) -> None:
    """Go on with what a handler has returned: at once, when its generator has ended, or when it was awaited.

    Raises what that has raised already; what it raises later, or what `follow` raises then, closes the session.
    """
    if isinstance(result, GeneratorType):
        result = gen.follow(result)
    if isinstance(result, Outcome) and result.done:
        result = result.result()
    if isinstance(result, Outcome):
        _count(owner.handler, +1)
        result.add_done_callback(partial(_go_on, owner, follow, owner.handler))
    elif isawaitable(result):
        call = _Call(owner, partial(_ask_or_close, owner, follow))
        _driver(owner).run(lambda: result, (), call, None)
        if call.error is not None:
            raise call.error
    else:
        follow(result)


def _go_on(owner: Owner, follow: Then, handler: Any, outcome: Outcome) -> None:
    _count(handler, -1)
    _ask_or_close(owner, lambda: follow(outcome.result()))


def _ask_or_close(owner: Owner, function: Any, *args: Any) -> None:
    if (error := ask(owner, function, *args)) is not None:
        log.error("a handler of %s has failed", type(owner.conn).__name__, exc_info=error)
        owner.close()


def _driver(owner: Owner) -> Driver:
    engine = getattr(owner.server, "engine", None)
    return InlineDriver() if engine is None else engine.driver


def _count(handler: Any, calls: int) -> None:
    """Let the engine know how many calls are not answered: a client that has too many is read no further."""
    if isinstance(handler, Carrier):
        handler.count(calls)


class _Call:
    """A call that may go on later: `follow` gets the result, or the session is closed."""

    __slots__ = ("_follow", "_handler", "_is_late", "_owner", "error")

    def __init__(self, owner: Owner, follow: Then | None = None) -> None:
        self._owner = owner
        self._follow = follow
        self._handler = owner.handler
        self._is_late = False
        self.error: BaseException | None = None

    def later(self, token: None) -> Asker:
        self._is_late = True
        _count(self._handler, +1)
        return self

    def answered(self, token: None, result: Any) -> None:
        if self._is_late:
            _count(self._handler, -1)
        if self._follow is not None:
            self._follow(result)

    def failed(self, token: None, error: BaseException) -> None:
        if self._is_late:
            _count(self._handler, -1)
            log.error("%s has failed", self.describe(token), exc_info=error)
            self._owner.close()
        else:
            self.error = error

    def describe(self, token: None) -> str:
        """Name the handler, for a warning."""
        return f"a handler of {type(self._owner.conn).__name__}"
