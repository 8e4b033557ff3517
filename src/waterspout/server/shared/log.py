"""The log of a channel that several nodes share: a store numbers and keeps the entries, a node mirrors some of them.

How it works: a log is opened when its first reader comes here. It follows the store, then reads what the log is, and is
known from then on. What the store delivers is merged by offset: doubles are dropped, and what lies beyond a hole waits
until the hole was read. One read (`look`) does all of this: it asks for the state of the log and for what is behind the
head. It is done at the opening, at a hole, when the broker is back, after 10 s without anything new, and for a reader
whose last id says more than this node knows. What cannot be read any more is skipped, and live readers are told.
Another epoch means that the broker was restarted, restored or replaced: all readers begin anew behind its head.

What is older than the mirror is read for those who want it (loading.py). A node that only publishes opens nothing
(appends.py). 10 s after its last reader has left, a log is closed.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

from ...engine import Level, Pending
from ..log import EARLIEST, Entry, Retention, find, write_id
from .appends import Appends
from .loading import PAGE, Loading
from .mirror import Mirror
from .store import Appended, NewEntry, Page, StoredEntry

if TYPE_CHECKING:
    from .logs import SharedLogs

LOOK_EVERY = 10.0  # s
CHECK_AFTER = 1.0  # s that an entry of one's own has to arrive here
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0  # s
_MOST_EARLY, _EARLY_BYTES = 1000, 10_000  # entries beyond a hole, each of which may have so much; others are read
_BEYOND = 2**53  # an offset that no log has


class Wait(Enum):
    """What a log waits for."""

    LOOK = "look"
    CHECK = "check"
    RETRY = "retry"


class LogFollower(Protocol):
    """A channel, as its log sees it."""

    limits: Retention

    @property
    def count(self) -> int:
        """How many readers there are here."""

    def appended(self, entry: Entry) -> None:
        """Send an entry to all who are live."""

    def skipped(self) -> None:
        """Entries are lost for readers that are live: they go on behind the head."""

    def renewed(self, last: Entry | None) -> None:
        """The log is another one, or is known for the first time; `last` is the entry with which it has ended."""

    def adopt(self, options: Mapping[str, Any]) -> None:
        """Take the options that count for all nodes."""


class SharedLog:
    """What one node knows of a shared log."""

    def __init__(self, logs: "SharedLogs", name: str, options: Mapping[str, Any], follower: LogFollower) -> None:
        self.name = name
        self.key = logs.prefix + name
        self.epoch = ""
        self.head, self.first = 0, 1
        self.mirror = Mirror()
        self._logs = logs
        self.serve(follower, options)
        self._held: LogFollower | None = None  # while it is open
        self._is_followed = self._is_known = self._is_idle = self._is_quiet = False
        self._following: Pending[None] | None = None
        self._early: dict[tuple[str, int], StoredEntry] = {}
        self._clock_skew = 0.0  # the driver's time less the store's
        self._looking: Pending[Page] | None = None
        self._must_look = False
        self._asked: dict[Pending[bool], None] = {}  # answered by the look that is under way
        self._asking: dict[Pending[bool], None] = {}  # by the next one
        self._expected = 0  # the offset of the last entry of this node's own
        self._retry_after = _FIRST_RETRY
        self._loading = Loading(logs, self)
        self._appends = Appends(logs, self)

    def serve(self, follower: LogFollower, options: Mapping[str, Any]) -> None:
        """Be the log of this channel: one of the same name before it has published, and nothing refers to it."""
        self._follower = ref(follower)
        self._last_limits = follower.limits
        self._options = options
        self._has_told = False

    # What a channel asks, as of any log

    @property
    def size_bytes(self) -> int:
        """What is kept in this process."""
        return self.mirror.size_bytes

    @property
    def last_id(self) -> str:
        """The id of the last entry that this node knows of; empty if it knows none."""
        return write_id(self, self.head) if self.epoch else ""

    def ready(self, last_id: object) -> Pending[bool] | None:
        """Return None if `find` can tell the place of this id now, else what is done when it can.

        The result is False if the server's loop has ended before. Who cannot wait any longer resolves it. An id beyond
        the head, or of another epoch, may be one that this node has not been told of yet.
        """
        if self._is_known and not self._is_ahead(last_id):
            return None
        asking: Pending[bool] = Pending(self._logs.driver)
        self._asking[asking] = None
        asking.when_done(self._answered)
        self._open()
        self.look()
        return asking

    def append(self, data: bytes, event: str | None, *, is_text: bool, is_end: bool) -> Pending[str]:
        """Add an entry; AdapterError if too much waits already, or it is more than the store takes."""
        entry = NewEntry(bytes(memoryview(data)), event, is_text, is_end)
        self._logs.check(entry, self.name)
        self._logs.active[self.name] = self
        return self._appends.add(entry)

    def read(self, after: int, limit: int) -> Pending[list[Entry]]:
        """Return entries: at once what the mirror has, else when it was read."""
        if after + 1 < self.mirror.oldest:
            return self._loading.read(after, limit)
        found: Pending[list[Entry]] = Pending(self._logs.driver)
        found.resolve(self.mirror.after(after, limit))
        return found

    def trim(self) -> float:
        """Drop what is too old; return the time at which the next entry will be, infinity if none will."""
        if not self._is_known:
            return inf
        oldest = self.mirror.oldest
        at = self.mirror.trim(self.limits, self._logs.driver.now())
        if self.mirror.oldest > oldest:
            self.first = max(self.first, self.mirror.oldest)
        return at

    @property
    def limits(self) -> Retention:
        """What is kept."""
        follower = self._follower()
        return self._last_limits if follower is None else follower.limits

    # What its parts ask

    def take_options(self) -> Mapping[str, Any]:
        """Return the options that this node has not told the store yet."""
        if self._has_told:
            return {}
        self._has_told = True
        return self._options

    def entry_of(self, stored: StoredEntry) -> Entry:
        """Return an entry in the time of this node."""
        at = stored.at + self._clock_skew
        return Entry(stored.offset, at, stored.data, stored.event, stored.is_text, stored.is_end)

    def has_appended(self, appended: Appended) -> None:
        """Called when the store has appended: what this node has appended arrives here as well, or is looked for."""
        if self._held is None:
            if self._appends.are_none:
                self._logs.active.pop(self.name, None)
            self.epoch, self.head = appended.epoch, appended.first + appended.taken - 1
        elif appended.epoch == self.epoch:
            self._expected = appended.first + appended.taken - 1
            if self._expected > self.head:
                self._logs.deadlines.set(self, Wait.CHECK, self._logs.driver.now() + CHECK_AFTER)

    def failed(self, error: Exception) -> None:
        """Report what the store could not do, and try again later."""
        self._has_told = False  # perhaps
        if self._logs.is_reached:
            if not isinstance(error, ConnectionError):  # that is told by `unreached`, sooner or later
                self._logs.report(error)
            self._logs.deadlines.set(self, Wait.RETRY, self._logs.driver.now() + self._retry_after)
            self._retry_after = min(self._retry_after * 2, _LONGEST_RETRY)

    # What the server calls

    def reached(self) -> None:
        """Called when the broker is there, or there again: see what was missed, and give what waits."""
        self._retry_after = _FIRST_RETRY
        if self._held is not None:
            self._follow()
            self.look()
            self._loading.go_on()
        self._appends.send()

    def end(self, error: Exception) -> None:
        """Called when the server's loop ends."""
        self._appends.fail(error)
        self._close()

    def due(self, kind: Wait, at: float) -> None:
        """Act: a time has come."""
        if kind is Wait.CHECK:
            if self._expected > self.head:
                self.look()
        elif kind is Wait.RETRY:
            self.reached()
        else:
            self._tick()

    # Below this line: how it is done

    def _is_ahead(self, last_id: object) -> bool:
        is_id = isinstance(last_id, str) and last_id not in ("", EARLIEST)
        return is_id and find(self, str(last_id)).reason in ("epoch", "future")

    def _answered(self, asking: Pending[bool]) -> None:
        """Forget who asked, also one that has gone away."""
        self._asking.pop(asking, None)
        self._asked.pop(asking, None)

    def _open(self) -> None:
        follower = self._follower()
        if self._held is None and follower is not None:
            self._held = follower
            self._logs.active[self.name] = self
            self._logs.deadlines.set(self, Wait.LOOK, self._logs.driver.now() + LOOK_EVERY)
            self._follow()

    def _follow(self) -> None:
        if self._following is None and not self._is_followed and self._logs.is_reached:
            self._following = following = self._logs.store.follow(self.key, self._received)
            following.when_done(self._followed)

    def _followed(self, following: Pending[None]) -> None:
        if following is not self._following:
            return  # of before it was closed
        self._following = None
        if following.error is not None:
            self.failed(following.error)
        else:
            self._is_followed = True
            self.look()

    def _tick(self) -> None:
        """Look at a log that is quiet; close one that nobody reads."""
        follower = self._held
        if follower is None:
            return
        is_used = bool(follower.count or self._asked or self._asking)
        if not is_used and self._is_idle:
            self._close()
            return
        self._is_idle = not is_used
        if self._is_quiet:
            self.look()
        self._is_quiet = True
        self._logs.deadlines.set(self, Wait.LOOK, self._logs.driver.now() + LOOK_EVERY)

    def _close(self) -> None:
        if self._held is not None and self._logs.is_attached:
            self._logs.store.unfollow(self.key)
        self._held = None
        self._is_followed = self._is_known = self._is_idle = False
        self._following, self._looking, self._must_look = None, None, False
        self._early.clear()
        unread = self._loading.forget()
        self.mirror = Mirror(self.head + 1)
        for kind in (Wait.LOOK, Wait.CHECK):
            self._logs.deadlines.clear(self, kind)
        for one in (*self._asked, *self._asking):
            one.resolve(False)
        for page in unread:
            page.resolve([])
        if self._appends.are_none:
            self._logs.active.pop(self.name, None)

    # Reading what there is

    def look(self) -> None:
        """Read the state of the log and what is behind its head, now or after the read that is under way."""
        if self._looking is not None:
            self._must_look = True
        elif self._is_followed and self._logs.is_reached:
            self._must_look = False
            self._asked, self._asking = {**self._asked, **self._asking}, {}
            after = self.head if self._is_known else _BEYOND
            suspects = tuple(self._early)
            self._looking = looking = self._logs.store.read(self.key, after, PAGE, self.take_options())
            looking.when_done(lambda looking: self._seen(looking, suspects))

    def _seen(self, looking: Pending[Page], suspects: Iterable[tuple[str, int]]) -> None:
        if looking is not self._looking:
            return  # of before it was closed
        self._looking = None
        if looking.error is not None:
            self.failed(looking.error)
            return
        page = looking.result()
        self._retry_after = _FIRST_RETRY
        self._take(page)
        for epoch, offset in suspects:  # what was received before, and the store does not have, is none of its entries
            if epoch != page.epoch or offset > page.head:
                self._early.pop((epoch, offset), None)
        for one in tuple(self._asked):
            one.resolve(True)
        if self._must_look or self._asking or self._early or self.head < page.head:
            self.look()

    def _take(self, page: Page) -> None:
        follower = self._held
        assert follower is not None
        self._clock_skew = self._logs.driver.now() - page.now
        follower.adopt(page.options)
        if not self._is_known or page.epoch != self.epoch:
            self._begin(page, follower)
        found = {stored.offset: stored for stored in page.entries}
        if page.end is not None:
            found[page.end.offset] = page.end
        is_partial = bool(page.entries) and page.entries[-1].offset < page.head
        self._merge(found, page.entries[-1].offset if is_partial else page.head)

    def _begin(self, page: Page, follower: LogFollower) -> None:
        """Take a log that was not known, or is another one than before."""
        self.epoch, self.head, self.first = page.epoch, page.head, page.first
        self._is_known = True
        self._expected = 0
        self.mirror = Mirror(self.head + 1)
        last = None if page.end is None else self.entry_of(page.end)
        unread = self._loading.forget()
        follower.renewed(last)  # after which nobody waits for the pages of the log before
        for pages in unread:
            pages.resolve([])

    # Merging

    def _received(self, epoch: str, stored: StoredEntry) -> None:
        """Take an entry from the store: at once if it is the next one."""
        if self._held is None:
            return
        self._is_quiet = False
        if self._is_known and epoch == self.epoch:
            if stored.offset <= self.head:
                return
            if stored.offset == self.head + 1:
                self._accept(stored)
                if self._early:
                    self._merge({}, self.head)
                return
        if len(self._early) < _MOST_EARLY and len(stored.data) <= _EARLY_BYTES:
            self._early[epoch, stored.offset] = stored
        self.look()

    def _merge(self, found: dict[int, StoredEntry], complete: int) -> None:
        """Accept what was found and what was received early; up to an offset, what is missing in both is lost."""
        early = {offset: stored for (epoch, offset), stored in self._early.items() if epoch == self.epoch}
        found = {**early, **found}
        for offset in sorted(found):
            if offset > self.head + 1 and offset - 1 <= complete:
                self._skip(offset - 1)
            if offset == self.head + 1:
                self._accept(found[offset])
        if self.head < complete:
            self._skip(complete)
        for offset in early:
            if offset <= self.head:
                self._early.pop((self.epoch, offset), None)

    def _accept(self, stored: StoredEntry) -> None:
        follower = self._held
        assert follower is not None
        limits = self.limits
        entry = self.entry_of(stored)
        self.head = entry.offset
        self.mirror.add(entry)
        self._keep(max(limits.most, 1), limits)  # until it was delivered
        follower.appended(entry)
        self._keep(limits.most, limits)

    def _keep(self, most: int, limits: Retention) -> None:
        oldest = self.mirror.oldest
        self.mirror.keep(most, limits.size_bytes)
        if self.mirror.oldest > oldest:
            self.first = self.mirror.oldest
        self.first = max(self.first, self.head - most + 1)

    def _skip(self, head: int) -> None:
        """Go on behind entries that are kept nowhere any more."""
        self.head, self.first = head, head + 1
        self.mirror = Mirror(self.first)
        follower = self._held
        assert follower is not None
        self._logs.note(Level.WARNING, "messages of the channel %a are lost, up to number %d", self.name, head)
        follower.skipped()
