"""What users have registered for a namespace: handlers of events, hooks, and steps before either."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine import Engine
from ..wire.socketio import RESERVED
from .annotations import describe_result, innermost
from .arguments import Arguments
from .entrance import ConnectStep, read_step
from .signatures import Function, check_first, read_function

if TYPE_CHECKING:
    from .socket import Socket

F = TypeVar("F", bound=Callable[..., Any])

INSTEAD = {
    "connect": "on_connect",
    "connection": "on_connect",
    "disconnect": "on_disconnect",
    "disconnecting": "on_disconnect",
    "*": "on_any",
}
"""Names of hooks in other libraries, and the hook to use instead."""


class Hook(Enum):
    """The hooks of a namespace; the value is the arguments that each is called with."""

    CONNECT = ("socket", "auth")
    DISCONNECT = ("socket", "reason")
    ERROR = ("socket", "event", "error")

    __hash__ = object.__hash__  # that of Enum is a function in Python


ON_CONNECT, ON_DISCONNECT, ON_ERROR = Hook  # see life.py


class Handler:
    """The handler of one event. `plain`: how many arguments it is called with directly; -1 if `dispatch` is needed.

    `ordered` is what holds, `ordered_option` what the user has said; see `Handlers.refresh`.
    """

    __slots__ = ("arguments", "event", "function", "ordered", "ordered_option", "plain", "threaded")

    def __init__(self, event: str, function: Callable[..., Any], *, ordered: bool | None, threaded: bool) -> None:
        self.event = event
        self.function = function
        self.arguments = Arguments(function, event)
        self.ordered = False
        self.ordered_option = ordered
        self.threaded = threaded
        self.plain = -1


@dataclass(slots=True)
class Timing:
    """How often a handler was called, and how many seconds passed until it had answered."""

    calls: int = 0
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a call."""
        self.calls += 1
        self.seconds += seconds


