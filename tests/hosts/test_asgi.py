"""On ASGI: all that any host does, on uvicorn, but for what uvicorn decides by itself."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

import pytest

from hosts.asgi_host import HOSTS, AsgiHost
from hosts.client import opening, request, text
from hosts.suite.bodies import AT_ONCE, Bodies
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.eventsource import EventSources, chunk, head, listen
from hosts.suite.old import Old
from hosts.suite.origins import Origins
from hosts.suite.plain import PlainWebSockets
from hosts.suite.polling import Polling
from hosts.suite.polling import head as head_of
from hosts.suite.refusing import Deciding, Refusing
from hosts.suite.resets import Resets
from hosts.suite.vanishing import Vanishing
from hosts.suite.websocket import WebSocket, echoes
from waterspout import Reason, Server, Socket
from waterspout.hosts import intake
from waterspout.hosts.asgi import App
from waterspout.hosts.asgirequests import OFFER, Event, Paths, Receive, Scope, Send, read
from waterspout.hosts.residence import Residence
from waterspout.hosts.signals import chain
from waterspout.testing import Pair

OURS = "waterspout.hosts.uvicorn"
ROUNDS: dict[str, dict[str, Any]] = {
    "uvicorn": {"loop": "uvloop", "http": "httptools", "ws": "websockets-sansio"},
    "uvicorn-ours": {"loop": "uvloop", "http": f"{OURS}:HttpProtocol", "ws": f"{OURS}:WebSocketProtocol"},
    "uvicorn-h11": {"loop": "asyncio", "http": "h11", "ws": "websockets-sansio"},
    "uvicorn-wsproto": {"loop": "uvloop", "http": "httptools", "ws": "wsproto"},
    "hypercorn": {"loop": "asyncio"},
    "granian": {"loop": "asyncio"},
    "daphne": {"loop": "asyncio"},
}


@pytest.fixture(params=["uvicorn", *(pytest.param(each, marks=pytest.mark.hosts) for each in list(ROUNDS)[1:])])
def host(request: pytest.FixtureRequest) -> AsgiHost:
    return HOSTS[request.param.partition("-")[0]](**ROUNDS[request.param])


class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...


class TestBodies(Bodies): ...


class TestEnding(Ending): ...


class TestEventSources(EventSources): ...


@pytest.mark.hosts
class TestOrigins(Origins): ...


class TestPlainWebSockets(PlainWebSockets): ...


class TestOld(Old): ...


class TestRefusing(Refusing): ...


class TestDeciding(Deciding): ...


class TestVanishing(Vanishing): ...


class TestResets(Resets): ...


# What the suite has otherwise


@pytest.mark.parametrize("eio", [3, 4])
async def test_a_client_changes_to_a_websocket_whose_101_it_waits_for(host: AsgiHost, eio: int) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session(eio=eio)
    session.poll()
    await host.until(lambda: echo.has_parked(session.sid))
    wire = await host.connect()
    wire.send(opening(session.sid, eio=eio))
    assert (await wire.answer()).status == 101
    wire.send(text("2probe"))
    assert await wire.text() == "3probe"
    assert await session.polled() == ("1:6" if eio == 3 else "6")
    wire.send(text("5"))
    assert await echoes(wire)


@pytest.mark.usefixtures("quiet")
async def test_a_refused_websocket_gets_the_reason_and_leaves_no_error_in_the_log(host: AsgiHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(opening("", ("Origin", "http://evil.example")))
    answer = await wire.answer()
    assert (answer.status, b"evil.example" in answer.body) == (403, True)
    if host.server == "uvicorn":  # the others do not close the connection
        assert await wire.rest() == b""
    assert echo.is_empty


async def test_half_a_body_is_answered_with_408_and_ends_the_session(
    host: AsgiHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    monkeypatch.setattr(intake, "BODY_TIMEOUT", AT_ONCE)
    session.posting.send(head_of(session.target(), ("Content-Length", "9")) + b'42["ec')
    assert (await session.posting.answer()).status == 408
    assert await session.posting.rest() == b""
    assert echo.left == [Reason.TRANSPORT_ERROR]
    assert echo.is_empty


async def test_an_event_stream_ends_whole_and_says_when_to_come_back(host: AsgiHost) -> None:
    server = Server()
    prices = server.channel("prices")
    server.expose("/prices", prices)
    await host.serve(server)
    wire, late = await listen(host), await host.connect()
    id = await prices.publish(1)
    assert await chunk(wire) == f"data: 1\nid: {id}\n\n".encode()
    await server.close()
    late.send(request("GET", "/prices"))
    await head(late)
    for each in (wire, late):
        assert (await chunk(each)).startswith(b"retry: ")
        assert await chunk(each) == b""


# Where it is mounted


@pytest.mark.parametrize(
    ("root", "path", "found"),
    [
        ("", "/socket.io/", "/socket.io/"),
        ("", "/other", None),
        ("/api", "/api/socket.io/", "/socket.io/"),
        ("/api", "/socket.io/", "/socket.io/"),  # behind a proxy that has taken the prefix off
        ("/api", "/apisocket.io/", None),
        ("/socket.io", "/socket.io/", "/socket.io/"),
        ("/api/socket.io", "/api/socket.io/", "/socket.io/"),
        ("/api/socket.io", "/api/socket.io/1/", "/socket.io/1/"),
        ("/feed", "/feed/", "/feed"),
        ("/a/feed", "/a/feed", "/feed"),
        ("/feed", "/feed/more", None),
        ("/a b", "/a%20b/socket.io/", "/socket.io/"),
        ("", "/socket%2Eio/", None),
    ],
)
def test_the_path_below_a_mount_counts_and_exactly_at_a_path_of_the_servers_that_path(
    root: str, path: str, found: str | None
) -> None:
    server = Server()
    server.expose("/feed", server.channel("feed"))
    scope = {"type": "http", "root_path": root, "path": path.replace("%20", " "), "raw_path": path.encode()}
    assert Paths(server.engine).find(scope) == found
    del scope["raw_path"]  # which is optional
    assert Paths(server.engine).find(scope) == found


@pytest.mark.parametrize(
    ("root", "sent"),
    [
        ("/café", "/caf%c3%a9/socket.io/"),
        ("/@me", "/%40me/socket.io/"),
        ("/a+b/c", "/a%2Bb/c/socket.io/"),
        ("/a b", "/a b/socket.io/"),  # as uvicorn writes its option --root-path
        ("/a b/socket.io", "/a%20b/socket.io/"),
        ("/~me/socket.io", "/%7Eme/socket.io/1/"),
    ],
)
def test_a_client_may_quote_the_path_of_a_mount_in_its_own_way(root: str, sent: str) -> None:
    scope = {"type": "http", "root_path": root, "path": unquote(sent), "raw_path": sent.encode()}
    assert Paths(Server().engine).find(scope) == sent[sent.index("/socket.io") :]
    assert Paths(Server().engine).find({**scope, "root_path": f"{root}e"}) is None


@pytest.mark.parametrize("root", ["/api", "/a%20b", "/caf%c3%a9"])
def test_a_mount_that_says_nothing_in_root_path_counts_too(root: str) -> None:
    """As Litestar's."""
    scope = {"type": "http", "root_path": "", "path": "/", "raw_path": f"{root}/socket.io/".encode()}
    assert Paths(Server().engine).find(scope) == "/socket.io/"
    assert Paths(Server().engine).find({**scope, "raw_path": f"{root}/other/".encode()}) is None


