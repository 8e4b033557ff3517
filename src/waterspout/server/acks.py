"""Calls that clients have not acknowledged yet: of one socket, and to a whole room."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ..engine import Pending, Session
from ..errors import AckTimeout, SocketClosed, TooManyCalls

Settle = Callable[[Any, Exception | None], object]
"""Takes the answer to a call, or the error: `Pending.settle`, or for one member of many `ReplyCollector.settle`."""


class Acks:
    """The open calls of one socket, by ack id, with their deadlines.

    Each open call lowers the session's count of pending handler calls by one: a handler that waits for its client must
    not keep that client from being read.
    """

    __slots__ = ("_deadlines", "_pending", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._deadlines = session.table.deadlines
        self._pending: dict[int, tuple[str, Settle, float]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, ack_id: int, event: str, settle: Settle, *, now: float, timeout: float) -> None:
        """Wait for the answer with this id, `timeout` seconds from `now`."""
        self._pending[ack_id] = event, settle, timeout
        self._deadlines.set(self, ack_id, now + timeout)
        self._session.end_call()

    def answer(self, ack_id: int, args: list[Any]) -> None:
        """Take a client's acknowledgement; one without an open call is ignored.

        The result mirrors what a handler returns: None, a value, or a tuple of several.
        """
        entry = self._pending.pop(ack_id, None)
        if entry is not None:
            self._deadlines.clear(self, ack_id)
            self._session.begin_call()
            entry[1](None if not args else args[0] if len(args) == 1 else tuple(args), None)

    def due(self, ack_id: int, at: float) -> None:
        """Reject the call whose deadline has passed."""
        event, settle, timeout = self._pending.pop(ack_id)
        self._session.begin_call()
        settle(None, AckTimeout(f"the client has not acknowledged {event!r} within {timeout:g} s"))

    def close(self) -> None:
        """Reject all calls: the client has disconnected."""
        for ack_id, (event, settle, _) in tuple(self._pending.items()):
            self._deadlines.clear(self, ack_id)
            del self._pending[ack_id]
            self._session.begin_call()
            settle(None, SocketClosed(f"the client left before it acknowledged {event!r}"))


def too_many(most: int, event: str) -> TooManyCalls:
    """Make the error of a client that has too many open calls."""
    return TooManyCalls(f"{event!r} was not sent: the client has not answered {most} calls, which is max_pending_acks")


@dataclass(frozen=True, slots=True)
class Replies:
    """What came of a call to many: `answers` by socket id, and the ids in `missing` that did not answer in time.

    `missing_nodes` are the other nodes that did not answer: what their clients have said is not here.
    """

    answers: dict[str, Any]
    missing: tuple[str, ...]
    missing_nodes: tuple[str, ...] = ()


class ReplyCollector:
    """Collects the acknowledgements of a call to a room; done when each member has answered, or failed to."""

    __slots__ = ("_answers", "_missing", "_pending", "_waiting")

    def __init__(self, members: Collection[str], pending: Pending[Replies]) -> None:
        self._pending = pending
        self._waiting = dict.fromkeys(members)
        self._answers: dict[str, Any] = {}
        self._missing: list[str] = []
        self._finish()

    def settle(self, member: str, value: Any, error: Exception | None) -> None:
        """Take a member's answer, or count it as missing."""
        del self._waiting[member]
        if error is None:
            self._answers[member] = value
        else:
            self._missing.append(member)
        self._finish()

    def _finish(self) -> None:
        if not self._waiting:
            self._pending.resolve(Replies(self._answers, tuple(self._missing)))
