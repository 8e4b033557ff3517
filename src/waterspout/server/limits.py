"""Limits of what one client may do with namespaces, calls and events."""

from dataclasses import dataclass
from typing import Any

from ..engine.options import check_count, check_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_pending_acks` is for each socket, the others for each connection. No rate is limited by default."""

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


class MeteredSockets(dict[str, Any]):
    """A session's `data` where events are limited: its sockets by namespace, and one allowance for all of them.

    A client that leaves a namespace and enters it again has no new allowance.
    """

    __slots__ = ("_allowance",)

    def __init__(self) -> None:
        super().__init__()
        self._allowance: Allowance | None = None

    def spend(self, per_second: float, now: float) -> bool:
        """Take one for an event or a CONNECT, or return False. The first CONNECT, which every client needs, is free."""
        if self._allowance is None:
            self._allowance = Allowance(per_second, now)
            return True
        return self._allowance.spend(per_second, now)
