"""What of a client waits for its handlers: calls that nobody has answered yet, and what they hold."""

from typing import TYPE_CHECKING

from .policy import Policy

if TYPE_CHECKING:
    from .table import Table

_LENIENCE = 10  # times max_payload_bytes, while all calls wait for the client itself


class Backlog:
    """The calls of one client. A session is one, rather than has one: an idle client costs no object for it.

    With the policy's `max_calls`, or more than its `max_payload_bytes`, the client is read no further.
    """

    __slots__ = ("_calls", "_pending_bytes", "is_paused", "received_bytes")

    table: "Table"
    is_live: bool

    def __init__(self) -> None:
        self._calls = self._pending_bytes = 0
        self.is_paused = False
        self.received_bytes = 0  # of the latest message, with its attachments; characters, if it is text

    @property
    def policy(self) -> Policy:
        """Return the policy of the engine."""
        return self.table.policy

    def begin_call(self, size_bytes: int = 0) -> None:
        """Count a call that has not been answered, and what it holds, which `end_call` is to be given as well.

        What the client owes an acknowledgement counts against it: it is an `end_call` until that has come.
        """
        self._calls += 1
        self._pending_bytes += size_bytes
        if not self.is_paused and self.is_live and self._is_busy:
            self.is_paused = True
            self._pause()

    def end_call(self, size_bytes: int = 0) -> None:
        """Count an answer, and read on."""
        self._calls -= 1
        self._pending_bytes -= size_bytes
        if self.is_paused and not self._is_busy:
            self.is_paused = False
            self.table.turn.add(self._read_on)

    @property
    def _is_busy(self) -> bool:
        policy = self.policy
        most_bytes = policy.max_payload_bytes * (1 if self._calls > 0 else _LENIENCE)
        return self._calls >= policy.max_calls or self._pending_bytes > most_bytes

    def _pause(self) -> None:
        """Read nothing more of the client."""
        raise NotImplementedError

    def _read_on(self) -> None:
        """Read again, unless it was paused once more meanwhile."""
        raise NotImplementedError
