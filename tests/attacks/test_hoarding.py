"""Clients that take thousands of something over a real port: bounded, told, and drained to zero."""

import asyncio
import re
from typing import Any

import pytest

from attacks.measures import memory
from attacks.test_slow_readers import deaf
from hosts.client import Wire, text
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.websocket import echoes
from waterspout import EventRefused, Pending, Socket, SocketClosed
from waterspout.errors import TooManyCalls

pytestmark = pytest.mark.usefixtures("quiet")

WAVES = 1000
PENDING_ACKS = 1000  # the defaults
CALLS = 1000
NAMESPACES = 100
TOO_MANY = "Too many namespaces: 100 are allowed on one connection"


@pytest.fixture(params=[3, 4])
def eio(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def echo() -> Echo:
    return Echo()


def of(echo: Echo, wire_number: int) -> Socket:
    """The socket of the client that came as this one."""
    return echo.server.sockets()[wire_number]


# Clients that do not read


async def test_who_never_reads_is_kept_on_the_latest_alone_while_others_get_all(host: Host) -> None:
    echo = Echo(max_outbox_bytes=100_000)
    await host.serve(echo.server)
    server, polite, silent = echo.server, await host.websocket(), await host.websocket()
    silent.writer.transport.pause_reading()  # type: ignore[attr-defined]
    victim = of(echo, 1)
    session = victim._member.session
    while not session.outbox_bytes:
        victim.emit("filler", "x" * 10_000)
        await asyncio.sleep(0)
    waiting = session.outbox_bytes
    for number in range(0, WAVES, 20):
        for each in range(number, number + 20):
            server.emit("volatile", each, "x" * 1000, volatile=True)
            server.emit("price", each, "x" * 1000, latest="price")
        assert session.outbox_bytes - waiting < 1100
        for each in range(number, number + 20):
            for event in ("volatile", "price"):
                assert (await polite.text()).startswith(f'42["{event}",{each},')
    assert echo.left == []
    assert server.stats().dropped == WAVES
    silent.writer.transport.resume_reading()  # type: ignore[attr-defined]
    while not (last := await silent.text()).startswith('42["price"'):
        assert last.startswith('42["filler"')
    assert last.startswith(f'42["price",{WAVES - 1},')
    assert await echoes(silent)
    assert await echoes(polite)


async def test_who_never_reads_is_cut_and_its_neighbours_miss_nothing(host: Host, eio: int) -> None:
    echo = Echo(max_outbox_bytes=100_000)
    await host.serve(echo.server)
    polite, silent = await host.websocket(eio=eio), await deaf(host)
    number = 0
    while not echo.left:
        echo.server.emit("n", number, "x" * 10_000)
        assert (await polite.text()).startswith(f'42["n",{number},')
        number += 1
    assert await echoes(polite)
    stats = echo.server.stats()
    assert (stats.slow_consumers, stats.sockets) == (1, {"/": 1})
    assert silent.writer.transport is not None


# Answers


async def test_thousands_of_unanswered_questions_are_a_thousand_and_end_with_the_client(
    host: Host, eio: int, many: int
) -> None:
    await host.serve((echo := Echo()).server)
    neighbour, wire = await host.websocket(), await host.websocket(eio=eio)
    deadlines = len(echo.server.engine.deadlines)
    pendings: list[Pending[Any]] = []
    with memory() as used:
        victim = of(echo, 1)
        pendings.extend(victim.call("question", number) for number in range(many))
        assert used.peak < 8_000_000
    refused = [pending for pending in pendings if pending.done]
    assert refused == pendings[PENDING_ACKS:]
    with pytest.raises(TooManyCalls, match="has not answered 1000 calls, which is max_pending_acks"):
        refused[0].result()
    assert len(echo.server.engine.deadlines) <= deadlines + PENDING_ACKS
    assert await echoes(neighbour)

    ids = [re.match(r'42(\d+)\["question",(\d+)\]$', await wire.text()) for _ in range(PENDING_ACKS)]
    assert [found and int(found[2]) for found in ids] == list(range(PENDING_ACKS))
    assert ids[0]
    wire.send(text(f"43{ids[0][1]}[5]") * 2 + text("439999999[5]") * many)
    assert await echoes(wire)
    assert pendings[0].result() == 5
    assert not victim.call("another").done
    assert victim.call("one too many").done

    wire.abort()
    await host.until(lambda: all(pending.done for pending in pendings))
    with pytest.raises(SocketClosed):
        pendings[1].result()
    assert echo.server.sockets() == [of(echo, 0)]
    assert len(echo.server.engine.deadlines) <= deadlines
    assert await echoes(neighbour)


async def test_a_room_goes_without_the_answers_of_who_owes_too_many(host: Host, eio: int) -> None:
    await host.serve((echo := Echo()).server)
    polite, wire = await host.websocket(), await host.websocket(eio=eio)
    first, victim = echo.server.sockets()
    for number in range(PENDING_ACKS):
        victim.call("question", number)
    replies = echo.server.call("question", "to all")
    asked = re.match(r'42(\d+)\["question","to all"\]$', await polite.text())
    assert asked
    polite.send(text(f'43{asked[1]}["here"]'))
    found = await replies
    assert (found.answers, found.missing) == ({first.id: "here"}, (victim.id,))
    for _ in range(PENDING_ACKS):
        assert '"to all"' not in await wire.text()
    assert await echoes(wire)


@pytest.mark.parametrize("ordered", [False, True], ids=["at once", "ordered"])
async def test_thousands_of_events_that_wait_for_an_answer_are_a_thousand_and_all_are_answered(
    host: Host, eio: int, ordered: bool, many: int
) -> None:
    await host.serve((echo := Echo()).server)
    gate, begun = asyncio.Event(), []

    @echo.server.on("hold", ordered=ordered)
    async def hold(socket: Socket, number: int) -> int:
        begun.append(number)
        await gate.wait()
        await asyncio.sleep(0)
        return number

    neighbour, wire = await host.websocket(), await host.websocket(eio=eio)
    wire.send(b"".join(text(f'42{number}["hold",{number}]') for number in range(many)))
    await host.until(lambda: of(echo, 1)._member.session._calls == CALLS)
    for _ in range(20):
        assert await echoes(neighbour)
    assert of(echo, 1)._member.session._calls == CALLS
    assert begun == list(range(1 if ordered else CALLS))
    gate.set()
    for number in range(many):
        assert await wire.text() == f"43{number}[{number}]"
    assert begun == list(range(many))
    assert await echoes(wire)
    assert of(echo, 1)._member.session._calls == 0


async def test_a_client_that_leaves_thousands_behind_leaves_nothing(host: Host, eio: int, many: int) -> None:
    await host.serve((echo := Echo()).server)
    gate, begun, ended = asyncio.Event(), [], []

    @echo.server.on("hold", ordered=True)
    async def hold(socket: Socket, number: int) -> None:
        begun.append(number)
        await gate.wait()
        ended.append(number)

    neighbour, wire = await host.websocket(), await host.websocket(eio=eio)
    wire.send(b"".join(text(f'42{number}["hold",{number}]') for number in range(many)))
    session = of(echo, 1)._member.session
    await host.until(lambda: session._calls == CALLS)
    of(echo, 1).disconnect(close=True)
    await host.until(lambda: echo.left)
    gate.set()
    await host.until(lambda: ended)
    assert await echoes(neighbour)
    assert (begun, ended, session._calls) == ([0], [0], 0)


async def test_thousands_of_events_above_the_rate_are_refused_and_told(host: Host, eio: int, many: int) -> None:
    echo = Echo(max_events_per_second=0.02)
    errors: list[Exception] = []
    echo.server.on_error(lambda socket, event, error: errors.append(error))
    await host.serve(echo.server)
    neighbour, wire = await host.websocket(), await host.websocket(eio=eio)
    assert await echoes(wire)
    wire.send(text('421["echo",1]') * many)
    for _ in range(many):
        assert (await wire.text()).startswith('431[{"error":{"message":"the event \'echo\' is dropped:')
    assert (len(echo.heard), len(errors)) == (1, many)
    assert all(isinstance(error, EventRefused) for error in errors)
    assert await echoes(neighbour)


# Namespaces


async def told(wire: Wire, count: int) -> tuple[int, int]:
    """Read so many answers to wishes to enter: how many were fulfilled, and how many refused with the limit."""
    answers = [await wire.text() for _ in range(count)]
    entered = sum(answer.startswith("40/n") for answer in answers)
    refused = sum(answer.startswith("44/n") and TOO_MANY in answer for answer in answers)
    return entered, refused


async def test_of_thousands_of_namespaces_a_hundred_are_entered(host: Host, eio: int, many: int) -> None:
    await host.serve((echo := Echo()).server)
    rooms = echo.server.of(re.compile(r"/n\d+"))
    neighbour, wire = await host.websocket(), await host.websocket(eio=eio)
    session = of(echo, 1)._member.session
    with memory() as used:
        wire.send(text(*(f"40/n{number}," for number in range(many))))
        assert await told(wire, many) == (NAMESPACES - 1, many - NAMESPACES + 1)
        assert used.peak < 5_000_000
    assert len(rooms.namespaces()) == len(session.data) - 1 == NAMESPACES - 1
    assert await echoes(wire)
    wire.abort()
    await host.until(lambda: not rooms.namespaces())
    assert echo.server.stats().sockets == {"/": 1}
    assert await echoes(neighbour)


async def test_of_thousands_of_namespaces_that_are_posted_a_hundred_are_entered(
    host: Host, eio: int, many: int
) -> None:
    await host.serve((echo := Echo()).server)
    rooms = echo.server.of(re.compile(r"/n\d+"))
    neighbour, session = await host.websocket(), await host.session(eio=eio)
    packets = [f"40/n{number}," for number in range(many)]
    body = "\x1e".join(packets) if eio == 4 else "".join(f"{len(packet)}:{packet}" for packet in packets)
    posted = asyncio.ensure_future(session.post(body))
    answers = ""
    while answers.count("40/n") + answers.count("44/n") < many:
        answers += await session.get()
    assert (await posted).body == b"ok"
    assert (answers.count("40/n"), answers.count(TOO_MANY)) == (NAMESPACES - 1, many - NAMESPACES + 1)
    assert len(rooms.namespaces()) == NAMESPACES - 1
    echo.server.sockets()[1].disconnect(close=True)
    await host.until(lambda: not rooms.namespaces())
    assert await echoes(neighbour)


async def test_thousands_of_namespaces_one_after_the_other_leave_none(host: Host, eio: int, many: int) -> None:
    await host.serve((echo := Echo()).server)
    rooms = echo.server.of(re.compile(r"/n\d+"))
    wire = await host.websocket(eio=eio)
    for number in range(0, many, 1000):
        wire.send(text(*(f"4{kind}/n{each}," for each in range(number, number + 1000) for kind in (0, 1))))
        assert await told(wire, 1000) == (1000, 0)
        assert await echoes(wire)
        assert rooms.namespaces() == []
        assert len(of(echo, 0)._member.session.data) <= NAMESPACES
    assert echo.server.stats().sockets == {"/": 1}


async def test_thousands_of_wishes_that_wait_for_a_function_do_not_pass_the_limit(
    host: Host, eio: int, many: int
) -> None:
    await host.serve((echo := Echo()).server)
    gate, asked = asyncio.Event(), []

    async def admit(name: str, auth: object) -> bool:
        asked.append(name)
        await gate.wait()
        return True

    rooms = echo.server.of(admit)
    neighbour, wire = await host.websocket(), await host.websocket(eio=eio)
    wire.send(text(*(f"40/n{number}," for number in range(many))))
    assert await told(wire, many - NAMESPACES + 1) == (0, many - NAMESPACES + 1)
    assert await echoes(neighbour)
    assert await echoes(wire)
    gate.set()
    assert await told(wire, NAMESPACES - 1) == (NAMESPACES - 1, 0)
    assert asked == [f"/n{number}" for number in range(NAMESPACES - 1)]
    assert len(rooms.namespaces()) == NAMESPACES - 1
    wire.abort()
    await host.until(lambda: not rooms.namespaces())
    assert await echoes(neighbour)
