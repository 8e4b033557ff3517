"""What a node receives: each word once, in the order of its sender, and no loss without notice.

Of each sender and topic it knows the number of the last word that was delivered. A word whose number is not above is
a double. One whose `prev` is above shows a hole, and so does a hello whose head is above: the sender is asked for what
is missing, four times in a second; meanwhile its later words on this topic are held. What has not come then is lost:
that is told, and what was held is delivered.

Only nodes repeat, which are those that have published a hello, also if they count as dead. Of others, such as programs
that emit without being a node, doubles are dropped, and holes ignored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from ...engine import Engine
from .messages import Word

PATIENCE = 1.0  # s
ASK_EVERY = 0.25  # s
HELD_BYTES = 4_000_000
_MOST = 10_000  # senders and topics; the first of no node is forgotten, or else that whose hello is the oldest

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Gap:
    """Words of the node named `node` that did not come on a `topic` of the bus: at most so many `words`."""

    node: str
    topic: str
    words: int


@dataclass(slots=True)
class ClusterTraffic:
    """What a server has counted: words repeated, lost, and refused; losses of the broker."""

    repaired: int = 0
    lost: int = 0
    refused: int = 0
    broker_losses: int = 0


class _Stream:
    """The words of one sender on one topic.

    `last` is the number of the last one delivered, `first` that of the one before the first that was; `head` of the
    last one known from a hello, at the time `since`; `asked` is up to where the sender has been asked, who `repeats` if
    it is a node. `held` is a heap of number, `prev`, time and message.
    """

    __slots__ = ("asked", "first", "head", "held", "held_bytes", "last", "numbers", "repeats", "since")

    def __init__(self, last: int) -> None:
        self.first = last
        self.last = last
        self.head = 0
        self.since = 0.0
        self.asked = 0
        self.repeats = False
        self.held: list[tuple[int, int, float, bytes]] = []
        self.held_bytes = 0
        self.numbers: set[int] = set()  # of what is held

    def missing(self) -> int:
        """Return up to which number the first words are missing; 0 if none are."""
        if self.head > self.last and (not self.held or self.head < self.held[0][0]):
            return self.head
        return self.held[0][1] if self.held and self.held[0][1] > self.last else 0

    def hold(self, word: Word, now: float) -> None:
        """Keep a word that came too early, once."""
        if word.n not in self.numbers:
            self.numbers.add(word.n)
            heappush(self.held, (word.n, word.prev, now, word.message))
            self.held_bytes += len(word.message)

    def release(self) -> Iterator[bytes]:
        """Take out, one by one, what is held and can be delivered now."""
        while self.held and not self.missing():
            n, _, _, message = heappop(self.held)
            self.held_bytes -= len(message)
            self.numbers.discard(n)
            if n > self.last:
                self.last = n
                yield message

    def waits_since(self) -> float:
        """Return since when something is held, or known to be missing."""
        times = [at for _, _, at, _ in self.held]
        return min([*times, self.since] if self.head > self.last else times)


class IncomingWords:
    """The words of all senders. `deliver(node, message)` takes each; `ask(node, topic, after, last)` asks for others.

    `report` takes a `Gap`. `traffic` counts the words that came when they were asked for, and those that were lost.
    """

    def __init__(
        self,
        engine: Engine,
        traffic: ClusterTraffic,
        deliver: Callable[[str, bytes], object],
        ask: Callable[[str, str, int, int], object],
        report: Callable[[Gap], object],
    ) -> None:
        self._engine = engine
        self._deliver = deliver
        self._ask = ask
        self._report = report
        self._traffic = traffic
        self._streams: dict[Key, _Stream] = {}
        self._strangers: dict[Key, None] = {}  # those of no node

    def receive(self, topic: str, word: Word, *, is_repeated: bool = False) -> None:
        """Take a word: deliver it, hold it, or drop it as a double."""
        key = word.node, topic
        stream = self._streams.get(key)
        if stream is None:
            stream = self._begin(key, word.prev)
        if word.n <= stream.last:
            return
        if is_repeated:
            self._traffic.repaired += 1
        is_blocked = (stream.held or stream.head) and 0 < stream.missing() < word.n
        if stream.repeats and (is_blocked or word.prev > stream.last):
            stream.hold(word, self._engine.driver.now())
            while stream.held_bytes > HELD_BYTES:
                self._skip(key, stream, stream.missing())
            self._look(key, stream)
            return
        stream.last = word.n
        self._deliver(word.node, word.message)
        if stream.held or stream.head:
            self._go_on(key, stream)

    def learn(self, node: str, topic: str, head: int | None, *, is_younger: bool = False) -> None:
        """Take the number of a node's last word on a topic, as its hello has it: None if there was none lately.

        Of a node that was not known before, the words so far concern nobody here, unless it `is_younger` than this one.
        """
        key = node, topic
        stream = self._streams.get(key)
        if stream is None:
            stream = self._begin(key, 0 if is_younger else head or 0)
        elif is_younger and not stream.repeats and stream.first:
            self._lose(key, stream.first)  # they came before its hello, so those before them were not asked for
        stream.repeats = True
        self._strangers.pop(key, None)
        self._streams[key] = self._streams.pop(key)  # as the last one
        if head is not None and head > max(stream.last, stream.head):
            if stream.head <= stream.last:
                stream.since = self._engine.driver.now()
            stream.head = head
            self._look(key, stream)

    def forgotten(self, node: str, topic: str, last: int) -> None:
        """The sender cannot repeat the words up to `last`."""
        stream = self._streams.get((node, topic))
        if stream is not None and (missing := stream.missing()):
            self._skip((node, topic), stream, min(last, missing))
            self._look((node, topic), stream)

    def due(self, key: Key, at: float) -> None:
        """Ask again, or report what has not come in time."""
        stream = self._streams[key]
        now = self._engine.driver.now()
        while (missing := stream.missing()) and stream.waits_since() + PATIENCE <= now:
            self._skip(key, stream, missing)
        stream.asked = 0
        self._look(key, stream)

    def close(self) -> None:
        """Forget everything: the node ends."""
        for key in self._streams:
            self._engine.deadlines.clear(self, key)
        self._streams.clear()
        self._strangers.clear()

    # Below this line: how it is done

    def _begin(self, key: Key, last: int) -> _Stream:
        if len(self._streams) >= _MOST:
            forgotten = next(iter(self._strangers or self._streams))
            self._engine.deadlines.clear(self, forgotten)
            del self._streams[forgotten]
            self._strangers.pop(forgotten, None)
        self._strangers[key] = None
        stream = self._streams[key] = _Stream(last)
        return stream

    def _look(self, key: Key, stream: _Stream) -> None:
        """Ask for what is missing, now and again, until it is there."""
        missing = stream.missing()
        if not missing:
            stream.head = stream.asked = 0
            self._engine.deadlines.clear(self, key)
        elif missing != stream.asked:
            stream.asked = missing
            now = self._engine.driver.now()
            self._engine.deadlines.set(self, key, min(now + ASK_EVERY, stream.waits_since() + PATIENCE))
            self._ask(*key, stream.last, missing)

    def _go_on(self, key: Key, stream: _Stream) -> None:
        for message in stream.release():
            self._deliver(key[0], message)
        self._look(key, stream)

    def _skip(self, key: Key, stream: _Stream, last: int) -> None:
        """Give up the words up to this one, and deliver what was held behind them."""
        words, stream.last = last - stream.last, last
        if words > 0:
            self._lose(key, words)
        for message in stream.release():
            self._deliver(key[0], message)

    def _lose(self, key: Key, words: int) -> None:
        self._traffic.lost += words
        self._report(Gap(*key, words))
