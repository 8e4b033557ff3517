"""Clients in memory, for tests without sockets, sleeps or mocks.

    with Pair(server) as pair:
        pair.peer.emit("say", "hello", id=1)
        assert pair.peer.acks() == {1: "ok"}

A `Peer` is a client of any generation over polling or WebSocket; it speaks to the server's engine as a host
does. `events` and `acks` read what it gets, `take` gives it as it is on the wire: text packets as str, binary
messages as bytes. A `Pair` is a server and one client that has entered "/". Clients of 0.7 to 0.9 are an
`OldPeer` and an `OldPair`.

A `Clock` is the server's driver, with a time that passes when the test says so. Handlers may be plain or async;
the test itself is a plain function.
"""

from ..wire.generations import ENGINEIO_3, ENGINEIO_4
from .carriers import PollingCarrier, WebSocketCarrier
from .clock import Clock
from .frames import client_frame, server_frames
from .links import MemoryLink
from .old import OldPair, OldPeer
from .oldcarriers import OldHixieWebSocket, OldPolling, OldStream, OldWebSocket
from .pair import ClientRefused, Pair
from .peer import Peer
from .polls import MemoryExchange, Polls, Refused

__all__ = [
    "ENGINEIO_3",
    "ENGINEIO_4",
    "ClientRefused",
    "Clock",
    "MemoryExchange",
    "MemoryLink",
    "OldHixieWebSocket",
    "OldPair",
    "OldPeer",
    "OldPolling",
    "OldStream",
    "OldWebSocket",
    "Pair",
    "Peer",
    "PollingCarrier",
    "Polls",
    "Refused",
    "WebSocketCarrier",
    "client_frame",
    "server_frames",
]
