"""Classes of sockets: what they may define, and how their methods become handlers."""

from collections.abc import Callable
from difflib import get_close_matches
from inspect import getattr_static
from typing import Any, overload

from .handlers import INSTEAD, F, Handlers, Hook, check_event

_HOOKS = {f"on_{hook.name.lower()}": hook for hook in Hook}
_EVENTS, _THREADED = "__waterspout_events__", "__waterspout_threaded__"  # what decorators say, for `read_class`
_REMEDIES = {
    "__init__": "do it in on_connect",
    "__eq__": "sockets are compared by identity",
    "__hash__": "sockets are compared by identity",
}


@overload
def event(method: F, /) -> F: ...
@overload
def event(name: str, /, *, ordered: bool | None = ..., threaded: bool = ...) -> Callable[[F], F]: ...
def event(name: Any, /, *, ordered: bool | None = None, threaded: bool = False) -> Any:
    """Make a method of a `Socket` class the handler of an event: of its own name, or of the one given.

    `ordered` and `threaded` are those of `Server.on`.
    """
    if callable(name):
        return _mark(name, name.__name__, ordered, threaded)
    return lambda method: _mark(method, name, ordered, threaded)


def hook(*, threaded: bool) -> Callable[[F], F]:
    """Say of a `Socket` class's `on_connect`, `on_disconnect` or `on_error` whether it runs in a thread.

    A threaded one is plain and may block; TypeError for an async one, and for any other method.
    """

    def mark(method: F) -> F:
        if method.__name__ not in _HOOKS:
            raise TypeError(f"@hook stands above {', '.join(_HOOKS)}; {method.__qualname__} is none of them")
        method.__waterspout_threaded__ = threaded  # type: ignore[attr-defined]  # read by `read_class`
        return method

    return mark


def _mark(method: F, name: str, ordered: bool | None, threaded: bool) -> F:
    check_event(name)
    if isinstance(method, staticmethod | classmethod):
        raise TypeError(f"the handler of {name!r} is a {type(method).__name__}: @event makes one of a method")
    marks = (*getattr(method, "__waterspout_events__", ()), (name, ordered, threaded))
    method.__waterspout_events__ = marks  # type: ignore[attr-defined]  # read by `read_class`
    return method


def read_class(kind: type, handlers: Handlers) -> None:
    """Register what a class of sockets defines or inherits: its events and its hooks.

    A method that replaces the handler of an event handles it too; None in its place means that nobody does.
    TypeError, before anything is registered, for a method that looks like a handler and would never run.
    """
    _check_names(kind)
    for name in dir(kind):
        method = getattr(kind, name)
        if callable(method):
            for event, ordered, threaded in _said(kind, name, _EVENTS) or ():
                handlers.add(event, method, ordered=ordered, threaded=threaded, first="self")
    for name, hook in _HOOKS.items():
        method = getattr(kind, name, None)
        if method is not None:
            handlers.hook(hook, method, threaded=bool(_said(kind, name, _THREADED)), first="self")


def _check_names(kind: type) -> None:
    """Raise TypeError for a method that is called like a hook, and neither is one nor handles an event."""
    for name in dir(kind):
        is_known = name in _HOOKS or _said(kind, name, _EVENTS)
        if is_known or not name.startswith("on_") or not callable(getattr(kind, name)):
            continue
        rest = name.removeprefix("on_")
        meant = INSTEAD.get(rest) or next(iter(get_close_matches(name, _HOOKS, 1, cutoff=0.8)), None)
        remedy = f"call it {meant}" if meant else f'write @event("{rest}") above it, or choose another name'
        raise TypeError(f"{kind.__name__}.{name} is no hook and handles no event, so nothing would call it: {remedy}")


def _said(kind: type, name: str, mark: str) -> Any:
    """Return what decorators have said of a method: of itself, or else of the nearest of those that it replaces."""
    found = (getattr(one.__dict__.get(name), "__dict__", {}).get(mark) for one in kind.__mro__)
    return next((one for one in found if one is not None), None)


def check_class(kind: type, base: type) -> None:
    """Raise TypeError for a class that has, or inherits, what replaces something of the base's own."""
    for name in (*_REMEDIES, *(name for name in base.__dict__ if not name.startswith("__"))):
        if getattr_static(kind, name) is not getattr_static(base, name):
            remedy = _REMEDIES.get(name, 'choose another name, or @event("name") for it')
            raise TypeError(f"{kind.__name__}.{name} would replace {name} of waterspout.Socket: {remedy}")
