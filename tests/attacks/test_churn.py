"""Coming and going (C5): after thousands of clients, all tables, sockets, tasks and objects are as before."""

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from attacks.measures import objects
from hosts.client import Session, Wire, opening, text
from hosts.host import Host, sockets
from hosts.suite.echo import Echo
from hosts.suite.websocket import echoes
from waits import waits
from waterspout import Reason, Server, Socket
from waterspout.hosts import link
from waterspout.testing import Clock, Peer, client_frame
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

VISITS = 100


# In memory


@pytest.fixture
def server() -> Server:
    server = Server(driver=Clock())

    @server.on_connect
    def connect(socket: Socket, auth: object) -> None:
        socket.join("all", f"own-{socket.id}")
        socket.data["name"] = "x"

    server.on("echo")(lambda socket, *args: args)
    server.of("/other").on("echo")(lambda socket, *args: args)
    return server


def leave(peer: Peer) -> None:
    peer.send("1")


def vanish(peer: Peer) -> None:
    peer.lose()


def upgrade_and_leave(peer: Peer) -> None:
    if peer.transport == "polling":
        peer.upgrade()
        peer.emit("echo", 2, id=2)
    peer.send("1")


def upgrade_half_and_vanish(peer: Peer) -> None:
    if peer.transport == "polling":
        peer.probe().send(["2probe"])
    peer.lose()


def break_the_protocol(peer: Peer) -> None:
    peer.send("451-[{}" if peer.transport == "websocket" else "1")


def question_and_vanish(peer: Peer) -> None:
    for member in peer.engine.sessions[peer.sid].data.values():
        member.socket.call("question", timeout=5)
    peer.lose()


ENDS = [leave, vanish, upgrade_and_leave, upgrade_half_and_vanish, break_the_protocol, question_and_vanish]


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_of_clients_that_came_and_went(
    server: Server, generation: Generation, transport: str, end: Callable[[Peer], None]
) -> None:
    def visit() -> None:
        peer = Peer(server, generation=generation, transport=transport)
        if not generation.implicit_connect:
            peer.connect()
        peer.connect("/other")
        peer.emit("echo", 1, id=1)
        end(peer)

    for _ in range(10):
        visit()
    before = objects()
    for _ in range(VISITS):
        visit()
    assert server.engine.sessions == {}
    assert waits(server.engine) == 0
    assert server.sockets() == server.of("/other").sockets() == []
    assert len(server.of("/").rooms) == 0
    assert objects() - before < 30


@pytest.mark.parametrize("end", ENDS)
def test_what_the_server_has_of_a_websocket_is_freed_without_the_garbage_collector(
    server: Server, end: Callable[[Peer], None]
) -> None:
    """What waits for the collector is memory that nobody uses, and the collector's work."""
    gc.collect()
    gc.disable()
    try:
        peer = Peer(server)
        peer.connect()
        peer.emit("echo", 1, id=1)
        kept = weakref.ref(server.sockets()[0]), weakref.ref(server.engine.sessions[peer.sid])
        end(peer)
        del peer
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


# Over real connections


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("visits", [300, pytest.param(100_000, marks=pytest.mark.long)])
async def test_tables_sockets_tasks_and_objects_are_as_before(
    host: Host, visits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LINGER", 0.05)  # s; a timer holds each link that has said its last so long
    echo = Echo()
    await host.serve(echo.server)
    neighbour = await host.websocket()
    alone = sockets()
    kinds = (websocket, websocket_of_engineio_3, polling, upgrade, abort)

    async def drained() -> None:
        await host.until(lambda: len(echo.server.engine.sessions) == 1 and sockets() == alone)
        assert await echoes(neighbour)

    for kind in kinds:
        await kind(host, echo)
    await drained()
    before = objects()
    for number in range(visits):
        await kinds[number % len(kinds)](host, echo)
    await drained()
    await host.until(lambda: len(asyncio.all_tasks()) <= host.tasks)
    await host.until(lambda: objects() - before < 500)  # asyncio keeps up to 100 cancelled timers
    assert len(echo.left) == len(kinds) + visits
    assert set(echo.left) == {Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR}


async def websocket(host: Host, echo: Echo, eio: int = 4) -> None:
    wire = await host.websocket(eio=eio)
    assert await echoes(wire)
    wire.send(client_frame(8, b"\x03\xe8"))
    assert await wire.closing() == 1000
    await gone(host, wire)


async def websocket_of_engineio_3(host: Host, echo: Echo) -> None:
    await websocket(host, echo, 3)


async def polling(host: Host, echo: Echo) -> None:
    session = await host.session()
    assert (await session.post('420["echo",1]')).body == b"ok"
    assert await session.get() == "430[1]"
    await parked(host, echo, session)
    assert (await session.post("1")).body == b"ok"
    assert await session.polled() == "6"
    await gone(host, session.polling)
    await gone(host, session.posting)


async def upgrade(host: Host, echo: Echo) -> None:
    session = await host.session()
    wire = await host.connect()
    wire.send(opening(session.sid))
    assert (await wire.answer()).status == 101
    wire.send(text("2probe", "5"))
    assert await wire.text() == "3probe"
    assert await echoes(wire)
    for each in (wire, session.polling, session.posting):
        await gone(host, each)


async def abort(host: Host, echo: Echo) -> None:
    session = await host.session()
    await parked(host, echo, session)
    await gone(host, session.polling)
    await gone(host, session.posting)


async def gone(host: Host, wire: Wire) -> None:
    wire.abort()
    host.forget(wire)


async def parked(host: Host, echo: Echo, session: Session) -> None:
    session.poll()
    await host.until(lambda: echo.has_parked(session.sid))
