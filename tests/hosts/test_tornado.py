"""Inside Tornado: all that any host does, and what belongs to Tornado alone."""

import asyncio
import gzip
import logging
import random
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

from engine.toyroute import ToyRoute
from hosts.certificate import Certificate
from hosts.client import Session, Wire, opening, request, target, text
from hosts.host import sockets
from hosts.suite.compression import Compression
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.eventsource import EventSources
from hosts.suite.old import Old, OldDrafts, post, visit
from hosts.suite.origins import Origins
from hosts.suite.plain import PlainWebSockets
from hosts.suite.polling import Polling
from hosts.suite.refusing import HANDSHAKES, Deciding, Guard, Refusing
from hosts.suite.resets import Resets
from hosts.suite.vanishing import Vanishing, connected, half_close, reset
from hosts.suite.websocket import WebSocket, echoes
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout import Request, Server, Socket
from waterspout.engine import Session as EngineSession
from waterspout.hosts import link, tornado
from waterspout.hosts.tornado import Mount, drain, routes, serve


def rounds(*kinds: str) -> list[Any]:
    """The first one is part of every run, the others of the full matrices."""
    return [kinds[0], *(pytest.param(kind, marks=pytest.mark.hosts) for kind in kinds[1:])]


def on(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("host", rounds(*kinds), indirect=True)


@pytest.fixture(params=rounds("uvloop-tls", "uvloop-tcp", "uvloop-unix", "asyncio-tcp", "asyncio-tls", "asyncio-unix"))
def host(request: pytest.FixtureRequest) -> TornadoHost:
    loop, kind = request.param.split("-")
    match kind:
        case "tls":
            certificate: Certificate = request.getfixturevalue("certificate")
            return TornadoHost(LOOPS[loop], server_tls=certificate.server, client_tls=certificate.client)
        case "unix":
            folder: Path = request.getfixturevalue("tmp_path")
            return TornadoHost(LOOPS[loop], unix=str(folder / "socket"))
    return TornadoHost(LOOPS[loop])


@on("uvloop-tls", "asyncio-tcp", "uvloop-unix")
class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...


@on("uvloop-tls", "asyncio-tcp", "uvloop-unix")
class TestCompression(Compression): ...


class TestEnding(Ending): ...


@on("uvloop-tls", "asyncio-tcp", "uvloop-unix")
class TestEventSources(EventSources): ...


@pytest.mark.hosts
@on("uvloop-tls", "asyncio-tcp")
class TestOrigins(Origins): ...


class TestPlainWebSockets(PlainWebSockets): ...


@on("uvloop-tls", "asyncio-tcp", "uvloop-tcp", "asyncio-tls", "uvloop-unix")
class TestOld(Old): ...


@on("uvloop-tls", "asyncio-tcp", "uvloop-tcp", "asyncio-tls")
class TestOldDrafts(OldDrafts): ...


@on("uvloop-tls", "asyncio-tcp", "uvloop-unix")
class TestRefusing(Refusing): ...


@on("uvloop-tls", "asyncio-tcp")
class TestDeciding(Deciding): ...


@on("uvloop-tls", "asyncio-tcp", "uvloop-tcp", "uvloop-unix")
class TestVanishing(Vanishing): ...


tcp = on("asyncio-tcp", "uvloop-tcp")


@tcp
class TestResets(Resets): ...


@tcp
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("visits", [300, pytest.param(10_000, marks=pytest.mark.long)])
async def test_connects_resets_and_half_closes_leave_no_session_and_no_descriptor(
    host: TornadoHost, visits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LINGER", 0.05)
    echo = Echo()
    await host.serve(echo.server)
    neighbour, polling = await host.websocket(), await host.connect()
    before = sockets()
    chance = random.Random(visits)
    for _ in range(visits):
        await visit_and_vanish(host, polling, chance)
    await host.until(lambda: len(echo.server.engine.sessions) == 1 and sockets() == before)
    assert await echoes(neighbour)


CONVERSATION = opening() + text("40", '420["echo",1]', '42["echo","and more"]')


async def visit_and_vanish(host: TornadoHost, polling: Wire, chance: random.Random) -> None:
    """Say a part of a conversation, with a turn between any two of its bytes, and go in some way."""
    whole = CONVERSATION
    least = 0
    if chance.random() < 0.4:
        session = Session(polling, polling)
        await session.open()
        poll, post = request("GET", session.target()), request("POST", session.target(), body=b"40")
        whole, least = chance.choice([(poll + b"GET /", len(poll)), (post[:-1], post.index(b"\r\n\r\n") + 4)])
    size = chance.randint(least, len(whole))
    with connected(host) as client:
        for piece in cut(whole[:size], chance):
            client.sendall(piece)
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        chance.choice([reset, reset, half_close, socket.socket.close])(client)
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)


def cut(whole: bytes, chance: random.Random) -> list[bytes]:
    at = sorted(chance.randint(0, len(whole)) for _ in range(chance.randrange(3)))
    return [whole[start:end] for start, end in zip([0, *at], [*at, len(whole)], strict=True)]


class Page(RequestHandler):
    """A handler of the user's own."""

    def get(self) -> None:
        self.write("a page")

    post = get


class Missing(RequestHandler):
    """The user's own page for what is not there."""

    def prepare(self) -> None:
        self.set_status(404)
        self.finish("my own 404")


@tcp
async def test_other_handlers_and_the_users_own_404_are_as_they_were(host: TornadoHost) -> None:
    host.other_routes = [("/page", Page)]
    host.settings = {"default_handler_class": Missing}
    await host.serve(Echo().server)
    wire = await host.connect()
    assert (await wire.ask("GET", "/page")).body == b"a page"
    for path in ("/", "/socket.iox/", "/socket.io/x", "/socketxio/", "/x/socket.io/"):
        answer = await wire.ask("GET", path)
        assert (answer.status, answer.body) == (404, b"my own 404")
    assert (await wire.ask("GET", target("polling"))).body.startswith(b'0{"sid":')
    assert (await wire.ask("GET", target("polling").replace("/?", "?"))).body.startswith(b'0{"sid":')


@tcp
async def test_an_application_that_checks_xsrf_cookies_checks_its_own_forms_only(host: TornadoHost) -> None:
    host.other_routes = [("/page", Page)]
    host.settings = {"xsrf_cookies": True}
    await host.serve(Echo().server)
    session = await host.session()
    assert (await session.post('420["echo",1]')).body == b"ok"
    assert (await post(host, await visit(await host.connect()), "3:::of 0.9")).body == b"1"
    assert (await session.polling.ask("POST", "/page")).status == 403


@tcp
async def test_several_servers_share_an_application_and_know_nothing_of_each_other(host: TornadoHost) -> None:
    one, other = Echo(), Echo(path="/other")
    await host.serve(one.server, other.server)
    first, second = await host.session(), await host.session(path="/other")
    stolen = Session(await host.connect(), await host.connect(), path="/other")
    stolen.sid = first.sid
    assert (await stolen.post('42["echo","stolen"]')).status == 400
    one.server.emit("to", "one")
    other.server.emit("to", "other")
    assert [await first.get(), await second.get()] == ['42["to","one"]', '42["to","other"]']
    wires = [await host.websocket(), await host.websocket(path="/other")]
    assert [await echoes(wire) for wire in wires] == [True, True]
    assert (len(one.server.sockets()), len(other.server.sockets())) == (2, 2)


@tcp
async def test_one_server_may_be_in_several_applications_of_a_loop(host: TornadoHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    http = host.http
    wire = await host.websocket()
    await host.start(echo.server)
    assert await echoes(await host.websocket())
    assert await echoes(wire)
    http.stop()
    await http.close_all_connections()


@tcp
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_route_is_served_whether_it_was_added_before_or_after_the_application_was_made(
    host: TornadoHost, when: str
) -> None:
    echo, prices = Echo(), ToyRoute("/prices", b"19.99")
    if when == "before":
        echo.server.engine.add_route(prices)  # type: ignore[arg-type]
    host.other_routes = [("/page", Page), *routes(echo.server), ("/prices/?", Page), ("/runs/.*", Page)]
    await host.serve()
    wire = await host.connect()
    if when == "after":
        assert (await wire.ask("GET", "/prices")).body == b"a page"
        echo.server.engine.add_route(prices)  # type: ignore[arg-type]
    assert (await wire.ask("GET", "/prices")).body == b"19.99"
    assert (await wire.ask("POST", "http://localhost/prices", body=b" EUR")).body == b"19.99 EUR"
    for path in ("/page", "/prices/", "/runs/1"):
        assert (await wire.ask("GET", path)).body == b"a page"
    assert (await wire.ask("GET", "/price")).status == 404
    echo.server.engine.add_route(ToyRoute("/page"))  # type: ignore[arg-type]
    assert (await wire.ask("GET", "/page")).body == b"a page"  # it stands before the server's routes
    assert await echoes(await host.websocket())


@tcp
async def test_what_is_registered_after_the_mount_is_served(host: TornadoHost) -> None:
    server, seen = Server(), list[str]()
    await host.serve(server)
    before = await host.websocket()
    server.on("say")(lambda socket: seen.append("say"))
    server.use(lambda socket, auth: seen.append("step"))
    server.on_start(lambda: seen.append("start"))
    server.of("/chat").on("say")(lambda socket: socket.emit("said", socket.namespace))
    server.of(re.compile("/room-.*")).on("say")(lambda socket: socket.emit("said", socket.namespace))
    await host.websocket()
    before.send(text('42["say"]'))
    for name in ("/chat", "/room-1"):
        before.send(text(f"40{name},", f'42{name},["say"]'))
        assert (await before.text()).startswith(f"40{name},")
        assert await before.text() == f'42{name},["said","{name}"]'
    assert seen == ["start", "step", "say"]


@tcp
async def test_no_log_names_the_id_of_a_session(host: TornadoHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    wire = await host.connect()
    wire.send(opening(session.sid) + text("2probe", "5", "4[broken"))
    await wire.rest()
    assert (await session.post("x")).status == 400
    assert (await session.polling.ask("PUT", session.target())).status == 400
    assert [record.getMessage() for record in caplog.records if session.sid in record.getMessage()] == []


@tcp
async def test_the_address_is_the_one_that_tornado_trusts(host: TornadoHost) -> None:
    host.options = {"xheaders": True}
    echo = Echo()
    addresses: list[str] = []
    echo.server.on_connect(lambda socket, auth: addresses.append(socket.request.remote_address))
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening("", ("X-Real-Ip", "192.0.2.7"), eio=3))
    assert (await wire.answer()).status == 101
    await wire.text()
    assert addresses == ["192.0.2.7"]


PROXIED = (("X-Forwarded-For", "6.6.6.6, 192.0.2.7"), ("X-Real-Ip", "192.0.2.8"), ("X-Forwarded-Proto", "https"))
PEERS = {"tcp": "127.0.0.1", "tls": "127.0.0.1", "unix": "unix"}


@pytest.mark.parametrize("xheaders", [False, True])
@pytest.mark.parametrize("trusted", [(), 1, 2, "127.0.0.1", "unix", "192.0.2.0/24", ["127.0.0.1", "unix", "192.0.2.7"]])
@pytest.mark.parametrize("host", ["asyncio-tcp", "uvloop-tls", "asyncio-unix"], indirect=True)
async def test_forwarded_fields_count_once_and_only_from_trusted_proxies(
    host: TornadoHost, trusted: Any, xheaders: bool, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["host"].split("-")[1]
    host.options = {"xheaders": xheaders}
    echo = Echo(trusted_proxies=trusted)
    seen: list[tuple[str, bool | None]] = []

    @echo.server.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        seen.append((socket.request.remote_address, socket.request.secure))

    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening("", *PROXIED, eio=3))
    assert (await wire.answer()).status == 101
    await wire.text()
    own = True if kind == "tls" else None
    if trusted == ():
        expected = ("192.0.2.8", True) if xheaders else (PEERS[kind], own)
    elif trusted == 1 or trusted == PEERS[kind]:
        expected = ("192.0.2.7", True)
    elif isinstance(trusted, list) or trusted == 2:
        expected = ("6.6.6.6", True)
    else:
        expected = (PEERS[kind], own)
    assert seen == [expected]


PAGE = "https://page.example"


@tcp
@pytest.mark.parametrize("size", ["a little", "far"])
@pytest.mark.parametrize("sid", [True, False])
async def test_a_page_of_another_origin_may_read_that_its_body_was_too_large(
    host: TornadoHost, size: str, sid: bool
) -> None:
    echo = Echo(max_payload_bytes=1000, cors_origins=PAGE)
    await host.serve(echo.server)
    session = await host.session()
    body = b"4" * {"a little": 1001, "far": 4001}[size]
    where = session.target() if sid else target("polling")
    wire = await host.connect()
    answer = await wire.ask("POST" if sid else "GET", where, ("Origin", PAGE), body=body)
    assert answer.status == 413
    assert b"the body is larger than the 1000 bytes of max_payload_bytes" in answer.body
    assert answer.field("access-control-allow-origin") == PAGE
    assert (answer.field("cache-control"), answer.field("x-content-type-options")) == ("no-store", "nosniff")
    assert (await session.post('420["echo",7]')).body == b"ok"


@tcp
async def test_the_log_says_what_a_client_did_by_layer(host: TornadoHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "waterspout")
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening(eio=4, more="&token=secret"))
    await wire.answer()
    await wire.text()
    wire.send(text('40{"password":"secret"}'))
    await wire.text()
    (session,) = echo.server.engine.sessions
    wire.send(text('420["echo","secret"]', "1"))
    await wire.rest()
    other = await host.connect()
    await other.ask("GET", target("carrier pigeon".replace(" ", "%20")), ("Cookie", "a=secret"))
    await other.ask("GET", target("polling", session))
    await host.until(lambda: len(caplog.records) >= 6)
    start, address = session[:4], host.address
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("waterspout.engine", "DEBUG", f"session {start}... speaks Engine.IO 4 over websocket"),
        ("waterspout.server", "DEBUG", f"session {start}... has entered '/'"),
        ("waterspout.engine", "DEBUG", f"session {start}... ended: transport close"),
        ("waterspout.server", "DEBUG", f"session {start}... has left '/'"),
        (
            "waterspout.engine",
            "INFO",
            f"a request from {address} is refused with 400: "
            "transport is 'carrier pigeon': this server offers polling or websocket",
        ),
        (
            "waterspout.engine",
            "INFO",
            f"a request from {address} is refused with 400: the session is over, or another server has it",
        ),
    ]


