"""A call of a user's function that goes on asynchronously, counted against its client meanwhile."""

from typing import Any, Protocol

from ..engine import Asker, Session


class Described(Asker, Protocol):
    """An asker that can name the function it has asked."""

    def describe(self, token: Any) -> str:
        """Name the function, for a warning."""


class Late:
    """Hears for an asker what comes of the function, and counts its end.

    The call ends before the asker goes on, which may begin the next one: they are one after the other, not two.
    (For an answer to an event that is the wrong way round: see `_LateAnswers`.)
    """

    __slots__ = ("_asker", "_session", "_size_bytes")

    def __init__(self, asker: Described, session: Session, size_bytes: int = 0) -> None:
        self._asker = asker
        self._session = session
        self._size_bytes = size_bytes
        session.begin_call(size_bytes)

    def answered(self, token: Any, result: Any) -> None:
        """Count the end, and go on."""
        self._session.end_call(self._size_bytes)
        self._asker.answered(token, result)

    def failed(self, token: Any, error: BaseException) -> None:
        """Count the end, and tell of the failure."""
        self._session.end_call(self._size_bytes)
        self._asker.failed(token, error)

    def later(self, token: Any) -> Asker:
        """Go on: it is counted already."""
        return self

    def describe(self, token: Any) -> str:
        """Name the function, for a warning."""
        return self._asker.describe(token)
