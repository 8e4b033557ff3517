"""A namespace for a program without a server: it writes what nodes are to do with the namespace's clients.

What it refuses, and how, is what `Namespace` does; and so are messages for channels.
"""

from collections.abc import Sequence
from typing import Any

from ..engine import Policy
from ..engine.options import check_number
from .channel import check_event, encode_data
from .channels import check_channel_name
from .cluster.messages import Ask, Broadcast, BusDisconnect, Count, Fetch, ForClients, Join, Leave, Question, address
from .fanout import Delivery, prepare
from .handlers import check_name
from .namespace import check_namespace
from .rooms import Audience, Room, check_rooms
from .shared import NewEntry, check_size

_NEWEST = Policy().generations[-1]


class RemoteNamespace:
    """Writes messages for the clients of one namespace; `largest` is how many bytes one may have."""

    __slots__ = ("largest", "name")

    def __init__(self, name: str, largest: int | None) -> None:
        check_namespace(name)
        self.name = name
        self.largest = largest

    def event(self, event: str, args: Sequence[Any], whom: Audience, how: Delivery) -> bytes:
        """Write an event; TypeError, naming what cannot be sent, and AdapterError for one that is too large."""
        check_name(event)
        prepare(_NEWEST, self.name, event, args, how=how)  # what the bus carries and JSON does not, is told here
        return self._address(Broadcast(event, list(args), *how, namespace=self.name), whom)

    def join(self, rooms: tuple[Room, ...], whom: Audience) -> bytes:
        """Write that clients join rooms."""
        check_rooms(rooms)
        return self._address(Join(list(rooms), namespace=self.name), whom)

    def leave(self, rooms: tuple[Room, ...], whom: Audience) -> bytes:
        """Write that clients leave rooms."""
        check_rooms(rooms)
        return self._address(Leave(list(rooms), namespace=self.name), whom)

    def disconnect(self, whom: Audience, *, close: bool) -> bytes:
        """Write that clients are disconnected."""
        return self._address(BusDisconnect(close, namespace=self.name), whom)

    def call(self, event: str, args: Sequence[Any], whom: Audience, timeout: float, number: int) -> bytes:
        """Write a question to clients."""
        check_name(event)
        check_number("timeout", timeout)
        prepare(_NEWEST, self.name, event, args, 0)
        question = Ask(event=event, args=list(args), timeout=timeout, namespace=self.name, number=number)
        return self._address(question, whom)

    def fetch_sockets(self, whom: Audience, timeout: float, number: int) -> bytes:
        """Write the question who is there."""
        check_number("timeout", timeout)
        return self._address(Fetch(namespace=self.name, number=number), whom)

    def fetch_count(self, whom: Audience, timeout: float, number: int) -> bytes:
        """Write the question how many are there."""
        check_number("timeout", timeout)
        return self._address(Count(namespace=self.name, number=number), whom)

    def _address(self, message: Broadcast | ForClients | Question, whom: Audience) -> bytes:
        return address(message, whom, self.largest)


def new_entry(channel: str, data: Any, event: str | None, largest: int | None) -> NewEntry:
    """Write a message for a channel; it refuses what `Channel.publish` does."""
    check_channel_name(channel)
    check_event(event)
    encoded, is_text = encode_data(channel, data)
    entry = NewEntry(encoded, event, is_text, is_end=False)
    check_size(entry, channel, largest)
    return entry
