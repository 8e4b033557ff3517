"""Calls of users' methods: plain, async or generators, and `on_event` according to its signature.

Packets for a connection whose `on_open` is still running wait in `Openings`.

TornadIO2 called `on_event(name, args=[...])` or `on_event(name, kwargs={...})`. Its documentation shows overrides with
that signature, and others with `(name, *args, **kwargs)`, which did not work. Here the signature of an override decides
how it is called. However it passes its arguments on, the base class finds those of the event in them.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, partial
from inspect import Parameter, getattr_static, isawaitable, signature, unwrap
from types import FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar

from ...drivers import logger
from ...errors import ProtocolError
from ...wire.packets import Ack, Connect, Disconnect, Event, Message, Packet, Signal
from . import gen, proto

if TYPE_CHECKING:
    from .session import Session

log = logger("tornadio2.session")

F = TypeVar("F", bound=Callable[..., Any])
Then = Callable[[Any], object]
Dispatched = tuple[list[Any], dict[str, Any]]

_MARK = "_event_name"  # on decorated functions, as in the original
_HANDLERS: dict[type, str] = {
    Message: "%s.on_message",
    Ack: "the callback of an acknowledgement of %s",
    Connect: "%s.on_open",
}
_dispatched: ContextVar[Dispatched] = ContextVar("dispatched")  # of the event that is being handled


def ask(session: "Session", function: Any, *args: Any) -> BaseException | None:
    """Call a function, and return what it raised; what an asynchronous one raises is logged, and closes the session.

    Without an engine there is no loop: a coroutine is an error then.
    """
    call = _SessionCall(session)
    session.driver.run(function, args, call, None)
    return call.error


def then(session: "Session", result: Any, follow: Then, *, ends: bool = True) -> None:
    """Call `follow` with the result of a handler: at once for a value, later for a generator or an awaitable.

    An exception that is raised at once is raised here. A later one, also of `follow`, is logged, and closes the session
    if `ends`.
    """
    if isinstance(result, GeneratorType):
        result = gen.follow(result)
    if isinstance(result, gen.Outcome) and result.done:
        result = result.result()
    if not isawaitable(result):
        follow(result)
        return
    call = _SessionCall(session, follow, ends=ends)
    if isinstance(result, gen.Outcome):  # which needs no loop
        result.add_done_callback(call.later(None).settle)
    else:
        session.driver.run(lambda: result, (), call, None)
    if call.error is not None:
        raise call.error


class TooManyEarly(ProtocolError):
    """A client has sent too many packets before `on_open` has ended."""


class Openings:
    """The `on_open` calls of a session that are running, by endpoint, and the packets that wait for their end.

    Packets do not wait for decorated methods, as in the original.
    """

    __slots__ = ("_openings", "_session")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._openings: dict[str, _Opening] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._openings

    def follow(self, path: str, result: Any, decide: Callable[[Any], None]) -> None:
        """Call `decide` with the result of an `on_open`, then handle the packets that waited for it."""
        if not isinstance(result, gen.Outcome):
            opening = self._openings.setdefault(path, _Opening())
            opening.running += 1
            decide = partial(self._opened, path, opening, decide)
        elif not result.done:
            name = type(self._session.conn).__name__
            _warn(name if path == "/" else f"an endpoint of {name}")
        then(self._session, result, decide)

    def keep(self, packet: Packet | Signal) -> bool:
        """Keep a packet if it has to wait, and count it as a call; TooManyEarly above the limit."""
        opening = self._awaited(packet) if self._openings else None
        if opening is None:
            return False
        carrier = self._session.carrier
        if len(opening.early) >= carrier.max_early_events:
            raise TooManyEarly(f"more than {carrier.max_early_events} packets came before on_open had ended")
        opening.early.append(packet)
        opening.calls.callback(carrier.begin_call())
        return True

    def forget(self, path: str) -> None:
        """Drop the packets for a connection that is closed."""
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
            opening.calls.close()  # after all are handled: until then, nothing is read that could overtake them

    def _awaited(self, packet: Packet | Signal) -> "_Opening | None":
        """Return what a packet waits for, or None; acknowledgements do not wait, since an `on_open` may await them."""
        match packet:
            case Event() | Message():
                return self._openings.get("/") or self._openings.get(packet.namespace)
            case Connect() | Disconnect() if packet.namespace != "/":
                return self._openings.get("/")
        return None


@dataclass(slots=True)
class _Opening:
    """The running calls of one connection's `on_open`, and the waiting packets, each of which counts as a call."""

    running: int = 0
    early: list[Packet | Signal] = field(default_factory=list)
    calls: ExitStack = field(default_factory=ExitStack)


@cache
def _warn(name: str) -> None:
    """Warn once for each class that a decorated `on_open` accepts clients before it has ended."""
    text = "on_open of %s is decorated and waits, but its clients are accepted: make it async, or remove the decorator"
    log.warning(text, name)


class _SessionCall:
    """A call that may be asynchronous: it is counted while it runs, and `follow` is called with its result."""

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

    def settle(self, outcome: gen.Outcome) -> None:
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


def mark(function: F, name: str) -> F:
    """Store on a function which event it handles."""
    function.__dict__[_MARK] = name
    return function


