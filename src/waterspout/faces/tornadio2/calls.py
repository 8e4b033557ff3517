"""Calls what users wrote, be it plain, async or a generator, and handles what it raises.

The packets for a connection whose `on_open` still runs wait in `Openings`.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from inspect import isawaitable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from ...drivers import logger
from ...errors import ProtocolError
from ...wire.packets import Connect, Disconnect, Event, Message, Packet, Signal
from . import gen
from .gen import Outcome

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
    """Call `follow` with the result of what a handler has returned: a value, a generator, or an awaitable.

    What this raises at once is raised here. What it raises later, or `follow` does then, is logged, and `ends` the
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


class Openings:
    """Each `on_open` of a session that still runs, by endpoint, and the packets that wait for its end.

    None wait for decorated methods, as in the original.
    """

    __slots__ = ("_openings", "_session")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._openings: dict[str, _Opening] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._openings

    def follow(self, path: str, result: Any, decide: Callable[[Any], None]) -> None:
        """Call `decide` with the result of an `on_open`, then handle the packets that have waited for it."""
        if isinstance(result, Outcome):
            if not result.done:
                name = type(self._session.conn).__name__
                _warn(name if path == "/" else f"an endpoint of {name}")
            then(self._session, result, decide)
            return
        opening = self._openings.setdefault(path, _Opening())
        opening.running += 1
        then(self._session, result, partial(self._opened, path, opening, decide))

    def keep(self, packet: Packet | Signal) -> bool:
        """Keep a packet if it has to wait, counted as a call; ProtocolError for one too many."""
        opening = self._awaited(packet) if self._openings else None
        if opening is None:
            return False
        carrier = self._session.carrier
        if len(opening.early) >= carrier.max_early_events:
            raise ProtocolError(f"more than {carrier.max_early_events} packets came before on_open had ended")
        opening.early.append(packet)
        opening.calls.callback(carrier.begin_call())
        return True

    def forget(self, path: str) -> None:
        """Drop what waits for a connection, which is closed."""
        if (opening := self._openings.pop(path, None)) is not None:
            opening.calls.close()

    def _opened(self, path: str, opening: "_Opening", decide: Callable[[Any], None], result: Any) -> None:
        opening.running -= 1
        is_open = not opening.running and self._openings.get(path) is opening
        if is_open:
            del self._openings[path]
        decide(result)
        if is_open:
            for packet in opening.early:
                self._session.receive(packet)  # it may have to wait for another `on_open`
            opening.calls.close()  # not before all are handled: nothing may be read, and overtake the rest

    def _awaited(self, packet: Packet | Signal) -> "_Opening | None":
        """Return what a packet has to wait for; not an acknowledgement, for an `on_open` may wait for it."""
        match packet:
            case Event() | Message():
                return self._openings.get("/") or self._openings.get(packet.namespace)
            case Connect() | Disconnect() if packet.namespace != "/":
                return self._openings.get("/")
        return None


@dataclass(slots=True)
class _Opening:
    """The calls of one connection's `on_open` that run, and the packets that wait, each of which counts as a call."""

    running: int = 0
    early: list[Packet | Signal] = field(default_factory=list)
    calls: ExitStack = field(default_factory=ExitStack)


@cache
def _warn(name: str) -> None:
    """Warn once that a decorated `on_open` lets clients in before it has ended."""
    text = "on_open of %s is decorated and goes on, but its clients are in: make it async, or leave the decorator out"
    log.warning(text, name)


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
        self._ended(None if self._follow is None else ask(self._session, self._follow, result))

    def failed(self, token: None, error: BaseException) -> None:
        self._ended(error)

    def settle(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self.answered(None, outcome.value)
        else:
            self.failed(None, outcome.error)

    def describe(self, token: None) -> str:
        return f"a handler of {type(self._session.conn).__name__}"

    def _ended(self, error: BaseException | None) -> None:
        if self._end is None:
            self.error = error
            return
        self._end()
        if error is not None:
            self._session.complain(log, "%s has failed", self.describe(None), error=error)
            if self._ends:
                self._session.close()
