"""The calling of what users wrote: plain, async or a generator, and what becomes of what it raises."""

import logging
from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from types import GeneratorType
from typing import Any, Protocol

from ...drivers import InlineDriver, logger
from ...engine import Asker, Driver
from . import gen
from .carrier import ByHand
from .outcome import Outcome

log = logger("tornadio2.session")

Then = Callable[[Any], None]


class Owner(Protocol):
    """A session, whose connections are called."""

    server: Any
    conn: Any

    @property
    def carrier(self) -> ByHand:
        """Who counts the calls that go on later."""

    def complain(self, to: logging.Logger, text: str, *values: Any, error: BaseException | None = None) -> None:
        """Log an error that a client has caused."""

    def close(self) -> None:
        """End it, because what was called has failed."""


def ask(owner: Owner, function: Any, *args: Any) -> BaseException | None:
    """Call a function, and return what it has raised at once; what it raises later is logged, and closes the session.

    Without an engine, and so without a loop, a coroutine is refused with a sentence.
    """
    call = _Call(owner)
    driver(owner).run(function, args, call, None)
    return call.error


def then(owner: Owner, result: Any, follow: Then, *, ends: bool = True) -> None:
    """Go on with what a handler has returned: at once, when its generator has ended, or when it was awaited.

    Raises what that has raised already; what it raises later, or what `follow` raises then, is logged, and `ends` the
    session.
    """
    if isinstance(result, GeneratorType):
        result = gen.follow(result)
    if isinstance(result, Outcome) and result.done:
        result = result.result()
    if isinstance(result, Outcome):
        result.add_done_callback(partial(_go_on, owner, follow, owner.carrier.begin_call(), ends=ends))
    elif isawaitable(result):
        call = _Call(owner, partial(_ask_or_close, owner, follow, ends=ends), ends=ends)
        driver(owner).run(lambda: result, (), call, None)
        if call.error is not None:
            raise call.error
    else:
        follow(result)


def nothing(result: Any) -> None:
    """Do nothing: nobody asked for the result."""


def _go_on(owner: Owner, follow: Then, end_call: Callable[[], object], outcome: Outcome, *, ends: bool) -> None:
    end_call()
    _ask_or_close(owner, lambda: follow(outcome.result()), ends=ends)


def _ask_or_close(owner: Owner, function: Any, *args: Any, ends: bool) -> None:
    if (error := ask(owner, function, *args)) is not None:
        owner.complain(log, "a handler of %s has failed", type(owner.conn).__name__, error=error)
        if ends:
            owner.close()


def driver(owner: Owner) -> Driver:
    """Return who runs functions: the engine's driver, or one without a loop."""
    engine = getattr(owner.server, "engine", None)
    return InlineDriver() if engine is None else engine.driver


class _Call:
    """A call that may go on later: `follow` gets the result, or the session is closed."""

    __slots__ = ("_carrier", "_end", "_ends", "_follow", "_owner", "error")

    def __init__(self, owner: Owner, follow: Then | None = None, *, ends: bool = True) -> None:
        self._owner = owner
        self._follow = follow
        self._ends = ends
        self._carrier = owner.carrier
        self._end: Callable[[], object] | None = None
        self.error: BaseException | None = None

    def later(self, token: None) -> Asker:
        self._end = self._carrier.begin_call()
        return self

    def answered(self, token: None, result: Any) -> None:
        if self._end is not None:
            self._end()
        if self._follow is not None:
            self._follow(result)

    def failed(self, token: None, error: BaseException) -> None:
        if self._end is None:
            self.error = error
            return
        self._end()
        self._owner.complain(log, "%s has failed", self.describe(token), error=error)
        if self._ends:
            self._owner.close()

    def describe(self, token: None) -> str:
        """Name the handler, for a warning."""
        return f"a handler of {type(self._owner.conn).__name__}"
