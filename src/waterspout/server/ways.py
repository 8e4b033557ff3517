"""The options of a channel: what they mean, which values they may have, and which count for several nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any

from ..engine.options import Rule, check_count, check_patience, one_of
from .log import EARLIEST, Retention


@dataclass(frozen=True)
class Ways:
    """How a channel behaves: what `Server.channel` was told, or else what all have."""

    history: int = 100
    ttl: float = 300.0
    history_bytes: int = 1_000_000
    delivery: str = "all"
    start: str = "new"

    @property
    def limits(self) -> Retention:
        """What its log keeps."""
        return Retention(self.history, self.ttl, self.history_bytes)


def read_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that another node has given; TypeError or ValueError for what none has.

    Options that are unknown here are those of another version.
    """
    known = {field.name: options[field.name] for field in fields(Ways) if field.name in options}
    check_options(known)
    return known


def check_options(given: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError for an option that cannot be meant."""
    for option, check in _CHECKS.items():
        if option in given:
            check(option, given[option])
    if given.get("delivery") == "latest" and given.get("history") == 0:
        raise ValueError('history is 0: with delivery="latest" the current value has to be kept, so give 1 or more')
    if given.get("delivery") == "latest" and "start" in given:
        raise ValueError('start has no meaning with delivery="latest": a newcomer gets the current value')


def _check_history(name: str, value: object) -> None:
    if value != 0 or isinstance(value, bool | float):
        try:
            check_count(name, value)
        except ValueError:
            raise ValueError(f"{name} is {value!r}: give a number of messages, or 0 to keep none") from None


def _check_ttl(name: str, value: object) -> None:
    if value != inf:
        check_patience(name, value)


_CHECKS: dict[str, Rule] = {
    "history": _check_history,
    "ttl": _check_ttl,
    "history_bytes": check_count,
    "delivery": one_of("all", "latest"),
    "start": one_of("new", EARLIEST),
}
