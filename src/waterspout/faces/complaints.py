"""What clients do wrong, for the log: each line short, and not as many as they like."""

import logging
from typing import Any

from ..drivers import LoopThrottle, write
from ..engine import MORE, Engine, outline

LONGEST = 80  # characters of a text


class Complaints:
    """Writes ten lines of a kind in a second, and then how many were left out; by the clock of an engine if it can."""

    def __init__(self, engine: Engine | None = None) -> None:
        self._limit = LoopThrottle() if engine is None else engine.log

    def write(
        self,
        log: logging.Logger,
        text: str,
        *values: Any,
        level: int = logging.ERROR,
        error: BaseException | None = None,
    ) -> None:
        """Log a line; its kind is its text with the type of `error`. Texts among the values are cut."""

        def tell(more: int) -> None:
            log.log(level, MORE, more, outline(text))

        kind = log.name, text, type(error)
        if self._limit.allows(kind, tell):
            values = tuple(_shortened(value) if isinstance(value, str) else value for value in values)
            self._limit.wrote(kind, write(log, level, text, *values, error=error))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


ALONE = Complaints()
"""For what has no router at hand."""
