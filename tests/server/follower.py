"""What a subscriber of some channels has got, and whether it may have: gapless, or a reset says so."""

from collections.abc import Callable, Sequence
from typing import Any

from server.listener import Heard

REASONS = ("expired", "epoch", "future", "unknown")


class Follower:
    """The last id of a client, with a place in each channel of its connection; every step of it is checked.

    `number` gives the offset at which a message was published, from its data.
    """

    def __init__(self, names: Sequence[str], last: str | None, number: Callable[[Any], int] = int) -> None:
        self.names, self.last, self.number = names, last or "", number
        self.is_over = False

    @property
    def places(self) -> list[int]:
        return [int(one.rpartition("-")[2]) for one in self.last.split(",")]

    def hear(self, event: Heard) -> None:
        value: Any = event.value
        if event.type == "stream-open":
            if self.last in ("", "earliest"):
                self.last = event.id
            elif event.id != self.last:
                assert event.id == "", "no reset has come"
        elif event.type == "stream-reset":
            assert value["reason"] in REASONS
            self.last = event.id
        else:
            self._step(event, value)

    def _step(self, event: Heard, value: Any) -> None:
        is_message = event.type == "message"
        index = 0 if is_message and len(self.names) == 1 else self.names.index(value["channel"])
        expected = self.places
        expected[index] += 1
        self.last = event.id
        assert self.places == expected, "a hole, or twice"
        if is_message:
            assert self.number(value if len(self.names) == 1 else value["data"]) == expected[index]
        self.is_over = event.type == "stream-end"
