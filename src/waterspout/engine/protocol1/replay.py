"""What a client of Socket.IO 0.7 to 0.9 has been sent before it has shown that anything arrives (WP-56).

Such a client gives a transport its `connect timeout`, 10 s unless the page says otherwise, to bring `1::`; then it
tries the next one, with the same session, and leaves the first open. Once connected it never changes: after a loss it
begins with a handshake (socket.io-client 0.7.11, 0.8.7 and 0.9.17, `lib/socket.js`).
"""

from collections import deque

from ..policy import Policy
from ..prepared import Prepared

_SOONEST = 1.0  # s after a transport began; a client that returns sooner had a connection, and lost it


class ReplayBuffer:
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
        """Tell whether the client tries this next transport because those before have brought it nothing.

        If not, it has lost a connection that worked, and the replay is over.
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


class Sent:
    """What a transport has written to its link, as far as it may still lie there.

    `written` has each message with its end, in bytes from the first on; `total_bytes` is the end of all that was
    written, also of what is nobody's message (a pong). `give_back` returns what has not left the link; bytes that the
    kernel took count as sent, and are forgotten with the next write. The session's replay buffer gets every message.
    """

    __slots__ = ("replay", "total_bytes", "written")

    def __init__(self, replay: ReplayBuffer) -> None:
        self.replay: ReplayBuffer | None = replay  # until it is over
        self.total_bytes = 0
        self.written: deque[tuple[int, Prepared]] = deque()

    def add(self, size: int, prepared: Prepared, unsent_bytes: int) -> None:
        """Remember what was just written to a link that had so many bytes to send before."""
        self.forget(unsent_bytes)
        self.total_bytes += size
        self.written.append((self.total_bytes, prepared))
        if self.replay is not None:
            self.attempt(self.replay, prepared)

    def attempt(self, replay: ReplayBuffer, prepared: Prepared) -> None:
        """Add a message to the replay buffer, or forget the buffer if it is over."""
        if replay.is_over:
            self.replay = None
        else:
            replay.add(prepared)

    def forget(self, unsent_bytes: int) -> None:
        """Forget what has left the link as a whole: a link that is never empty would remember all that it ever sent."""
        left_bytes = self.total_bytes - unsent_bytes
        while self.written and self.written[0][0] <= left_bytes:
            self.written.popleft()

    def give_back(self, unsent_bytes: int) -> list[Prepared]:
        """Return, in order, what has not left the link as a whole."""
        self.forget(unsent_bytes)
        unsent = [prepared for _, prepared in self.written]
        self.written.clear()
        return unsent
