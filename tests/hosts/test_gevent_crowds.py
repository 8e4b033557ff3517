"""Many clients on gevent: those that are idle cost no greenlet, and those that have gone leave nothing."""

import asyncio
import gc
import socket
import struct

import pytest
from gevent.event import Event
from greenlet import greenlet

from attacks.measures import objects
from hosts.client import HANDSHAKE, opening, request, target, text
from hosts.gevent_host import GeventHost
from hosts.host import sockets
from hosts.suite.websocket import echoes
from waterspout import Server
from waterspout.hosts import link
from waterspout.hosts.hubs import GeventLoop
from waterspout.hosts.residence import Residence

CROWD = 1000
AT_ONCE = 50
CLIENTS = {
    "a WebSocket": opening() + text("40"),
    "a WebSocket of Engine.IO 3": opening(eio=3),
    "a plain WebSocket": request("GET", "/chat?name=x", *HANDSHAKE),
    "an EventSource": request("GET", "/prices"),
}


@pytest.fixture
def host() -> GeventHost:
    return GeventHost()


@pytest.fixture
def server() -> Server:
    server = Server()
    server.on("echo")(lambda socket, *args: args)
    server.expose("/prices", server.channel("prices"))
    server.expose("/chat", server.of("/"))
    return server


async def come(host: GeventHost, data: bytes) -> socket.socket:
    """Connect and send this, without a buffer or a task of one's own."""
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", host.port))
    await loop.sock_sendall(client, data)
    return client


def greenlets() -> int:
    """Count the greenlets of the process."""
    gc.collect()
    return sum(isinstance(one, greenlet) for one in gc.get_objects())


def watched(server: Server) -> tuple[int, int, int]:
    """Count what the hub watches for the server: what it reads, what it writes, and timers."""
    loop = Residence.of(server.engine).output.loop
    assert isinstance(loop, GeventLoop)
    return len(loop._readers), len(loop._writers), len(loop._timers)


@pytest.mark.parametrize("kind", CLIENTS)
async def test_idle_clients_cost_no_greenlet(host: GeventHost, server: Server, kind: str) -> None:
    await host.serve(server)
    (await come(host, CLIENTS[kind])).close()
    await host.until(lambda: not server.engine.sessions)
    before = greenlets()
    clients = [await come(host, CLIENTS[kind]) for _ in range(CROWD)]
    await host.until(lambda: len(server.engine.sessions) == CROWD)
    await host.until(lambda: greenlets() <= before)
    for client in clients:
        client.close()
    await host.until(lambda: not server.engine.sessions)


async def test_a_thousand_handlers_that_block_delay_nobody(host: GeventHost, server: Server) -> None:
    gate, ended = Event(), []

    @server.on("block")
    def block(socket: object) -> None:
        gate.wait()
        ended.append(True)

    await host.serve(server)
    clients = [await come(host, CLIENTS["a WebSocket"] + text('42["block"]')) for _ in range(CROWD)]
    await host.until(lambda: server.stats().running == CROWD)
    wire = await host.websocket()
    assert await echoes(wire)
    assert not ended
    gate.set()
    await host.until(lambda: server.stats().running == 0)
    assert len(ended) == CROWD
    for client in clients:
        client.close()


async def polling(host: GeventHost) -> None:
    session = await host.session()
    session.poll()
    for wire in (session.polling, session.posting):
        wire.abort()
        host.forget(wire)


async def raw(host: GeventHost, number: int) -> None:
    """Be one of `CLIENTS` for a moment, and go in good order, or by a reset."""
    loop = asyncio.get_running_loop()
    client = await come(host, CLIENTS[list(CLIENTS)[number // 2 % len(CLIENTS)]])
    await loop.sock_recv(client, 4096)
    if number % 2:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def silent(host: GeventHost) -> None:
    (await come(host, request("GET", target("polling"))[:-2])).close()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("visits", [500, pytest.param(10_000, marks=pytest.mark.hosts)])
async def test_clients_that_have_gone_leave_no_greenlet_no_watcher_and_no_descriptor(
    host: GeventHost, server: Server, visits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LINGER", 0.05)  # s; a timer holds each link that has said its last so long
    await host.serve(server)

    async def visit(count: int) -> None:
        for first in range(0, count, AT_ONCE):
            numbers = range(first, first + AT_ONCE)
            await asyncio.gather(
                *(
                    (polling(host) if number % 10 == 8 else silent(host) if number % 10 == 9 else raw(host, number))
                    for number in numbers
                )
            )
        await host.until(lambda: not server.engine.sessions and not host.web._connections)
        await host.until(lambda: watched(server)[1:] == (0, 0))

    await visit(200)
    before = greenlets(), watched(server), sockets(), objects()
    await visit(visits)
    await host.until(lambda: greenlets() <= before[0])
    assert (watched(server), sockets()) == before[1:3]
    await host.until(lambda: objects() - before[3] < 100)
