"""How many messages a second there are, and how many one person may send."""

BURST = 10.0
PER_SECOND = 4.0


class Meter:
    """Counts messages. Times are in seconds."""

    def __init__(self, now: float) -> None:
        self._count = 0
        self._since = now

    def add(self, messages: int = 1) -> None:
        """Count messages."""
        self._count += messages

    def tick(self, now: float) -> float:
        """Return the messages a second since the last tick, rounded to a tenth, and begin anew."""
        rate = round(self._count / max(now - self._since, 0.001), 1)
        self._count, self._since = 0, now
        return rate


class Allowance:
    """A bucket of `BURST` messages that fills again with `PER_SECOND`."""

    def __init__(self) -> None:
        self._left = BURST
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take a message out; False if there is none left."""
        self._left = min(BURST, self._left + max(0.0, now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
