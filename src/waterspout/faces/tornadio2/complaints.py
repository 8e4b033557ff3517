"""What clients do wrong, for the log: each line short, and not as many as they like."""

import logging
from typing import Any

from ...server.dispatch import shorten
from ...server.limits import Reports


class Complaints:
    """Ten lines of a kind in a second, and then how many were left out."""

    def __init__(self) -> None:
        self._reports = Reports()

    def write(
        self, log: logging.Logger, now: float, text: str, *values: Any, error: BaseException | None = None
    ) -> None:
        """Log an error, `now` in seconds; its kind is its text with the type of `error`. Texts in it are cut."""
        left_out = self._reports.allow((text, type(error)), now)
        if left_out is not None:
            more = f" (like {left_out} others that were not logged)" if left_out else ""
            values = tuple(shorten(value) if isinstance(value, str) else value for value in values)
            log.error(text + more, *values, exc_info=error)
