"""What a client of Socket.IO 0.7 to 0.9 has been sent before it has shown that anything arrives (WP-56).

Such a client gives a transport its `connect timeout`, 10 s unless the page says otherwise, to bring `1::`; then it
tries the next one, with the same session, and leaves the first open. Once connected it never changes: after a loss it
begins with a handshake (socket.io-client 0.7.11, 0.8.7 and 0.9.17, `lib/socket.js`).
"""

from .policy import Policy
from .prepared import Prepared

_SOONEST = 1.0  # s after a transport's coming; who returns sooner had a connection, and lost it


class Trial:
    """All that was sent by a session whose client has said nothing, as long as that fits into an outbox."""

    __slots__ = ("_messages", "_names", "_policy", "_since", "_size_bytes", "is_over")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._names: list[str] = []
        self._since = 0.0
        self._messages: list[Prepared] = []
        self._size_bytes = 0
        self.is_over = False

    def goes_on(self, name: str, now: float) -> bool:
        """Hear of the next transport; tell whether the client tries it because nothing has come over those before.

        If not, it returns to a connection that it had, and the trial is over.
        """
        is_next = bool(self._names) and name not in self._names and now - self._since >= _SOONEST
        if self._names and not is_next:
            self.end()
        self._names.append(name)
        self._since = now
        return is_next

    def add(self, prepared: Prepared) -> None:
        """Remember what was sent."""
        self._messages.append(prepared)
        self._size_bytes += prepared.size_bytes
        if self._size_bytes > self._policy.max_outbox_bytes or len(self._messages) > self._policy.max_packets:
            self.end()

    def forget(self, count: int) -> None:
        """Forget the latest: they have not been sent after all."""
        for prepared in self._messages[len(self._messages) - count :]:
            self._size_bytes -= prepared.size_bytes
        del self._messages[len(self._messages) - count :]

    def take(self) -> list[Prepared]:
        """Hand over everything, to be sent again."""
        messages, self._messages, self._size_bytes = self._messages, [], 0
        return messages

    def end(self) -> None:
        """Forget everything, for good: it has arrived, as far as can be known."""
        self.is_over = True
        self._messages.clear()
