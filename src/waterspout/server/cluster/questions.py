"""The questions of this node to all others: each ends at its deadline, with what has come and who is missing."""

from collections.abc import Callable, Iterable
from itertools import count

import msgspec

from ...engine import Engine
from .messages import NodeAnswer

Take = Callable[[list[msgspec.Raw]], object]
End = Callable[[tuple[str, ...]], object]


class _Open:
    __slots__ = ("end", "missing", "take", "waiting")

    def __init__(self, waiting: Iterable[str], take: Take, end: End) -> None:
        self.waiting = dict.fromkeys(waiting)
        self.missing: list[str] = []
        self.take = take
        self.end = end


class Questions:
    """The open questions, by number."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbers = count(1)
        self._open: dict[int, _Open] = {}

    def number(self) -> int:
        """Return the number of a new question."""
        return next(self._numbers)

    def open(self, number: int, nodes: Iterable[str], timeout: float, take: Take, end: End) -> None:
        """Wait for the answers of these nodes, at most `timeout` seconds.

        `take` is called with the items of each part of an answer; `end` once, with the names of the nodes that have not
        answered, or have not understood.
        """
        question = self._open[number] = _Open(nodes, take, end)
        self._engine.deadlines.set(self, number, self._engine.driver.now() + timeout)
        self._look(number, question)

    def answered(self, node: str, answer: NodeAnswer) -> None:
        """Take an answer; one that nobody waits for is ignored."""
        question = self._open.get(answer.number)
        if question is None or node not in question.waiting:
            return
        if answer.understood:
            question.take(answer.items)
        if not answer.more:
            self._ends_for(answer.number, question, node, is_missing=not answer.understood)

    def gone(self, node: str) -> None:
        """Wait for this node no longer."""
        for number, question in tuple(self._open.items()):
            if node in question.waiting:
                self._ends_for(number, question, node, is_missing=True)

    def due(self, number: int, at: float) -> None:
        """End a question."""
        question = self._open.pop(number)
        question.end((*question.missing, *question.waiting))

    def close(self) -> None:
        """End all: the node ends."""
        for number in tuple(self._open):
            self._engine.deadlines.clear(self, number)
            self.due(number, 0.0)

    # Below this line: how it is done

    def _ends_for(self, number: int, question: _Open, node: str, *, is_missing: bool) -> None:
        del question.waiting[node]
        if is_missing:
            question.missing.append(node)
        self._look(number, question)

    def _look(self, number: int, question: _Open) -> None:
        if not question.waiting:
            self._engine.deadlines.clear(self, number)
            self.due(number, 0.0)
