"""The shared logs of a server: the store, whether it is reached, and how much waits for it."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from ...engine import Deadlines, Driver, Engine, Layer, Level, Pending
from ...errors import AdapterError
from .log import LogFollower, SharedLog
from .store import LogStore, NewEntry


class SharedLogs:
    """What the logs of one server share.

    `active` are those that are open or have something to append, by name. `writer` names this life of the server to the
    store, and `batches` are the numbers of what it appends. `refused` is how often too much has waited.
    """

    def __init__(self, store: LogStore, prefix: str, engine: Engine, most_bytes: int) -> None:
        self.store = store
        self.prefix = prefix
        self.active: dict[str, SharedLog] = {}
        self.is_attached = self.is_reached = False
        self.unsent_bytes = 0
        self.refused = 0
        self.writer = ""
        self.batches = count(1)
        self._engine = engine
        self._most_bytes = most_bytes
        self._failure: Exception | None = None
        self._flushed: Pending[None] | None = None
        self._reported: set[type[Exception]] = set()

    @property
    def driver(self) -> Driver:
        """The driver of the server."""
        return self._engine.driver

    @property
    def deadlines(self) -> Deadlines:
        """The waits of the server."""
        return self._engine.deadlines

    def open(self, name: str, options: Mapping[str, Any], follower: LogFollower) -> SharedLog:
        """Return the log of a channel."""
        log = self.active.get(name)
        if log is None:
            return SharedLog(self, name, options, follower)
        log.serve(follower, options)
        return log

    def reached(self) -> None:
        """Called when the broker is there, for the first time or again."""
        if not self.is_attached:
            self.is_attached, self._failure = True, None
            self.writer = self.driver.token()
        self.is_reached = True
        for log in tuple(self.active.values()):
            log.reached()

    def unreached(self) -> None:
        """Called when the broker is lost: readers keep what they have, and what is published waits."""
        self.is_reached = False

    def end(self, failure: Exception | None) -> None:
        """Called when the server's loop ends, or the adapter has failed: what was not appended is not published."""
        self.is_attached = self.is_reached = False  # with the adapter's attachment, all that is followed ends
        self._failure = failure
        text = "the broker has not taken this before the server was closed: it was published or not"
        for log in tuple(self.active.values()):
            log.end(AdapterError(text) if failure is None else failure)

    def flush(self, timeout: float) -> Pending[None]:
        """Be done when all was appended, or after some time."""
        self._flushed = Pending(self.driver)
        if self.is_reached and self.unsent_bytes:
            self.deadlines.set(self, "flush", self.driver.now() + timeout)
        else:
            self._flushed.resolve(None)
        return self._flushed

    def due(self, kind: str, at: float) -> None:
        """Wait no longer for what is to be appended."""
        if self._flushed is not None:
            self._flushed.resolve(None)

    def took(self, entry: NewEntry) -> None:
        """Called when an entry waits no longer."""
        self.unsent_bytes -= entry.size_bytes
        if self._flushed is not None and not self.unsent_bytes:
            self.deadlines.clear(self, "flush")
            self._flushed.resolve(None)

    def check(self, entry: NewEntry, name: str) -> None:
        """Refuse an entry that is too much."""
        if self._failure is not None:
            raise AdapterError(f"nothing is published to {name!r}: the adapter has failed") from self._failure
        check_size(entry, name, self.store.largest_entry)
        waiting, size = self.unsent_bytes, entry.size_bytes
        if waiting and waiting + size > self._most_bytes:
            self.refused += 1
            rule = f"{waiting} bytes wait for the broker already, of {self._most_bytes} (max_unpublished_bytes)"
            raise AdapterError(f"nothing is published to {name!r}, for {rule}")

    def report(self, error: Exception) -> None:
        """Log the first error of its kind."""
        if type(error) not in self._reported:
            self._reported.add(type(error))
            text = "the broker could not serve a channel, which is tried again; more of this kind is not logged"
            self.driver.report(text, error)

    def note(self, level: Level, text: str, *values: object) -> None:
        """Log what has happened."""
        self._engine.log.note(Layer.SERVER, level, text, *values)


def check_size(entry: NewEntry, name: str, largest: int | None) -> None:
    """Refuse an entry that is larger than the broker takes."""
    size = len(entry.data)
    if largest is not None and size > largest:
        remedy = f"the broker takes {largest}: publish less, or the address of what is large"
        raise AdapterError(f"a message for the channel {name!r} has {size} bytes, and {remedy}")


def log_key(topic: str, channel: str) -> str:
    """Return the name of a channel's log, for the store; `topic` is that of the servers that share it."""
    return f"{topic}/channel/{channel}"
