"""What a node appends to one shared log: one batch at a time, which is repeated until the store has answered.

How it works: the first entry leaves at once. Those that come before the store has answered are the next batch. So the
order is kept, and the more there is to append, the larger batches are. A batch whose answer was lost is given again
with its key, and the store does not append it twice.
"""

from collections import deque
from typing import TYPE_CHECKING

from ...engine import Pending
from ..log import Retention
from .store import Appended, Batch, NewEntry

if TYPE_CHECKING:
    from .log import SharedLog
    from .logs import SharedLogs

MOST_ENTRIES = 200  # of a batch
MOST_BYTES = 500_000  # of a batch of several entries

_Waiting = tuple[NewEntry, Pending[str]]


class Appends:
    """The entries that wait for the store, and the batch that is with it."""

    __slots__ = ("_attempt", "_batch", "_log", "_logs", "_queue", "_sent")

    def __init__(self, logs: "SharedLogs", log: "SharedLog") -> None:
        self._logs = logs
        self._log = log
        self._queue: deque[_Waiting] = deque()
        self._sent: list[_Waiting] = []
        self._batch: Batch | None = None
        self._attempt: Pending[Appended] | None = None

    @property
    def are_none(self) -> bool:
        """Whether everything was appended."""
        return not (self._queue or self._sent)

    def add(self, entry: NewEntry) -> Pending[str]:
        """Append an entry; the result is its id."""
        done: Pending[str] = Pending(self._logs.driver)
        self._queue.append((entry, done))
        self._logs.unsent_bytes += entry.size_bytes
        self.send()
        return done

    def send(self) -> None:
        """Give the store the batch that it has not answered, or the next one."""
        if self._attempt is not None or not self._logs.is_reached or self.are_none:
            return
        if self._batch is None:
            self._batch = self._next_batch(self._log.limits)
        self._attempt = attempt = self._logs.store.append(self._log.key, self._batch, self._log.take_options())
        attempt.when_done(self._answered)

    def fail(self, error: Exception) -> None:
        """Give up: the server's loop ends."""
        waiting = [*self._sent, *self._queue]
        self._sent, self._batch, self._attempt = [], None, None
        self._queue.clear()
        for entry, done in waiting:
            self._logs.took(entry)
            done.reject(error)

    def _next_batch(self, limits: Retention) -> Batch:
        size = 0
        while self._queue and len(self._sent) < MOST_ENTRIES:
            size += self._queue[0][0].size_bytes
            if self._sent and size > MOST_BYTES:
                break
            self._sent.append(self._queue.popleft())
        return Batch(self._logs.writer, next(self._logs.batches), [entry for entry, _ in self._sent], limits)

    def _answered(self, attempt: Pending[Appended]) -> None:
        if attempt is not self._attempt:
            return  # given up
        self._attempt = None
        if attempt.error is not None:
            self._log.failed(attempt.error)
            return
        appended = attempt.result()
        sent, self._sent, self._batch = self._sent, [], None
        for place, (entry, done) in enumerate(sent):
            self._logs.took(entry)
            if place < appended.taken:
                done.resolve(f"{appended.epoch}-{appended.first + place}")
            else:
                done.reject(ValueError(f"the channel {self._log.name!r} has ended, and nothing more can be published"))
        self._log.has_appended(appended)
        self.send()
