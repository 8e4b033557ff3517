"""Which events one socket may send, where that is restricted."""

from collections.abc import Iterable

__all__ = ["Access"]


class Access:
    """All events but some, or none but some. `_allowed` is the permission of all events that are not in `_others`."""

    __slots__ = ("_allowed", "_others")

    def __init__(self, *, allowed: bool) -> None:
        self._allowed = allowed
        self._others: set[str] = set()

    def __contains__(self, event: str) -> bool:
        return (event in self._others) is not self._allowed

    @property
    def listed(self) -> set[str] | None:
        """The allowed events, as a set that may be changed; None where all but some are allowed."""
        return None if self._allowed else self._others

    def set(self, events: Iterable[str] | None, allowed: bool) -> None:
        """Allow these events or deny them; None means all, with those that are registered later."""
        if events is None:
            self._allowed = allowed
            self._others.clear()
        elif allowed is self._allowed:
            self._others.difference_update(events)
        else:
            self._others.update(events)
