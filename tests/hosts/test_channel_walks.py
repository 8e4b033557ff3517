"""The walk of tests/server/test_channel_walks.py over real sockets: links that are held, and cut by a reset."""

import asyncio
import random
import re
import socket
import struct
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from hosts.client import opening, request, text
from hosts.tornado_host import LOOPS, TornadoHost
from server.follower import Follower
from server.listener import Heard, Reader
from waterspout import Engine, Server, Socket
from waterspout.server import readers
from waterspout.wire import json

pytestmark = pytest.mark.usefixtures("quiet")

SMALL = 4096  # bytes that the kernel holds at each end, about
NAMES = {"": ["numbers"], "/numbers": ["numbers"], "/both": ["numbers", "others"]}
MORE = pytest.mark.hosts


class NarrowHost(TornadoHost):
    """A host whose sockets take little before they are full."""

    async def start(self, *mountables: Server | Engine) -> None:
        self.http = HTTPServer(Application([route for one in mountables for route in self.routes(one)]))
        sockets = bind_sockets(0, "127.0.0.1")
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        self.port = sockets[0].getsockname()[1]
        self.http.add_sockets(sockets)


class Client(Follower):
    """A subscriber on a socket of its own. It reads when it is told, and takes what has come, however it was cut."""

    def __init__(self, walk: "Walk", path: str, last: str) -> None:
        super().__init__(NAMES[path], last, lambda value: int(value[0]))
        self.walk, self.path = walk, path
        self.is_closed = False
        self.is_held = walk.random.random() < 0.5
        self.head: bytes | None = b""  # as far as it has come; None when it is complete
        self.unread = b""
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.sock.connect(("127.0.0.1", walk.host.port))  # which the kernel answers by itself
        self.sock.setblocking(False)
        self.sock.sendall(self.request())

    def read(self, most: int) -> None:
        """Take some of what has come."""
        while most > 0 and not self.is_closed:
            try:
                data = self.sock.recv(min(most, 65_536))
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            most -= len(data)
            if not data:
                self.leave()
            self.take(data)

    def take(self, data: bytes) -> None:
        if self.head is not None:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return
            head, _, data = self.head.partition(b"\r\n\r\n")
            self.head = None
            self.begun(head)
        self.unread += data
        self.parse()
        self.walk.heard += 1

    def leave(self) -> None:
        """Close, by a reset if something was not read."""
        if not self.is_closed:
            self.is_closed = True
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()
            self.walk.lost[self.path].append(self.last)

    def request(self) -> bytes:
        raise NotImplementedError

    def begun(self, head: bytes) -> None:
        raise NotImplementedError

    def parse(self) -> None:
        """Make events of what has come."""
        raise NotImplementedError


