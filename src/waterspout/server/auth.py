"""What a client sends along when it enters a namespace, and what a connect handler's annotation makes of it."""

from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple

from ..errors import ArgumentError
from .arguments import Arguments
from .signatures import Function

_NOTHING: dict[str, Any] = {}


class Auth(NamedTuple):
    """What came: the client's auth; or of clients that know none their query, whose values are strings."""

    value: Any
    is_query: bool = False


class AuthArgument:
    """The argument `auth` of a connect handler, or of a step before it; TypeError for a type that nothing becomes."""

    __slots__ = ("_of_json", "_of_query", "typed")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._of_json = Arguments(function, "connect", most=1)
        self._of_query = Arguments(function, "connect", most=1, strict=False)
        self.typed = self._of_json.typed

    def convert(self, auth: Auth) -> Any:
        """Return what to call the handler with; ArgumentError for what it does not take.

        A query's "5" and "true" are made numbers and booleans where these are asked for. Where nothing came, which is
        an empty dictionary, a type that does not take one, and takes None, gets None.
        """
        arguments = self._of_query if auth.is_query else self._of_json
        try:
            return arguments.convert([auth.value])[0]
        except ArgumentError as error:
            if auth.value != _NOTHING:
                raise
            refusal = error
        try:
            return arguments.convert([None])[0]
        except ArgumentError:
            raise refusal from refusal.__cause__


class Step(NamedTuple):
    """A function `(socket, auth)` that is asked before a client is in; `auth` where it annotates that."""

    function: Function
    auth: AuthArgument | None


def read_step(function: Function) -> Step:
    """Read what a step takes."""
    try:
        signature(function.call)
    except (TypeError, ValueError):
        return Step(function, None)  # a builtin that does not say
    argument = AuthArgument(function.call)
    return Step(function, argument if argument.typed else None)
