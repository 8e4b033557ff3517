"""Floods of what needs no handler (B4): pings, pongs, packets that say nothing. Nothing grows with their number."""

import socket
from typing import Any

import pytest

from hosts.handloop import HandLoop
from waterspout import Server
from waterspout.engine import Open
from waterspout.hosts.link import Link, Output
from waterspout.testing import Peer, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

READ_BYTES = 65_536


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


class Attacker:
    """A WebSocket over a real socket, on a loop that is turned by hand."""

    def __init__(self, server: Server, generation: Generation) -> None:
        ours, self.sock = socket.socketpair()
        ours.setblocking(False)
        self.sock.setblocking(False)
        self.loop = HandLoop()
        self.peer = Peer(server, generation=generation)  # it has the request that an engine wants
        request = self.peer.carrier
        assert isinstance(request, WebSocketCarrier)
        decision = self.peer.engine.admit(request_of(self.peer))
        assert isinstance(decision, Open)
        self.link = Link(ours.detach(), Output(self.loop))
        self.link.start(self.peer.engine.connect(decision, request_of(self.peer), self.link))
        self.loop.turn()

    def feed(self, data: bytes) -> None:
        """Send, and let the server read; what it answers is not read."""
        while data:
            data = data[self.sock.send(data[:READ_BYTES]) :]
            self.loop.turn()

    def read(self) -> bytes:
        """Read all that has been answered, and what is answered meanwhile."""
        pieces = bytearray()
        for _ in range(100):
            try:
                pieces += self.sock.recv(1 << 20)
            except BlockingIOError:
                pass
            self.loop.turn()
        return bytes(pieces)

    def close(self) -> None:
        self.link.close()
        self.sock.close()


def request_of(peer: Peer) -> Any:
    peer.sid = ""
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
    return peer.request(transport="websocket", headers=[*fields, ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
