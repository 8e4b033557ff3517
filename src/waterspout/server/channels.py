"""The channels of a server by name, and the options of one."""

from collections.abc import Iterator
from dataclasses import asdict
from math import inf
from typing import Any

from ..engine import Engine
from ..engine.options import Rule, check_count, check_patience, one_of
from .channel import OWN, Channel, ChannelTraffic, Ways
from .handlers import check_name
from .readers import EARLIEST
from .weak import WeakTable


class Channels:
    """The channels of a server, by name: each lives while somebody holds it, subscribes to it, or it has a history."""

    def __init__(self, engine: Engine) -> None:
        self.traffic = ChannelTraffic()
        self._engine = engine
        self._named: WeakTable[Channel] = WeakTable()
        self._kept: set[Channel] = set()

    def get(self, name: str, options: dict[str, Any]) -> Channel:
        """Return the channel of this name, or make it; an option that is None was not given."""
        given = {option: value for option, value in options.items() if value is not None}
        check_options(given)
        found = self._named.get(name)
        if found is None:
            check_name(name)
            if not name or name.startswith(OWN):
                raise ValueError(f'the name of a channel is {name!r}: give one that does not begin with "{OWN}"')
            new = Channel(name, self._engine, Ways(**given), self._keep, self.traffic)
            found = self._named.add(name, new)
        for option, value in given.items():
            if (has := asdict(found.how)[option]) != value:
                raise ValueError(f"the channel {name!r} has {option}={has!r}: give the same, or leave it out")
        return found

    def existing(self, name: str) -> Channel | None:
        """Return the channel of this name if there is one now."""
        return self._named.get(name)

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._named)

    def close(self) -> None:
        """End the streams: the server closes."""
        for channel in self._named:
            channel.close()

    def _keep(self, channel: Channel, keeps: bool) -> None:
        (self._kept.add if keeps else self._kept.discard)(channel)


def check_options(given: dict[str, Any]) -> None:
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
