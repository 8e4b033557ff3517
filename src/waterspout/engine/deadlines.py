"""Every wait there is, in one table: exact, cancelled in constant time, one alarm for all.

How it works: a timer of the event loop for each heartbeat of each client would be an object and a heap operation for
each, so there is one alarm of the driver, at the earliest deadline. Whoever waits is a key (the waiter and the kind
of wait), and has a method `due(kind, at)`.
"""

from collections.abc import Callable, Hashable
from heapq import heappop, heappush
from typing import Any, Protocol

_PER_SECOND = 16  # buckets; at 10,000 sessions and 25 s about 25 deadlines share one


class Waiter(Protocol):
    """The object that set a deadline."""

    def due(self, kind: Any, at: float) -> None:
        """Act: the time `at`, which was set for this kind of wait, has come."""


class Deadlines:
    """Absolute times, in seconds of the driver's clock, each for a waiter and a kind of wait.

    `alarm(at)` is called whenever an earlier deadline than any before is set. A deadline never comes
    early; how late it comes is the driver's affair.
    """

    __slots__ = ("_alarm", "_alarm_at", "_at", "_buckets", "_order")

    def __init__(self, alarm: Callable[[float], object]) -> None:
        self._alarm = alarm
        self._alarm_at: float | None = None
        self._at: dict[tuple[Waiter, Hashable], float] = {}
        self._buckets: dict[int, dict[tuple[Waiter, Hashable], float]] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._at)

    def set(self, waiter: Waiter, kind: Hashable, at: float) -> None:
        """Wait until `at`; it replaces the waiter's deadline of the same kind."""
        key = (waiter, kind)
        self._forget(key)
        self._at[key] = at
        number = int(at * _PER_SECOND)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            heappush(self._order, number)
        bucket[key] = at
        if self._alarm_at is None or at < self._alarm_at:
            self._alarm_at = at
            self._alarm(at)

    def clear(self, waiter: Waiter, kind: Hashable) -> None:
        """Wait no longer; nothing happens if there was no such deadline."""
        self._forget((waiter, kind))

    def next(self) -> float | None:
        """Return the earliest deadline."""
        while self._order:
            bucket = self._buckets[self._order[0]]
            if bucket:
                return min(bucket.values())
            del self._buckets[heappop(self._order)]
        return None

    def advance(self, now: float) -> None:
        """Tell all whose time has come, the earliest first; if one raises, the alarm goes off anew for the others."""
        try:
            while (at := self.next()) is not None and at <= now:
                bucket = self._buckets[self._order[0]]
                for (waiter, kind), _ in sorted(bucket.items(), key=lambda item: item[1]):
                    due = bucket.get((waiter, kind))  # None: one before it has cleared it
                    if due is not None and due <= now:
                        self._forget((waiter, kind))
                        waiter.due(kind, due)
        finally:
            self.rearm()

    def rearm(self) -> None:
        """Ask for the alarm anew: after it has gone off, or for a new driver."""
        self._alarm_at = self.next()
        if self._alarm_at is not None:
            self._alarm(self._alarm_at)

    def _forget(self, key: tuple[Waiter, Hashable]) -> None:
        at = self._at.pop(key, None)
        if at is not None:
            del self._buckets[int(at * _PER_SECOND)][key]
