"""The handlers of a WebSocket's events, and how they are called."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any, ClassVar, TypeVar

from ...server import Channel, Server
from .exceptions import NotCallableError, WebSocketEventAlreadyBinded
from .modules import Module

F = TypeVar("F", bound=Callable[..., Any])

_ARGUMENTS = ("self", "socket", "data")


class Bindings:
    """The part of a `WebSocket` that its clients' handlers see."""

    server: Server
    path: str
    room: str

    strict: bool = True
    """True: as version 0.1. False: as 0.2, where a second handler replaces the first, unknown events are ignored,
    `emit` without clients does nothing, and each event whose name ends in "open" is called for new clients."""

    threaded: bool = False
    """Whether plain handlers run in threads, a client's one after the other, instead of on the event loop."""

    around: ClassVar[Callable[[], AbstractContextManager[object]]] = nullcontext
    """What each handler is called in. With Django, it closes old connections of the database."""

    def __init__(self) -> None:
        self.events: dict[str, Callable[..., Any]] = {}
        self.handlers: list[Any] = []
        self.modules: list[Module] = []
        self.context: Any = None
        self.channel: Channel | None = None

    def on(self, callback: F) -> F:
        """Register the handler of the event of its name; a decorator, which returns the function.

        It is called, or awaited, with those of `self` (the `context` of this object), `socket` and `data` that it has
        as parameters; for one client one after the other. "open" is called when a client is connected, "close" when it
        is gone, and "error" with `data["event"]` and `data["error"]` when a handler has failed; clients cannot send
        these. NotCallableError, WebSocketEventAlreadyBinded, and TypeError for other parameters.
        """
        if not callable(callback):
            raise NotCallableError(callback)
        self.bind_event(callback.__name__, callback)
        return callback

    def bind_event(self, event: str, callback: Callable[..., Any]) -> None:
        """Register the handler of an event; errors as in `on`."""
        if self.strict and event in self.events:
            raise WebSocketEventAlreadyBinded(event, self.path)
        names_of(callback)
        self.events[event] = callback

    def bind(self, module: Module) -> None:
        """Add a module: its events are handled here, and it emits to the clients of this object."""
        module.attach(self)
        self.modules.append(module)

    # What handlers of connections ask

    def is_bound(self, event: object) -> bool:
        """Tell whether clients may send an event."""
        is_known = isinstance(event, str) and event in self.events
        return is_known and event not in ("close", "error") and not self.is_opening(event)

    def is_opening(self, event: Any) -> bool:
        """Tell whether an event is to be called for a client that is connected."""
        if not event.endswith("open"):
            return False
        return event == "open" or not self.strict or any(event == module.event("open") for module in self.modules)

    def call(self, event: str, socket: Any, data: dict[str, Any]) -> Any:
        """Call the handler of an event."""
        callback = self.events[event]
        values = {"self": self.context, "socket": socket, "data": data}
        with Bindings.around():
            return callback(**{name: values[name] for name in names_of(callback)})

    def is_threaded(self, event: str) -> bool:
        """Tell whether the handler of an event is to run in a thread."""
        return self.threaded and not iscoroutinefunction(self.events[event])


@lru_cache(1000)
def names_of(callback: Callable[..., Any]) -> tuple[str, ...]:
    """Return which of `self`, `socket` and `data` a handler takes; TypeError if it needs another argument."""
    parameters = signature(callback).parameters.values()
    if any(one.kind is Parameter.VAR_KEYWORD for one in parameters):
        return _ARGUMENTS[1:]
    names = [one.name for one in parameters if one.name in _ARGUMENTS and one.kind is not Parameter.POSITIONAL_ONLY]
    for one in parameters:
        if one.name not in names and one.default is Parameter.empty and one.kind is not Parameter.VAR_POSITIONAL:
            raise TypeError(f"{callback!r} needs {one.name!r}: a handler is given self, socket and data, by name")
    return tuple(names)
