"""Channels of two nodes in this process, on a real Redis, with clients over real connections."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, websocket_connect

from redisserver import RedisServer
from server.listener import Reader
from waterspout import Server
from waterspout.drivers import AsyncioDriver
from waterspout.errors import AdapterError
from waterspout.hosts import tornado as host

from .attached import WATCHDOG
from .severalservers import cluster_servers, give_slots

paths = (f"/channels-{number}" for number in count(1))


class Node:
    """A server in Tornado, with a channel that clients reach in three ways."""

    def __init__(self, redis: RedisServer, path: str) -> None:
        self.server = Server(adapter=redis.url, path=path)
        self.channel = self.server.channel("news", history=100_000, history_bytes=100_000_000)
        self.server.on("follow")(lambda socket, last: socket.subscribe(self.channel, last))
        self.server.expose("/news", self.channel)
        self.http = HTTPServer(Application(host.routes(self.server)))
        sockets = bind_sockets(0, "127.0.0.1")
        self.http.add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]

    async def ready(self) -> None:
        while not self.server.is_ready:
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self.http.stop()
        await self.server.close()


class Client:
    """What a client has got: values, or reasons of resets, each with its id."""

    def __init__(self, last: str | None) -> None:
        self.last = last
        self.got: asyncio.Queue[tuple[Any, str]] = asyncio.Queue()
        self.reading: asyncio.Task[None] | None = None

    async def open(self, node: Node) -> None:
        raise NotImplementedError

    async def read(self) -> None:
        """Read until the connection ends."""
        raise NotImplementedError

    async def come(self, node: Node) -> "Client":
        await self.open(node)
        self.reading = asyncio.create_task(self.read())
        return self

    def take(self, name: str, value: Any, id: str) -> None:
        if name != "stream-open":
            self.got.put_nowait((value["reason"] if name == "stream-reset" else value, id))
        self.last = id or self.last

    async def next(self) -> tuple[Any, str]:
        return await asyncio.wait_for(self.got.get(), WATCHDOG)

    async def cut(self) -> None:
        assert self.reading is not None
        self.reading.cancel()
        with suppress(asyncio.CancelledError):
            await self.reading


class EventSource(Client):
    async def open(self, node: Node) -> None:
        self.stream, self.writer = await asyncio.open_connection("127.0.0.1", node.port)
        last = f"Last-Event-ID: {self.last}\r\n" if self.last else ""
        self.writer.write(f"GET /news HTTP/1.0\r\nHost: localhost\r\n{last}\r\n".encode())
        await self.stream.readuntil(b"\r\n\r\n")

    async def read(self) -> None:
        reader = Reader(self.last or "")
        try:
            while data := await self.stream.read(65536):
                reader.feed(data)
                for event in reader.events:
                    self.take(event.type, event.value, event.id)
                reader.events.clear()
        finally:
            self.writer.close()


class PlainWebSocket(Client):
    target = "/news?fields=id,event,data"

    async def open(self, node: Node) -> None:
        last = f"&last_event_id={self.last}" if self.last else ""
        self.socket = await websocket_connect(HTTPRequest(f"ws://127.0.0.1:{node.port}{self.target}{last}"))

    async def read(self) -> None:
        try:
            while (message := await self.socket.read_message()) is not None:
                self.receive(str(message))
        finally:
            self.socket.close()

    def receive(self, message: str) -> None:
        event = json.loads(message)
        self.take(event["event"], event["data"], event.get("id", ""))


class SocketIO(PlainWebSocket):
    async def open(self, node: Node) -> None:
        address = f"ws://127.0.0.1:{node.port}{node.server.engine.path}/?EIO=4&transport=websocket"
        self.socket = await websocket_connect(HTTPRequest(address))
        for packet in ("40", f'42["follow",{json.dumps(self.last)}]'):
            await self.socket.write_message(packet)

    def receive(self, message: str) -> None:
        if message == "2":
            with suppress(WebSocketClosedError):
                self.socket.write_message("3")
        elif message.startswith("42"):
            name, value, *id = json.loads(message[2:])
            self.take(name, value, id[0] if id else value["id"])


KINDS = [EventSource, PlainWebSocket, SocketIO]


@asynccontextmanager
async def nodes(redis: RedisServer, size: int = 2) -> AsyncIterator[list[Node]]:
    path = next(paths)
    made = [Node(redis, path) for _ in range(size)]
    for node in made:
        await node.ready()
    yield made
    for node in made:
        await node.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, WATCHDOG))


@pytest.fixture
def redis(tmp_path: Path) -> Any:
    server = RedisServer(tmp_path, keeps=True)
    server.start()
    yield server
    server.stop()


def test_every_kind_of_client_resumes_on_the_other_node(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis) as (one, two):
            first = await one.channel.publish(0)
            for kind in KINDS:
                client = await kind(first).come(one)
                ids = [await node.channel.publish(number) for number, node in enumerate((one, two), 1)]
                while (await client.next())[1] != ids[-1]:
                    pass
                await client.cut()
                missed = [await node.channel.publish(number) for number, node in enumerate((two, one, two), 3)]
                other = await kind(client.last).come(two)
                assert [await other.next() for _ in missed] == [(number, id) for number, id in enumerate(missed, 3)]
                await other.cut()

    run(test())


def test_a_node_that_was_restarted_has_the_same_ids(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 1) as (one,):
            first = await one.channel.publish(0)
            path = one.server.engine.path
        again = Node(redis, path)
        await again.ready()
        client = await EventSource(first).come(again)
        second = await again.channel.publish(1)
        assert await client.next() == (1, second)
        assert second == first.replace("-1", "-2")
        await client.cut()
        await again.close()

    run(test())


async def kill_clients(redis: RedisServer) -> None:
    for kind in ("normal", "pubsub"):
        await asyncio.sleep(0.1)
        redis.client.client_kill_filter(_type=kind, skipme=True)


async def stall(redis: RedisServer) -> None:
    connection = redis.client.connection_pool.get_connection()
    connection.send_command("DEBUG", "SLEEP", "7")  # without the client, which would send it again
    await asyncio.to_thread(connection.read_response, timeout=WATCHDOG)
    connection.disconnect()


async def restart(redis: RedisServer) -> None:
    redis.stop()
    await asyncio.sleep(0.1)
    redis.start()


async def empty(redis: RedisServer) -> None:
    redis.client.flushall()
    await restart(redis)


Harm = Callable[[RedisServer], Coroutine[Any, Any, None]]


@pytest.mark.parametrize(
    ("harm", "resets"),
    [(kill_clients, []), (restart, ["epoch"]), (empty, ["epoch"]), pytest.param(stall, [], marks=pytest.mark.hosts)],
)
def test_under_load_nothing_is_doubled_reordered_or_missing(redis: RedisServer, harm: Harm, resets: list[str]) -> None:
    """Where Redis keeps its data, readers get all that was published, in one order; else a reset is told."""

    async def publish(node: Node, ids: dict[str, int], numbers: Any, end: asyncio.Event) -> None:
        waiting = []
        while not end.is_set():
            number = next(numbers)
            with suppress(AdapterError):
                waiting.append((number, node.channel.publish(number)))
            await asyncio.sleep(0.004)
        for number, pending in waiting:
            ids[await pending] = number

    async def test() -> None:
        async with nodes(redis) as made:
            clients = [await kind(None).come(node) for kind in KINDS for node in made]
            while sum(node.channel.count for node in made) < len(clients):
                await asyncio.sleep(0.01)
            numbers, end = count(), asyncio.Event()
            ids: dict[str, int] = {}
            publishing = [asyncio.create_task(publish(node, ids, numbers, end)) for node in made]
            await asyncio.sleep(0.1)
            await harm(redis)
            for node in made:
                await node.ready()
            await asyncio.sleep(0.1)
            end.set()
            await asyncio.gather(*publishing)
            ids[await made[0].channel.publish(-1)] = -1
            for client in clients:
                got = [await client.next()]
                while got[-1][0] != -1:
                    got.append(await client.next())
                check(got, ids, resets)
                await client.cut()

    run(test())


def check(got: list[tuple[Any, str]], ids: dict[str, int], resets: list[str]) -> None:
    """What a client has got has no hole, but where a reset has told so."""
    assert [value for value, _ in got if isinstance(value, str)] == resets
    place: str | None = None
    for value, id in got:
        if not isinstance(value, str):
            epoch, _, offset = id.rpartition("-")
            assert place in (None, f"{epoch}-{int(offset) - 1}")
            assert ids.get(id, value) == value
        place = id
    if not resets:
        assert {id: value for value, id in got} == ids


ON_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys
import gevent
from waterspout import Server
from waterspout.drivers.gevent import GeventDriver

server = Server(adapter=sys.argv[1], path=sys.argv[2])
server.engine.bind(GeventDriver())
channel = server.channel("news")
ids = [channel.publish(number).wait(60) for number in range(3)]
while not server.is_ready:
    gevent.sleep(0.01)
print(ids[0], flush=True)
print(channel.publish(3).wait(60), flush=True)
server.close().wait(60)
"""


