"""The decorators with which users register handlers, hooks and steps."""

from collections.abc import Callable
from typing import Any, overload

from .handlers import ON_CONNECT, ON_DISCONNECT, ON_ERROR, F, Handlers, check_event

OMITTED: Any = object()
"""A decorator's function where it comes later: `@server.on_connect(threaded=True)`. (None would be a mistake.)"""


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
        return self._adder(event, ordered, threaded)

    @overload
    def on_connect(self, handler: F, *, threaded: bool = ...) -> F: ...
    @overload
    def on_connect(self, *, threaded: bool = ...) -> Callable[[F], F]: ...
    def on_connect(self, handler: Any = OMITTED, *, threaded: bool = False) -> Any:
        """Register what decides whether a client may enter: `(socket, auth)`.

        It refuses with ConnectRefused, or by returning False. `auth` is what the client sent along, a
        dictionary; from 1.x and 2.x clients it is their query, in "/" without the names that Engine.IO uses
        itself (EIO, transport, sid, t, j, b64). Annotated, it is checked and converted, and a client with another is
        refused; TypeError for a type that nothing becomes.

        `threaded`, here and in all others below, as an argument (`@server.on_connect(threaded=True)`): a plain function
        that blocks runs in a thread; TypeError for an async one.
        """
        return at_once(handler, lambda handler: self._registry().hook(ON_CONNECT, handler, threaded=threaded))

    @overload
    def on_disconnect(self, handler: F, *, threaded: bool = ...) -> F: ...
    @overload
    def on_disconnect(self, *, threaded: bool = ...) -> Callable[[F], F]: ...
    def on_disconnect(self, handler: Any = OMITTED, *, threaded: bool = False) -> Any:
        """Register what is called when an accepted client has disconnected: `(socket, reason)`, once."""
        return at_once(handler, lambda handler: self._registry().hook(ON_DISCONNECT, handler, threaded=threaded))

    @overload
    def on_error(self, handler: F, *, threaded: bool = ...) -> F: ...
    @overload
    def on_error(self, *, threaded: bool = ...) -> Callable[[F], F]: ...
    def on_error(self, handler: Any = OMITTED, *, threaded: bool = False) -> Any:
        """Register what is called with exceptions of handlers, and with refused events: `(socket, event, error)`.

        Each namespace has its own. Exceptions are logged in any case.
        """
        return at_once(handler, lambda handler: self._registry().hook(ON_ERROR, handler, threaded=threaded))

    @overload
    def on_any(self, handler: F, *, threaded: bool = ...) -> F: ...
    @overload
    def on_any(self, *, threaded: bool = ...) -> Callable[[F], F]: ...
    def on_any(self, handler: Any = OMITTED, *, threaded: bool = False) -> Any:
        """Register what is called with every event, before its own handler and as it came: `(socket, event, *args)`.

        Its result, if it is not None, acknowledges events that have no handler of their own. All others of these
        get no acknowledgement, as without it.
        It may refuse an event with EventRefused, as a step does. A `threaded` one makes the namespace's events ordered
        that do not say otherwise.
        """
        return at_once(handler, lambda handler: self._registry().on_any(handler, threaded=threaded))

    @overload
    def use(self, step: F, *, threaded: bool = ...) -> F: ...
    @overload
    def use(self, *, threaded: bool = ...) -> Callable[[F], F]: ...
    def use(self, step: Any = OMITTED, *, threaded: bool = False) -> Any:
        """Add a step before the connect handler: `(socket, auth)`; it refuses as that does, also by annotation.

        It is for this namespace alone: clients may enter another one without "/".
        """
        return at_once(step, lambda step: self._registry().step(step, threaded=threaded))

    @overload
    def use_event(self, step: F, *, threaded: bool = ...) -> F: ...
    @overload
    def use_event(self, *, threaded: bool = ...) -> Callable[[F], F]: ...
    def use_event(self, step: Any = OMITTED, *, threaded: bool = False) -> Any:
        """Add a step before every event's handler: `(socket, event, args)`, with `args` a list that it may change.

        It drops the event by returning False, and refuses it, so that the client's acknowledgement says why,
        by raising EventRefused. A `threaded` one makes the namespace's events ordered that do not say otherwise.
        """
        return at_once(step, lambda step: self._registry().event_step(step, threaded=threaded))

    def _registry(self) -> Handlers:
        """Return what is registered here; ValueError where something else has to be asked for that."""
        return self._handlers

    def _adder(self, event: str, ordered: bool | None, threaded: bool) -> Callable[[F], F]:
        def register(handler: F) -> F:
            self._registry().add(event, handler, ordered=ordered, threaded=threaded)
            return handler

        return register


def at_once(function: Any, register: Callable[[Any], Any]) -> Any:
    """Register a function, or return the decorator that does."""
    return register if function is OMITTED else register(function)
