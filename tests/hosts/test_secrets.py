"""No log has the id of a session: every logger there is, at DEBUG, while clients of all generations are refused."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tornado.web import HTTPError

from hosts.client import HANDSHAKE, Session, Wire, opening, request, target, text
from hosts.handler_host import HandlerHost
from hosts.host import Host
from hosts.suite.old import PATH, visit
from hosts.tornado_host import LOOPS, TornadoHost
from hosts.web_host import WebHost
from waterspout import Engine, HandshakeRefused, Request, Server
from waterspout.engine.log import without_secrets
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter
from waterspout.hosts.channelhandlers import EventSource
from waterspout.hosts.handlers import EngineHandler, EngineStreamHandler, EngineWebSocketHandler
from waterspout.server import Channel

LIMIT = 1000
TOO_MUCH = b"x" * (LIMIT + 1)
FAR_TOO_MUCH = b"x" * (4 * LIMIT + 1)

FAILING: list[Callable[[str], bytes]] = [
    lambda sid: request("POST", target("polling", sid), body=b"40"),
    lambda sid: request("GET", target("polling", sid)),
    lambda sid: opening(sid) + text("2probe"),
    lambda sid: request("POST", f"{PATH}/xhr-polling/{sid}", body=b"2::"),
    lambda sid: request("GET", f"{PATH}/xhr-polling/{sid}"),
    lambda sid: request("GET", f"{PATH}/htmlfile/{sid}"),
    lambda sid: request("GET", f"{PATH}/websocket/{sid}", *HANDSHAKE) + text("2::"),
]

broken: set[str] = set()


class Failing:
    """Raises in each method that is `broken`."""

    def prepare(self) -> Any:
        self.fail_in("prepare")
        return super().prepare()  # type: ignore[misc]

    def get(self, *args: Any, **kwargs: Any) -> Any:
        self.fail_in("get")
        return super().get(*args, **kwargs)  # type: ignore[misc]

    def post(self, *args: Any, **kwargs: Any) -> Any:
        self.fail_in("post")
        if "refuse" in broken:
            raise HTTPError(403, "not %s", "today")
        return super().post(*args, **kwargs)  # type: ignore[misc]

    def answer(self, response: Any) -> Any:
        self.fail_in("answer")
        return super().answer(response)  # type: ignore[misc]

    def begin(self, *args: Any) -> Any:
        self.fail_in("begin")
        return super().begin(*args)  # type: ignore[misc]

    def finish(self, chunk: Any = None) -> Any:
        self.fail_in("finish")
        return super().finish(chunk)  # type: ignore[misc]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.fail_in("write_error")
        super().write_error(status_code, **kwargs)  # type: ignore[misc]

    def fail_in(self, name: str) -> None:
        if name in broken:
            raise LookupError(name)


class FailingStreamHandler(Failing, EngineStreamHandler): ...


class FailingWebSocketHandler(Failing, EngineWebSocketHandler): ...


class FaceHost(TornadoHost):
    def routes(self, mountable: Server | Engine) -> list[Any]:
        return ROUTERS[mountable].urls


ROUTERS: dict[Any, TornadioRouter] = {}


def face() -> Engine:
    """Return the engine of an application of TornadIO2."""
    router = TornadioRouter(SocketConnection, {"max_payload_bytes": LIMIT})
    ROUTERS[router.engine] = router
    return router.engine


HANDLERS: dict[str, type[EngineHandler]] = {
    "streams": EngineStreamHandler,
    "websockets": EngineWebSocketHandler,
    "failing streams": FailingStreamHandler,
    "failing websockets": FailingWebSocketHandler,
}
OTHERS: dict[str, type[Host]] = {"routes": TornadoHost, "serve": WebHost, "face": FaceHost}


def make(kind: str, loop: str) -> Host:
    if kind in OTHERS:
        return OTHERS[kind](LOOPS[loop])
    host = HandlerHost(LOOPS[loop])
    host.handler = HANDLERS[kind]
    return host


@pytest.fixture(params=["routes-asyncio", "serve-uvloop", "face-uvloop", "streams-asyncio"])
def host(request: pytest.FixtureRequest) -> Host:
    return make(*request.param.split("-"))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """All that was logged, with tracebacks."""
    written = logging.Formatter("%(name)s %(message)s")
    return [written.format(record) for record in caplog.records]


async def say(wire: Wire, data: bytes) -> None:
    """Send something to which nobody has to answer, and read to the end."""
    wire.send(data)
    wire.end()
    await asyncio.wait_for(wire.rest(), 10)


async def modern(host: Host, eio: int) -> list[str]:
    """Do what a client of 1.x to 4.x may do wrong; return the ids of its sessions."""
    sids = []

    async def session() -> Session:
        new = Session(await host.connect(), await host.connect(), eio=eio)
        await new.open()
        sids.append(new.sid)
        return new

    for method, more, body in [
        ("POST", "", b"what"),
        ("POST", "", TOO_MUCH),
        ("POST", "", FAR_TOO_MUCH),
        ("POST", "&j=x", b"d=4"),
        ("PUT", "", b""),
        ("DELETE", "&token=hush", b""),
        ("OPTIONS", "", b""),
        ("GET", "&sid=again", b""),
    ]:
        one = await session()
        await say(await host.connect(), request(method, one.target() + more, body=body))
    one = await session()
    one.poll()
    await say(await host.connect(), request("GET", one.target()))
    await say(await host.connect(), request("GET", one.target(), ("Origin", "http://evil.example")))
    await say(await host.connect(), request("GET", one.target(), *[("X", "a")] * 100))
    for frames in (text("2probe", "5", "4[broken"), text("what"), b"\xff"):
        one = await session()
        await say(await host.connect(), opening(one.sid, eio=eio) + frames)
    await say(await host.connect(), opening(one.sid, ("Sec-WebSocket-Version", "12"), eio=eio))
    return sids


async def old(host: Host) -> list[str]:
    """Do what a client of 0.7 to 0.9 may do wrong; return the ids of its sessions."""
    sids = []
    for method, below, body in [
        ("GET", "/xhr-polling/{}?t=1&token=hush", b""),
        ("POST", "/xhr-polling/{}", b"what"),
        ("POST", "/xhr-polling/{}", TOO_MUCH),
        ("POST", "/xhr-polling/{}/", FAR_TOO_MUCH),
        ("POST", "/jsonp-polling/{}", b"what"),
        ("GET", "/jsonp-polling/{}", b""),
        ("GET", "/jsonp-polling/{}?i=x", b""),
        ("GET", "/htmlfile/{}", b""),
        ("PUT", "/xhr-polling/{}", b""),
        ("OPTIONS", "/xhr-polling/{}", b""),
        ("GET", "//{}/?disconnect=1", b""),
    ]:
        sid = await visit(await host.connect())
        sids.append(sid)
        await say(await host.connect(), request(method, PATH + below.format(sid), body=body))
        await say(await host.connect(), request("GET", PATH + below.format(sid), *[("X", "a")] * 101))
    for frames in (text("what"), b"\xff"):
        sids.append(await visit(await host.connect()))
        where = f"{PATH}/websocket/{sids[-1]}"
        await say(await host.connect(), request("GET", where, *HANDSHAKE) + frames)
        await say(await host.connect(), request("GET", where))
    return sids


async def attack(host: Host, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Let clients of all generations do what they may do wrong, and return what was logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().slow_callback_duration = 0  # a loop that is debugged describes each callback
    sids = [*await modern(host, 3), *await modern(host, 4), *await old(host)]
    said = lines(caplog)
    assert len(set(sids)) == len(sids) > 30
    assert [line for line in said if any(sid in line for sid in sids) or "hush" in line] == []
    return said


async def test_no_log_has_the_id_of_a_session(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    broken.clear()
    asyncio.get_running_loop().set_debug(type(host) is TornadoHost)
    await host.serve(face() if isinstance(host, FaceHost) else Server(max_payload_bytes=LIMIT))
    said = await attack(host, caplog)
    assert [line for line in said if line.startswith("waterspout.engine ")]
    if isinstance(host, HandlerHost | FaceHost):
        assert [line for line in said if line.startswith("tornado.access 413 POST /socket.io/?sid=")]


QUERY = "token=hush&last_event_id=hush-1"


class ChannelHost(TornadoHost):
    """Channels behind handlers of the application's own."""

    def routes(self, mountable: Server | Engine) -> list[Any]:
        assert isinstance(mountable, Server)
        prices, news = mountable.channel("prices"), mountable.channel("news")
        return [
            ("/prices", EventSource, {"channel": prices}),
            ("/both", EventSource, {"channel": [prices, news]}),
            ("/failing", FailingEventSource, {"server": mountable}),
            ("/refusing", RefusingEventSource, {"server": mountable}),
            ("/nothing", EventSource, {"server": mountable}),
        ]


