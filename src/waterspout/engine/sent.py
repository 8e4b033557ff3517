"""What a transport has written, as far as it may still lie in its link."""

from collections import deque

from .prepared import Prepared
from .trial import Trial


class Sent:
    """What a transport has written to its link, as far as it may still lie there.

    `written` has each message with its end, in bytes from the first on; `total_bytes` is the end of all that was
    written, also of what is nobody's message (a pong). `give_back` returns what has not left the link; bytes that the
    kernel took count as sent, and are forgotten with the next write. The trial of the session hears of every message.
    """

    __slots__ = ("total_bytes", "trial", "written")

    def __init__(self, trial: Trial) -> None:
        self.trial: Trial | None = trial  # until it is over
        self.total_bytes = 0
        self.written: deque[tuple[int, Prepared]] = deque()

    def add(self, size: int, prepared: Prepared, unsent_bytes: int) -> None:
        """Remember what was just written to a link that had so many bytes to send before."""
        self.forget(unsent_bytes)
        self.total_bytes += size
        self.written.append((self.total_bytes, prepared))
        if self.trial is not None:
            self.attempt(self.trial, prepared)

    def attempt(self, trial: Trial, prepared: Prepared) -> None:
        """Let the trial hear of a message, or forget it if it is over."""
        if trial.is_over:
            self.trial = None
        else:
            trial.add(prepared)

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
