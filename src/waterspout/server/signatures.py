"""Whether a function can be what it is registered as: can be called, would run, takes what the server passes."""

from collections.abc import Callable, Sequence
from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, signature
from typing import Any, NamedTuple

from ..engine import Asker, AsyncFunctions, Driver
from .annotations import evaluate, innermost, is_value, layers

_VALUES = ("data", "message", "msg", "payload", "text")
"""What nobody calls a socket. A `sid` may be one: it is taken where a room is."""


class Function(NamedTuple):
    """A function of the user's; `threaded`: it may block, and runs in a thread."""

    call: Callable[..., Any]
    threaded: bool = False

    def run(self, driver: Driver, args: Sequence[Any], asker: Asker, token: Any) -> None:
        """Call it through the driver, which gives the asker its result."""
        (driver.run_threaded if self.threaded else driver.run)(self.call, args, asker, token)


def read_function(
    functions: AsyncFunctions,
    function: Any,
    what: str,
    *calls: tuple[str, ...],
    of: str = "",
    threaded: bool,
    first: str = "socket",
) -> Function:
    """Check a function that is called in these ways, with arguments of these names; `of` says where, in a remedy."""
    check_callable(function, what)
    for names in calls:
        check_signature(function, names, what + of, first=first)
    if threaded:
        check_plain(function, what)
    check_runs(functions, function, what + of)
    return Function(function, threaded)


def check_callable(function: object, what: str) -> None:
    """Raise TypeError for what cannot be called, or would not run when it is."""
    if not callable(function):
        raise TypeError(f"{what} is {function!r}: give a function")
    if isgeneratorfunction(function) or isasyncgenfunction(function):
        raise TypeError(f"{what} is the generator {function!r}, whose body would not run: return or emit, not yield")


def check_plain(function: Callable[..., Any], what: str) -> None:
    """Raise TypeError for an async function, however it is wrapped, that is to run in a thread."""
    if _is_async(function):
        name = name_of(function)
        remedy = "write a plain `def`, which may block, or leave threaded=True out"
        raise TypeError(f"{name}, {what}, is async and cannot run in a thread: {remedy}")


def check_runs(functions: AsyncFunctions, function: Callable[..., Any], what: str) -> None:
    """Raise TypeError for an async function, however it is wrapped, where the host cannot run it."""
    if _is_async(function):
        functions.add(f"{name_of(function)} ({what})")


def name_of(function: Callable[..., Any]) -> str:
    """Name a function for a sentence."""
    return str(getattr(innermost(function), "__qualname__", repr(function)))


def _is_async(function: Callable[..., Any]) -> bool:
    return any(map(iscoroutinefunction, layers(function)))


def check_signature(function: Callable[..., Any], names: tuple[str, ...], what: str, *, first: str = "socket") -> None:
    """Raise TypeError for a function that cannot be called with these arguments; it must not forget the socket."""
    try:
        parameters = signature(function)
    except (TypeError, ValueError):
        return  # a builtin that does not say
    try:
        parameters.bind(*names)
    except TypeError:
        given = ", ".join(name for name, one in parameters.parameters.items() if one.kind is not Parameter.VAR_KEYWORD)
        raise TypeError(f"{what} is called with ({', '.join(names)}), but takes ({given})") from None
    if names[:1] == ("socket",):
        check_first(function, what, first)
    if "auth" in names and "environ" in parameters.parameters:  # as in python-socketio; it would get the auth
        raise TypeError(f"{what} is called with (socket, auth): use socket.request in the place of environ")


def check_first(function: Callable[..., Any], what: str, first: str) -> None:
    """Raise TypeError for a function that has forgotten the parameter of the server's own, the socket or `self`.

    Only where that is certain: it has no parameter, or the first is a value by its type or its name. What decorators
    have wrapped may be called with anything.
    """
    if any(hasattr(one, "__wrapped__") for one in layers(function)):
        return
    try:
        parameters = list(signature(function).parameters.values())
    except (TypeError, ValueError):
        return
    given = parameters[0] if parameters else None
    if given is None or (given.kind in _POSITIONAL and _is_value(given, function)):
        name = getattr(innermost(function), "__name__", "handler")
        name = "handler" if name in ("<lambda>", "__call__") else name
        shown = ", ".join([first, *(str(one.replace(annotation=Parameter.empty)) for one in parameters)])
        reason = "but takes nothing" if given is None else f"but {given.name!r} is not one"
        raise TypeError(f"{what} is called with a socket first, {reason}: write `def {name}({shown})`")


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def _is_value(parameter: Parameter, function: Callable[..., Any]) -> bool:
    """Tell whether a parameter is certainly not for a socket."""
    if parameter.annotation is Parameter.empty:
        return parameter.name in _VALUES
    try:
        return is_value(evaluate(parameter.annotation, function))
    except TypeError:
        return False  # a name for type checkers alone