@pytest.mark.parametrize("sent", ["/Socket.IO/", "/old/", "/%73ocket.io-old/"])
def test_a_path_that_middleware_has_rewritten_counts_as_it_is_now(sent: str) -> None:
    """Also where it has left `raw_path` as it was."""
    scope = {"type": "http", "root_path": "", "path": "/socket.io/", "raw_path": sent.encode()}
    assert Paths(Server().engine).find(scope) == "/socket.io/"
    assert Paths(Server().engine).find({**scope, "path": "/other/", "raw_path": b"/socket%2Eio/"}) is None


@pytest.mark.parametrize(
    ("root", "path", "chosen"),
    [
        ("", "/socket.io/", ("chat", "/socket.io/")),
        ("", "/admin/socket.io/", ("admin", "/admin/socket.io/")),
        ("", "/live/", ("live", "/live/")),
        ("/socket.io", "/socket.io/", ("chat", "/socket.io/")),
        ("/admin/socket.io", "/admin/socket.io/", ("admin", "/admin/socket.io/")),
        ("/admin/socket.io", "/admin/socket.io/1/", ("admin", "/admin/socket.io/1/")),
        ("/api/admin/socket.io", "/api/admin/socket.io/", ("admin", "/admin/socket.io/")),
        ("/api/socket.io", "/api/socket.io/", ("chat", "/socket.io/")),
        ("/admin", "/admin/socket.io/", ("chat", "/socket.io/")),
        ("/admin", "/admin/admin/socket.io/", ("admin", "/admin/socket.io/")),
        ("/socket.io", "/socket.io/live", ("live", "/live")),
        ("/api", "/api/other", None),
    ],
)
def test_of_nested_apps_that_which_serves_the_most_of_the_path_has_it(
    root: str, path: str, chosen: tuple[str, str] | None
) -> None:
    chat, admin, live = Server(), Server(path="/admin/socket.io"), Server(path="/live")
    chat.expose("/socket.io/live", chat.channel("live"))
    last = App(live)
    middle = App(admin, last)
    apps = {"chat": App(chat, middle), "admin": middle, "live": last}
    scope = {"type": "http", "root_path": root, "path": path}
    takers = ((name, found) for name, app in apps.items() if (found := app._paths.find(scope)) is not None)
    assert next(takers, None) == chosen


