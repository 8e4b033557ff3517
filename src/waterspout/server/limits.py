"""What one client may cost, as far as it is a matter of events."""

from dataclasses import dataclass

from ..engine import Driver
from ..engine.options import check_count, check_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_namespaces` is for each connection, the others for each socket. No rate is limited by default."""

    max_namespaces: int = 100
    max_pending_acks: int = 1000
    max_events_per_second: float | None = None

    def __post_init__(self) -> None:
        check_count("max_namespaces", self.max_namespaces)
        check_count("max_pending_acks", self.max_pending_acks)
        check_rate("max_events_per_second", self.max_events_per_second)


class Allowance:
    """How many events a client may send now: as many as in a second at once, and then at that rate."""

    __slots__ = ("_at", "_left")

    def __init__(self, per_second: float, now: float) -> None:
        self._left = max(1.0, per_second)
        self._at = now

    def spend(self, per_second: float, now: float) -> bool:
        """Take one, or return False."""
        self._left = min(max(1.0, per_second), self._left + (now - self._at) * per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Reports:
    """Keeps a client from filling the log: ten reports of a kind in a second, and then their number."""

    _MOST = 10

    def __init__(self) -> None:
        self._kinds: dict[object, tuple[float, int]] = {}

    def report(self, driver: Driver, kind: object, text: str, error: BaseException) -> None:
        """Report an error, unless there were too many of its kind just now."""
        left_out = self.allow(kind, driver.now())
        if left_out is not None:
            more = f", like {left_out} others that were not reported" if left_out else ""
            driver.report(text + more, error)

    def allow(self, kind: object, now: float) -> int | None:
        """Return how many were left out before this one, or None if it is to be left out, too."""
        since, count = self._kinds.get(kind, (now, 0))
        left_out = max(0, count - self._MOST) if now - since >= 1 else 0
        if now - since >= 1:
            since, count = now, 0
        self._kinds[kind] = since, count + 1
        return left_out if count < self._MOST else None
