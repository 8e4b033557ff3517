"""What `@socket.io/redis-emitter` publishes, read as messages of nodes.

Its formats are those of `@socket.io/redis-adapter` 6 to 8; `socket.io-emitter` 3 has the first one, too.

- An event, on `KEY#NAMESPACE#` or, for one room, on `KEY#NAMESPACE#ROOM#`: MessagePack of `[uid, packet, options]`.
- A request, on `KEY-request#NAMESPACE#`: JSON with a `type`, `opts` for the audience, and `rooms` or `close`.

Each node subscribes to both and serves its own clients, so nothing is published again. What wants an answer, which only
servers of Node publish, and `serverSideEmit` is no message for clients: it is ignored.
"""

from typing import Any

import msgspec

from ..errors import DecodeError
from ..server.cluster.messages import Broadcast, BusDisconnect, BusMessage, Join, Leave, encode, encode_word
from ..server.rooms import Room
from ..wire import json, notepack
from .redispipes import literal

NAME = "node-emitter"
"""The sender of the words; no node has this name."""

_EVENTS = (2, 5)  # types of packets: without and with binary content


class _Packet(msgspec.Struct):
    data: list[Any]
    type: int
    nsp: str = "/"


class _Flags(msgspec.Struct):
    volatile: bool = False
    compress: bool = True


class _Options(msgspec.Struct, rename={"except_": "except"}):
    rooms: tuple[Room, ...] = ()
    except_: tuple[Room, ...] = ()
    flags: _Flags = msgspec.field(default_factory=_Flags)

    @property
    def to(self) -> tuple[Room, ...] | None:
        """Whom it is for, as in `Audience`: no room is everybody."""
        return self.rooms or None


class _Request(msgspec.Struct):
    type: int
    opts: _Options | None = None
    rooms: list[Room] = []
    close: bool = False


class _OlderDialect(Exception):
    """The message has an extension of notepack.io 2, which `wire/notepack.py` reads."""


def _refuse_extension(kind: int, content: memoryview) -> Any:
    raise _OlderDialect


_Event = tuple[Any, _Packet, _Options]
_events: msgspec.msgpack.Decoder[_Event] = msgspec.msgpack.Decoder(_Event, ext_hook=_refuse_extension)
_BROKEN = (msgspec.DecodeError, TypeError, ValueError, RecursionError)


class NodeEmitters:
    """Emitters of Node with this key; "socket.io" is theirs if they were given none."""

    def __init__(self, key: object) -> None:
        if not isinstance(key, str) or not key:
            raise ValueError(f'node_emitters is {key!r}: give the key of the emitters, such as "socket.io", or None')
        self._events = f"{key}#"
        self._requests = f"{key}-request#"
        quoted = literal(key)
        self.patterns = (f"{quoted}#/*".encode(), f"{quoted}-request#/*".encode())
        """What to subscribe to with PSUBSCRIBE."""

    def read(self, channel: bytes, data: bytes) -> bytes | None:
        """Return a word for a node, without a number; None for what means nothing to clients.

        DecodeError for what is no message of theirs.
        """
        place = channel.decode(errors="replace")
        try:
            if place.startswith(self._events):
                message: BusMessage | Broadcast | None = _read_event(place.removeprefix(self._events), data)
            elif place.startswith(self._requests):
                message = _read_request(place.removeprefix(self._requests).removesuffix("#"), data)
            else:
                message = None
            return None if message is None else encode_word(NAME, 0, 0, encode(message))
        except _BROKEN as error:
            raise DecodeError(f"not a message of an emitter of Node, on {place!a}: {error}") from error


def _read_event(place: str, data: bytes) -> Broadcast | None:
    try:
        _, packet, options = _events.decode(data)
    except _OlderDialect:
        _, packet, options = msgspec.convert(notepack.decode(data), _Event)
    if packet.type not in _EVENTS or not place.startswith(f"{packet.nsp}#"):
        return None
    event, *args = packet.data
    if not isinstance(event, str):
        raise TypeError(f"the event's name is {event!a:.100}")
    flags = options.flags
    return Broadcast(
        event, args, flags.volatile, flags.compress, namespace=packet.nsp, to=options.to, except_=options.except_
    )


def _read_request(namespace: str, data: bytes) -> Join | Leave | BusDisconnect | None:
    if data[:1] != b"{":
        return None  # MessagePack, of a server that wants answers
    request = msgspec.convert(json.decode(data), _Request)
    if request.opts is None:
        return None
    message: Join | Leave | BusDisconnect
    match request.type:
        case 2:
            message = Join(request.rooms, namespace=namespace)
        case 3:
            message = Leave(request.rooms, namespace=namespace)
        case 4:
            message = BusDisconnect(request.close, namespace=namespace)
        case _:
            return None  # 6 is serverSideEmit
    return msgspec.structs.replace(message, to=request.opts.to, except_=request.opts.except_)
