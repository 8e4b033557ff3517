"""The vocabulary between wire and logic: what the generations of Socket.IO say, without their spellings.

A Struct that is frozen and unknown to the garbage collector takes 25 ns to make, a frozen dataclass 292.
"""

from typing import Any

from msgspec import Struct

__all__ = ["Ack", "Connect", "Disconnect", "Error", "Event", "Heartbeat", "Message", "Noop", "Packet", "Signal"]


class Connect(Struct, frozen=True, gc=False):
    """A client enters a namespace, with `data` (its auth, 3.x and later) or a `query` (before)."""

    namespace: str
    data: Any = None
    query: str = ""


class Disconnect(Struct, frozen=True, gc=False):
    """Either side leaves a namespace."""

    namespace: str


class Event(Struct, frozen=True, gc=False):
    """A named event; with an `id`, the other side is to acknowledge it.

    With a `receipt`, which only 0.7 to 0.9 know, the acknowledgement says that it has come, and nothing else. Only
    clients with plain WebSockets may have a text as the id.
    """

    namespace: str
    name: str
    args: list[Any]
    id: Any = None
    receipt: bool = False


class Message(Struct, frozen=True, gc=False):
    """What 0.7 to 0.9 send without a name: a text, or any value as JSON; `id` and `receipt` as in an event."""

    namespace: str
    data: Any
    id: int | None = None
    receipt: bool = False
    is_json: bool = False


class Ack(Struct, frozen=True, gc=False):
    """The acknowledgement of the event that bore this `id`."""

    namespace: str
    id: Any
    args: list[Any]


class ConnectError(Struct, frozen=True, gc=False):
    """The server refuses a client that wanted to enter a namespace."""

    namespace: str
    message: str
    data: Any = None


class Error(Struct, frozen=True, gc=False):
    """Something is wrong, in the words of 0.7 to 0.9: why, and what to do about it; each may be empty.

    What a client sends that calls for nothing, and was ignored by the servers it was written for, is one, too.
    """

    namespace: str
    reason: str = ""
    advice: str = ""


class Heartbeat(Struct, frozen=True, gc=False):
    """The other side lives. In 0.7 to 0.9 it is a packet, and no business of an application."""


class Noop(Struct, frozen=True, gc=False):
    """Nothing, so that a poll has an answer: a packet, and no business of an application."""


Packet = Connect | Disconnect | Event | Message | Ack | ConnectError | Error
Signal = Heartbeat | Noop


def as_event(message: Message) -> Event:
    """Return a message as the event "message", for code that knows events only."""
    return Event(message.namespace, "message", [message.data], message.id, message.receipt)
