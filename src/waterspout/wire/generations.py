"""The table of generations: one row for each kind of clients, with everything that the other layers ask of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from . import engineio3, engineio4, events
from .msgpack import MSGPACK_4, MSGPACK_5
from .packets import Packet, Signal
from .protocol1 import socketio as socketio1
from .socketio import REVISION_4, REVISION_5, Encoded, Partial, Revision
from .sse import COMMENT

__all__ = [
    "ENGINEIO_3",
    "ENGINEIO_4",
    "EVENTS",
    "EVENT_STREAM",
    "GENERATIONS",
    "SOCKETIO_1",
    "Generation",
]  # the rest is for the core


class EngineCodec(Protocol):
    """The encoding of a revision of Engine.IO; each revision is a module with these functions.

    An Engine.IO packet is a `str`, the digit of its type and its data, or `bytes`, a binary message.
    """

    def encode_open(
        self, sid: str, upgrades: Sequence[str], ping_interval: float, ping_timeout: float, max_payload: int
    ) -> bytes: ...

    def decode_payload(self, body: bytes, *, binary: bool = ..., max_packets: int = ...) -> Iterator[str | bytes]: ...

    def encode_payload(
        self, messages: Iterable[tuple[bytes, tuple[bytes, ...]]], *, base64: bool = ...
    ) -> tuple[bytes, bool]: ...

    def decode_base64_packet(self, packet: str) -> bytes: ...

    def encode_base64_packet(self, content: bytes) -> bytes: ...

    def decode_binary(self, frame: bytes) -> bytes: ...

    def encode_binary(self, data: bytes) -> bytes: ...


class SocketCodec(Protocol):
    """The encoding of a revision of Socket.IO: a `Revision`, or for the first revision a module."""

    def decode(self, text: str, at: int = ..., max_attachments: int = ...) -> Packet | Partial | Signal: ...

    def decode_binary(self, data: bytes, partial: Partial | None) -> Packet | None: ...

    def encode_knock(self, namespace: str, greeting: Any = ..., /) -> Encoded: ...

    def encode_connect(self, namespace: str, sid: str) -> Encoded: ...

    def encode_connect_error(self, namespace: str, message: str, data: object = ...) -> Encoded: ...

    def encode_disconnect(self, namespace: str) -> Encoded: ...

    def encode_event(self, namespace: str, name: str, args: Sequence[Any], id: int | None = ...) -> Encoded: ...

    def encode_message(self, namespace: str, data: Any, id: int | None = ..., *, is_json: bool = ...) -> Encoded: ...

    def encode_ack(self, namespace: str, id: Any, args: Sequence[Any]) -> Encoded: ...

    def encode_refusal(self, namespace: str, id: Any, report: Any) -> Encoded: ...


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """One generation of clients: its names, its codecs, and its behaviour.

    The defaults are what Socket.IO 3.x and 4.x do.
    """

    name: str
    revision: str  # the `EIO` parameter of its requests
    clients: str
    engineio: EngineCodec
    socketio: SocketCodec
    client_pings: bool = False  # else the server does
    implicit_connect: bool = False  # "/" is entered without a packet
    strays: bool = False  # events for namespaces not entered, or with reserved names, are ignored; else an error
    own_socket_id: bool = True  # else clients derive a socket's id from the session's
    upgrades: tuple[str, ...] = ()
    greeting_pause: float = 0.0  # s between the 101 and the OPEN of a WebSocket
    answers_failures: bool = False  # an event with an id is answered with an error if it has no other answer
    ping: bytes = b"2"
    noop: bytes = b"6"


ENGINEIO_3 = Generation(
    name="Engine.IO 3",
    revision="3",
    clients="Socket.IO 1.x and 2.x",
    engineio=engineio3,
    socketio=REVISION_4,
    client_pings=True,
    implicit_connect=True,
    strays=True,
    own_socket_id=False,
    upgrades=("websocket",),
    # Clients that add listeners when the socket opens, as in the official suite, miss what arrives with the 101.
    greeting_pause=0.002,
)
ENGINEIO_4 = Generation(
    name="Engine.IO 4",
    revision="4",
    clients="Socket.IO 3.x and 4.x",
    engineio=engineio4,
    socketio=REVISION_5,
    upgrades=("websocket",),
)
SOCKETIO_1 = Generation(
    name="Socket.IO 1",  # the revision of the protocol, not of the library
    revision="Socket.IO 1",
    clients="Socket.IO 0.7 to 0.9",
    engineio=engineio4,  # not used: its transports have their own encoding
    socketio=socketio1,
    implicit_connect=True,
    strays=True,
    own_socket_id=False,
    ping=socketio1.HEARTBEAT,
    noop=socketio1.NOOP,
)
EVENTS = Generation(
    name="WebSocket",
    revision=events.SUBPROTOCOL,
    clients="plain WebSockets",
    engineio=engineio4,  # only for binary messages, which are unchanged
    socketio=events,
    strays=True,
    answers_failures=True,
    ping=events.PING,
    noop=events.PING,
)
_NO_CODEC: Any = None  # not used: such a client sends nothing, and is in no namespace

EVENT_STREAM = Generation(
    name="EventSource",
    revision="EventSource",
    clients="EventSource, and other readers of Server-Sent Events",
    engineio=_NO_CODEC,
    socketio=_NO_CODEC,
    strays=True,
    ping=COMMENT,
    noop=COMMENT,
)
GENERATIONS = {row.revision: row for row in (ENGINEIO_3, ENGINEIO_4)}

PARSERS: dict[str, dict[Revision, Revision]] = {
    "json": {REVISION_4: REVISION_4, REVISION_5: REVISION_5},
    "msgpack": {REVISION_4: MSGPACK_4, REVISION_5: MSGPACK_5},
}
"""The codecs for the option `parser` of clients, by name and revision."""


def with_parser(generation: Generation, parser: str) -> Generation:
    """Return a row of GENERATIONS with the codec of a parser.

    ValueError for a parser that is not in PARSERS, or not available for this row.
    """
    if parser not in PARSERS:
        raise ValueError(f"parser is {parser!r}: choose from {', '.join(PARSERS)}")
    codec = PARSERS[parser].get(generation.socketio) if isinstance(generation.socketio, Revision) else None
    if codec is None:
        raise ValueError(f"{generation.name} has no parser {parser!r} beside its own: begin with a row of GENERATIONS")
    return generation if codec is generation.socketio else replace(generation, socketio=codec)


def all_rows(parser: str) -> tuple[Generation, ...]:
    """Return the rows of all generations, with the codec of a parser where there is a choice; see `with_parser`."""
    return *(with_parser(row, parser) for row in GENERATIONS.values()), SOCKETIO_1
