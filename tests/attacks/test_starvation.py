"""A client that sends without end leaves the others their turns: counted in turns of the loop, and in events."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVarTuple

import pytest

from attacks.raw import Raw
from engine.applications import TurningClock
from hosts.client import opening, request, target, text
from hosts.handloop import HandLoop
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.tornado_host import LOOPS
from waterspout import Server
from waterspout.engine import Traffic
from waterspout.hosts.output import Output
from waterspout.hosts.socketlink import READ_BYTES
from waterspout.testing import Clock, MemoryExchange, Peer, admit, client_frame, server_frames
from waterspout.types import Request
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Generation

Args = TypeVarTuple("Args")

FLOODS = {
    "events": text('42["n"]') * 10_000,
    "pings": client_frame(9, b"") * 20_000,
    "heartbeats": text("3") * 20_000,
    "one large message": client_frame(1, b'42["n","' + b"x" * 900_000 + b'"]'),
    "fragments": client_frame(1, b"4", final=False) + client_frame(0, b"", final=False) * 16_000,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_neighbour_is_answered_in_the_turn_in_which_it_asks(flood: str) -> None:
    server = Server()
    server.on("n")(lambda socket, *args: None)
    server.on("echo")(lambda socket, *args: args)
    output = Output(HandLoop(), Traffic())
    with Raw(server, output) as flooder, Raw(server, output) as neighbour:
        for client in (flooder, neighbour):
            client.feed(text("40"))
            client.read()
        whole = FLOODS[flood]
        at = 0
        for number in range(20):
            at += flooder.send(whole[at : at + 4 * READ_BYTES])
            neighbour.send(text(f'42{number}["echo",{number}]'))
            output.loop.turn()  # type: ignore[attr-defined]
            assert server_frames(neighbour.sock.recv(1000)) == [(1, f"43{number}[{number}]".encode())]
        assert at > READ_BYTES


def test_a_turn_hears_no_more_of_one_client_than_a_bounded_read_holds() -> None:
    heard: list[int] = []
    server = Server()
    server.on("n")(lambda socket: heard.append(1))
    with Raw(server, Output(HandLoop(), Traffic())) as flooder:
        flooder.feed(text("40"))
        flooder.read()
        whole = text('42["n"]') * 20_000
        flooder.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        assert flooder.send(whole) > 2 * READ_BYTES
        flooder.loop.turn()
        assert 0 < len(heard) <= READ_BYTES // len(text('42["n"]'))


class HandClock(Clock):
    """A clock whose turns of the loop are made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], object]] = []

    def soon(self, function: Callable[[*Args], object], *args: *Args) -> None:
        self.waiting.append(lambda: function(*args))


