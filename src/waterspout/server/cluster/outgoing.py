"""What a node publishes: its numbers, what it can repeat, and what waits while the broker is away."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from .messages import encode_word

KEPT_SECONDS = 10.0
KEPT_BYTES = 4_000_000
LISTED_SECONDS = 60.0  # for which a topic's last number is told in hellos
MOST_HEADS = 1000


class _Kept(msgspec.Struct, gc=False):  # 40,000 of them, at 100 bytes
    topic: str
    n: int
    prev: int
    at: float
    word: bytes


class Waiting(NamedTuple):
    """A message that waits for the broker; see `NodeConnection.publish`."""

    topic: str
    message: bytes
    on_publish: Callable[[Exception | None], object] | None


class OutgoingWords:
    """Numbers this node's words, keeps the last of them (10 s, 4 MB), and queues messages while the broker is away.

    One count for all topics: so a topic to which nothing was published for a minute can be forgotten. `pinned` is one
    that is not.
    """

    def __init__(self, pinned: str) -> None:
        self._pinned = pinned
        self._n = 0
        self._heads: dict[str, tuple[int, float]] = {}  # the least recent topic is the first
        self._kept: deque[_Kept] = deque()
        self._kept_bytes = 0
        self.waiting: deque[Waiting] = deque()
        self.waiting_bytes = 0

    def number(self, topic: str, node: str, message: bytes, now: float) -> bytes:
        """Make a message a word of this topic, and keep it."""
        self._n += 1
        prev, _ = self._heads.pop(topic, (0, 0.0))
        self._heads[topic] = self._n, now
        word = encode_word(node, self._n, prev, message)
        self._kept.append(_Kept(topic, self._n, prev, now, word))
        self._kept_bytes += len(word)
        while len(self._kept) > 1 and (self._kept_bytes > KEPT_BYTES or self._kept[0].at < now - KEPT_SECONDS):
            self._kept_bytes -= len(self._kept.popleft().word)
        return word

    def heads(self, now: float) -> dict[str, int]:
        """Return the number of the last word of each topic, and forget the topics of long ago."""
        for topic, (_, at) in tuple(self._heads.items()):
            if at < now - LISTED_SECONDS and topic != self._pinned:
                del self._heads[topic]
        heads = {topic: n for topic, (n, _) in list(self._heads.items())[-MOST_HEADS:]}
        if self._pinned in self._heads:
            heads[self._pinned] = self._heads[self._pinned][0]
        return heads

    def repeat(self, topic: str, after: int, last: int) -> tuple[int, list[bytes]]:
        """Return the kept words of a topic behind `after`, up to `last`; and up to which number they are forgotten."""
        found = [kept for kept in self._kept if kept.topic == topic and after < kept.n <= last]
        forgotten = found[0].prev if found else last
        return (forgotten if forgotten > after else 0), [kept.word for kept in found]

    def refresh(self, now: float) -> None:
        """Keep what was published before the broker was lost as if it had been published now."""
        for kept in self._kept:
            kept.at = now

    def wait(self, topic: str, message: bytes, on_publish: Callable[[Exception | None], object] | None) -> None:
        """Queue a message."""
        self.waiting.append(Waiting(topic, message, on_publish))
        self.waiting_bytes += len(message)

    def take(self) -> Iterator[Waiting]:
        """Return what waits, in order, and let it wait no longer."""
        while self.waiting:
            waiting = self.waiting.popleft()
            self.waiting_bytes -= len(waiting.message)
            yield waiting
