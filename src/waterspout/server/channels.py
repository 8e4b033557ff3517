"""The channels of a server by name, and the options of one."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..engine import Engine
from .channel import OWN, Channel, ChannelTraffic
from .handlers import check_name
from .shared import SharedLogs
from .ways import Ways, check_options
from .weak import WeakTable


class Channels:
    """The channels of a server, by name: each lives while somebody holds it, subscribes to it, or it has a history.

    With `logs`, a broker has the histories, and a channel lives without them.
    """

    def __init__(self, engine: Engine, logs: SharedLogs | None = None) -> None:
        self.logs = logs
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
            check_channel_name(name)
            keep = self._keep if self.logs is None else _keep_nothing
            new = Channel(name, self._engine, given, keep, self.traffic, self.logs)
            found = self._named.add(name, new)
        for option, value in given.items():
            if (has := asdict(Ways(**found.options))[option]) != value:
                raise ValueError(f"the channel {name!r} has {option}={has!r}: give the same, or leave it out")
        return found

    def existing(self, name: str) -> Channel | None:
        """Return the channel of this name if there is one now; where a broker keeps them, there may be one."""
        return self._named.get(name) if self.logs is None else self.get(name, {})

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


def _keep_nothing(channel: Channel, keeps: bool) -> None:
    """Do nothing: what a broker keeps needs no object here."""


def check_channel_name(name: str) -> None:
    """Raise TypeError or ValueError for what no channel can be named."""
    check_name(name)
    if not name or name.startswith(OWN):
        raise ValueError(f'the name of a channel is {name!r}: give one that does not begin with "{OWN}"')
