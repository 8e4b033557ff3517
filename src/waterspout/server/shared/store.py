"""The seam between channels of several nodes and the broker that numbers and keeps what they publish."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ...engine import Pending
from ..log import ENTRY_BYTES, Retention


class NewEntry(NamedTuple):
    """What is to be appended: see `Entry`."""

    data: bytes
    event: str | None
    is_text: bool
    is_end: bool

    @property
    def size_bytes(self) -> int:
        """What it weighs while it waits."""
        return len(self.data) + len(self.event or "") + ENTRY_BYTES


class StoredEntry(NamedTuple):
    """What a store has appended; `at` is the store's time in seconds."""

    offset: int
    at: float
    data: bytes
    event: str | None = None
    is_text: bool = False
    is_end: bool = False


class Batch(NamedTuple):
    """Entries that are appended together. `writer` and `number` are its key: it may be given again, with the same.

    A writer gives its batches for one log one after the other. `retention` counts where the log has no `options`.
    """

    writer: str
    number: int
    entries: Sequence[NewEntry]
    retention: Retention


class Appended(NamedTuple):
    """The offset of the first entry of a batch, and how many were `taken`: less than all if the log has ended."""

    epoch: str
    first: int
    taken: int


class Page(NamedTuple):
    """What a log is at one moment, and some of its entries, in order.

    `head` and `first` are those of a `ChannelLog`; `now` is the store's time. `end` is the entry with which it has
    ended, kept as long as the log. `options` are those of `Server.channel` that were given last, on any node.
    """

    epoch: str
    head: int
    first: int
    now: float
    end: StoredEntry | None
    options: Mapping[str, Any]
    entries: Sequence[StoredEntry]


Received = Callable[[str, StoredEntry], object]
"""Called with the epoch of a log and an entry that was appended to it."""


class LogStore(Protocol):
    """Keeps the logs of channels for several nodes; an adapter has one in its `logs`.

    All is called on the core's thread, from `attach` of the adapter to its `detach`, but not between `on_lost` and
    `on_restored`; and so are the callbacks. A call that was not answered when the broker was lost has ConnectionError
    for its result, whether it was carried out or not.

    A log that nobody uses may vanish, `ttl` seconds after its last entry at the earliest. The next one of its name has
    another epoch. So has a log whose broker was restarted, replaced or restored, since numbers could be given twice.
    """

    largest_entry: int | None
    """The bytes that an entry may have; None is no limit."""

    def append(self, name: str, batch: Batch, options: Mapping[str, Any]) -> Pending[Appended]:
        """Append entries behind the last one, and give each to all who follow the log.

        Options replace those that the log has, unless they are empty. A batch whose key is that of the writer's last
        one is not appended again: the result is the same.
        """

    def read(self, name: str, after: int, limit: int, options: Mapping[str, Any]) -> Pending[Page]:
        """Read what there is, and the entries behind an offset that are kept, at most `limit` of them."""

    def follow(self, name: str, received: Received) -> Pending[None]:
        """Call back with all that is appended once the result is done; some may be lost, doubled or out of order."""

    def unfollow(self, name: str) -> None:
        """Call back no more."""


@runtime_checkable
class StoringAdapter(Protocol):
    """An adapter whose broker also keeps the logs of channels."""

    logs: LogStore
