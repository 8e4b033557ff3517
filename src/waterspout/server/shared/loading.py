"""Older entries of a shared log that readers here want, and the mirror has not: one read for all who want the same.

How it works: the part from the oldest wanted entry up to the mirror is read page by page. Each page is given to those
who wait for it. When the part is complete, it is put in front of the mirror.
"""

from typing import TYPE_CHECKING

from ...engine import Pending
from ..log import Entry
from .store import Page

if TYPE_CHECKING:
    from .log import SharedLog
    from .logs import SharedLogs

PAGE = 100  # entries

Wanted = tuple[int, int, Pending[list[Entry]]]


class Loading:
    """Reads what is older than the mirror of a log."""

    __slots__ = ("_attempt", "_log", "_logs", "_part", "_place", "_wanted")

    def __init__(self, logs: "SharedLogs", log: "SharedLog") -> None:
        self._logs = logs
        self._log = log
        self._attempt: Pending[Page] | None = None
        self._wanted: list[Wanted] = []
        self._part: list[Entry] = []
        self._place: int | None = None  # behind which to go on; None if there is no part to complete

    def read(self, after: int, limit: int) -> Pending[list[Entry]]:
        """Return the entries behind an offset."""
        found: Pending[list[Entry]] = Pending(self._logs.driver)
        self._wanted.append((after, limit, found))
        self.go_on()
        return found

    def go_on(self) -> None:
        """Ask the store for the next page, if one is wanted."""
        self._give_mirrored()
        if self._attempt is not None or not self._logs.is_reached:
            return
        if self._place is None:
            if not self._wanted:
                return
            self._place = min(after for after, _, _ in self._wanted)
        limit = min(PAGE, max(self._log.mirror.oldest - 1 - self._place, 1))
        self._attempt = attempt = self._logs.store.read(self._log.key, self._place, limit, {})
        attempt.when_done(self._answered)

    def forget(self) -> list[Pending[list[Entry]]]:
        """Read no more, and return what is waited for: the caller resolves it."""
        wanted, self._wanted, self._part, self._place, self._attempt = self._wanted, [], [], None, None
        return [found for _, _, found in wanted]

    def _answered(self, attempt: Pending[Page]) -> None:
        if attempt is not self._attempt:
            return  # forgotten
        self._attempt = None
        if attempt.error is not None:
            self._log.failed(attempt.error)
            return
        page, log, place = attempt.result(), self._log, self._place
        assert place is not None
        if page.epoch != log.epoch:
            log.look()
            return  # what is waited for comes to nothing when the log is begun anew
        entries = [log.entry_of(stored) for stored in page.entries if stored.offset < log.mirror.oldest]
        if self._part and (not entries or entries[0].offset != place + 1):
            self._part = []  # trimmed meanwhile
        log.first = max(log.first, entries[0].offset if entries and not self._part else log.first)
        self._part += entries
        self._place = entries[-1].offset if entries else None
        if not entries:
            log.first = max(log.first, log.mirror.oldest)
        elif entries[-1].offset >= log.mirror.oldest - 1:
            log.mirror.prepend(self._part)
            self._part, self._place = [], None
        self._give(place, entries)
        self.go_on()

    def _give_mirrored(self) -> None:
        """Give what the mirror has got meanwhile, with another part."""
        mirror = self._log.mirror
        served = [one for one in self._wanted if one[0] + 1 >= mirror.oldest]
        self._wanted = [one for one in self._wanted if one[0] + 1 < mirror.oldest]
        for after, limit, found in served:
            found.resolve(mirror.after(after, limit))

    def _give(self, place: int, entries: list[Entry]) -> None:
        """Give entries to those who wait for them; the others wait for a later page, or the next part."""
        last = entries[-1].offset if entries else self._log.mirror.oldest
        served = [one for one in self._wanted if place <= one[0] < last]
        self._wanted = [one for one in self._wanted if not place <= one[0] < last]
        for after, limit, found in served:
            found.resolve([entry for entry in entries if entry.offset > after][:limit])
