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


class MeteredSockets(dict[str, Any]):
    """A session's `data` where events are limited: its members by namespace, and one allowance for all of them.

    It is as many events as in a second at once, and then that rate. A client that leaves a namespace and enters it
    again has no new allowance.
    """

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        super().__init__()
        self._at: float | None = None
        self._left = 0.0

    def spend(self, per_second: float, now: float) -> bool:
        """Take one for an event or a CONNECT, or return False. The first CONNECT, which every client needs, is free."""
        most = max(1.0, per_second)
        left = most + 1 if self._at is None else min(most, self._left + (now - self._at) * per_second)
        self._at, self._left = now, left - 1 if left >= 1 else left
        return left >= 1