class FailingEventSource(EventSource):
    def channels(self) -> Any:
        raise LookupError("failing")


class RefusingEventSource(EventSource):
    def channels(self) -> Any:
        raise HTTPError(403)


def expose(server: Server) -> None:
    """Expose what `ChannelHost` has behind handlers."""
    prices, news = server.channel("prices"), server.channel("news")
    server.expose("/prices", prices).on_subscribe(lambda subscriber: 1 / 0)
    server.expose("/both", [prices, news])
    server.expose("/failing", lambda request: 1 / 0)
    server.expose("/nothing", lambda request: None)

    @server.expose("/refusing")
    def refuse(request: Request) -> Channel:
        raise HandshakeRefused(403)


@pytest.mark.parametrize(
    "host", [TornadoHost(LOOPS["asyncio"]), WebHost(LOOPS["uvloop"]), ChannelHost(LOOPS["asyncio"])]
)
async def test_no_log_has_the_query_of_an_exposed_path_or_a_last_id(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = Server()
    if not isinstance(host, ChannelHost):
        expose(server)
    await host.serve(server)
    sids: set[str] = set()
    last = ("Last-Event-ID", "hush-2")
    for path in ("/prices", "/both", "/failing", "/refusing", "/nothing"):
        target = f"{path}?{QUERY}"
        for method, fields in [
            ("GET", [last]),
            ("HEAD", [last]),
            ("POST", [last]),
            ("OPTIONS", [last]),
            ("GET", [("Origin", "http://evil.example")]),
            ("GET", [("Accept", "text/html")]),
            ("GET", [("X", "a")] * 101),
            ("GET", [*HANDSHAKE]),
            ("GET", [*HANDSHAKE, ("Sec-WebSocket-Version", "12")]),
        ]:
            wire = await host.connect()
            wire.send(request(method, target, *fields))
            await wire.reader.read(1)
            sids.update(server.engine.sessions)
            wire.send(text("what", '{"event": "hush"}'))
            await say(wire, b"")
    closing = await host.connect()
    await server.close()
    await say(closing, request("GET", f"/prices?{QUERY}"))
    said = lines(caplog)
    assert len(sids) >= 2
    assert [line for line in said if any(sid in line for sid in sids) or "hush" in line] == []
    for what in ("speaks EventSource", "ended: transport close", "is refused with 403", "Error"):
        assert [line for line in said if what in line], what


@pytest.mark.parametrize("host", [f"{name}-asyncio" for name in HANDLERS if "failing" in name], indirect=True)
@pytest.mark.parametrize("way", ["prepare", "get", "post", "refuse", "answer", "begin", "finish", "write_error"])
async def test_what_a_handler_raises_is_logged_without_it_too(
    host: HandlerHost, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    await host.serve(Server())
    caplog.set_level(logging.DEBUG)
    sids = []
    for ask in FAILING:
        broken.clear()
        if b"/1/" in ask(""):
            sids.append(await visit(await host.connect()))
        else:
            session = Session(await host.connect(), await host.connect())
            await session.open()
            sids.append(session.sid)
        broken.update({way, "get", "post"} if way == "write_error" else {way})
        await say(await host.connect(), ask(sids[-1]))
    broken.clear()
    said = lines(caplog)
    assert [line for line in said if ("not today" if way == "refuse" else "LookupError") in line]
    assert [line for line in said if any(sid in line for sid in sids)] == []


@pytest.mark.parametrize(
    ("asked", "logged"),
    [
        ("/socket.io/?EIO=4&transport=polling&sid=abcdefgh&t=1", "/socket.io/?sid=abcd..."),
        ("/socket.io?sid=abcdefgh", "/socket.io?sid=abcd..."),
        ("/socket.io/?token=hush", "/socket.io/"),
        ("/socket.io/?xsid=secret&sid=&a", "/socket.io/"),
        ("/socket.io/1/?t=1", "/socket.io/1/"),
        ("/socket.io/1/xhr-polling/abcdefgh", "/socket.io/1/xhr-polling/abcd..."),
        ("/socket.io/1//abcdefgh/?disconnect=1", "/socket.io/1//abcd..."),
        ("/socket.io/1/xhr-polling/abcdefgh/abcdefgh?x", "/socket.io/1/xhr-polling/abcd..."),
        ("/socket.io/1/xhr-polling/", "/socket.io/1/xhr-polling/"),
        ("/elsewhere?sid=abcdefgh", "/elsewhere?sid=abcd..."),
        ("", ""),
    ],
)
def test_a_target_is_logged_with_the_start_of_an_id_alone(asked: str, logged: str) -> None:
    assert without_secrets(asked, "/socket.io") == logged
    assert without_secrets(f"HTTP://here.example:80{asked}", "/socket.io") == (logged or "/")
    assert without_secrets(target("polling", "abcdefgh"), "/socket.io") == "/socket.io/?sid=abcd..."
