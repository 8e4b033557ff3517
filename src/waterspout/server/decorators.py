"""The decorators with which users register handlers, hooks and steps."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast, overload

from .handlers import ON_CONNECT, ON_DISCONNECT, ON_ERROR, F, Handlers, check_event

_OMITTED: Any = object()  # the function of `@server.on_connect(threaded=True)`; None would be a mistake


class Decorator(Protocol):
    """A method that registers a function: `@server.on_connect`, or `@server.on_connect(threaded=True)`."""

    @overload
    def __call__(self, function: F, *, threaded: bool = ...) -> F: ...
    @overload
    def __call__(self, *, threaded: bool = ...) -> Callable[[F], F]: ...


class _DecoratorMethod(Protocol):
    """A `Decorator`, as a class has it."""

    def __get__(self, instance: object, owner: type, /) -> Decorator: ...


def decorator(register: Callable[..., None]) -> _DecoratorMethod:
    """Make a `Decorator` of a method that registers a function, `(self, function, *, threaded)`."""

    @wraps(register)
    def method(self: object, function: Any = _OMITTED, *, threaded: bool = False) -> Any:
        def decorate(function: F) -> F:
            register(self, function, threaded=threaded)
            return function

        return decorate if function is _OMITTED else decorate(function)

    return cast(_DecoratorMethod, method)


class Events:
    """The part of a namespace that users fill: decorators for handlers, hooks and steps."""

    _handlers: Handlers

    def on(self, event: str, *, ordered: bool | None = None, threaded: bool = False) -> Callable[[F], F]:
        """Register the handler of an event: `(socket, *args)`, plain or async.

        What it returns acknowledges the event: None is an empty acknowledgement, a tuple several
        arguments. Annotated arguments are checked and converted. `ordered`: the next such event of the same
        client waits until this one is answered; None is what the namespace says, or else the driver (on asyncio no).
        `threaded`: a plain function that blocks runs in a pool of threads, and is ordered unless `ordered` is False;
        TypeError for an async one. One event has one handler: a second one is refused with ValueError. Exceptions
        are told to `on_error`; an event named "error" is one that clients emit.
        """
        check_event(event)

        def register(handler: F) -> F:
            self._registry().add(event, handler, ordered=ordered, threaded=threaded)
            return handler

        return register

    @decorator
    def on_connect(self, handler: Callable[..., Any], *, threaded: bool) -> None:
        """Register what decides whether a client may enter: `(socket, auth)`.

        It refuses with ConnectRefused, or by returning False. `auth` is what the client sent along, a
        dictionary; from 1.x and 2.x clients it is their query, in "/" without the names that Engine.IO uses
        itself (EIO, transport, sid, t, j, b64). Annotated, it is checked and converted, and a client with another is
        refused; TypeError for a type that nothing becomes.

        `threaded`, here and in all others below, as an argument (`@server.on_connect(threaded=True)`): a plain function
        that blocks runs in a thread; TypeError for an async one.
        """
        self._registry().hook(ON_CONNECT, handler, threaded=threaded)

    @decorator
    def on_disconnect(self, handler: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called when an accepted client has disconnected: `(socket, reason)`, once."""
        self._registry().hook(ON_DISCONNECT, handler, threaded=threaded)

    @decorator
    def on_error(self, handler: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called with exceptions of handlers, and with refused events: `(socket, event, error)`.

        Each namespace has its own. Exceptions are logged in any case.
        """
        self._registry().hook(ON_ERROR, handler, threaded=threaded)

    @decorator
    def on_any(self, handler: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called with every event, before its own handler and as it came: `(socket, event, *args)`.

        Its result, if it is not None, acknowledges events that have no handler of their own. All others of these
        get no acknowledgement, as without it.
        It may refuse an event with EventRefused, as a step does. A `threaded` one makes the namespace's events ordered
        that do not say otherwise.
        """
        self._registry().on_any(handler, threaded=threaded)

    @decorator
    def use(self, step: Callable[..., Any], *, threaded: bool) -> None:
        """Add a step before the connect handler: `(socket, auth)`; it refuses as that does, also by annotation.

        It is for this namespace alone: clients may enter another one without "/".
        """
        self._registry().step(step, threaded=threaded)

    @decorator
    def use_event(self, step: Callable[..., Any], *, threaded: bool) -> None:
        """Add a step before every event's handler: `(socket, event, args)`, with `args` a list that it may change.

        It drops the event by returning False, and refuses it, so that the client's acknowledgement says why,
        by raising EventRefused. A `threaded` one makes the namespace's events ordered that do not say otherwise.
        """
        self._registry().event_step(step, threaded=threaded)

    def _registry(self) -> Handlers:
        """Return what is registered here; ValueError where something else has to be asked for that."""
        return self._handlers
