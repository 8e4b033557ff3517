"""A driver whose users take their time."""

from collections.abc import Callable, Sequence
from typing import Any

from waterspout.engine import Asker
from waterspout.testing import Clock


class Waiting(Clock):
    """A driver whose first function does not answer until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._first: Callable[[], None] | None = None
        self._asked = False

    def run(self, function: Callable[..., Any], args: Sequence[Any], asker: Asker, token: Any) -> None:
        if self._asked:
            super().run(function, args, asker, token)
        else:
            self._asked = True
            self._first = lambda: Clock.run(self, function, args, asker, token)

    def answer(self) -> None:
        """Let it answer."""
        assert self._first is not None
        self._first()
