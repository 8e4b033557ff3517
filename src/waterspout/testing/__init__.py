"""Clients in memory, for tests without sockets, sleeps or mocks.

    with Pair(server) as pair:
        pair.peer.emit("say", "hello", id=1)
        assert pair.peer.acks() == {1: "ok"}

A `Peer` is a client of any generation over any of its transports; it speaks to the server's engine as a host
does. `events` and `acks` read what it gets, `take` gives it as it is on the wire: text packets as str, binary
messages as bytes. A `Pair` is a server and one client that has entered "/".

The fixtures of pytest are in the plugin `pytest_waterspout`, and made of `stage`.

A `Clock` is the server's driver, with a time that passes when the test says so. Handlers may be plain or async;
the test itself is a plain function.
"""

from ..wire.generations import ENGINEIO_3, ENGINEIO_4, EVENTS, SOCKETIO_1
from .carriers import MemoryExchange, PollingCarrier, Poster, Refused, WebSocketCarrier
from .carriers1 import HixieCarrier, StreamCarrier
from .clock import Clock
from .frames import client_frame, server_frames
from .links import MemoryLink, admit
from .pair import ClientRefused, Pair
from .peer import Peer
from .stage import CLIENTS, Factory

__all__ = [
    "CLIENTS",
    "ENGINEIO_3",
    "ENGINEIO_4",
    "EVENTS",
    "SOCKETIO_1",
    "ClientRefused",
    "Clock",
    "Factory",
    "HixieCarrier",
    "MemoryExchange",
    "MemoryLink",
    "Pair",
    "Peer",
    "PollingCarrier",
    "Poster",
    "Refused",
    "StreamCarrier",
    "WebSocketCarrier",
    "admit",
    "client_frame",
    "server_frames",
]
