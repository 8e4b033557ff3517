"""Clients of 0.7 to 0.9 whose connections die with bytes in them: real sockets, whose kernel takes little at once."""

import random
import re
import socket

import pytest

from attacks.measures import memory
from engine.test_resumable import STREAMS, WEBSOCKETS, World
from hosts.handloop import HandLoop
from waterspout.hosts.chunks import ChunkedLink
from waterspout.hosts.output import Output
from waterspout.hosts.socketlink import SocketLink
from waterspout.testing import client_frame
from waterspout.testing.links import HANDSHAKE

CARRIERS = (*WEBSOCKETS, *STREAMS)
KERNEL_BYTES = 4608  # what Linux takes at least before it lets a writer wait
STEPS = 400
WORD = re.compile(rb"3:::([0-9]+)x*")


class Connection:
    """A connection of a session, on a loop that is turned by hand; what has come is in `words`."""

    def __init__(self, world: World, loop: HandLoop, output: Output, name: str) -> None:
        self.loop = loop
        self._is_websocket = name in WEBSOCKETS
        self._came = b""
        ours, self.sock = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        for end in (ours, self.sock):
            end.setblocking(False)
        name = "flashsocket" if name == "hixie" else name
        request = world.peer.request("GET", name, HANDSHAKE if self._is_websocket else ())
        self.link = SocketLink(ours.detach(), output)
        lent = self.link if self._is_websocket else ChunkedLink(self.link)
        self.link.start(world.engine.connect(world.peer.admit(request), request, lent))

    def send(self, data: bytes) -> None:
        """Send it, if it is a WebSocket and the server is there; a connection says nothing while an answer goes on."""
        if self._is_websocket:
            try:
                self.sock.send(data)
            except (BlockingIOError, BrokenPipeError):
                pass
        self.loop.turn()

    def read(self, size: int) -> int:
        """Read so much of what lies in the kernel, at most; return how much that was."""
        try:
            piece = self.sock.recv(size)
        except BlockingIOError:
            piece = b""
        self._came += piece
        return len(piece)

    def forget(self, size: int) -> None:
        """Read so much, at most, and do not look at it."""
        self.read(size)
        self._came = b""

    def die(self) -> None:
        """Read what the server's kernel has taken, and be gone."""
        while self.read(1 << 20):
            pass
        self.sock.close()
        self.loop.turn()

    @property
    def words(self) -> list[int]:
        """The numbers of the messages that have come as a whole."""
        at, found = 0, []
        while (end := self._end(at)) <= len(self._came):
            found += [int(number) for number in WORD.findall(self._came[at:end])]
            at = end
        return found

    def _end(self, at: int) -> int:
        """Tell where the frame or the chunk that begins here ends, or that it has not come as a whole."""
        head = self._came[at : at + 10]
        never = len(self._came) + 1
        if not self._is_websocket:
            size, line_end, _ = head.partition(b"\r\n")
            return at + len(size) + 2 + int(size, 16) + 2 if line_end else never
        if len(head) < 4:
            return at + 2 if head[1:] == b"\0" else never
        if head[1] == 127:
            return at + 10 + int.from_bytes(head[2:10], "big") if len(head) == 10 else never
        return at + 4 + int.from_bytes(head[2:4], "big") if head[1] == 126 else at + 2 + head[1]


class Roamer:
    """A client that has shown that it hears, on connections that come and go."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World("websocket", ping_timeout=3600, max_outbox_bytes=100_000_000)
        self.world.peer.beat()
        self.loop = HandLoop()
        self.output = Output(self.loop, self.world.engine.traffic)
        self.told = 0
        self.heard: list[int] = []
        self.connection = self.connect()

    def connect(self) -> Connection:
        return Connection(self.world, self.loop, self.output, self.random.choice(CARRIERS))

    def tell(self) -> None:
        """Say a few words in one turn, of a size that the kernel takes easily, or in part, or that fills a link."""
        for _ in range(self.random.randint(1, 6)):
            self.world.tell(f"{self.told}" + "x" * self.random.choice([0, 1, 120, 130, 3000, 70_000]))
            self.told += 1

    def turn(self) -> None:
        self.loop.turn()

    def read(self) -> None:
        self.connection.read(self.random.choice([1, 500, 4000, 100_000]))

    def ping(self) -> None:
        self.connection.send(client_frame(9, b"x" * 100) * self.random.choice([1, 30]))

    def close(self) -> None:
        self.connection.send(client_frame(8, b"\x03\xe8"))

    def die(self) -> None:
        """The connection dies, and another comes later."""
        self.connection.die()
        self.heard += self.connection.words
        self.tell()
        self.connection = self.connect()

    def switch(self) -> None:
        """Another connection comes, and then this one dies."""
        before, self.connection = self.connection, self.connect()
        before.die()
        self.heard += before.words

    def settle(self) -> None:
        """Let everything arrive."""
        self.connection.die()
        self.heard += self.connection.words
        self.world.peer.take()
        self.world.peer.switch("xhr-polling")
        self.heard += [int(number) for number in WORD.findall("\n".join(map(str, self.world.peer.take())).encode())]


@pytest.mark.parametrize("seed", range(60))
def test_what_lies_in_a_dying_connection_arrives_once_and_in_order(seed: int) -> None:
    roamer = Roamer(seed)
    steps = [roamer.tell, roamer.turn, roamer.turn, roamer.read, roamer.read, roamer.read, roamer.ping]
    for _ in range(STEPS):
        roamer.random.choice([*steps, roamer.random.choice([roamer.close, roamer.die, roamer.switch, roamer.tell])])()
    roamer.settle()
    assert roamer.heard == list(range(roamer.told))
    assert roamer.world.application.closed == []


@pytest.mark.parametrize("name", CARRIERS)
def test_who_never_reads_all_of_it_costs_no_more_than_what_waits(name: str) -> None:
    world = World("websocket")
    world.peer.beat()
    loop = HandLoop()
    connection = Connection(world, loop, Output(loop, world.engine.traffic), name)
    with memory() as used:
        for _ in range(1000):
            while connection.link.unsent_bytes < 40_000:
                world.tell("0" + "x" * 900)
            connection.send(client_frame(9, b"x" * 100) * 10)
            connection.forget(3000)
            loop.turn()
        spent_bytes, unsent_bytes = used.now, connection.link.unsent_bytes
    connection.die()
    assert unsent_bytes > 30_000
    assert spent_bytes < 500_000