class Handlers:
    """All that is registered for one namespace, or for all those of one pattern. `kind` is the user's class of sockets.

    `ordered` is whether events are ordered that do not say so themselves. It follows from `ordered_option`, which the
    user has said of the namespace, or else from `driver_orders`: `refresh` works it out. `closed` is what the user has
    said of that; `guarded` whether there may be a socket whose events are restricted, as all are in closed namespaces.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        *,
        ordered: bool | None = None,
        closed: bool | None = None,
        limited: bool = False,
    ) -> None:
        self.name = name
        self.kind: type[Socket] | None = None
        self.ordered = False
        self.ordered_option = ordered
        self.closed = closed
        self.guarded = bool(closed)
        self.driver_orders = engine.driver.orders
        self._functions = engine.functions
        self.events: dict[str, Handler] = {}
        self.hooks: dict[Hook, Function] = {}
        self.connect: ConnectStep | None = None
        self.steps: list[ConnectStep] = []
        self.event_steps: list[Function] = []
        self.any: Function | None = None
        self.timings: defaultdict[str, Timing] | None = None
        self.limited = limited
        self.errors = 0
        self.refresh()

    def add(
        self, event: str, function: Callable[..., Any], *, ordered: bool | None, threaded: bool, first: str = "socket"
    ) -> None:
        """Register the one handler of an event; `first` is what its first parameter is called in a remedy."""
        what = f"the handler of {event!r}"
        read_function(self._functions, function, what, threaded=threaded)
        check_first(function, what, first)
        if event in self.events:
            known = self.events[event].function
            raise ValueError(f"the event {event!r} of {self.name} has a handler already: {known!r}")
        self.events[event] = Handler(event, function, ordered=ordered, threaded=threaded)
        self.refresh()

    def hook(self, kind: Hook, function: Callable[..., Any], *, threaded: bool, first: str = "socket") -> None:
        """Register the one handler of a hook; `first` as in `add`."""
        name = kind.name.lower()
        what, of = f"the {name} handler", f" of {self.name}"
        read = read_function(
            self._functions,
            function,
            what,
            kind.value,
            of=of,
            threaded=threaded,
            first=first,
        )
        if kind in self.hooks:
            raise ValueError(f"{self.name} has a {name} handler already: {self.hooks[kind].call!r}")
        self.hooks[kind] = read
        if kind is ON_CONNECT:
            self.connect = read_step(self.hooks[kind])

    def on_any(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register the one handler of any event."""
        calls = ("socket", "event"), ("socket", "event", "*args")
        read = read_function(
            self._functions,
            function,
            "the handler of any event",
            *calls,
            of=f" of {self.name}",
            threaded=threaded,
        )
        if self.any is not None:
            raise ValueError(f"{self.name} has an on_any handler already: {self.any.call!r}")
        self.any = read
        self.refresh()

    def step(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Add a step before the connect handler."""
        names = ("socket", "auth")
        step = read_function(self._functions, function, "a step of `use`", names, threaded=threaded)
        self.steps.append(read_step(step))

    def event_step(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Add a step before the handlers of events."""
        names = ("socket", "event", "args")
        step = read_function(self._functions, function, "a step of `use_event`", names, threaded=threaded)
        self.event_steps.append(step)
        self.refresh()

    def order(self, ordered: bool) -> None:
        """Set the namespace's option; ValueError where it has another value already."""
        if self.ordered_option not in (None, ordered):
            known = "ordered" if self.ordered_option else "not ordered"
            raise ValueError(f"{self.name} exists already, and is {known}: say ordered={ordered} at its first mention")
        self.ordered_option = ordered
        self.refresh()

    def close(self, closed: bool) -> None:
        """Set the namespace's option; ValueError where it has another value already."""
        if self.closed not in (None, closed):
            known = "closed" if self.closed else "open"
            raise ValueError(f"{self.name} exists already, and is {known}: say closed={closed} at its first mention")
        self.closed = closed
        if closed:
            self.guard()

    def guard(self) -> None:
        """Let events go through `dispatch`, which looks whether their socket may send them."""
        if not self.guarded:
            self.guarded = True
            self.refresh()

    def follow(self, driver_orders: bool) -> None:
        """Follow the driver where the user has not chosen an order."""
        self.driver_orders = driver_orders
        self.refresh()

    def measure(self) -> dict[str, Timing]:
        """Return how long handlers take, which is measured from the first time that somebody asks."""
        if self.timings is None:
            self.timings = defaultdict(Timing)
            self.refresh()
        return self.timings

    def describe(self) -> list[dict[str, Any]]:
        """Return the events, each with its arguments, its result and the first line of its docstring."""
        return [
            {
                "event": name,
                "description": (innermost(handler.function).__doc__ or "").strip().partition("\n")[0],
                "arguments": handler.arguments.describe(),
                "result": describe_result(handler.function),
                "ordered": handler.ordered,
                "threaded": handler.threaded,
                "closed": bool(self.closed),
            }
            for name, handler in tuple(self.events.items())
        ]

    def refresh(self) -> None:
        """Work out anew which events are ordered, and which handlers can simply be called.

        What a handler says of its order counts before what its namespace says. Where neither does, events are ordered
        of which something runs in a thread, since a pool would let a client's events overtake each other, and all
        events if the driver orders.
        """
        said = self.ordered_option
        threaded = any(one.threaded for one in (*self.event_steps, *filter(None, [self.any])))
        self.ordered = self.driver_orders or threaded if said is None else said
        for handler in tuple(self.events.values()):  # a copy: threads register, too
            own = handler.ordered_option if handler.ordered_option is not None else said
            handler.ordered = self.ordered or handler.threaded if own is None else own
        general = bool(self.event_steps or self.any or self.limited or self.guarded or self.timings is not None)
        for handler in tuple(self.events.values()):
            simple = not (general or handler.threaded or handler.arguments.typed)
            handler.plain = handler.arguments.exactly if simple else -1


def check_event(event: object) -> None:
    """Refuse what cannot be an event with a handler."""
    if callable(event):
        name = getattr(event, "__name__", "name")
        raise TypeError(f'the event\'s name is missing: write @server.on("{name}") above the handler {event!r}')
    if isinstance(event, str) and event in INSTEAD:
        raise ValueError(f"{event!r} is not an event: use {INSTEAD[event]}")
    if type(event) is int:
        raise TypeError(f"the event's name is {event}: give '{event}', which a client's emit({event}, ...) arrives as")
    check_name(event)


def check_name(event: object) -> None:
    """Refuse what is no event's name: ValueError for a name that Socket.IO keeps to itself."""
    if not isinstance(event, str):
        raise TypeError(f"the event's name is {event!r}: give a string")
    if event in RESERVED:
        raise ValueError(f"{event!r} is reserved by Socket.IO: choose another for the event")
