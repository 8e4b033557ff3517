"""Inside FastAPI, as processes of uvicorn, hypercorn, granian and daphne: real clients, and the end by a signal."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from hosts.asgi_site import CODES, COMMANDS, Site, running
from serving import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples"
SITE = """
from fastapi_app import app as pages, server
from waterspout.hosts.asgi import App

server.on("echo")(lambda socket, *args: args)
server.expose("/prices", server.channel("prices", start="earliest"))
server.channel("prices").publish(1)
app = App(server, pages)
"""


async def answers(http: aiohttp.ClientSession, url: str, page: str = "/docs", status: int = 200) -> None:
    """Wait until the server accepts connections."""
    while True:
        try:
            async with http.get(url + page) as answer:
                assert answer.status == status
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.05)


async def client(url: str, token: str, *transports: str) -> Any:
    """Connect a client of python-socketio, which speaks as 3.x and 4.x do."""
    guest = socketio.AsyncClient(reconnection=False)
    await guest.connect(url, auth={"token": token}, transports=list(transports))
    return guest


async def visit(kind: str, site: Site) -> None:
    url = site.url
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as http:
        await answers(http, url)
        token = await (await http.get(f"{url}/login/ann")).json()
        guests = [await client(url, token, *each) for each in (["polling"], ["websocket"], ["polling", "websocket"])]
        heard: asyncio.Queue[Any] = asyncio.Queue()
        for guest in guests:
            guest.on("news", heard.put)
            assert await guest.call("echo", ["x", b"\0\xff"]) == ["x", b"\0\xff"]
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client(url, "forged", "websocket")
        assert (await http.post(f"{url}/news?text=hi")).status == 200
        assert [await heard.get() for _ in guests] == ["hi"] * 3
        stream = await http.get(f"{url}/prices")
        assert (await stream.content.readuntil(b"\n\n")).startswith(b"event: stream-open\n")
        assert (await stream.content.readuntil(b"\n\n")).startswith(b"data: 1\n")
        plain = await http.ws_connect(f"{url}/prices")
        assert await plain.receive_json() == {"data": 1}

        reasons: asyncio.Queue[Any] = asyncio.Queue()
        guests[0].on("disconnect", reasons.put)
        site.process.send_signal(signal.SIGTERM)
        assert await reasons.get() == "server disconnect"
        assert (await stream.content.read()).startswith(b"retry: ")
        last = await plain.receive()
        assert (last.data if last.type is aiohttp.WSMsgType.CLOSE else None) in CODES[kind], last
        for guest in guests:
            await guest.disconnect()
        assert await asyncio.to_thread(site.process.wait, 10) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    "kind", ["uvicorn", *(pytest.param(kind, marks=pytest.mark.hosts) for kind in COMMANDS if kind != "uvicorn")]
)
def test_fastapi_app_py_serves_clients_by_all_ways_and_a_signal_ends_it(kind: str, tmp_path: Path) -> None:
    """The example "fastapi_app.py"."""
    with running(tmp_path, SITE, COMMANDS[kind], EXAMPLES) as site:
        try:
            asyncio.run(visit(kind, site))
        except BaseException:
            print(site.log.read_text())
            raise
    assert "Traceback" not in site.log.read_text()


def test_a_view_of_django_and_clients_reach_all(tmp_path: Path) -> None:
    """The example "django_asgi.py"."""

    async def look(url: str) -> None:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as http:
            await answers(http, url, "/none", 404)
            guest = socketio.AsyncClient(reconnection=False)
            heard: asyncio.Queue[Any] = asyncio.Queue()
            guest.on("news", heard.put)
            guest.on("said", heard.put)
            await guest.connect(url)
            assert await (await http.post(f"{url}/news?text=hi")).text() == "ok"
            assert await heard.get() == "hi"
            await guest.emit("say", "hello")
            assert await heard.get() == "hello"
            await guest.disconnect()

    command = ("uvicorn", "--lifespan", "off", "django_asgi:app", "--port", "PORT")
    with running(tmp_path, "", command, EXAMPLES) as site:
        asyncio.run(look(site.url))
    assert "Traceback" not in site.log.read_text()
