"""Hostile clients of Socket.IO 0.7 to 0.9: nothing reflected, leaked or stuck, and their neighbours notice nothing."""

import asyncio
from typing import Any

import pytest

from attacks.measures import objects
from hosts.client import request, text
from hosts.host import Host
from hosts.suite.echo import Echo
from hosts.suite.old import ECHO, PATH, attach, post, visit
from waterspout import Reason, Server, Socket
from waterspout.engine.protocol1.session import ResumableSession
from waterspout.testing import SOCKETIO_1, Clock, Peer, PollingCarrier, WebSocketCarrier
from waterspout.wire.socketio import RESERVED

pytestmark = pytest.mark.usefixtures("quiet")

NAMES = [
    "*",
    "__init__",
    "__class__",
    "_x",
    "emit",
    "close_room",
    "call",
    "handlers",
    "data",
    "on_connect",
    "",
    "echo ",
]


# Handshakes, and ids of sessions


async def test_thousands_of_handshakes_leave_nothing_behind(host: Host, many: int) -> None:
    echo = Echo(resume_timeout=0.3)
    await host.serve(echo.server)
    wire = await host.connect()
    await visit(wire)
    await host.until(lambda: echo.is_empty)
    before = objects()
    for _ in range(many // 100):
        wire.send(request("GET", f"{PATH}/") * 100)
        for _ in range(100):
            assert (await wire.answer()).status == 200
    await host.until(lambda: echo.is_empty)
    assert objects() - before < many // 10
    assert echo.left == []
    assert echo.server.stats().sessions == {}


async def test_who_guesses_ids_learns_nothing_and_meets_nobody(host: Host) -> None:
    echo = Echo()
    await host.serve(echo.server)
    owner = await attach(host, sid := await visit(await host.connect()))
    assert await owner.text() == "1::"
    stranger = await host.connect()
    guesses = [sid[:-1] + ("A" if sid[-1] != "A" else "B"), sid[:-1], sid + "A", sid.swapcase(), "", "*", sid[::-1]]
    for guess in guesses:
        for method, below in (("GET", ""), ("POST", ""), ("GET", "?disconnect"), ("POST", "?disconnect=1")):
            answer = await stranger.ask(method, f"{PATH}/xhr-polling/{guess}{below}", body=ECHO.encode())
            assert answer.status in (200, 404)
            assert answer.body in (b"7:::1+0", b"", b"not found")
    owner.send(text(ECHO))
    assert await owner.text() == '6:::1+["x"]'
    assert echo.heard == [("x",)]


# The end


@pytest.mark.parametrize(
    "below",
    [
        "/xhr-polling/{sid}?disconnect",
        "/xhr-polling/{sid}/?t=1&disconnect=1&x",
        "/websocket/{sid}/?disconnect",
        "/nonsense/{sid}?disconnect",
        "//{sid}/?disconnect=1",
        "//{sid}?t=2&disconnect",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("transport", [None, "websocket", "xhr-polling"])
async def test_a_client_leaves_by_a_request_whatever_stands_around_it(
    host: Host, transport: str | None, method: str, below: str
) -> None:
    echo = Echo()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    wire = await host.connect()
    if transport == "websocket":
        wire = await attach(host, sid)
        assert await wire.text() == "1::"
    elif transport is not None:
        assert (await wire.ask("GET", f"{PATH}/xhr-polling/{sid}")).body == b"1::"
        wire.send(request("GET", f"{PATH}/xhr-polling/{sid}"))
        await host.until(lambda: echo.server.sockets()[0].transport == "xhr-polling")
    leaver = await host.connect()
    answer = await leaver.ask(method, PATH + below.format(sid=sid))
    assert (answer.status, answer.body) == (200, b"")
    assert echo.left == ([Reason.CLIENT_DISCONNECT] if transport else [])
    assert echo.is_empty
    if transport == "websocket":
        assert await wire.closing() == 1000
    answer = await leaver.ask(method, PATH + below.format(sid=sid))
    assert (answer.status, answer.body) == (200, b"")


# Names


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])
@pytest.mark.parametrize("name", [*sorted(RESERVED), *NAMES])
def test_a_name_reaches_what_was_registered_for_it_and_nothing_else(transport: str, name: str) -> None:
    called: list[Any] = []
    server = Server(driver=Clock())

    class Private(Socket):
        def on_connect(self, auth: object) -> None:
            called.append("connect")

        def on_disconnect(self, reason: Reason) -> None:
            called.append("disconnect")

    server.register("/", Private)
    peer = Peer(server, generation=SOCKETIO_1, transport=transport)
    assert called == ["connect"]
    peer.emit(name, "x", id=1)
    peer.emit(name, {"self": 1, "__class__": "x"})
    assert called == ["connect"]
    assert [packet for packet in peer.take() if packet not in ("1::", "8::")] == []


# Transports that come and go


def test_a_thousand_transports_of_one_session_cost_no_more_than_a_few() -> None:
    server = Server(driver=Clock())
    peer = Peer(server, generation=SOCKETIO_1, transport="websocket")
    peer.polls = False
    carriers = []
    for number in range(1000):
        peer.switch(("xhr-polling", "jsonp-polling", "websocket", "htmlfile")[number % 4])
        carriers.append(peer.carrier)
    (session,) = server.engine.sessions.values()
    assert isinstance(session, ResumableSession)
    parked = [carrier for carrier in carriers if isinstance(carrier, PollingCarrier) and carrier.is_parked]
    assert len(parked) <= 2
    assert sum(not carrier.finished for carrier in carriers if not isinstance(carrier, PollingCarrier)) == 1
    assert len(server.engine.deadlines) < 10
    peer.leave()
    assert not any(carrier.is_parked for carrier in parked)
    assert not server.engine.sessions
    assert len(server.engine.deadlines) == 0


def test_who_tries_all_transports_in_vain_again_and_again_ends_with_its_time() -> None:
    clock = Clock()
    server = Server(driver=clock)
    peer = Peer(server, generation=SOCKETIO_1, transport=None, polls=False)
    before: list[WebSocketCarrier] = []
    for transport in ("websocket", "flashsocket", "htmlfile", "xhr-polling", "jsonp-polling"):
        peer.switch(transport)
        if isinstance(peer.carrier, WebSocketCarrier):
            before.append(peer.carrier)
        assert peer.take()[0] == "1::"
        clock.advance(10)
    assert not any(carrier.finished for carrier in before)
    clock.advance(50)
    assert not server.engine.sessions
    assert all(carrier.finished for carrier in before)
    assert len(server.engine.deadlines) == 0


async def test_hundreds_of_websockets_of_one_session_end_each_other(host: Host) -> None:
    echo = Echo()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    wires = []
    for _ in range(200):
        wires.append(await attach(host, sid))
        wires[-1].send(text("2::"))
    wires[-1].send(text(ECHO))
    while (said := await wires[-1].text()) == "1::":
        pass
    assert said == '6:::1+["x"]'
    for wire in wires[:-1]:
        assert (await wire.rest()).endswith(b"\x88\x02\x03\xe8")
    assert len(echo.server.sockets()) == 1


# Polling


async def test_gets_and_posts_in_one_segment_are_answered_one_after_the_other(host: Host) -> None:
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    sid = await visit(wire)
    url = f"{PATH}/xhr-polling/{sid}"
    body = "\ufffd3\ufffd8::".encode() * 100 + f"\ufffd{len(ECHO)}\ufffd{ECHO}".encode()
    wire.send(request("POST", url, body=body) * 3 + request("GET", url))
    assert [(await wire.answer()).body for _ in range(3)] == [b"1"] * 3
    answer = (await wire.answer()).body.decode()
    assert answer == "\ufffd3\ufffd1::" + '\ufffd11\ufffd6:::1+["x"]' * 3


async def test_who_sends_half_a_post_and_goes_has_said_nothing(host: Host) -> None:
    echo = Echo()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    for _ in range(50):
        wire = await host.connect()
        wire.send(request("POST", f"{PATH}/xhr-polling/{sid}", body=ECHO.encode())[:-5])
        await wire.writer.drain()
        wire.reset()
    await asyncio.sleep(0)
    assert (await post(host, sid, ECHO)).body == b"1"
    answer = await (await host.connect()).ask("GET", f"{PATH}/xhr-polling/{sid}")
    assert answer.body.decode() == '\ufffd3\ufffd1::\ufffd11\ufffd6:::1+["x"]'
    assert echo.heard == [("x",)]
