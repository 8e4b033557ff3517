"""What a transport has written, as far as it may still lie in its link."""

from collections import deque

from .prepared import Prepared
from .trial import Trial


class Sent:
    """What a transport has written to its link, as far as it may still lie there.

    `give_back` returns what has not left it; bytes that the kernel took count as sent. What is nobody's message (a
    pong) is None here, but its bytes count. The trial of the session hears of every message.
    """

    __slots__ = ("_trial", "_written")

    def __init__(self, trial: Trial) -> None:
        self._trial: Trial | None = trial
        self._written: deque[tuple[int, Prepared | None]] = deque()

    def add(self, size: int, prepared: Prepared | None, was_empty: bool) -> None:
        """Remember what was just written to a link that was empty before, or was not."""
        if was_empty:
            self._written.clear()
        self._written.append((size, prepared))
        if self._trial is not None and prepared is not None:
            self._try(self._trial, prepared)

    def give_back(self, unsent_bytes: int) -> list[Prepared]:
        """Return, in order, what has not left the link as a whole."""
        unsent: list[Prepared] = []
        while self._written and unsent_bytes > 0:
            size, prepared = self._written.pop()
            unsent_bytes -= size
            if prepared is not None:
                unsent.append(prepared)
        self._written.clear()
        return unsent[::-1]

    def _try(self, trial: Trial, prepared: Prepared) -> None:
        if trial.is_over:
            self._trial = None
        else:
            trial.add(prepared)