class EventClient(Client):
    """An EventSource."""

    def __init__(self, walk: "Walk", path: str, last: str) -> None:
        self.reader = Reader(last)
        self.left_bytes = 0  # of a chunk
        super().__init__(walk, path, last)

    def request(self) -> bytes:
        if self.walk.random.random() < 0.5:
            return request("GET", f"{self.path}?lastEventId={self.last}")
        return request("GET", self.path, ("Last-Event-ID", self.last))

    def begun(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200 "):
            assert head.startswith(b"HTTP/1.1 204 ")
            assert self.walk.channel.ended
            self.leave()

    def parse(self) -> None:
        while not self.is_closed:
            if not self.left_bytes:
                found = re.match(rb"(?:\r\n)?([0-9a-f]+)\r\n", self.unread)
                if found is None:
                    return
                self.unread, self.left_bytes = self.unread[found.end() :], int(found[1], 16)
                if not self.left_bytes:
                    assert self.is_over  # it is complete only then
                    return
            content, self.unread = self.unread[: self.left_bytes], self.unread[self.left_bytes :]
            if not content:
                return
            self.left_bytes -= len(content)
            self.reader.feed(content)
            events, self.reader.events = self.reader.events, []
            for event in events:
                self.hear(event)


class SocketClient(Client):
    """A client of Socket.IO over a WebSocket, which is subscribed when it connects."""

    def request(self) -> bytes:
        return opening() + text("40" + json.encode({"last": self.last}).decode())

    def begun(self, head: bytes) -> None:
        assert head.startswith(b"HTTP/1.1 101 ")

    def parse(self) -> None:
        while len(self.unread) >= 4:
            size, at = self.unread[1], 2
            if size == 126:
                size, at = int.from_bytes(self.unread[2:4], "big"), 4
            if len(self.unread) < at + size:
                return
            opcode, payload = self.unread[0] & 0xF, self.unread[at : at + size]
            self.unread = self.unread[at + size :]
            if opcode == 1 and payload.startswith(b"42"):
                self.hear(_event(*json.decode(payload[2:])))


def _event(name: str, value: Any, id: str | None = None) -> Heard:
    """Return what an EventSource would have got."""
    if name == "numbers":
        return Heard("message", json.encode(value).decode(), str(id))
    return Heard(name, json.encode(value).decode(), value["id"])


class Walk:
    def __init__(self, seed: int, host: NarrowHost) -> None:
        self.random = chance = random.Random(seed)
        self.host = host
        self.heard = 0
        self.server = Server(max_outbox_bytes=chance.choice([10_000, 50_000]))
        history: dict[str, Any] = {"history": chance.choice([0, 3, 20, 200, 200]), "ttl": chance.choice([0.02, 60, 60])}
        self.channel = self.server.channel("numbers", **history)
        self.others = self.server.channel("others", **history)
        self.server.expose("/numbers", self.channel)
        self.server.expose("/both", [self.channel, self.others])
        self.server.on_connect(self.enter)
        self.published = {self.channel: 0, self.others: 0}
        self.clients: list[Client] = []
        self.lost: dict[str, list[str]] = {path: ["", "earliest", "elsewhere-3", "nonsense"] for path in NAMES}

    def enter(self, socket: Socket, auth: dict[str, str]) -> None:
        id = socket.subscribe(self.channel, auth["last"]).result()
        socket.emit("stream-open", {"id": id})

    async def step(self) -> None:
        steps: Any = [self.publish, self.publish, self.publish, self.come, self.cut, self.hold, self.read, self.read]
        for step in self.random.choices(steps, k=self.random.randint(1, 3)):
            step()
        self.clients = [client for client in self.clients if not client.is_closed]
        for _ in range(self.random.choice([1, 3, 10])):
            await asyncio.sleep(0)

    def publish(self) -> None:
        if self.channel.ended:
            return
        for channel in self.random.choice([[self.channel], [self.channel, self.others]]):
            for _ in range(self.random.choice([1, 5, 40])):
                self.published[channel] += 1
                channel.publish([self.published[channel], "x" * self.random.choice([10, 3000, 9000])])
        if self.random.random() < 0.004:
            self.channel.end()

    def come(self) -> None:
        if len(self.clients) < 8:
            path = self.random.choice(list(NAMES))
            kind = EventClient if path else SocketClient
            self.clients.append(kind(self, path, self.random.choice(self.lost[path])))

    def cut(self) -> None:
        if self.clients:
            client = self.random.choice(self.clients)
            client.read(self.random.choice([0, 100, 10_000]))
            client.leave()

    def hold(self) -> None:
        for client in self.clients:
            client.is_held = self.random.random() < 0.5

    def read(self) -> None:
        for client in self.clients:
            if not client.is_held:
                client.read(self.random.choice([100, 5000, 1_000_000]))

    async def end(self) -> None:
        """Let all read: who is still connected gets to the head."""

        def arrived() -> bool:
            for client in self.clients:
                client.read(1_000_000)
            return all(client.is_closed or self.is_at_head(client) for client in self.clients)

        await self.host.until(arrived)
        for client in self.clients:
            client.leave()

    def is_at_head(self, client: Client) -> bool:
        heads = [self.channel.last_id, self.others.last_id]
        return client.last == ",".join(heads[: len(client.names)])


@pytest.fixture(params=["asyncio", pytest.param("uvloop", marks=MORE)])
def host(request: pytest.FixtureRequest) -> NarrowHost:
    return NarrowHost(LOOPS[request.param])


@pytest.mark.parametrize("seed", [3, 5, 9, *(pytest.param(seed, marks=MORE) for seed in range(10, 40))])
async def test_what_a_subscriber_gets_is_gapless_or_a_reset(
    host: NarrowHost, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_PAGE", 4)
    walk = Walk(seed, host)
    await host.serve(walk.server)
    for _ in range(500):
        await walk.step()
    await walk.end()
    await walk.server.close()
    assert walk.heard > 10
