"""The calling of what users wrote: plain, async or a generator, and what becomes of what it raises."""

from collections.abc import Callable
from inspect import isawaitable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from ...drivers import logger
from . import gen
from .yieldpoints import Outcome

if TYPE_CHECKING:
    from .session import Session

log = logger("tornadio2.session")

Then = Callable[[Any], object]


def ask(session: "Session", function: Any, *args: Any) -> BaseException | None:
    """Call a function, and return what it has raised at once; what it raises later is logged, and closes the session.

    Without an engine, and so without a loop, a coroutine is refused with a sentence.
    """
    call = _SessionCall(session)
    session.driver.run(function, args, call, None)
    return call.error


def then(session: "Session", result: Any, follow: Then, *, ends: bool = True) -> None:
    """Go on with what a handler has returned: at once, when its generator has ended, or when it was awaited.

    Raises what that has raised already; what it raises later, or what `follow` raises then, is logged, and `ends` the
    session.
    """
    if isinstance(result, GeneratorType):
        result = gen.follow(result)
    if isinstance(result, Outcome) and result.done:
        result = result.result()
    if not isawaitable(result):
        follow(result)
        return
    call = _SessionCall(session, follow, ends=ends)
    if isinstance(result, Outcome):  # which needs no loop
        result.add_done_callback(call.later(None).settle)
    else:
        session.driver.run(lambda: result, (), call, None)
    if call.error is not None:
        raise call.error


def nothing(result: Any) -> None:
    """Do nothing: nobody asked for the result."""


class _SessionCall:
    """A call that may go on later: it is counted meanwhile, and `follow` gets the result."""

    __slots__ = ("_end", "_ends", "_follow", "_session", "error")

    def __init__(self, session: "Session", follow: Then | None = None, *, ends: bool = True) -> None:
        self._session = session
        self._follow = follow
        self._ends = ends
        self._end: Callable[[], object] | None = None
        self.error: BaseException | None = None

    def later(self, token: None) -> "_SessionCall":
        self._end = self._session.carrier.begin_call()
        return self

    def answered(self, token: None, result: Any) -> None:
        if self._end is not None:
            self._end()
        error = None if self._follow is None else ask(self._session, self._follow, result)
        if error is not None:
            self._fail(error)

    def failed(self, token: None, error: BaseException) -> None:
        if self._end is not None:
            self._end()
        self._fail(error)

    def settle(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self.answered(None, outcome.value)
        else:
            self.failed(None, outcome.error)

    def describe(self, token: None) -> str:
        """Name the handler, for a warning."""
        return f"a handler of {type(self._session.conn).__name__}"

    def _fail(self, error: BaseException) -> None:
        if self._end is None:
            self.error = error
            return
        self._session.complain(log, "%s has failed", self.describe(None), error=error)
        if self._ends:
            self._session.close()
