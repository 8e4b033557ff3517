"""Clients that do not read (B1): each costs no more than its outbox, and its neighbours notice nothing."""

import socket

import pytest

from attacks.measures import memory
from hosts.client import Wire, opening, text
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.websocket import echoes
from waterspout import Reason, Server, Socket
from waterspout.testing import Pair, Peer, WebSocketCarrier
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

CAP = 10_000


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


def server_of(left: list[tuple[str, Reason]]) -> Server:
    server = Server(max_outbox_bytes=CAP)
    server.on_disconnect(lambda socket, reason: left.append((socket.id, reason)))
    return server


def test_a_websocket_that_takes_nothing_is_closed_when_its_outbox_is_full(generation: Generation) -> None:
    left: list[tuple[str, Reason]] = []
    pair = Pair(server_of(left), generation=generation)
    neighbour = Peer(pair.server)
    neighbour.connect()
    neighbour.take()
    slow, session = pair.peer.carrier, pair.socket._member.session
    assert isinstance(slow, WebSocketCarrier)
    slow.blocked = True
    heaviest = sent = 0
    while not left:
        pair.server.emit("n", sent, "x" * 1000)
        heaviest = max(heaviest, session.outbox_bytes)
        sent += 1
    assert left == [(pair.socket.id, Reason.SLOW_CONSUMER)]
    assert 1000 < heaviest <= CAP
    assert sent <= CAP // 1000 + 1
    assert session.outbox_bytes == 0
    assert pair.peer.closed == 1008
    assert pair.peer.take() == []
    assert [str(packet)[:8] for packet in neighbour.take()] == [f'42["n",{number}' for number in range(sent)]
    assert neighbour.closed is None


def test_a_client_that_does_not_poll_is_closed_when_its_outbox_is_full(generation: Generation) -> None:
    left: list[tuple[str, Reason]] = []
    pair = Pair(server_of(left), generation=generation, transport="polling")
    pair.peer.polls = False
    pair.socket.emit("answers the poll")
    sent = 0
    while not left:
        pair.socket.emit("n", "x" * 1000)
        sent += 1
    assert left == [(pair.socket.id, Reason.SLOW_CONSUMER)]
    assert sent <= CAP // 1000 + 1
    assert pair.socket._member.session.outbox_bytes == 0
    pair.clock.advance(10)
    assert pair.server.engine.sessions == {}
    assert len(pair.server.engine.deadlines) == 0


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_messages_that_weigh_next_to_nothing_are_counted(generation: Generation, transport: str) -> None:
    """Python spends 90 bytes on a message of one, so that the cap's million of them would be 90 MB."""
    left: list[Reason] = []
    server = Server()
    server.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=generation, transport=transport)
    pair.peer.polls = False
    pair.socket.emit("answers the poll")
    if isinstance(pair.peer.carrier, WebSocketCarrier):
        pair.peer.carrier.blocked = True
    sent = 0
    with memory() as used:
        while not left:
            pair.socket.emit("")
            sent += 1
        assert used.peak < 2_000_000
    assert left == [Reason.SLOW_CONSUMER]
    assert sent == 10_001


def test_a_handler_that_says_too_much_at_once_has_its_client_closed_after_it_has_ended(generation: Generation) -> None:
    left: list[tuple[str, Reason]] = []
    server = server_of(left)

    @server.on("all")
    def everything(socket: Socket) -> str:
        for _ in range(100):
            socket.emit("n", "x" * 1000)
        assert left == []
        return "done"

    pair = Pair(server, generation=generation)
    slow = pair.peer.carrier
    assert isinstance(slow, WebSocketCarrier)
    slow.blocked = True
    pair.peer.emit("all", id=1)
    assert left == [(pair.socket.id, Reason.SLOW_CONSUMER)]


@pytest.mark.usefixtures("quiet")
async def test_clients_that_never_read_cost_their_outboxes_and_no_more(host: Host) -> None:
    attackers, cap = 3, 200_000
    echo = Echo(max_outbox_bytes=cap)
    await host.serve(echo.server)
    neighbour = await host.websocket()
    with memory() as used:
        wires = [await deaf(host) for _ in range(attackers)]
        victims = echo.server.sockets()[1:]
        for number in range(10_000):
            for victim in victims:
                victim.emit("n", "x" * 1000)
            if number % 100 == 0:
                assert await echoes(neighbour)
            if len(echo.left) == attackers:
                break
        peak = used.peak
    assert echo.left == [Reason.SLOW_CONSUMER] * attackers
    assert peak < attackers * 2 * cap + 500_000
    assert await echoes(neighbour)
    assert len(wires) == attackers


async def deaf(host: Host) -> Wire:
    """Enter "/" over a WebSocket with small buffers, and read no more."""
    wire = await host.connect()
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.send(opening())
    assert (await wire.answer()).status == 101
    wire.send(text("40"))
    await wire.text()
    await wire.text()
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    return wire
