"""A loop without I/O, whose time passes when a test says so."""

from collections.abc import Callable
from typing import Any


class FakeLoop:
    """The part of Tornado's IOLoop that deals with time."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.timeouts: list[tuple[float, Callable[[], Any]]] = []

    def time(self) -> float:
        return self.now

    def add_timeout(self, deadline: float, callback: Callable[[], Any]) -> object:
        handle = (deadline, callback)
        self.timeouts.append(handle)
        return handle

    def remove_timeout(self, timeout: object) -> None:
        self.timeouts = [handle for handle in self.timeouts if handle is not timeout]

    def advance(self, seconds: float) -> None:
        """Let time pass; every timeout on the way comes at its own moment."""
        end = self.now + seconds
        while due := [handle for handle in self.timeouts if handle[0] <= end]:
            first = min(due, key=lambda handle: handle[0])
            self.remove_timeout(first)
            self.now = max(self.now, first[0])
            first[1]()
        self.now = end