@tcp
async def test_native_is_tornados_request(host: TornadoHost) -> None:
    natives: list[Any] = []

    class Asking(Guard):
        def open(self, session: EngineSession, request: Request) -> None:
            natives.append(request.native)

    guard = Asking()
    await host.serve(guard.engine)
    for handshake in HANDSHAKES.values():
        wire = await host.connect()
        wire.send(handshake(""))
        assert (await wire.answer()).status in (101, 200)
    assert [type(native) for native in natives] == [HTTPServerRequest] * len(HANDSHAKES)
    assert [session.request.native for session in guard.engine.sessions.values()] == [None] * len(HANDSHAKES)


@tcp
async def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(host: TornadoHost) -> None:
    host.options = {"decompress_request": True}
    echo = Echo(max_payload_bytes=10_000)
    await host.serve(echo.server)
    session = await host.session()
    packed = ("Content-Encoding", "gzip")
    bomb = gzip.compress(b"4" * 10_000_000)
    answer = await session.posting.ask("POST", session.target(), packed, body=bomb)
    assert len(bomb) < 10_000
    assert answer.status == 413
    small = gzip.compress(b'420["echo",1]')
    session.posting = await host.connect()
    assert (await session.posting.ask("POST", session.target(), packed, body=small)).body == b"ok"
    assert await session.get() == "430[1]"


