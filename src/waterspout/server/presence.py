"""The clients of a namespace as values that can be sent to other nodes."""

from dataclasses import dataclass, field
from typing import Any

from .rooms import Room
from .socket import Socket


@dataclass(frozen=True, slots=True)
class Present:
    """A client as it was when somebody asked: reach it by its `id`."""

    id: str
    rooms: frozenset[Room]
    data: dict[str, Any]
    transport: str
    generation: str
    remote_address: str


@dataclass(frozen=True, slots=True)
class Presence:
    """The clients that were found, and the nodes that did not answer."""

    sockets: tuple[Present, ...]
    missing: tuple[str, ...] = field(default=())


def describe(socket: Socket) -> Present:
    """Make the value of a socket; its data is a copy, one level deep."""
    return Present(
        id=socket.id,
        rooms=socket.rooms,
        data=dict(socket.data),
        transport=socket.transport,
        generation=socket.generation,
        remote_address=socket.request.remote_address,
    )
