"""uvicorn with WebSockets of ours: who takes a connection, and what uvicorn knows of it."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

from hosts.asgi_host import UvicornHost
from hosts.certificate import Certificate
from hosts.client import HANDSHAKE, opening, request, target, text
from hosts.suite.echo import Echo
from hosts.suite.old import PATH, visit
from hosts.suite.websocket import echoes
from waterspout import Reason
from waterspout.hosts.asgi import App
from waterspout.hosts.asgirequests import AsgiApplication, Receive, Scope, Send
from waterspout.hosts.transportlink import TransportLink

OURS = "waterspout.hosts.uvicorn:WebSocketProtocol"


def links(echo: Echo) -> list[TransportLink]:
    """The connections that an application has taken."""
    return [link for link in echo.server.engine.host.output.open_links if isinstance(link, TransportLink)]


class Mounted(UvicornHost):
    """The server at a path of an application of Starlette's, which has a WebSocket of its own."""

    async def start(self, *mountables: Any) -> None:
        routes = [Mount("/live/socket.io", App(mountables[0])), WebSocketRoute("/theirs/", theirs)]
        await self.serve_application(Starlette(routes=routes, middleware=[Middleware(GZipMiddleware)]))


def on_uvicorn(loop: str = "uvloop", **options: Any) -> UvicornHost:
    return UvicornHost(loop=loop, ws=OURS, **options)


async def theirs(websocket: WebSocket) -> None:
    """Echo one message, as an application that has never heard of us."""
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_an_application_takes_its_connections_below_mounts_and_middleware(loop: str) -> None:
    host = Mounted(loop=loop, ws=OURS)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.websocket(path="/live/socket.io")
        assert len(links(echo)) == 1
        assert await echoes(wire)
        (connection,) = host.uvicorn.server_state.connections
        assert type(connection).__name__ == "WebSocketProtocol"
        await host.until(lambda: not host.uvicorn.server_state.tasks)
        other = await host.connect()
        other.send(opening("", path="/theirs"))
        assert (await other.answer()).status == 101
        other.send(text("hello"))
        assert await other.text() == "hello"
        assert len(links(echo)) == 1
        wire.abort()
        await host.until(lambda: echo.left == [Reason.TRANSPORT_CLOSE])
        other.abort()
        await host.until(lambda: not host.uvicorn.server_state.connections)

    host.run(test())


def test_uvicorns_shutdown_tells_the_clients_and_waits_for_them(caplog: pytest.LogCaptureFixture) -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        wires = [await host.websocket() for _ in range(3)]
        ending = asyncio.ensure_future(host.uvicorn.shutdown(sockets=[host.listener]))
        for wire in wires:
            assert await wire.closing() == 1001
        await ending
        assert echo.left == [Reason.SHUTDOWN] * 3

    host.run(test())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_over_tls(certificate: Certificate) -> None:
    host = on_uvicorn(server_tls=certificate.server, client_tls=certificate.client)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        wire = await host.websocket()
        assert len(links(echo)) == 1
        assert await echoes(wire)
        await echo.server.close()
        assert await wire.closing() == 1001

    host.run(test())


def plain(echo: Echo) -> App:
    return App(echo.server)


def copied(echo: Echo) -> Any:
    """Serve below middleware that copies the whole scope, as `ProxyFixMiddleware` of hypercorn does."""
    app = App(echo.server)

    async def copying(scope: Scope, receive: Receive, send: Send) -> None:
        await app(deepcopy(scope), receive, send)

    return copying


def test_a_scope_may_be_copied_with_all_that_is_in_it() -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo = Echo()
        host._mounted.append(echo.server)
        await host.serve_application(copied(echo))
        assert await echoes(await host.websocket())
        assert len(links(echo)) == 1

    host.run(test())


