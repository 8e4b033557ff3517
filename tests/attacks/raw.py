"""A WebSocket of a server over a real socket, on a loop that is turned by hand."""

import socket

from hosts.client import HANDSHAKE
from hosts.handloop import HandLoop
from waterspout import Request, Server
from waterspout.engine import Open
from waterspout.hosts.output import Output
from waterspout.hosts.socketlink import SocketLink
from waterspout.testing import admit
from waterspout.wire.generations import ENGINEIO_4, Generation


class Raw:
    """`sock` is the client's end. Who has the same `output` shares its turns."""

    def __init__(self, server: Server, output: Output, generation: Generation = ENGINEIO_4) -> None:
        assert isinstance(output.loop, HandLoop)
        self.loop = output.loop
        ours, self.sock = socket.socketpair()
        for end in (ours, self.sock):
            end.setblocking(False)
        target = f"/socket.io/?EIO={generation.revision}&transport=websocket"
        request = Request("GET", target, HANDSHAKE)
        decision = admit(server.engine, request)
        assert isinstance(decision, Open)
        assert decision.session is not None
        self.sid = decision.session.id
        self.link = SocketLink(ours.detach(), output)
        self.link.start(server.engine.connect(decision, request, self.link))
        self.loop.turn()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self.sock.close()

    def send(self, data: bytes | memoryview) -> int:
        """Send as much as the kernel takes, and return how much that was."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def feed(self, data: bytes) -> None:
        """Send all of it, while the loop turns; what is answered is not read."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest[:65_536]) :]
            self.loop.turn()

    def read(self) -> bytes:
        """Read what has been answered, and what comes of that."""
        pieces = bytearray()
        idle = 0
        while idle < 2:
            try:
                piece = self.sock.recv(1 << 20)
            except BlockingIOError:
                piece = b""
            pieces += piece
            idle = 0 if piece else idle + 1
            self.loop.turn()
        return bytes(pieces)
