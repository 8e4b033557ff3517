"""Below Starlette's middleware, behind a proxy, and over HTTP/2."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from hosts.asgi_host import HOSTS, AsgiHost, UvicornHost
from hosts.client import request, target
from hosts.suite.echo import Echo
from hosts.suite.eventsource import chunk
from hosts.suite.websocket import echoes
from waterspout import Server, Socket
from waterspout.hosts.asgi import App

PAGE = "http://page.example"


async def unchanged(request: Any, call_next: Any) -> Any:
    return await call_next(request)


MIDDLEWARE = {
    "none": [],
    "gzip": [Middleware(GZipMiddleware, minimum_size=1)],
    "cors": [Middleware(CORSMiddleware, allow_origins=[PAGE])],
    "base": [Middleware(BaseHTTPMiddleware, dispatch=unchanged)],
    "all": [
        Middleware(GZipMiddleware, minimum_size=1),
        Middleware(CORSMiddleware, allow_origins=[PAGE]),
        Middleware(BaseHTTPMiddleware, dispatch=unchanged),
    ],
}


class Mounted(UvicornHost):
    """A Starlette application with middleware and the server mounted in it."""

    middleware: Any = ()

    async def start(self, *mountables: Any) -> None:
        routes = [Mount("/", app=App(mountables[0]))]
        await self.serve_application(Starlette(routes=routes, middleware=self.middleware))


@pytest.fixture
def host() -> AsgiHost:
    return Mounted("uvloop", http="httptools", ws="websockets-sansio")


each_middleware = pytest.mark.parametrize(
    "name", ["all", *(pytest.param(name, marks=pytest.mark.hosts) for name in MIDDLEWARE if name != "all")]
)


@each_middleware
@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_an_event_stream_passes_event_by_event(host: Mounted, name: str, coding: str) -> None:
    host.middleware = MIDDLEWARE[name]
    server = Server(cors_origins=[PAGE])
    prices = server.channel("prices")
    server.expose("/prices", prices)
    await host.serve(server)
    wire = await host.connect()
    fields = [("Origin", PAGE), *([("Accept-Encoding", coding)] if coding else [])]
    wire.send(request("GET", "/prices", *fields))
    lines = (await wire.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
    names = [line.partition(":")[0].lower() for line in lines]
    assert sorted(names) == sorted(set(names))
    assert "content-encoding" not in names
    assert f"access-control-allow-origin: {PAGE}" in [line.lower() for line in lines]
    assert (await chunk(wire)).startswith(b"event: stream-open\n")
    for number in range(3):
        id = await prices.publish(number)
        assert await chunk(wire) == f"data: {number}\nid: {id}\n\n".encode()
    wire.reset()
    await host.until(lambda: prices.count == 0)


@each_middleware
async def test_polling_and_websockets_pass(host: Mounted, name: str) -> None:
    host.middleware = MIDDLEWARE[name]
    echo = Echo(cors_origins=[PAGE])
    await host.serve(echo.server)
    session = await host.session()
    assert (await session.post('420["echo",1]')).body == b"ok"
    assert await session.get() == "430[1]"
    wire = await host.connect()
    answer = await wire.ask("GET", target("polling"), ("Origin", PAGE))
    names = [line.partition(":")[0].lower() for line in answer.head[1:]]
    assert sorted(names) == sorted(set(names))
    assert await echoes(await host.websocket())
    session.poll()
    await host.until(lambda: echo.has_parked(session.sid))
    session.polling.reset()
    await host.until(lambda: len(echo.server.engine.sessions) == 2)


# Behind a proxy


@pytest.mark.parametrize("by_uvicorn", [False, True])
@pytest.mark.parametrize("port", ["", ":4444"])
def test_what_a_proxy_says_of_a_client_counts_once(by_uvicorn: bool, port: str) -> None:
    """A second evaluation, of the same field from the address that the first has found, would believe the client."""
    seen: list[tuple[str, bool | None]] = []
    server = Server(trusted_proxies=["127.0.0.1", "10.0.0.1"])

    @server.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        seen.append((socket.request.remote_address, socket.request.secure))

    host = UvicornHost("asyncio")
    host.options["proxy_headers"] = False

    async def test() -> None:
        app: Any = App(server)
        if by_uvicorn:
            app = ProxyHeadersMiddleware(app, trusted_hosts=["127.0.0.1"])
        host._mounted.append(server)
        await host.serve_application(app)
        wire = await host.connect()
        forged = ("X-Forwarded-For", f"6.6.6.6, 10.0.0.1{port}"), ("X-Forwarded-Proto", "https")
        answer = await wire.ask("GET", target("polling"), *forged)
        sid = answer.body.decode().split('"')[3]
        await wire.ask("POST", target("polling", sid), *forged, body=b"40")

    host.run(test())
    assert seen == [("10.0.0.1" if by_uvicorn else "6.6.6.6", True)]


# HTTP/2


@pytest.mark.hosts
@pytest.mark.parametrize("server", ["hypercorn", "granian"])
def test_polling_and_event_streams_are_served_over_http_2(server: str) -> None:
    host = HOSTS[server]("asyncio")
    echo = Echo()
    prices = echo.server.channel("prices")
    echo.server.expose("/prices", prices)

    async def test() -> None:
        await host.serve(echo.server)
        url = f"http://127.0.0.1:{host.port}"
        async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as http:
            opened = await http.get(url + target("polling"))
            assert (opened.status_code, opened.http_version) == (200, "HTTP/2")
            poll = target("polling", opened.text.split('"')[3])
            assert (await http.post(url + poll, content=b"40")).text == "ok"
            assert (await http.get(url + poll)).text.startswith("40")
            waiting = asyncio.ensure_future(http.get(url + poll))
            async with http.stream("GET", url + "/prices") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "event: stream-open"
                assert not {"connection", "transfer-encoding", "keep-alive"} & set(stream.headers)
                await prices.publish(7)
                while await anext(lines) != "data: 7":
                    pass
            assert (await http.post(url + poll, content=b'420["echo","x"]')).text == "ok"
            assert (await waiting).text == '430["x"]'
            assert (await http.post(url + poll, content=b"4" * 2_000_000)).status_code == 413

    host.run(test())
