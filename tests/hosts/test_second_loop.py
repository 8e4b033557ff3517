"""One server on two loops: one after the other it serves on both, at once it is refused where it starts."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tornado.web import Application

import waterspout
from hosts.client import opening, request, target
from hosts.suite.echo import Echo
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout import CannotStart, Reason, Server
from waterspout.drivers import AsyncioDriver
from waterspout.hosts import standalone
from waterspout.hosts.tornado import Mount, drain, routes, start

LOOP = pytest.mark.parametrize("loop", LOOPS)
POLL = request("GET", target("polling"))
OLD = request("GET", "/socket.io/1/?t=1")
USED = "this server runs on another event loop already: make one server for each loop, or end the other first"


async def ask(host: TornadoHost, echo: Echo, *, mount: bool = True) -> None:
    if mount:
        await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(b"\x81\x8f" + bytes(4) + b'421["echo","a"]')
    assert await wire.text() == '431["a"]'


@LOOP
def test_a_server_serves_on_one_loop_after_the_other(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    echo = Echo()
    for _ in range(3):
        host = TornadoHost(LOOPS[loop])
        host.run(ask(host, echo))
        assert echo.is_empty
    assert echo.left == [Reason.TRANSPORT_CLOSE] * 3
    assert echo.server.stats().opened == 3
    assert caplog.records == []


@LOOP
def test_a_server_that_nobody_closed_begins_anew_when_its_loop_is_closed(loop: str) -> None:
    echo = Echo()

    host = TornadoHost(LOOPS[loop])
    clients = [socket.socket() for _ in range(4)]
    tornados: list[socket.socket] = []

    async def first() -> None:
        await host.start(echo.server)
        asking = asyncio.get_running_loop()
        for client, sent in zip(clients, (opening(eio=3), opening(eio=4), POLL, OLD), strict=True):
            client.setblocking(False)
            await asking.sock_connect(client, ("127.0.0.1", host.port))
            await asking.sock_sendall(client, sent)
        await host.until(lambda: len(echo.server.engine.sessions) == 4)
        (sid,) = (sid for sid in echo.server.engine.sessions if echo.server.engine.sessions[sid].transport.fetches)
        await asking.sock_sendall(clients[2], request("GET", target("polling", sid)))
        await host.until(lambda: echo.has_parked(sid))
        await host.until(echo.server.sockets)  # of the client of 2.x, which is in without asking
        host.http.stop()
        tornados.extend(connection.stream.socket for connection in host.http._connections)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(first())
    for connection in tornados:  # which has no loop to close them with
        connection.close()
    before = echo.server.engine.driver
    again = TornadoHost(LOOPS[loop])
    again.run(ask(again, echo))
    assert echo.left == [Reason.SHUTDOWN, Reason.TRANSPORT_CLOSE]
    assert echo.is_empty
    assert isinstance(before, AsyncioDriver)
    assert before._guard._stopped.wait(0)
    assert echo.server.stats().closed["server shutting down"] == 4
    for client in clients[:2]:  # the others are connections of Tornado's
        client.setblocking(True)
        while client.recv(1000):
            pass
    for client in clients:
        client.close()


def test_a_loop_that_has_stopped_keeps_its_server_while_somebody_is_connected() -> None:
    echo = Echo()
    host = TornadoHost(LOOPS["asyncio"])

    async def first() -> None:
        await host.start(echo.server)
        await host.websocket()

    async def leave() -> None:
        await host._end()
        await host.until(lambda: not echo.server.engine.sessions)

    async def mount() -> None:
        start(echo.server)

    with asyncio.Runner() as runner:
        runner.run(first())
        with pytest.raises(RuntimeError, match=USED):
            asyncio.run(mount())
        runner.run(leave())
        asyncio.run(mount())


def test_a_call_is_answered_on_the_second_loop_and_the_timers_are_its_own() -> None:
    server = Server(ping_interval=0.01)
    pinged = []

    async def serve(host: TornadoHost) -> None:
        await host.serve(server)
        wire = await host.connect()
        wire.send(opening())
        await wire.answer()
        await wire.text()
        pinged.append(await wire.text())

    for _ in range(2):
        host = TornadoHost(LOOPS["asyncio"])
        host.run(serve(host))
    assert pinged == ["2", "2"]


def test_a_server_that_is_in_use_is_refused_where_another_loop_mounts_it() -> None:
    server = Server()

    async def other(mount: Callable[[], Any]) -> str:
        with pytest.raises(RuntimeError) as refusal:
            mount()
        return str(refusal.value)

    async def serve() -> None:
        site = standalone.Site(bind=[("127.0.0.1", 0)])
        await standalone.serve(server, site, stop=asyncio.Event())

    async def main() -> None:
        start(server)
        for mount in (lambda: routes(server), lambda: Mount(server.engine), lambda: start(server)):
            assert await asyncio.to_thread(asyncio.run, other(mount)) == USED
        with pytest.raises(RuntimeError, match=USED):
            await asyncio.to_thread(asyncio.run, serve())

    asyncio.run(main())


def test_routes_that_were_made_before_the_loop_bind_at_the_first_request() -> None:
    echo = Echo()
    ready = Application(routes(echo.server))
    assert not echo.server.engine._bound
    with pytest.raises(RuntimeError, match="no running event loop"):
        start(echo.server)

    class Early(TornadoHost):
        async def start(self, *mountables: Any) -> None:
            http = ready.listen(0, "127.0.0.1")
            self.http = http
            self.port = next(iter(http._sockets.values())).getsockname()[1]

    for _ in range(2):
        host = Early(LOOPS["asyncio"])
        host.run(ask(host, echo))
    assert echo.left == [Reason.TRANSPORT_CLOSE] * 2


def test_a_server_that_was_closed_on_its_first_loop_closes_on_its_second_too() -> None:
    server = Server()

    async def main() -> None:
        start(server)
        closing = server.close()
        assert server.close() is closing
        await closing
        await drain(server)

    asyncio.run(main())
    asyncio.run(main())


# run


def test_a_server_is_run_twice_in_one_process() -> None:
    server, seen = Server(), []

    def ready(urls: list[str]) -> None:
        seen.append(urls)
        signal.raise_signal(signal.SIGTERM)

    for _ in range(2):
        standalone.run(server, standalone.Site(bind=[("127.0.0.1", 0)]), ready=ready)
    assert len(seen) == 2


def test_run_in_another_thread_leaves_the_signals_alone_and_ends_with_the_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server()
    before = signal.getsignal(signal.SIGTERM)
    running = threading.Event()
    site = standalone.Site(bind=[("127.0.0.1", 0)])
    thread = threading.Thread(target=standalone.run, args=(server, site), kwargs={"ready": lambda _: running.set()})
    thread.start()
    assert running.wait(30)
    assert signal.getsignal(signal.SIGTERM) is before
    server.close().wait(30)
    thread.join(30)
    assert not thread.is_alive()


def test_run_ends_when_a_handler_closes_the_server() -> None:
    server = Server()
    standalone.run(server, standalone.Site(bind=[("127.0.0.1", 0)]), ready=lambda _: server.close())
    assert server.close().done


def test_run_where_a_loop_runs_says_what_to_write() -> None:
    async def main() -> None:
        with pytest.raises(CannotStart) as refusal:
            waterspout.run(Server(), port=0)
        assert str(refusal.value) == (
            "cannot run here: an event loop is running already, as in a notebook or a coroutine; on it, write "
            "tornado.web.Application(waterspout.hosts.tornado.routes(server)).listen(port)"
        )

    asyncio.run(main())
