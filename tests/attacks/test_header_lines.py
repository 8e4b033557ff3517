"""Clients that send as many header lines as they may, and then nothing: what is kept of each."""

import asyncio
import gc
from typing import Any

import pytest

from attacks.measures import memory
from hosts.client import Wire, opening, request, target
from hosts.handler_host import HandlerHost
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.tornado_host import LOOPS, TornadoHost
from hosts.web_host import WebHost
from waterspout.hosts.handlers import EngineWebSocketHandler

pytestmark = pytest.mark.usefixtures("quiet")

MANY = 4
MOST_LINES = 100  # the default
FIELDS = [(f"X-{number}", "a" * 600) for number in range(MOST_LINES - 5)]  # beside those of an opening handshake
OVERHEAD_BYTES = 20_000  # a session, and both ends of its connection

HANDSHAKES = {
    "Socket.IO 0.9": request("GET", "/socket.io/1/", *FIELDS),
    "polling": request("GET", target("polling"), *FIELDS),
    "WebSocket": opening("", *FIELDS),
}


class WebSocketHost(HandlerHost):
    handler = EngineWebSocketHandler


HOSTS: dict[str, type[Host]] = {"routes": TornadoHost, "handlers": WebSocketHost, "serve": WebHost}


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Host:
    return HOSTS[request.param](LOOPS["asyncio"])


async def shake_hands(host: Host, head: bytes) -> Wire:
    wire = await host.connect()
    wire.send(head)
    assert (await wire.answer()).status in (101, 200)
    return wire


async def settle() -> None:
    """Let Tornado end its turn of the last request, and collect what is a cycle."""
    for _ in range(3):
        await asyncio.sleep(0)
    gc.collect()


@pytest.mark.parametrize("client", HANDSHAKES)
async def test_of_a_handshake_nothing_is_kept_but_its_bytes(host: Host, client: str) -> None:
    await host.serve((echo := Echo()).server)
    head = HANDSHAKES[client]
    await shake_hands(host, head)
    with memory() as used:
        for _ in range(MANY):
            await shake_hands(host, head)
        await settle()
        assert used.now < MANY * (len(head) + OVERHEAD_BYTES)
    assert len(echo.server.engine.sessions) == MANY + 1


async def test_of_a_poll_that_is_held_nothing_is_kept_beside_what_tornado_keeps(host: Host) -> None:
    """Tornado has its bytes, its buffer and its parsed fields: three times the head."""
    await host.serve((echo := Echo()).server)
    sessions = [await host.session() for _ in range(MANY + 1)]
    heads = [request("GET", session.target(), *FIELDS) for session in sessions]
    engine: Any = echo.server.engine
    with memory() as used:
        for session, head in zip(sessions, heads, strict=True):
            session.polling.send(head)
        await host.until(lambda: all(engine.sessions[each.sid].transport.waiting for each in sessions))
        await settle()
        assert used.now < (MANY + 1) * 3.5 * len(heads[0])
