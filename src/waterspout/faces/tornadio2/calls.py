"""A call of what a user wrote, which may go on later, and how its session counts it."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from ...engine import Asker
from .carrier import Carrier

log = logging.getLogger("tornadio2.session")


class Caller(Protocol):
    """What a call needs of its session."""

    handler: Any
    conn: Any

    def complain(self, to: logging.Logger, text: str, *values: Any, error: BaseException | None = None) -> None:
        """Log an error that a client has caused."""

    def close(self, endpoint: str | None = None) -> None:
        """Close an endpoint, or everything."""


def begin_call(handler: object) -> Callable[[], object]:
    """Let the engine know of a call that goes on later, and return what tells of its end.

    A client that has too many, or of too many bytes, is read no further.
    """
    return handler.begin_call() if isinstance(handler, Carrier) else nothing


def nothing(*_: Any) -> None:
    """Do nothing: nobody counts, or nobody asked for the result."""


class Call:
    """A call of what a user wrote, which may go on later: `then` gets the result, or the session is closed."""

    __slots__ = ("_end", "_ends", "_handler", "_session", "_then", "error")

    def __init__(self, session: Caller, then: Callable[[Any], None] | None = None, *, ends: bool = True) -> None:
        self._session = session
        self._then = then
        self._ends = ends
        self._handler = session.handler
        self._end: Callable[[], object] | None = None
        self.error: BaseException | None = None

    def later(self, token: None) -> Asker:
        self._end = begin_call(self._handler)
        return self

    def answered(self, token: None, result: Any) -> None:
        if self._end is not None:
            self._end()
        if self._then is not None:
            self._then(result)

    def failed(self, token: None, error: BaseException) -> None:
        if self._end is not None:
            self._end()
            self._session.complain(log, "a handler has failed", error=error)
            if self._ends:
                self._session.close()
        else:
            self.error = error

    def describe(self, token: None) -> str:
        """Name the handler, for a warning."""
        return f"a handler of {type(self._session.conn).__name__}"
