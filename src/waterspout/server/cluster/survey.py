"""What a program that is no node publishes to all nodes, and the answers that it collects.

Nodes publish hellos; such a program has none, so no node waits for it, asks it for a word, or counts it.
"""

from collections.abc import Iterable

import msgspec

from ...errors import DecodeError
from .messages import Count, NodeAnswer, decode, decode_word, encode, encode_word

ROLL_SECONDS = 1.0
"""How long nodes have to tell that they are there, where the broker cannot count them."""


class WordCounter:
    """Makes words of messages, all of them for one topic; their sender's `name` is no node's.

    Nodes drop a word that is not above the last one of the same name. So one that may have been published can be
    published again, and words have to be published in their order.
    """

    __slots__ = ("_n", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._n = 0

    def word(self, message: bytes) -> bytes:
        """Return the next word."""
        self._n += 1
        return encode_word(self.name, self._n, self._n - 1, message)


class Survey:
    """Collects the answers to the question of this number: the `items` in them, until all nodes have answered.

    `receivers` says to how many nodes it was published. Without that, `roll` is to be published before the question:
    nodes answer it at once, and those that do so within a second are waited for. Nothing is waited for longer than
    `timeout`. Times are of any one clock. A program's numbers are even.
    """

    def __init__(self, number: int, receivers: int | None, now: float, timeout: float) -> None:
        self.items: list[msgspec.Raw] = []
        self._number = number
        self._receivers = receivers
        self._roll_end = now + min(timeout, ROLL_SECONDS)
        self._deadline = now + timeout
        self._known: dict[str, None] = {}
        self._ended: dict[str, None] = {}  # have answered, or have not understood
        self._puzzled: list[str] = []

    @staticmethod
    def roll(number: int) -> bytes:
        """Return the message that asks which nodes are there; its number is that below the question's."""
        return encode(Count(namespace="/", number=number - 1, to=()))

    def receive(self, data: bytes) -> None:
        """Take a word of a node; what is no answer to this question is ignored."""
        try:
            word = decode_word(data)
            message = decode(word.message)
        except DecodeError:
            return
        if isinstance(message, NodeAnswer) and message.number in (self._number - 1, self._number):
            self._known[word.node] = None
            if message.number == self._number and word.node not in self._ended:
                self._take(word.node, message)

    def seconds_left(self, now: float) -> float:
        """Return how long to wait for the next word: 0 if all is there that will be."""
        if self._receivers is not None:
            return 0.0 if len(self._ended) >= self._receivers else max(0.0, self._deadline - now)
        end = self._roll_end if self._known.keys() <= self._ended.keys() else self._deadline
        return max(0.0, end - now)

    @property
    def lacks_names(self) -> bool:
        """Whether nodes have not answered whose names are not known yet: `missing` wants the names of all."""
        return self._receivers is not None and len(self._ended) < self._receivers

    def missing(self, names: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the names of the nodes that have not answered, or not understood; "?" for one whose name is unknown.

        `names` are those of all nodes, if they are needed.
        """
        silent = [name for name in {**self._known, **dict.fromkeys(names)} if name not in self._ended]
        unknown = (self._receivers or 0) - len(self._ended) - len(silent)
        return (*self._puzzled, *silent, *("?",) * unknown)

    def _take(self, node: str, answer: NodeAnswer) -> None:
        if not answer.understood:
            self._puzzled.append(node)
        self.items += answer.items
        if not answer.more:
            self._ended[node] = None
