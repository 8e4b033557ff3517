"""A client's way into a namespace: what it sends along, and the steps and the connect handler that let it in or not."""

from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine import INTERRUPTS, Asker
from ..errors import ArgumentError, ConnectRefused
from .arguments import Arguments
from .life import GONE, CountingAsker
from .signatures import Function

if TYPE_CHECKING:
    from .member import SocketMember

_NOTHING: dict[str, Any] = {}


class Auth(NamedTuple):
    """The auth that a client has sent, or the query of a client that has none, whose values are strings."""

    value: Any
    is_query: bool = False


class QueryAuth(dict[str, str]):
    """A query that is sent as the data of a connect packet."""


class AuthArgument:
    """The argument `auth` of a connect handler, or of a step before it; TypeError for a type that nothing becomes."""

    __slots__ = ("_of_json", "_of_query", "typed")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._of_json = Arguments(function, "connect", most=1)
        self._of_query = Arguments(function, "connect", most=1, strict=False)
        self.typed = self._of_json.typed

    def convert(self, auth: Auth, asker: Asker | None = None, token: Any = None) -> Any:
        """Return what to call the handler with; ArgumentError for what it does not take.

        A query's "5" and "true" are made numbers and booleans where these are asked for. Where nothing came, which is
        an empty dictionary, a type that does not take one, and takes None, gets None.
        """
        arguments = self._of_query if auth.is_query else self._of_json
        try:
            return arguments.convert([auth.value], asker, token)[0]
        except ArgumentError as error:
            if auth.value != _NOTHING:
                raise
            refusal = error
        try:
            return arguments.convert([None], asker, token)[0]
        except ArgumentError:
            raise refusal from refusal.__cause__


class ConnectStep(NamedTuple):
    """A function `(socket, auth)` that runs before a client is connected; `auth` if it annotates that argument."""

    function: Function
    auth: AuthArgument | None


def read_step(function: Function) -> ConnectStep:
    """Read what a step takes."""
    try:
        signature(function.call)
    except (TypeError, ValueError):
        return ConnectStep(function, None)  # a builtin that does not say
    argument = AuthArgument(function.call)
    return ConnectStep(function, argument if argument.typed else None)


class ConnectSteps:
    """Runs the steps and the connect handler for one client, one after the other; the token is the step's index."""

    __slots__ = ("_auth", "_member", "_namespace", "_steps")

    def __init__(self, steps: list[ConnectStep], member: "SocketMember", auth: Auth) -> None:
        self._namespace = member.namespace
        self._steps = steps
        self._member = member
        self._auth = auth

    def ask(self, index: int = 0) -> None:
        """Run the next step; after the last, accept the client."""
        if index == len(self._steps):
            self._namespace.accept(self._member)
        elif self._member.life is not GONE:
            self._run(self._steps[index], index)

    def answered(self, token: int, result: Any) -> None:
        self._look_at_cookies()
        if result is False:
            self._namespace.refuse(self._member, ConnectRefused())
        else:
            self.ask(token + 1)

    def failed(self, token: int, error: BaseException) -> None:
        self._look_at_cookies()
        if isinstance(error, ArgumentError):
            self._namespace.hooks.event_refused(self._member, "connect", error)
            error = ConnectRefused(message=str(error), data=error.report["error"])
        elif not isinstance(error, ConnectRefused):
            self._namespace.hooks.event_failed(self._member, "connect", error)
            self._namespace.refuse(self._member, ConnectRefused(message="Internal error"), failed=True)
            return
        self._namespace.refuse(self._member, error)

    def describe(self, token: int) -> str:
        """Name the step, for a warning."""
        return f"the connect handler of {self._namespace.name}"

    def later(self, token: int) -> Asker:
        """Count the call: a client may connect and disconnect faster than its steps end."""
        counting = CountingAsker(self, self._member.session)
        if self._member.early is not None:
            self._member.early.asker = counting
        return counting

    def _look_at_cookies(self) -> None:
        if self._member.session.request.cookies_used:
            self._namespace.hooks.cookies_used()

    def _run(self, step: ConnectStep, index: int) -> None:
        if self._member.early is not None:
            self._member.early.asker = self  # of a function that has not gone on asynchronously yet
        auth = self._auth.value
        if step.auth is not None:
            try:
                auth = step.auth.convert(self._auth, self, index)
            except BaseException as error:  # a refusal, or what a user's own type raises
                self.failed(index, error)
                if isinstance(error, INTERRUPTS):
                    raise
                return
        step.function.run(self._member.driver, (self._member.socket, auth), self, index)