async def other(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that knows no lifespan."""
    if scope["type"] == "lifespan":
        raise RuntimeError("there is none")
    body = scope["path"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def test_several_servers_share_an_application_and_the_rest_is_anothers(host: AsgiHost) -> None:
    host.application = other
    if host.server == "uvicorn":
        host.options["lifespan"] = "auto"
    one, two = Echo(), Echo(path="/other")
    await host.serve(one.server, two.server)
    first, second = await host.session(), await host.session(path="/other")
    one.server.emit("to", "one")
    two.server.emit("to", "two")
    assert [await first.get(), await second.get()] == ['42["to","one"]', '42["to","two"]']
    assert [await echoes(await host.websocket(path=path)) for path in ("/socket.io", "/other")] == [True, True]
    assert (await (await host.connect()).ask("GET", "/page")).body == b"/page"


async def test_without_another_application_the_rest_is_not_found(host: AsgiHost) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    assert (await wire.ask("GET", "/page")).status == 404
    wire.send(opening(path="/page"))
    assert (await wire.answer()).status == 403


# Whatever the server is: calls by hand


class Call:
    """A call of an application; what it sends is in `sent`."""

    def __init__(self, app: Any, scope: Scope, *events: Event) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        for event in events:
            self.events.put_nowait(event)
        self.sent: list[Event] = []
        self.task = asyncio.ensure_future(app(scope, self.events.get, self._send))

    async def _send(self, event: Event) -> None:
        self.sent.append(event)

    async def done(self) -> list[Event]:
        async with asyncio.timeout(5):
            await self.task
        return self.sent


def http(method: str, query: str, **more: Any) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": "/socket.io/",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        **more,
    }


def sid_of(opened: list[Event]) -> str:
    body: bytes = opened[1]["body"]
    return body.decode().split('"')[3]


def run(test: Any) -> None:
    asyncio.run(test)


def test_a_poll_whose_client_disconnects_ends_its_session() -> None:
    async def test() -> None:
        echo = Echo()
        app = App(echo.server)
        opened = await Call(app, http("GET", "EIO=4&transport=polling")).done()
        sid = sid_of(opened)
        poll = Call(app, http("GET", f"EIO=4&transport=polling&sid={sid}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert echo.has_parked(sid)
        poll.events.put_nowait({"type": "http.disconnect"})
        assert await poll.done() == []
        assert echo.is_empty
        await echo.server.close()

    run(test())


def test_http_2_gets_no_field_of_a_connection_and_needs_none_for_its_body() -> None:
    async def test() -> None:
        echo = Echo(max_payload_bytes=1000)
        echo.server.expose("/feed", echo.server.channel("feed"))
        app = App(echo.server)
        opened = await Call(app, http("GET", "EIO=4&transport=polling", http_version="2")).done()
        post = http("POST", f"EIO=4&transport=polling&sid={sid_of(opened)}", http_version="2")
        part = {"type": "http.request", "body": b"4" * 2000, "more_body": True}
        refused = await Call(app, post, part, part, part).done()
        entered = await Call(app, post, {"type": "http.request", "body": b"40"}).done()
        stream = Call(app, {**http("GET", "", http_version="2"), "path": "/feed"})
        await asyncio.sleep(0.01)
        await echo.server.close()
        streamed = await stream.done()
        assert [sent[0]["status"] for sent in (opened, refused, entered, streamed)] == [200, 413, 200, 200]
        for sent in (opened, refused, entered, streamed):
            names = [name for name, _ in sent[0]["headers"]]
            assert not {b"connection", b"transfer-encoding", b"keep-alive", b"upgrade"} & set(names)
            assert len(names) == len(set(names))

    run(test())


def test_a_server_that_refuses_websockets_by_closing_only_is_enough() -> None:
    async def test() -> None:
        echo = Echo()
        scope = {**http("GET", "EIO=5&transport=websocket"), "type": "websocket"}
        sent = await Call(App(echo.server), scope, {"type": "websocket.connect"}).done()
        assert sent == [{"type": "websocket.close", "code": 1008}]
        assert echo.is_empty
        await echo.server.close()

    run(test())


def test_a_subprotocol_counts_that_the_server_has_taken_out_of_the_header_fields() -> None:
    async def test() -> None:
        echo = Echo()
        echo.server.expose("/ws", echo.server.of("/"))
        scope = {**http("GET", ""), "type": "websocket", "path": "/ws", "subprotocols": ["other", "waterspout.json.v1"]}
        call = Call(App(echo.server), scope, {"type": "websocket.connect"}, {"type": "websocket.disconnect"})
        assert (await call.done())[0]["subprotocol"] == "waterspout.json.v1"
        await echo.server.close()

    run(test())


def test_a_websocket_whose_client_takes_nothing_ends_within_the_close_timeout() -> None:
    """`send` waits for the client, and so would the goodbye behind it."""

    async def test() -> None:
        echo = Echo()
        app = App(echo.server)
        blocked = asyncio.Event()

        async def stuck(event: Event) -> None:
            if event["type"] == "websocket.send":
                blocked.set()
                await asyncio.Event().wait()

        events: asyncio.Queue[Event] = asyncio.Queue()
        events.put_nowait({"type": "websocket.connect"})
        scope = {**http("GET", "EIO=4&transport=websocket"), "type": "websocket"}
        call = asyncio.ensure_future(app(scope, events.get, stuck))
        await blocked.wait()
        Residence.of(app.engine).output.close_timeout = 0.001
        (session,) = echo.server.engine.sessions.values()
        session.close()
        async with asyncio.timeout(5):
            await call
        assert echo.is_empty
        await echo.server.close()

    run(test())


def test_lifespan_starts_and_ends_the_server_and_is_passed_on() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            event = await receive()
            seen.append(event["type"])
            await send({"type": f"{event['type']}.complete"})

    async def test() -> None:
        server = Server()
        server.on_start(lambda: seen.append("start"))
        server.on_stop(lambda: seen.append("stop"))
        call = Call(App(server, inner), {"type": "lifespan"}, {"type": "lifespan.startup"})
        await asyncio.sleep(0.01)
        call.events.put_nowait({"type": "lifespan.shutdown"})
        await call.done()

    run(test())
    assert sorted(seen[:2]) == ["lifespan.startup", "start"]
    assert seen[2:] == ["stop", "lifespan.shutdown"]


def test_beside_an_application_that_knows_no_lifespan_the_server_has_one() -> None:
    """As beside Django's."""
    seen: list[str] = []

    async def test() -> None:
        server = Server()
        server.on_start(lambda: seen.append("start"))
        server.on_stop(lambda: seen.append("stop"))
        events: list[Event] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        assert await Call(App(server, other), {"type": "lifespan"}, *events).done() == [
            {"type": "lifespan.startup.complete"},
            {"type": "lifespan.shutdown.complete"},
        ]

    run(test())
    assert seen == ["start", "stop"]


def test_an_application_that_fails_at_startup_is_believed() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ZeroDivisionError

    async def test() -> None:
        server = Server()
        with pytest.raises(ZeroDivisionError):
            await Call(App(server, inner), {"type": "lifespan"}, {"type": "lifespan.startup"}).done()
        await server.close()

    run(test())


def test_the_lifespan_closes_the_server_also_where_the_application_fails() -> None:
    server, seen = Server(), []
    server.on_stop(lambda: seen.append("stop"))

    async def test() -> None:
        with pytest.raises(ZeroDivisionError):
            async with App(server).lifespan():
                raise ZeroDivisionError
        assert seen == ["stop"]

    run(test())


def test_the_lifespan_leaves_a_server_to_the_clock_of_a_test() -> None:
    server = Server()
    seen: list[str] = []
    server.on_start(lambda: seen.append("start"))
    server.on_stop(lambda: seen.append("stop"))
    pair = Pair(server)

    async def test() -> None:
        async with App(server).lifespan():
            server.emit("news", 1)

    run(test())
    server.emit("news", 2)
    assert pair.peer.events() == [("news", 1), ("news", 2)]
    assert seen == ["start"]
    server.close().wait()
    pair.clock.close()
    run(test())
    assert seen == ["start", "stop"] * 2


VARIABLE: ContextVar[str] = ContextVar("variable", default="nothing")


def test_what_a_call_has_set_is_seen_in_its_own_events_and_in_no_others() -> None:
    seen: list[str] = []

    async def test() -> None:
        echo = Echo()

        @echo.server.on("look")
        def look(socket: Socket) -> None:
            seen.append(VARIABLE.get())

        app = App(echo.server)

        async def marked(scope: Scope, receive: Receive, send: Send) -> None:
            VARIABLE.set(scope.get("mark", "nothing"))
            await app(scope, receive, send)

        opened = await Call(marked, http("GET", "EIO=4&transport=polling", mark="of the first request")).done()
        query = f"EIO=4&transport=polling&sid={sid_of(opened)}"
        for mark, body in [("enter", b"40"), ("one", b'42["look"]'), ("two", b'42["look"]')]:
            scope = {**http("POST", query, mark=mark), "headers": [(b"content-length", b"%d" % len(body))]}
            await Call(marked, scope, {"type": "http.request", "body": body}).done()
        await echo.server.close()

    run(test())
    assert seen == ["one", "two"]


def test_a_stream_whose_client_has_gone_is_not_written_to_the_end() -> None:
    """A server may take all that is sent to a connection that is lost, and never let `send` wait."""

    async def test() -> None:
        echo = Echo(max_outbox_bytes=10_000_000)
        channel = echo.server.channel("feed", start="earliest")
        echo.server.expose("/feed", channel)
        for _ in range(100):
            channel.publish("x" * 50_000)
        app = App(echo.server)
        events: asyncio.Queue[Event] = asyncio.Queue()
        taken = []

        async def take(event: Event) -> None:
            taken.append(event)
            if len(taken) == 3:
                events.put_nowait({"type": "http.disconnect"})

        async with asyncio.timeout(5):
            await app({**http("GET", ""), "path": "/feed"}, events.get, take)
        assert len(taken) < 10
        await echo.server.close()

    run(test())


# The end


def test_a_signal_tells_all_clients_first_and_then_whoever_handled_it() -> None:
    heard: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append("the server's own"))

    async def test() -> None:
        echo = Echo()
        app = App(echo.server)
        opened = await Call(app, http("GET", "EIO=4&transport=polling")).done()
        sid = sid_of(opened)
        poll = Call(app, http("GET", f"EIO=4&transport=polling&sid={sid}"))
        await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        sent = await poll.done()
        assert sent[1]["body"] == b"1"
        await echo.server.close()
        assert Residence.of(app.engine).home is asyncio.get_running_loop()

    try:
        run(test())
        assert heard == ["the server's own"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_function_is_chained_once_and_not_where_nobody_handles_the_signal() -> None:
    calls: list[str] = []

    def end(go_on: Callable[[], object]) -> None:
        calls.append("end")
        go_on()

    async def handler_of_asyncio_run() -> bool:
        before = signal.getsignal(signal.SIGINT)
        chain(end)
        return signal.getsignal(signal.SIGINT) is before

    assert asyncio.run(handler_of_asyncio_run())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with handling(signal.SIG_DFL):
        chain(end)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, lambda number, frame: calls.append("own"))
        chain(end)
        chain(end)
        signal.raise_signal(signal.SIGTERM)
        assert calls == ["end", "own"]


