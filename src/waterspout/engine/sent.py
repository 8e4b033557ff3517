"""What a transport has written, as far as it may still lie in its link."""

from .prepared import Prepared
from .trial import Trial


class Sent:
    """What a transport has written to its link, as far as it may still lie there.

    `give_back` returns what has not left it; bytes that the kernel took count as sent. What is nobody's message (a
    pong) is None here, but its bytes count. The trial of the session hears of every message.
    """

    __slots__ = ("trial", "written")

    def __init__(self, trial: Trial) -> None:
        self.trial: Trial | None = trial  # until it is over
        self.written: list[tuple[int, Prepared | None]] = []

    def add(self, size: int, prepared: Prepared | None, was_empty: bool) -> None:
        """Remember what was just written to a link that was empty before, or was not."""
        if was_empty:
            self.written.clear()
        self.written.append((size, prepared))
        if self.trial is not None and prepared is not None:
            self.attempt(self.trial, prepared)

    def attempt(self, trial: Trial, prepared: Prepared) -> None:
        """Let the trial hear of a message, or forget it if it is over."""
        if trial.is_over:
            self.trial = None
        else:
            trial.add(prepared)

    def give_back(self, unsent_bytes: int) -> list[Prepared]:
        """Return, in order, what has not left the link as a whole."""
        unsent: list[Prepared] = []
        while self.written and unsent_bytes > 0:
            size, prepared = self.written.pop()
            unsent_bytes -= size
            if prepared is not None:
                unsent.append(prepared)
        self.written.clear()
        return unsent[::-1]
