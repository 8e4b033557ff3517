"""Clients that send and are gone in the same instant: what they sent and their end reach the server in one turn.

They are blocking sockets, which can do both between two turns of the loop.
"""

import asyncio
import select
import socket
import struct
from collections.abc import Callable

import pytest

from hosts.client import opening, request, text
from hosts.host import Host, sockets
from hosts.suite.echo import Echo
from hosts.suite.old import PATH, visit
from hosts.suite.websocket import echoes
from waterspout.hosts import socketlink

LAST = text('42["echo","last"]')


def reset(sock: socket.socket) -> None:
    """Close with a RST; a Unix socket does what is like it, by itself, if it has something unread."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock: socket.socket) -> None:
    """Send no more, and go on reading."""
    sock.shutdown(socket.SHUT_WR)


Way = Callable[[socket.socket], None]

ways = pytest.mark.parametrize("way", [reset, half_close])
without_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="Tornado reads no further there")


def connected(host: Host) -> socket.socket:
    """Connect, without TLS."""
    if host.unix is None:
        return socket.create_connection(("127.0.0.1", host.port))
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(host.unix)
    return sock


def secured(host: Host) -> socket.socket:
    """Connect, with TLS where the host has it; to be called in another thread than the host's."""
    sock = connected(host)
    return sock if host.client_tls is None else host.client_tls.wrap_socket(sock, server_hostname="127.0.0.1")


def entered(host: Host) -> socket.socket:
    """Open a WebSocket, and enter "/"; an acknowledgement is left unread."""
    sock = secured(host)
    sock.sendall(opening() + text("40"))
    answer = b""
    while b'40{"sid"' not in answer:
        more = sock.recv(10_000)
        assert more, answer
        answer += more
    sock.sendall(text('420["echo","first"]'))
    select.select([sock], (), ())
    return sock


async def nothing_is_left(host: Host, clients: list[socket.socket], before: int) -> None:
    """Close the clients that are half closed, and wait until only so many sockets are open."""
    for client in clients:
        client.close()
    await host.until(lambda: sockets() == before)


async def several(make: Callable[[Host], socket.socket], host: Host) -> list[socket.socket]:
    return [await asyncio.to_thread(make, host) for _ in range(3)]


@pytest.mark.usefixtures("quiet")
class Vanishing:
    """A host's tests of clients that are gone in the instant in which they send."""

    @ways
    @pytest.mark.parametrize("reads", [0.5, 1, 2])
    async def test_an_event_and_the_end(
        self, host: Host, way: Way, reads: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The event takes that many reads of the server; with exactly one its buffer is full."""
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        before = sockets()
        clients = await several(entered, host)
        monkeypatch.setattr(socketlink, "READ_BYTES", int(len(LAST) / reads))
        for client in clients:
            client.sendall(LAST)
            way(client)
        await host.until(lambda: len(echo.left) == len(clients))
        assert echo.heard.count(("last",)) == len(clients)
        await nothing_is_left(host, clients, before)
        assert await echoes(neighbour)

    @ways
    @pytest.mark.parametrize(
        "behind",
        [
            b"",
            pytest.param(b"GET /socket.io/ HT", marks=without_epoll),
            pytest.param(request("GET", "/elsewhere"), marks=without_epoll),
        ],
    )
    async def test_a_poll_and_the_end(self, host: Host, way: Way, behind: bytes) -> None:
        """Bytes behind a poll would be the next request; nobody reads them before its answer."""
        echo = Echo()
        await host.serve(echo.server)
        neighbour = await host.websocket()
        sessions = [await host.session() for _ in range(3)]
        before = sockets()
        clients = await several(secured, host)
        for session, client in zip(sessions, clients, strict=True):
            client.sendall(request("GET", session.target()) + behind)
            way(client)
        await host.until(lambda: len(echo.server.engine.sessions) == 1)
        await nothing_is_left(host, clients, before)
        assert await echoes(neighbour)

    @ways
    @without_epoll
    async def test_bytes_behind_a_poll_that_waits_and_the_end(self, host: Host, way: Way) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sessions = [await host.session() for _ in range(3)]
        before = sockets()
        clients = await several(secured, host)
        for session, client in zip(sessions, clients, strict=True):
            client.sendall(request("GET", session.target()))
            await host.until(lambda sid=session.sid: echo.has_parked(sid))  # type: ignore[misc]
            client.sendall(b"GET /socket.io/ HT")
            way(client)
        await host.until(lambda: echo.is_empty)
        await nothing_is_left(host, clients, before)

    @ways
    async def test_a_part_of_a_post_and_the_end(self, host: Host, way: Way) -> None:
        echo = Echo()
        await host.serve(echo.server)
        sessions = [await host.session() for _ in range(3)]
        before = sockets()
        clients = await several(secured, host)
        for session, client in zip(sessions, clients, strict=True):
            client.sendall(request("POST", session.target(), body=b'42["echo",1]')[:-3])
            way(client)
        await host.until(lambda: echo.is_empty)
        await nothing_is_left(host, clients, before)

    @ways
    @pytest.mark.parametrize("transport", ["xhr-polling", "htmlfile", "xhr-multipart"])
    async def test_a_request_of_0_9_that_waits_and_the_end(self, host: Host, way: Way, transport: str) -> None:
        """The session outlives it."""
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.connect()
        sids = [await visit(wire) for _ in range(3)]
        before = sockets()
        for sid in sids:
            client = await asyncio.to_thread(secured, host)
            client.sendall(request("GET", f"{PATH}/{transport}/{sid}"))
            way(client)
            own = client.fileno() >= 0
            await host.until(lambda own=own: sockets() == before + own)  # type: ignore[misc]
            client.close()
