"""What a channel has published: entries with numbers, of which the latest are kept.

An id is the text `epoch-offset`. Offsets are 1, 2, 3, ... without holes; the epoch is another one for each log, so that
the ids of a log that is gone, with its process, mean nothing in the next. A log is a seam: the one in memory is here,
and the one that several nodes share is in server/shared/.
"""

from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol
from weakref import WeakMethod

from msgspec import Struct

from ..engine import Driver, Pending

EARLIEST = "earliest"
"""The id of those who want all that is kept."""

EPOCH_CHARACTERS = 10  # of a token, 60 random bits
_LONGEST_ID = 64  # characters
ENTRY_BYTES = 150  # that Python spends on one


class Entry(Struct, frozen=True, gc=False):
    """One message of a channel: `data` is JSON, or with `is_text` a text as it is; `at` is the driver's time.

    With `is_end` it is the last one, and its data may be empty: there is none.
    """

    offset: int
    at: float
    data: bytes
    event: str | None = None
    is_text: bool = False
    is_end: bool = False

    @property
    def size_bytes(self) -> int:
        """What it weighs in a log."""
        return len(self.data) + len(self.event or "") + ENTRY_BYTES


class Retention(NamedTuple):
    """What a log keeps: the latest entries, `most` of them, of less than `ttl` seconds and in `size_bytes`."""

    most: int
    ttl: float
    size_bytes: int


class ChannelLog(Protocol):
    """The entries of one channel. Whoever appends, `appended` is called with each entry, once and in order.

    `head` is the offset of the last entry, 0 before the first; `first` that of the oldest one that is kept, which is
    `head + 1` if there is none. All this counts when the log is ready.
    """

    epoch: str
    head: int
    first: int

    @property
    def size_bytes(self) -> int:
        """What it keeps in this process."""

    @property
    def last_id(self) -> str:
        """The id of the last entry, or of the state before the first; empty where that is not known yet."""

    def ready(self, last_id: object) -> Pending[bool] | None:
        """Return None if `find` can tell the place of this id now, else what is done when it can.

        The result is False if the server's loop has ended before. Who cannot wait any longer resolves it.
        """

    def append(self, data: bytes, event: str | None, *, is_text: bool, is_end: bool) -> Pending[str]:
        """Add an entry; the result is its id. AdapterError if too much waits for a broker already."""

    def read(self, after: int, limit: int) -> Pending[list[Entry]]:
        """Return the entries behind an offset that are kept, at most `limit` of them."""

    def trim(self) -> float:
        """Drop what is too old; return the time at which the next entry will be, infinity if none will."""


class MemoryLog:
    """The log of one process."""

    __slots__ = ("_appended", "_driver", "_entries", "_limits", "epoch", "first", "head", "size_bytes")

    def __init__(
        self, driver: Callable[[], Driver], limits: Retention, appended: WeakMethod[Callable[[Entry], object]]
    ) -> None:
        self._driver = driver
        self._limits = limits
        self._appended = appended
        self._entries: dict[int, Entry] = {}
        self.size_bytes = 0
        self.epoch = driver().token()[-EPOCH_CHARACTERS:]
        self.head, self.first = 0, 1

    @property
    def last_id(self) -> str:
        """The id of the last entry, or of the state before the first."""
        return write_id(self, self.head)

    def ready(self, last_id: object) -> None:
        """All is known."""

    def append(self, data: bytes, event: str | None, *, is_text: bool, is_end: bool) -> Pending[str]:
        """Add an entry; done at once."""
        driver = self._driver()
        self.head += 1
        kept = bytes(memoryview(data))  # a copy: what orjson has made holds 4 KB more than its size
        entry = Entry(self.head, driver.now(), kept, event, is_text, is_end)
        self._entries[entry.offset] = entry
        self.size_bytes += entry.size_bytes
        self._keep(max(self._limits.most, 1))  # until it was delivered
        if (appended := self._appended()) is not None:
            appended(entry)
        self._keep(self._limits.most)
        done: Pending[str] = Pending(driver)
        done.resolve(write_id(self, entry.offset))
        return done

    def read(self, after: int, limit: int) -> Pending[list[Entry]]:
        """Return the entries; done at once."""
        start = max(after + 1, self.first)
        entries = [self._entries[offset] for offset in range(start, min(start + limit, self.head + 1))]
        done: Pending[list[Entry]] = Pending(self._driver())
        done.resolve(entries)
        return done

    def trim(self) -> float:
        """Drop what is too old."""
        now, ttl = self._driver().now(), self._limits.ttl
        while self._entries and self._entries[self.first].at + ttl <= now:
            self._drop()
        return self._entries[self.first].at + ttl if self._entries else inf

    def _keep(self, count: int) -> None:
        """Drop the oldest entries: of too many, or of too many bytes, but the last one counts as few."""
        while len(self._entries) > count or (self.size_bytes > self._limits.size_bytes and len(self._entries) > 1):
            self._drop()

    def _drop(self) -> None:
        self.size_bytes -= self._entries.pop(self.first).size_bytes
        self.first += 1


def write_id(log: ChannelLog, offset: int) -> str:
    """Return the id of an entry, or of the state behind it."""
    return f"{log.epoch}-{offset}"


class Missed(NamedTuple):
    """Where a reader goes on: behind `offset`. A `reason` says why what it has missed cannot be sent."""

    offset: int
    reason: str | None = None


def find(log: ChannelLog, last_id: str) -> Missed:
    """Find the place of a reader's last id in a log.

    The reasons: "unknown", it is none; "epoch", it is of another log; "future", the log has not got so far; "expired",
    entries behind it are not kept any more. The reader goes on behind the head then.
    """
    epoch, _, number = last_id.rpartition("-")
    if not (epoch and number.isascii() and number.isdigit()) or len(last_id) > _LONGEST_ID:
        return Missed(log.head, "unknown")
    if epoch != log.epoch:
        return Missed(log.head, "epoch")
    offset = int(number)
    if offset > log.head:
        return Missed(log.head, "future")
    if offset < log.first - 1:
        return Missed(log.head, "expired")
    return Missed(offset)