@tcp
async def test_a_mount_is_drained_when_its_websockets_have_closed(
    host: TornadoHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LINGER", 0.05)  # s
    echo = Echo()
    await Mount(echo.server.engine).residence.drain()  # nobody has come yet
    (route,) = routes(echo.server)
    host.other_routes = [route]
    await host.serve()
    wire = await host.websocket()
    await echo.server.close()
    drained = asyncio.ensure_future(route[1].residence.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not drained.done()
    assert await wire.closing() == 1001
    await drained


def test_two_servers_at_one_path_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    Application([*routes(Server()), *routes(Server(path="/other"))])
    assert caplog.records == []
    Application([*routes(Server()), *routes(Server())])
    assert "Multiple handlers named a server at /socket.io" in caplog.text


@tcp
async def test_a_server_is_drained_wherever_it_is_mounted(host: TornadoHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "LINGER", 0.05)  # s
    echo, other = Echo(), Echo(path="/other")
    await drain(echo.server)  # nobody has come yet
    host.other_routes = [*routes(other.server), *routes(echo.server), *routes(echo.server.engine)]
    await host.serve()
    wire = await host.websocket()
    elsewhere = await host.websocket(path="/other")
    await echo.server.close()
    drained = asyncio.ensure_future(drain(echo.server))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not drained.done()
    assert await wire.closing() == 1001
    await drained
    assert await echoes(elsewhere)  # it is no business of another server's


@tcp
async def test_a_server_is_served_until_it_is_closed_and_its_websockets_are_too(
    host: TornadoHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LINGER", 0.05)  # s
    echo = Echo()
    serving = asyncio.ensure_future(serve(echo.server))
    host.other_routes = routes(echo.server)
    await host.serve()
    wire = await host.websocket()
    assert not serving.done()
    await echo.server.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not serving.done()
    assert await wire.closing() == 1001
    await serving


@tcp
async def test_a_program_whose_task_is_cancelled_ends_its_server(host: TornadoHost) -> None:
    echo = Echo()
    serving = asyncio.ensure_future(serve(echo.server))
    host.other_routes = routes(echo.server)
    await host.serve()
    wire = await host.websocket()
    serving.cancel()
    assert await wire.closing() == 1001
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert echo.is_empty


@tcp
async def test_a_client_that_does_not_take_the_end_is_cut(
    host: TornadoHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tornado, "CLOSE_TIMEOUT", 0)  # s
    echo = Echo()
    serving = asyncio.ensure_future(serve(echo.server))
    host.other_routes = routes(echo.server)
    await host.serve()
    wire = await host.websocket()
    signal.raise_signal(signal.SIGTERM)
    await serving
    assert "some clients had not taken what was sent to them within 0 s" in caplog.text
    assert (await wire.rest())[:4] in (b"", b"\x88\x02\x03\xe9")


@tcp
async def test_what_is_left_of_a_mount_can_be_cut(host: TornadoHost) -> None:
    echo = Echo()
    (route,) = routes(echo.server)
    route[1].residence.cut()  # nobody has come yet
    host.other_routes = [route]
    await host.serve()
    wire = await host.websocket()
    await echo.server.close()
    route[1].residence.cut()
    await route[1].residence.drain()
    assert (await wire.rest())[:4] in (b"", b"\x88\x02\x03\xe9")