def test_a_node_on_gevent_publishes_to_the_same_channel(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 1) as (one,):
            program = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", ON_GEVENT, redis.url, one.server.engine.path), stdout=subprocess.PIPE
            )
            assert program.stdout is not None
            first = (await program.stdout.readline()).decode().strip()
            client = await SocketIO(first).come(one)
            assert [value for value, _ in [await client.next() for _ in range(3)]] == [1, 2, 3]
            assert (await program.stdout.readline()).decode().strip() == client.last
            await client.cut()
            assert await program.wait() == 0

    run(test())


@pytest.mark.hosts
def test_the_servers_of_a_redis_cluster_keep_channels_each_its_own(tmp_path: Path) -> None:
    """Any node reaches them through any server; a killed connection is no loss."""

    async def test(urls: list[str], servers: list[RedisServer]) -> None:
        path = next(paths)
        one, two = (Server(adapter=url, path=path) for url in urls)
        for server in (one, two):
            server.engine.bind(AsyncioDriver())
        while not (one.is_ready and two.is_ready):
            await asyncio.sleep(0.01)
        names = [f"channel {number}" for number in range(10)]
        streams = [two.channel(name, start="earliest").stream() for name in names]
        for name in names:
            await one.channel(name).publish(1)
        servers[1].client.client_kill_filter(_type="normal", skipme=True)
        ids = [await server.channel(name).publish(2) for name, server in zip(names, [one, two] * 5, strict=True)]
        for stream, id in zip(streams, ids, strict=True):
            got = [await asyncio.wait_for(anext(stream), WATCHDOG) for _ in range(2)]
            assert [message.data for message in got] == [1, 2]
            assert got[1].id == id
        assert all(server.client.dbsize() for server in servers)
        await one.close()
        await two.close()

    with cluster_servers(tmp_path) as (servers, ports):
        give_slots(servers)
        run(test([f"redis://127.0.0.1:{port}" for port in ports], servers))


def test_a_channel_goes_on_where_the_server_is_on_another_loop(redis: RedisServer) -> None:
    server = Server(adapter=redis.url, path=next(paths))
    channel = server.channel("news")
    ids: list[str] = []

    async def first() -> None:
        server.engine.bind(AsyncioDriver())
        stream = channel.stream("earliest")
        ids.append(await channel.publish(1))
        assert (await anext(stream)).id == ids[0]

    async def second() -> None:
        server.engine.bind(AsyncioDriver())
        stream = channel.stream(ids[0])
        ids.append(await channel.publish(2))
        assert (await anext(stream)).id == ids[1] == ids[0].replace("-1", "-2")
        await server.close()

    run(first())
    run(second())
