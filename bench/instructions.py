"""Instructions of the core for each message or connection, counted by callgrind: `scripts/bench --instructions`.

The core runs without sockets, on an asyncio loop, with a link that drops what it is given. Each load runs twice under
valgrind, with few and with many rounds; the difference of the two counts is what the rounds cost, without the start.
The counts repeat to within 0.1 %, on a busy machine too.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench.servers import BENCH
from waterspout import Server
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.hosts.chunks import ChunkedLink
from waterspout.testing import admit
from waterspout.testing.frames import client_frame
from waterspout.types import Request

UPGRADE = [
    ("Host", "127.0.0.1"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
FEW, MANY = 100, 600
TEXT = 1  # the opcode of RFC 6455


class Drain:
    """A link whose peer reads everything at once."""

    unsent_bytes = 0

    def write(self, data: bytes) -> bool:
        return True

    def finish(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class NoAnswer:
    """An exchange whose answer nobody reads."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def respond(self, response: object, written: object = None) -> None: ...

    def take_back(self) -> bool:
        return False


def text(payload: str) -> bytes:
    return client_frame(TEXT, payload.encode())


class Load:
    """A server with an echo, and clients of it; a load is a round that can be repeated, and how much a round brings."""

    def __init__(self) -> None:
        self.server = Server(transports=("polling", "websocket"))
        self.server.on("ack")(lambda socket, *args: args)
        self.server.on("echo")(lambda socket, *args: socket.emit("echo", *args))
        self.server.on("all")(lambda socket, *args: self.server.emit("all", *args))
        self.channel = self.server.channel("news")
        self.server.expose("/news", self.channel)
        self.server.expose("/ws", self.server.of("/"))
        self.server.on("follow")(lambda socket: [socket.subscribe(self.channel)])
        self.engine = self.server.engine
        self.engine.bind(AsyncioDriver())

    def open(self, target: str, fields: Sequence[tuple[str, str]] = UPGRADE) -> Callable[[bytes], object]:
        """Connect a WebSocket, and return what takes its bytes."""
        request = Request("GET", target, fields, remote_address="127.0.0.1")
        decision = admit(self.engine, request)
        return self.engine.connect(decision, request, Drain()).receive  # type: ignore[arg-type, no-any-return]

    def client(self) -> Callable[[bytes], object]:
        receive = self.open("/socket.io/?EIO=4&transport=websocket")
        receive(text("40"))
        return receive

    def old_client(self) -> Callable[[bytes], object]:
        request = Request("GET", "/socket.io/1/", UPGRADE[:1], remote_address="127.0.0.1")
        self.engine.respond(admit(self.engine, request), NoAnswer(request))  # type: ignore[arg-type]
        [sid] = self.engine.sessions
        return self.open(f"/socket.io/1/websocket/{sid}")

    def ack(self) -> tuple[Callable[[], object], int]:
        receive, data = self.client(), text('421["ack","hello",1]') * 16
        return lambda: receive(data), 16

    def ack1(self) -> tuple[Callable[[], object], int]:
        receive, data = self.client(), text('421["ack","hello",1]')
        return lambda: receive(data), 1

    def emit(self) -> tuple[Callable[[], object], int]:
        receive, data = self.client(), text('42["echo","hello",1]') * 16
        return lambda: receive(data), 16

    def broadcast(self) -> tuple[Callable[[], object], int]:
        receive, *_ = [self.client() for _ in range(100)]
        data = text('42["all","hello",1]')
        return lambda: receive(data), 100

    def publish(self) -> tuple[Callable[[], object], int]:
        for _ in range(100):
            self.client()(text('42["follow"]'))
        return lambda: self.channel.publish("hello"), 100

    def events(self) -> tuple[Callable[[], object], int]:
        request = Request("GET", "/news", UPGRADE[:1], remote_address="127.0.0.1")
        for _ in range(100):
            link = ChunkedLink(Drain())
            self.engine.connect(admit(self.engine, request), request, link)  # type: ignore[arg-type]
        return lambda: self.channel.publish("hello"), 100

    def plain(self) -> tuple[Callable[[], object], int]:
        receive, data = self.open("/ws"), text('{"event":"ack","data":"hello","id":1}') * 16
        return lambda: receive(data), 16

    def plain_all(self) -> tuple[Callable[[], object], int]:
        receive, *_ = [self.open("/ws") for _ in range(100)]
        data = text('{"event":"all","data":"hello"}')
        return lambda: receive(data), 100

    def old_ack(self) -> tuple[Callable[[], object], int]:
        receive, data = self.old_client(), text('5:1+::{"name":"ack","args":["hello",1]}') * 16
        return lambda: receive(data), 16

    def handshake(self) -> tuple[Callable[[], object], int]:
        goodbye = client_frame(8, b"")
        return lambda: self.client()(goodbye), 1

    def poll(self) -> tuple[Callable[[], object], int]:
        target = "/socket.io/?EIO=4&transport=polling"
        self.ask("GET", target)
        [sid] = self.engine.sessions
        target += f"&sid={sid}"
        self.ask("POST", target, b"40")

        def round_trip() -> None:
            self.ask("POST", target, b'421["ack","hello",1]')
            self.ask("GET", target)

        return round_trip, 1

    def alone(self) -> tuple[Callable[[], object], int]:
        return lambda: self.server.emit("all", "hello", to="nobody"), 1

    def node(self) -> tuple[Callable[[], object], int]:
        """Emit the same, and publish it for other nodes, of which there are none."""
        server = Server(adapter=MemoryAdapter(MemoryBus()))
        server.engine.bind(AsyncioDriver())
        return lambda: server.emit("all", "hello", to="nobody"), 1

    def elsewhere(self) -> tuple[Callable[[], object], int]:
        """The same again, and a second node receives it: what that costs is the difference."""
        bus, driver = MemoryBus(), AsyncioDriver()
        servers = [Server(adapter=MemoryAdapter(bus)) for _ in range(2)]
        for server in servers:
            server.engine.bind(driver)
        return lambda: servers[0].emit("all", "hello", to="nobody"), 1

    def ask(self, method: str, target: str, body: bytes = b"") -> None:
        request = Request(method, target, UPGRADE[:1], remote_address="127.0.0.1")
        self.engine.respond(admit(self.engine, request), NoAnswer(request), body)  # type: ignore[arg-type]


LOADS = ("ack", "ack1", "emit", "broadcast", "publish", "events", "plain", "plain_all", "old_ack", "handshake", "poll")
LOADS += ("alone", "node", "elsewhere")


async def run(name: str, rounds: int) -> None:
    """Do the rounds of a load, a turn of the loop for each: this is what valgrind watches."""
    work, _ = getattr(Load(), name)()
    for _ in range(rounds):
        work()
        await asyncio.sleep(0)


async def units(name: str) -> int:
    """Return how many messages or connections a round brings."""
    _, number = getattr(Load(), name)()
    return int(number)


def count(name: str, rounds: int) -> int:
    """Return the instructions of a whole process that does these rounds."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "bench.instructions", name, str(rounds)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=BENCH.parent, env=environment, check=True, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


def main() -> None:
    """Print the instructions of each load."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is missing: install it (Debian: apt-get install valgrind)")
    for name in LOADS:
        each = (count(name, MANY) - count(name, FEW)) / (MANY - FEW) / asyncio.run(units(name))
        print(f"{name:10} {each:12,.0f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(run(sys.argv[1], int(sys.argv[2])))
    else:
        main()