@pytest.mark.parametrize("size", [700, 2000, 20_000])
def test_a_turn_takes_no_more_of_a_post_than_of_a_websocket(size: int) -> None:
    clock, heard = HandClock(), [0]
    server = Server(driver=clock)

    @server.on("n")
    def hear(socket: Any, *lists: Any) -> None:
        heard[-1] += 3 * len(lists)

    peer = Peer(server, transport="polling")
    peer.connect()
    packet = '42["n"' + ",[]" * (size // 3) + "]"
    post = Request("POST", f"/socket.io/?EIO=4&transport=polling&sid={peer.sid}")
    decision: Any = admit(server.engine, post)
    server.engine.respond(decision, MemoryExchange(post), "\x1e".join([packet] * (900_000 // size)).encode())
    while clock.waiting:
        heard.append(0)
        clock.waiting.pop(0)()
    assert 800_000 < sum(heard) < 1_000_000
    assert max(heard) <= 65_536 + size


def payload(row: Generation, numbers: range) -> bytes:
    """Write events as the payload of a POST."""
    if row is SOCKETIO_1:
        packets = [f'5:::{{"name":"n","args":[{number}]}}' for number in numbers]
        return "".join(f"\ufffd{len(packet)}\ufffd{packet}" for packet in packets).encode()
    packets = [f'42["n",{number}]' for number in numbers]
    if row is ENGINEIO_4:
        return "\x1e".join(packets).encode()
    return "".join(f"{len(packet)}:{packet}" for packet in packets).encode()


@pytest.mark.parametrize(("row", "posts"), [(ENGINEIO_3, 1), (ENGINEIO_4, 1), (SOCKETIO_1, 1), (SOCKETIO_1, 10)])
def test_a_turn_takes_no_more_of_posts_whose_every_event_pauses_its_client(row: Generation, posts: int) -> None:
    """An event of an ordered handler counts while it runs: the client is paused before it, and resumed behind it."""
    clock, heard, most = TurningClock(), list[int](), 0
    server = Server(driver=clock, max_calls=5)
    server.on("n", ordered=True)(lambda socket, number: heard.append(number))
    is_old = row is SOCKETIO_1
    peer = Peer(server, generation=row, transport="xhr-polling" if is_old else "polling")
    if row is ENGINEIO_4:
        peer.connect()
    clock.turn()
    for _ in range(4):
        server.engine.sessions[peer.sid].begin_call()  # of handlers that go on
    modern = f"/socket.io/?EIO={row.revision}&transport=polling&sid={peer.sid}"
    request = Request("POST", f"/socket.io/1/xhr-polling/{peer.sid}" if is_old else modern)
    exchanges = [MemoryExchange(request) for _ in range(posts)]
    for number, exchange in enumerate(exchanges):
        decision: Any = admit(server.engine, request)
        server.engine.respond(decision, exchange, payload(row, range(number * 999, number * 999 + 999)))
    turns = 1
    while clock.is_waiting:
        before = len(heard)
        clock.turn_once()
        turns += 1
        most = max(most, len(heard) - before)
    assert heard == list(range(999 * posts))
    assert most <= 500
    assert turns < 10 * posts
    assert all(exchange.response is not None for exchange in exchanges)


async def most_in_a_turn(count: Callable[[], int], end: int) -> int:
    """Let the loop turn until the count has reached its end, and return by how much it grew in one turn at most."""
    most = last = count()
    while last < end:
        await asyncio.sleep(0)
        most, last = max(most, count() - last), count()
    return most


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("host", [*LOOPS, pytest.param("gevent", marks=pytest.mark.hosts)], indirect=True)
async def test_what_comes_behind_a_handshake_is_heard_in_turns_too(host: Host) -> None:
    """What Tornado has read is taken over with the socket; what the kernel holds waits for its turn.

    Not on uvicorn, which does not read frames that precede its 101.
    """
    echo = Echo()
    await host.serve(echo.server)
    before, frame = opening() + text("40"), text('42["echo"]')
    with socket.socket() as flooder:
        flooder.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        flooder.connect(("127.0.0.1", host.port))
        flooder.setblocking(False)
        events = (flooder.send(before + frame * 200_000) - len(before)) // len(frame)
        assert events > 3 * READ_BYTES // len(frame)
        assert await most_in_a_turn(lambda: len(echo.heard), events) <= 2 * READ_BYTES // len(frame)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("eio", [3, 4])
async def test_posts_in_a_row_are_heard_in_turns(host: Host, eio: int) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session(eio=eio)
    body = b'42["echo"]' if eio == 4 else b'10:42["echo"]'
    session.posting.send(request("POST", session.target(), body=body) * 500)
    assert await most_in_a_turn(lambda: len(echo.heard), 500) <= host.requests_in_a_turn
    for _ in range(500):
        assert (await session.posting.answer()).body == b"ok"


@pytest.mark.usefixtures("quiet")
async def test_handshakes_in_a_row_are_served_in_turns(host: Host) -> None:
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(request("GET", target("polling")) * 500)
    assert await most_in_a_turn(lambda: len(echo.server.engine.sessions), 500) <= host.requests_in_a_turn
    for _ in range(500):
        assert (await wire.answer()).status == 200
