"""What a node has of a shared log in its memory: the latest entries, without a hole."""

from collections.abc import Iterable
from math import inf

from ..log import Entry, Retention


class Mirror:
    """The entries from `oldest` to the log's head; none if `oldest` is beyond that."""

    __slots__ = ("_entries", "oldest", "size_bytes")

    def __init__(self, oldest: int = 1) -> None:
        self.oldest = oldest
        self.size_bytes = 0
        self._entries: dict[int, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Add the entry behind the last one."""
        self._entries[entry.offset] = entry
        self.size_bytes += entry.size_bytes

    def prepend(self, entries: Iterable[Entry]) -> None:
        """Add the entries in front of the oldest one, given in order."""
        for entry in reversed(list(entries)):
            if entry.offset == self.oldest - 1:
                self.add(entry)
                self.oldest -= 1

    def after(self, offset: int, limit: int) -> list[Entry]:
        """Return the entries behind an offset, at most `limit` of them."""
        start = max(offset + 1, self.oldest)
        return [self._entries[each] for each in range(start, start + limit) if each in self._entries]

    def keep(self, most: int, size_bytes: int) -> None:
        """Drop the oldest entries: of too many, or of too many bytes, but the last one counts as few."""
        while len(self._entries) > most or (self.size_bytes > size_bytes and len(self._entries) > 1):
            self._drop()

    def trim(self, limits: Retention, now: float) -> float:
        """Drop what is too old; return the time at which the next entry will be, infinity if none will."""
        while self._entries and self._entries[self.oldest].at + limits.ttl <= now:
            self._drop()
        return self._entries[self.oldest].at + limits.ttl if self._entries else inf

    def _drop(self) -> None:
        self.size_bytes -= self._entries.pop(self.oldest).size_bytes
        self.oldest += 1
