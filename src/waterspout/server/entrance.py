"""A client's way into a namespace: through the steps, to the connect handler, and in or out."""

from typing import Any, Protocol

from ..engine import Asker
from ..errors import ArgumentError, ConnectRefused
from .auth import Auth, Step
from .dispatch import INTERRUPTS
from .hooks import Hooks
from .late import Late
from .socket import Socket


class Gate(Protocol):
    """What lets in and keeps out."""

    hooks: Hooks

    def accept(self, socket: Socket) -> None:
        """Let a client in."""

    def refuse(self, socket: Socket, refusal: ConnectRefused) -> None:
        """Keep it out."""


class Entrance:
    """Asks one step after the other about one client; the token is the step's index."""

    __slots__ = ("_auth", "_gate", "_socket", "_steps")

    def __init__(self, gate: Gate, steps: list[Step], socket: Socket, auth: Auth) -> None:
        self._gate = gate
        self._steps = steps
        self._socket = socket
        self._auth = auth

    def ask(self, index: int = 0) -> None:
        """Ask the next step; after the last, the client is in."""
        if index == len(self._steps):
            self._gate.accept(self._socket)
        elif not self._socket.gone:
            self._run(self._steps[index], index)

    def answered(self, token: int, result: Any) -> None:
        """Go on, unless the step has refused."""
        self._look_at_cookies()
        if result is False:
            self._gate.refuse(self._socket, ConnectRefused())
        else:
            self.ask(token + 1)

    def failed(self, token: int, error: BaseException) -> None:
        """Refuse, with the reason or without it."""
        self._look_at_cookies()
        if isinstance(error, ArgumentError):
            self._gate.hooks.event_refused(self._socket, "connect", error)
            error = ConnectRefused(message=str(error), data=error.report["error"])
        elif not isinstance(error, ConnectRefused):
            self._gate.hooks.event_failed(self._socket, "connect", error)
            error = ConnectRefused(message="Internal error")
        self._gate.refuse(self._socket, error)

    def describe(self, token: int) -> str:
        """Name the step, for a warning."""
        return f"the connect handler of {self._socket.namespace}"

    def later(self, token: int) -> Asker:
        """Let it take its time, and count it: a client may come and go faster than it is asked about."""
        late = Late(self, self._socket._session)
        if self._socket._early is not None:
            self._socket._early.asker = late
        return late

    def _look_at_cookies(self) -> None:
        if self._socket.request.cookies_used:
            self._gate.hooks.cookies_used()

    def _run(self, step: Step, index: int) -> None:
        auth = self._auth.value
        if step.auth is not None:
            try:
                auth = step.auth.convert(self._auth)
            except BaseException as error:  # a refusal, or what a user's own type raises
                self.failed(index, error)
                if isinstance(error, INTERRUPTS):
                    raise
                return
        step.function.run(self._socket._driver, (self._socket, auth), self, index)
