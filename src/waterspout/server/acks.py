"""The questions that a client has not answered yet."""

from typing import Any

from ..engine import Deadlines, Pending
from ..errors import AckTimeout, SocketClosed


class Acks:
    """The open calls of one socket, by their number; the waiter of their deadlines."""

    __slots__ = ("_deadlines", "_pending")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._pending: dict[int, tuple[str, Pending[Any]]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, number: int, event: str, pending: Pending[Any], at: float) -> None:
        """Wait for the answer with this number, until `at`."""
        self._pending[number] = event, pending
        self._deadlines.set(self, number, at)

    def answer(self, number: int, args: list[Any]) -> None:
        """Take a client's answer; one that nobody waits for is ignored.

        The result mirrors what a handler returns: None, a value, or a tuple of several.
        """
        entry = self._pending.pop(number, None)
        if entry is not None:
            self._deadlines.clear(self, number)
            entry[1].resolve(None if not args else args[0] if len(args) == 1 else tuple(args))

    def due(self, number: int, at: float) -> None:
        """Give one up: its time has come."""
        event, pending = self._pending.pop(number)
        pending.reject(AckTimeout(f"the client has not acknowledged {event!r} in time"))

    def close(self) -> None:
        """Give all up: the client is gone."""
        for number, (event, pending) in tuple(self._pending.items()):
            self._deadlines.clear(self, number)
            del self._pending[number]
            pending.reject(SocketClosed(f"the client left before it acknowledged {event!r}"))
