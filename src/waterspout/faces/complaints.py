"""Log lines about clients' mistakes, limited in length and number."""

import logging
from typing import Any

from ..drivers import LoopThrottle, write
from ..engine import MORE, Engine, outline

LONGEST = 80  # characters of a text


class Complaints:
    """Writes at most ten lines of a kind in a second, and a count of the rest; by the clock of an engine, if given."""

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
        """Log a line; its kind is its text with the type of `error`. Strings among the values are shortened."""

        def tell(more: int) -> None:
            log.log(level, MORE, more, outline(text))

        kind = log.name, text, type(error)
        if self._limit.allows(kind, tell):
            values = tuple(_shortened(value) if isinstance(value, str) else value for value in values)
            self._limit.wrote(kind, write(log, level, text, *values, error=error))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


ALONE = Complaints()
"""For code without a router."""
