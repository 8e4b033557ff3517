"""Floods of what needs no handler (B4): pings, pongs, packets that say nothing. Nothing grows with their number."""

import asyncio
from collections.abc import Iterator

import pytest

from attacks.measures import memory
from attacks.raw import Raw
from attacks.waiting import Waiting
from hosts.client import text
from hosts.handloop import HandLoop
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.websocket import echoes
from turns import CountingLoop
from waterspout import Reason, Server
from waterspout.engine import Traffic
from waterspout.hosts.link import HIGH_WATER_BYTES
from waterspout.hosts.output import Output
from waterspout.testing import Pair, Peer, PollingCarrier, Refused, WebSocketCarrier, client_frame, server_frames
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

KERNEL_BYTES = 1_000_000  # more than a socket pair holds


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def generation(request: pytest.FixtureRequest) -> Generation:
    found: Generation = request.param
    return found


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def raw(server: Server, generation: Generation) -> Iterator[Raw]:
    with Raw(server, Output(HandLoop(), Traffic()), generation) as made:
        yield made


# RFC 6455


def test_who_pings_and_never_reads_is_owed_one_pong_at_most(raw: Raw) -> None:
    """ws before 8.23 and others queued each of them; RFC 6455, section 5.5.3, asks for the last one only."""
    pings, size = 12_000, 125
    with memory() as used:
        for number in range(0, pings, 500):
            raw.feed(b"".join(client_frame(9, b"%0*d" % (size, number + more)) for more in range(500)))
        assert used.peak < 1_000_000
    frames = server_frames(raw.read())
    pongs = [payload for opcode, payload in frames if opcode == 10]
    assert len(pongs) * (size + 2) < KERNEL_BYTES + 2 * HIGH_WATER_BYTES
    assert pongs[-1] == b"%0*d" % (size, pings - 1)
    assert pongs == sorted(pongs)
    raw.feed(client_frame(9, b"?"))
    assert raw.read() == b"\x8a\x01?"


def test_who_pings_and_reads_gets_all_pongs(raw: Raw) -> None:
    raw.read()
    for _ in range(20):
        raw.feed(client_frame(9, b"") * 1000)
        assert raw.read() == b"\x8a\x00" * 1000


def test_pongs_that_nobody_asked_for_are_dropped(server: Server, raw: Raw) -> None:
    raw.read()
    with memory() as used:
        for _ in range(20):
            raw.feed(client_frame(10, b"!" * 125) * 500)
        assert used.peak < 1_000_000
    assert raw.read() == b""
    assert raw.sid in server.engine.sessions


def test_empty_messages_are_no_packets(server: Server, raw: Raw) -> None:
    raw.read()
    raw.feed(client_frame(1, b"") * 10_000)
    assert [opcode for opcode, _ in server_frames(raw.read())] == [8]
    assert server.engine.sessions == {}


def test_empty_bytes_are_no_packets(server: Server, raw: Raw) -> None:
    raw.read()
    raw.feed(client_frame(2, b"") * 10_000)
    assert [opcode for opcode, _ in server_frames(raw.read())] == [8]
    assert server.engine.sessions == {}


# Engine.IO


def test_who_pings_in_engineio_3_and_never_reads_is_closed() -> None:
    """Each ping is answered, so the answers are counted."""
    left: list[Reason] = []
    server = Server()
    server.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=ENGINEIO_3)
    carrier = pair.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    carrier.blocked = True
    with memory() as used:
        for _ in range(30):
            carrier.feed(text("2") * 1000)
        assert used.peak < 3_000_000
    assert left == [Reason.SLOW_CONSUMER]


def test_who_posts_pings_in_engineio_3_and_never_polls_is_closed() -> None:
    left: list[Reason] = []
    server = Server()
    server.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=ENGINEIO_3, transport="polling")
    carrier = pair.peer.carrier
    assert isinstance(carrier, PollingCarrier)
    pair.peer.polls = False
    for _ in range(3):
        carrier.post(b"1:2" * 9000)
    assert left == [Reason.SLOW_CONSUMER]
    pair.clock.advance(10)
    with pytest.raises(Refused, match="Session ID unknown"):
        carrier.post(b"1:2")


@pytest.mark.parametrize("packet", ["3", "3probe", "6", "5"])
def test_packets_that_say_nothing_leave_nothing(packet: str) -> None:
    """CVE-2026-48802: each pong started a thread."""
    pair = Pair(Server())
    carrier = pair.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    waits = len(pair.server.engine.deadlines)
    with memory() as used:
        for _ in range(20):
            carrier.feed(text(packet) * 1000)
        assert used.now < 20_000
    assert pair.peer.take() == []
    assert len(pair.server.engine.deadlines) == waits
    pair.clock.advance(25)
    assert pair.peer.take() == ["2"]


def test_pongs_that_nobody_awaits_change_no_deadline() -> None:
    pair = Pair(Server())
    pair.clock.advance(25)
    assert pair.peer.take() == ["2"]
    pair.peer.beat()
    pair.clock.advance(10)
    for _ in range(100):
        pair.peer.beat()
    pair.clock.advance(15)
    assert pair.peer.take() == ["2"]
    pair.clock.advance(20)
    assert pair.peer.closed == 1000


def test_events_before_the_connect_handler_has_answered_are_counted(generation: Generation) -> None:
    heard: list[int] = []
    server = Server(driver=Waiting())
    server.on_connect(lambda socket, auth: None)
    server.on("n")(lambda socket, number: heard.append(number))
    for most in (10, 11):
        server.engine.driver = server.engine.table.driver = server.engine.turn.driver = driver = Waiting()
        peer = Peer(server, generation=generation)
        if not generation.implicit_connect:
            peer.connect()
        for number in range(most):
            peer.emit("n", number)
        driver.answer()
        assert peer.closed == (None if most == 10 else 1002)
    assert heard == list(range(10))


@pytest.mark.parametrize("host", [CountingLoop], indirect=True)
async def test_no_task_no_future_and_no_timer_is_made_for_them(host: Host) -> None:
    echo = Echo()
    await host.serve(echo.server)
    wires = [await host.websocket(eio=eio) for eio in (3, 4)]
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    for wire, packet in zip(wires, ("2", "3"), strict=True):
        assert await echoes(wire)
        before = loop.made.copy()
        for _ in range(10):
            wire.send(text(packet) * 200 + client_frame(9, b"") * 200 + client_frame(10, b"") * 200)
        wire.send(text('420["echo",1]'))
        seen = 0
        while (frame := await wire.frame()) != (1, b"430[1]"):
            assert frame in ((10, b""), (1, b"3"))
            seen += 1
        assert seen == (4000 if packet == "2" else 2000)
        made = loop.made - before
        assert made["task"] == 0
        assert made["timer"] < 20
