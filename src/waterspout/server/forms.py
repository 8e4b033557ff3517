"""How what a channel has published is written, for all subscribers who get the same bytes.

How it works: a `Published` is made of an entry when it is sent, and each `Form` writes it once. In the fan-out of a
channel, all live readers of one form share what was written; a reader that is behind asks its form for each entry.
"""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..engine import Prepared
from ..wire import json
from ..wire.generations import Generation
from .fanout import ORDINARY, Delivery, prepare
from .log import Entry, write_id

if TYPE_CHECKING:
    from .channel import Channel

OPEN, RESET, END = "stream-open", "stream-reset", "stream-end"
"""The names of our own events. `publish` refuses all that begin like these."""


_UNKNOWN: Any = object()


class Published:
    """An entry of a channel on its way to subscribers: what several forms need of it is made once."""

    __slots__ = ("_value", "channel", "entry", "id")

    def __init__(self, channel: "Channel", entry: Entry) -> None:
        self.channel = channel
        self.entry = entry
        self.id = write_id(channel.log, entry.offset)
        self._value: Any = _UNKNOWN

    @property
    def key(self) -> str | None:
        """The key of which only the latest message waits for a slow client, None where all count."""
        return f"channel {self.channel.name}" if self.channel.is_latest and not self.entry.is_end else None

    @property
    def json(self) -> bytes:
        """The data as JSON; empty for an end without data."""
        return json.encode(self.entry.data.decode()) if self.entry.is_text else self.entry.data

    @property
    def value(self) -> Any:
        """The data as a value; None of an end without data."""
        if self._value is _UNKNOWN:
            self._value = value_of(self.entry)
        return self._value

    @property
    def ending(self) -> dict[str, Any]:
        """What subscribers are told of a channel's end."""
        last = {"data": self.value} if self.entry.data else {}
        return {"channel": self.channel.name, "id": self.id, **last}


class Form(Protocol):
    """How messages are written for subscribers of one kind. Equal forms write the same."""

    def write(self, published: Published) -> Prepared:
        """Write a message, or the end."""

    def write_reset(self, channel: "Channel", reason: str, id: str) -> Prepared:
        """Write that what was missed cannot be sent, and with which id the stream goes on."""


class SocketForm(NamedTuple):
    """For clients of Socket.IO of one generation, in one namespace: an event."""

    row: Generation
    namespace: str

    def write(self, published: Published) -> Prepared:
        """Write an event with the channel's name and (value, id) or (value, id, name), or the end."""
        entry = published.entry
        if entry.is_end:
            return prepare(*self, END, (published.ending,))
        name = () if entry.event is None else (entry.event,)
        how = ORDINARY if published.key is None else Delivery(latest=published.key)
        return prepare(*self, published.channel.name, (published.value, published.id, *name), None, how)

    def write_reset(self, channel: "Channel", reason: str, id: str) -> Prepared:
        """Write it as an event."""
        return prepare(*self, RESET, (told(channel, reason, id),))


def told(channel: "Channel", reason: str, id: str) -> dict[str, str]:
    """Return what subscribers are told of a reset."""
    return {"channel": channel.name, "reason": reason, "id": id}


def value_of(entry: Entry) -> Any:
    """Return the data of an entry as a value; None of an end without data."""
    if entry.is_text:
        return entry.data.decode()
    return json.decode(entry.data) if entry.data else None
