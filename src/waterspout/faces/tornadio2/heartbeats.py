"""The heartbeats of a session that no engine has: when the next one is due, and how many were not answered."""

from collections.abc import Callable
from typing import Any

from .periodic import Callback

MISSED_HEARTBEATS = 2  # more than these end a session


class Heartbeats:
    """The timer of a session's heartbeats, where there is a loop for it, and their count."""

    __slots__ = ("_missed", "_timer")

    def __init__(self) -> None:
        self._missed = 0
        self._timer: Callback | None = None

    def start(self, beat: Callable[[], None], interval: float, loop: Any) -> None:
        """Call `beat` every `interval` seconds."""
        self._timer = Callback(beat, interval * 1000, loop)
        self._timer.start()

    def stop(self) -> None:
        """Call it no more, and count anew."""
        self._missed = 0
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def delay(self) -> None:
        """Put the next call off."""
        if self._timer is not None:
            self._timer.delay()

    def miss(self) -> bool:
        """Count one that is not answered yet, and return whether it is one too many."""
        self._missed += 1
        return self._missed > MISSED_HEARTBEATS

    def answer(self) -> None:
        """Count anew: the client lives."""
        self._missed = 0