def test_the_handler_that_was_there_waits_for_the_first_signal_and_not_for_the_second() -> None:
    calls: list[str] = []
    waiting: list[Callable[[], object]] = []
    with handling(lambda number, frame: calls.append("own")):
        chain(waiting.append)
        signal.raise_signal(signal.SIGTERM)
        assert calls == []
        waiting[0]()
        waiting[0]()
        assert calls == ["own"]
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert calls == ["own"] * 3
        waiting[1]()
        assert calls == ["own"] * 3


def test_a_signal_waits_for_no_server_whose_loop_does_not_run_any_more() -> None:
    calls: list[str] = []
    app, loop = App(Server()), asyncio.new_event_loop()
    with handling(lambda number, frame: calls.append("own")):
        life = app.lifespan()
        loop.run_until_complete(life.__aenter__())
        signal.raise_signal(signal.SIGTERM)
        assert calls == ["own"]
    loop.run_until_complete(life.__aexit__(None, None, None))
    loop.close()


@contextmanager
def handling(handler: Any) -> Iterator[None]:
    """Let SIGTERM be handled so."""
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("extensions", [{OFFER: lambda output, on_shutdown: None}, {}, None])
def test_the_key_of_a_handshake_is_answered_by_whoever_has_the_connection(extensions: dict[str, Any] | None) -> None:
    fields = [(b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")]
    scope = {"type": "websocket", "path": "/socket.io/", "headers": fields, "extensions": extensions}

    async def key() -> str | None:
        return read(Residence.of(Server().engine), scope, "/socket.io/").header("sec-websocket-key")

    assert (asyncio.run(key()) == "dGhlIHNhbXBsZSBub25jZQ==") is bool(extensions)