@pytest.mark.parametrize("application", [plain, copied])
def test_a_client_that_does_not_wait_for_the_answer_is_served_by_uvicorn(
    application: Callable[[Echo], AsgiApplication],
) -> None:
    """Its first frame may lie in uvicorn's own class, which gives it to the application as a message."""
    host = on_uvicorn("asyncio")

    async def test() -> None:
        echo = Echo()
        refused = asyncio.Event()

        async def slow(request: Any) -> None:
            await refused.wait()

        echo.server.on_handshake(slow)
        host._mounted.append(echo.server)
        await host.serve_application(application(echo))
        wire = await host.connect()
        wire.send(opening())
        await host.until(lambda: host.uvicorn.server_state.tasks)
        wire.send(text("40"))
        connection: Any = next(iter(host.uvicorn.server_state.connections))
        await host.until(lambda: not connection.queue.empty() or connection.read_paused)
        refused.set()
        assert (await wire.answer()).status == 101
        assert links(echo) == []
        assert (await wire.text()).startswith("0{")
        assert (await wire.text()).startswith("40{")
        assert await echoes(wire)

    host.run(test())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_page_that_has_not_left_comes_whole_before_the_answer_to_a_handshake_behind_it(loop: str) -> None:
    host = on_uvicorn(loop)
    size = 8_000_000

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"  # it knows no lifespan
        head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}
        await send(head)
        await send({"type": "http.response.body", "body": b"x" * size})

    async def test() -> None:
        echo = Echo()
        host.application = page
        await host.serve(echo.server)
        wire = await host.connect()
        wire.send(request("GET", "/page") + opening())
        await host.until(lambda: echo.server.engine.sessions)
        answer = await wire.answer()
        assert answer.body == b"x" * size
        assert (await wire.answer()).status == 101
        assert (await wire.text()).startswith("0{")

    host.run(test())


def test_a_client_that_takes_nothing_holds_up_its_own_session_only() -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo = Echo(max_outbox_bytes=200_000)
        await host.serve(echo.server)
        slow, quick = await host.websocket(), await host.websocket()
        socket = echo.server.sockets()[0]
        for _ in range(200):
            socket.emit("news", "x" * 60_000)
        await host.until(lambda: echo.left == [Reason.SLOW_CONSUMER])
        assert await echoes(quick)
        del slow

    host.run(test())


@pytest.mark.parametrize("http", ["httptools", "h11", "waterspout.hosts.uvicorn:HttpProtocol"])
def test_a_uvicorn_without_websockets_is_named_in_each_refusal_and_in_a_warning(
    http: str, caplog: pytest.LogCaptureFixture
) -> None:
    host = UvicornHost("uvloop", http=http, ws="none")
    keep_alive = [("Connection", "keep-alive, Upgrade"), *(each for each in HANDSHAKE if each[0] != "Connection")]

    async def test() -> None:
        echo = Echo()
        echo.server.expose("/ws", echo.server.of("/"))
        await host.serve(echo.server)
        old = await visit(await host.connect())
        session = await host.session()
        for path, fields in [
            (target("websocket"), HANDSHAKE),
            (target("websocket", session.sid), keep_alive),
            ("/ws", HANDSHAKE),
            (f"{PATH}/websocket/{old}", HANDSHAKE),
        ]:
            answer = await (await host.connect()).ask("GET", path, *fields)
            assert answer.status == 400
            assert b"the ASGI server serves no WebSockets" in answer.body
            assert b"proxy" not in answer.body
        assert (await (await host.connect()).ask("GET", target("polling"), *HANDSHAKE)).status == 200

    host.run(test())
    (warning,) = [record for record in caplog.records if record.name.startswith("waterspout")]
    assert "pip install 'uvicorn[standard]'" in warning.getMessage()


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ([each for each in HANDSHAKE if each[0] != "Upgrade"], "1.1"),
        ([each for each in HANDSHAKE if each[0] != "Connection"], "1.1"),
        (HANDSHAKE, "1.0"),
    ],
)
def test_a_websocket_of_which_a_proxy_has_dropped_something_is_no_fault_of_uvicorn(fields: Any, version: str) -> None:
    host = UvicornHost("uvloop", ws="none")

    async def test() -> None:
        await host.serve(Echo().server)
        old = await visit(await host.connect())
        for path in (target("websocket"), f"{PATH}/websocket/{old}"):
            wire = await host.connect()
            wire.send(request("GET", path, *fields, version=version))
            assert b"a proxy before the server has probably dropped it" in (await wire.answer()).body

    host.run(test())
