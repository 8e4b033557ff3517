"""Calls the method that handles a packet; an `on_event` according to its signature.

TornadIO2 called `on_event(name, args=[...])` or `on_event(name, kwargs={...})`. Its documentation has overrides with
that signature, and others with `(name, *args, **kwargs)`, which got nonsense then. Here the override's signature says
how it is called; whichever way it passes on what it got, the base class finds the event's own arguments in it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from inspect import Parameter, getattr_static, signature, unwrap
from types import FunctionType
from typing import Any, TypeVar

from ...wire.packets import Ack, Connect, Event, Message, Packet, Signal
from . import proto

F = TypeVar("F", bound=Callable[..., Any])
Dispatched = tuple[list[Any], dict[str, Any]]

_MARK = "_event_name"  # on the functions that users decorate, as it was
_HANDLERS: dict[type, str] = {
    Message: "%s.on_message",
    Ack: "the callback of an acknowledgement of %s",
    Connect: "%s.on_open",
}
_dispatched: ContextVar[Dispatched] = ContextVar("dispatched")  # of the event that is being handled


def mark(function: F, name: str) -> F:
    """Remember on a function which event it handles."""
    function.__dict__[_MARK] = name
    return function


def handlers_of(cls: type) -> dict[str, Callable[..., Any]]:
    """Return the functions of a class that handle events, by event; of two for one event, the last by name.

    A method that overrides another handles an event if it is marked itself. What the class's own `_events` says goes
    first.
    """
    members = ((name, getattr_static(cls, name)) for name in sorted(dir(cls)))
    found = ((getattr(value, "__dict__", {}).get(_MARK), name) for name, value in members if callable(value))
    marked = {event: _function(cls, name) for event, name in found if event is not None}
    return {**marked, **cls.__dict__.get("_events", {})}


def _function(cls: type, name: str) -> Callable[..., Any]:
    """Return a method as a function of the connection and the event's arguments."""
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
    """Acknowledge what asks for it: a receipt without data, an event with its result."""
    if isinstance(packet, Ack) or packet.id is None or connection.is_closed:
        return
    is_receipt = isinstance(packet, Message) and packet.receipt
    connection.session.send_message(proto.ack(connection.endpoint, packet.id, None if is_receipt else result))


def _call(on_event: Callable[..., Any], name: str, values: list[Any]) -> Any:
    """Call a connection's `on_event`, a bound method; a dictionary alone has arguments by name."""
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
    """Return how an `on_event` is to be called, and free its parameter `name` for an argument of the client.

    "spread": `(self, name, *args, **kwargs)`; "positional": without the `**`; "named": without the `*`, which gets a
    list as `args`; "by name" as documented, with `args` and `kwargs`; "pair" with two parameters of other names.
    """
    try:
        parameters = list(signature(function).parameters.values())
    except (TypeError, ValueError):  # no function of Python's
        return "by name"
    kinds = {parameter.kind for parameter in parameters}
    if {"args", "kwargs"} <= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}:
        return "by name"
    if Parameter.VAR_KEYWORD in kinds:
        _free_names(unwrap(function))
        return "spread" if Parameter.VAR_POSITIONAL in kinds or len(parameters) > 3 else "named"
    return "positional" if Parameter.VAR_POSITIONAL in kinds else "pair"


def _free_names(function: Any) -> None:
    """Make the first two parameters, self and the event's name, positional-only.

    The documentation's own override takes `kwargs["name"]` from `emit("hello", {name: "Joes"})`, which Python gives to
    the parameter `name` otherwise, and there it is given twice.
    """
    if isinstance(function, FunctionType) and function.__code__.co_posonlyargcount < 2 <= function.__code__.co_argcount:
        function.__code__ = function.__code__.replace(co_posonlyargcount=2)


def own_arguments(
    args: Sequence[Any], kwargs: Mapping[str, Any], *, is_spread: bool
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the arguments of the event, in whichever shape they were passed to the base class.

    `is_spread`: an override was called first, with `*args` and `**kwargs`.
    """
    pair = _documented(args, kwargs)
    if pair is None:
        return args, kwargs
    own = _dispatched.get(([], {}))
    is_passed_on = any(part is value for part in own for value in pair.values())
    is_spread = is_spread or (list(map(id, args)) == list(map(id, own[0])) and kwargs == own[1])
    return (args, kwargs) if is_spread and not is_passed_on else (pair.get("args", []), pair.get("kwargs", {}))


def _documented(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the documented `args` and `kwargs`, if these can be what came."""
    names = ("args", "kwargs")[: len(args)]
    if len(args) > 2 or not kwargs.keys() <= {"args", "kwargs"} - set(names) or not (args or kwargs):
        return None
    pair = dict(zip(names, args, strict=False), **kwargs)
    is_sound = isinstance(pair.get("args", []), list | tuple) and isinstance(pair.get("kwargs", {}), dict)
    return pair if is_sound else None


def describe(packet: Packet | Signal, connection: object) -> str:
    """Name the handler of a packet, for the log."""
    if isinstance(packet, Event):
        return f"the handler of the event {packet.name[:80]!a} of {type(connection).__name__}"
    return _HANDLERS.get(type(packet), "a handler of %s") % type(connection).__name__