def handlers_of(cls: type) -> dict[str, Callable[..., Any]]:
    """Return the functions of a class that handle events, by event; of two for one event, the last by name.

    A method that overrides another one has to be marked again. The class's own `_events` takes precedence.
    """
    members = ((name, getattr_static(cls, name)) for name in sorted(dir(cls)))
    found = ((getattr(value, "__dict__", {}).get(_MARK), name) for name, value in members if callable(value))
    marked = {event: _function(cls, name) for event, name in found if event is not None}
    return {**marked, **cls.__dict__.get("_events", {})}


def _function(cls: type, name: str) -> Callable[..., Any]:
    """Return a method as a function that takes the connection and the event's arguments."""
    value = getattr_static(cls, name)
    if isinstance(value, FunctionType):
        return value
    return lambda connection, *args, **kwargs: getattr(connection, name)(*args, **kwargs)


def handle(connection: Any, packet: Event | Message | Ack) -> Any:
    """Call the method of a connection that a packet is for, and return its result."""
    if isinstance(packet, Event):
        return _call(connection.on_event, packet.name, proto.incoming(packet.args))
    if isinstance(packet, Message):
        return connection.on_message(proto.incoming(packet.data) if packet.is_json else packet.data)
    return connection.deque_ack(packet.id, proto.incoming(packet.args) or None)


def acknowledge(connection: Any, packet: Event | Message | Ack, result: Any) -> None:
    """Send an acknowledgement if the client wants one: a receipt without data, or the result of an event."""
    if isinstance(packet, Ack) or packet.id is None or connection.is_closed:
        return
    is_receipt = isinstance(packet, Message) and packet.receipt
    connection.session.send_message(proto.ack(connection.endpoint, packet.id, None if is_receipt else result))


def _call(on_event: Callable[..., Any], name: str, values: list[Any]) -> Any:
    """Call a connection's `on_event`, a bound method; a single dictionary is its keyword arguments."""
    is_named = len(values) == 1 and isinstance(values[0], dict)
    args, kwargs = ([], values[0]) if is_named else (values, {})
    _dispatched.set((args, kwargs))
    match override_of(getattr(on_event, "__func__", on_event)):
        case "spread":
            return on_event(name, *args, **kwargs)
        case "named" if args:
            return on_event(name, args=args)
        case "named":
            return on_event(name, **kwargs)
        case "positional":
            return on_event(name, *values)
        case "by name":
            return on_event(name, args=args, kwargs=kwargs)
    return on_event(name, args, kwargs)


@cache
def override_of(function: Any) -> str:
    """Return how an `on_event` is to be called; clients may then send an argument `name` (see `_free_names`).

    "spread": `(self, name, *args, **kwargs)`. "positional": without `**kwargs`. "named": without `*args`, with a list
    as `args`. "by name": the documented `args` and `kwargs`. "pair": two parameters of other names.
    """
    try:
        parameters = list(signature(function).parameters.values())
    except (TypeError, ValueError):  # not a Python function
        return "by name"
    kinds = {parameter.kind for parameter in parameters}
    if {"args", "kwargs"} <= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}:
        return "by name"
    if Parameter.VAR_KEYWORD in kinds:
        _free_names(unwrap(function))
        return "spread" if Parameter.VAR_POSITIONAL in kinds or len(parameters) > 3 else "named"
    return "positional" if Parameter.VAR_POSITIONAL in kinds else "pair"


def _free_names(function: Any) -> None:
    """Make the first two parameters, `self` and the event's name, positional-only.

    The documented override reads `kwargs["name"]` after `emit("hello", {name: "Joes"})`. Otherwise Python would pass
    that to the parameter `name` as well, and raise TypeError for two values.
    """
    if isinstance(function, FunctionType) and function.__code__.co_posonlyargcount < 2 <= function.__code__.co_argcount:
        function.__code__ = function.__code__.replace(co_posonlyargcount=2)


def own_arguments(
    args: Sequence[Any], kwargs: Mapping[str, Any], *, is_spread: bool
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the arguments of the event, whichever way they were passed to the base class.

    `is_spread`: an override with `*args` and `**kwargs` was called first.
    """
    pair = _documented(args, kwargs)
    if pair is None:
        return args, kwargs
    own = _dispatched.get(([], {}))
    is_passed_on = any(part is value for part in own for value in pair.values())
    is_spread = is_spread or (list(map(id, args)) == list(map(id, own[0])) and kwargs == own[1])
    return (args, kwargs) if is_spread and not is_passed_on else (pair.get("args", []), pair.get("kwargs", {}))


def _documented(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the documented `args` and `kwargs`, if the arguments can be these."""
    names = ("args", "kwargs")[: len(args)]
    if len(args) > 2 or not kwargs.keys() <= {"args", "kwargs"} - set(names) or not (args or kwargs):
        return None
    pair = dict(zip(names, args, strict=False), **kwargs)
    is_sound = isinstance(pair.get("args", []), list | tuple) and isinstance(pair.get("kwargs", {}), dict)
    return pair if is_sound else None


def describe(packet: Packet | Signal, connection: object) -> str:
    """Return the name of a packet's handler, for the log."""
    if isinstance(packet, Event):
        return f"the handler of the event {packet.name[:80]!a} of {type(connection).__name__}"
    return _HANDLERS.get(type(packet), "a handler of %s") % type(connection).__name__
