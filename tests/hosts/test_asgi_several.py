"""Several servers in one ASGI application, as processes: each client reaches its own, and all of them start and end."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from hosts.asgi_site import CODES, COMMANDS, Site, running
from hosts.client import text
from hosts.suite.eventsource import chunk

Told = TypeVar("Told")

COMMON = """
from contextlib import AsyncExitStack, asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from waterspout import Server
from waterspout.hosts.asgi import App


def told(request):
    for name, server in servers.items():
        server.emit("told", name)
    prices.publish("by the third")
    return PlainTextResponse("the page")


@asynccontextmanager
async def life(app):
    print("the page starts", flush=True)
    yield
    print("the page ends", flush=True)


servers = {"chat": Server(), "admin": Server(path=ADMIN), "live": Server()}
for name, server in servers.items():
    server.on_start(lambda name=name: print(name, "starts", flush=True))
    server.on_stop(lambda name=name: print(name, "ends", flush=True))
    server.on("who")(lambda socket, name=name: name)
chat, admin, live = servers.values()
prices = live.channel("prices")
live.expose("/ws", live.of("/"))
live.expose("/news", prices)
page = Route("/page", told, methods=["POST"])
"""
LAYOUTS = {
    "nested": (
        'ADMIN = "/admin/socket.io"',
        "app = App(chat, App(admin, App(live, Starlette(routes=[page], lifespan=life))))",
        ("/socket.io", "/admin/socket.io", "/ws", "/news"),
    ),
    "mounted": (
        'ADMIN = "/socket.io"',
        """
apps = {"/socket.io": App(chat), "/admin": App(admin), "/live": App(live)}


@asynccontextmanager
async def lives(app):
    async with AsyncExitStack() as stack:
        for each in apps.values():
            await stack.enter_async_context(each.lifespan())
        await stack.enter_async_context(life(app))
        yield


app = Starlette(routes=[page, *(Mount(path, each) for path, each in apps.items())], lifespan=lives)
""",
        ("/socket.io", "/admin/socket.io", "/live/ws", "/live/news"),
    ),
    "mounted twice": (
        'ADMIN = "/admin/socket.io"',
        """
inner = App(live)
middle = App(admin, inner)
outer = App(chat, middle)


@asynccontextmanager
async def lives(app):
    async with AsyncExitStack() as stack:
        for each in (outer, middle, inner):
            await stack.enter_async_context(each.lifespan())
        await stack.enter_async_context(life(app))
        yield


mounts = [Mount(path, outer) for path in ("/socket.io", "/admin/socket.io", "/live")]
app = Starlette(routes=[page, *mounts], lifespan=lives)
""",
        ("/socket.io", "/admin/socket.io", "/live/ws", "/live/news"),
    ),
}
"""How the servers are put together: a line before what is common, the lines behind it, and the paths of each kind."""


async def unless_cut(end: Awaitable[Told]) -> Told | None:
    """Return what a client is told at the end; None if its connection is cut."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        return await end
    return None


async def visit(site: Site, kind: str, paths: tuple[str, ...]) -> None:
    """Enter all servers in all ways, be told by each only its own, and all the end."""
    *engines, plain_path, news = paths
    names = ["chat", "admin"]
    polls = [await site.poll(path) for path in engines]
    wires = [await site.websocket(path) for path in engines]
    plain, stream = await site.plain_websocket(plain_path), await site.stream(news)
    for wire in wires:
        wire.send(text('420["who"]'))
    plain.send(text('{"event":"who","id":0}'))
    assert [await wire.text() for wire in wires] == [f'430["{name}"]' for name in names]
    assert await plain.text() == '{"id":0,"data":"live"}'

    assert (await (await site.connect()).ask("POST", "/page")).body == b"the page"
    told = [f'42["told","{name}"]' for name in names]
    assert [await wire.text() for wire in wires] == told
    assert [await session.polled() for session in polls] == told
    assert await plain.text() == '{"event":"told","data":"live"}'
    assert (await chunk(stream)).startswith(b'data: "by the third"\n')
    for session in polls:
        session.poll()

    site.process.send_signal(signal.SIGTERM)
    ends = [await unless_cut(session.polled()) for session in polls]
    codes = {await unless_cut(wire.closing()) for wire in (*wires, plain)}
    rest = await unless_cut(chunk(stream))
    if None in CODES[kind]:
        ends, rest = [each or "1" for each in ends], rest or b"retry: "
    assert ends == ["1"] * 2
    assert codes <= CODES[kind]
    assert rest is not None
    assert rest.startswith(b"retry: ")
    assert await asyncio.to_thread(site.process.wait, 10) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        pytest.param(kind, layout, marks=() if (kind, layout) == ("uvicorn", "nested") else pytest.mark.hosts)
        for kind in COMMANDS
        for layout in LAYOUTS
    ],
)
def test_each_client_reaches_its_own_server_and_all_servers_live_once(kind: str, layout: str, tmp_path: Path) -> None:
    before, after, paths = LAYOUTS[layout]
    with running(tmp_path, "\n".join([before, COMMON, after]), COMMANDS[kind]) as site:
        try:
            site.run(visit(site, kind, paths))
        except BaseException:
            print(site.log.read_text())
            raise
        log = site.log.read_text()
    assert "Traceback" not in log
    lines = Counter(line for line in log.splitlines() if line.endswith((" starts", " ends")))
    alive = ["chat", "admin", "live", *(["the page"] if kind != "daphne" else [])]  # which has no lifespan
    expected = Counter([f"{name} {what}" for name in alive for what in ("starts", "ends")])
    if None in CODES[kind]:  # whose process may be gone before the end of an application's lifespan
        assert lines <= expected
        expected = Counter({line: 1 for line in expected if line.endswith(" starts")})
        assert expected <= lines
    else:
        assert lines == expected
