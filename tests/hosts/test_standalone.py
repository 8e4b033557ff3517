"""A process of its own, seen from inside: how it starts, what it serves, how it ends."""

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.web import RequestHandler

from hosts.client import Wire, opening, request, target, text
from ports import free_port
from waterspout import CannotStart, Server
from waterspout.hosts import standalone, tornado

ANYWHERE = standalone.Site(bind=[("127.0.0.1", 0)])
HANDSHAKE = "socket.io/?EIO=4&transport=polling"


class Page(RequestHandler):
    def get(self) -> None:
        self.write("a page")


class Serving:
    """A task that serves on a free port."""

    def __init__(self, server: Server, app: Any = None) -> None:
        self.stop = asyncio.Event()
        self.urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        serving = standalone.serve(
            server,
            standalone.Site(bind=[("127.0.0.1", free_port())], extra_routes=[("/page", Page)], app=app, app_threads=1),
            stop=self.stop,
            ready=self.urls.set_result,
        )
        self.task = asyncio.create_task(serving)

    async def fetch(self, path: str) -> str:
        (url,) = await self.urls
        return (await AsyncHTTPClient().fetch(url + path)).body.decode()


def test_a_server_and_other_routes_are_served_until_they_are_stopped() -> None:
    async def main() -> None:
        serving = Serving(Server())
        assert await serving.fetch("page") == "a page"
        assert (await serving.fetch(HANDSHAKE)).startswith('0{"sid":')
        with pytest.raises(HTTPClientError, match="404"):
            await serving.fetch("other")
        serving.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving.task
        with pytest.raises(ConnectionRefusedError):
            await serving.fetch("page")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tornado, "CLOSE_TIMEOUT", 0.05)
        asyncio.run(main())


def test_a_client_that_takes_nothing_is_cut_off_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        serving = Serving(Server())
        await serving.fetch(HANDSHAKE)
        serving.stop.set()
        await serving.task

    monkeypatch.setattr(tornado, "CLOSE_TIMEOUT", 0.05)
    asyncio.run(main())
    assert caplog.record_tuples == [
        (
            "waterspout.host",
            logging.WARNING,
            "some clients had not taken what was sent to them within 0.05 s; they are cut off",
        )
    ]


MUCH = 16_000_000  # bytes, more than the kernel takes for a client that reads nothing


class SlowClient:
    """A client that reads only when it is told to."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.port = int(url.rstrip("/").rpartition(":")[2])
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        self.sock.setblocking(False)

    async def send(self, data: bytes) -> None:
        if self.sock.getsockname()[1] == 0:
            await self.loop.sock_connect(self.sock, ("127.0.0.1", self.port))
        await self.loop.sock_sendall(self.sock, data)

    async def until(self, end: bytes) -> bytes:
        """Read until this has come."""
        read = b""
        while end not in read:
            read += await self.loop.sock_recv(self.sock, 4096)
        return read

    async def rest(self) -> int:
        """Read until the end, and return how much that was."""
        size = 0
        while piece := await self.loop.sock_recv(self.sock, 1 << 20):
            size += len(piece)
            self.last = piece[-4:]
        return size


async def turns(number: int = 100) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def serving_much() -> Server:
    server = Server()

    @server.on("much")
    def much(socket: Any) -> None:
        socket.emit("much", "x" * MUCH)

    return server


async def over_websocket(serving: Serving) -> SlowClient:
    (url,) = await serving.urls
    client = SlowClient(url)
    await client.send(opening())
    await client.until(b'"sid"')
    await client.send(b"\x81\x82" + bytes(4) + b"40")
    await client.until(b'40{"sid"')
    await client.send(b"\x81\x8a" + bytes(4) + b'42["much"]')
    return client


async def over_polling(serving: Serving) -> SlowClient:
    sid = (await serving.fetch(HANDSHAKE)).split('"')[3]
    (await asked(serving, request("POST", target("polling", sid), body=b"40"), "ok")).sock.close()
    (await asked(serving, request("GET", target("polling", sid)), '40{"sid"')).sock.close()
    (await asked(serving, request("POST", target("polling", sid), body=b'42["much"]'), "ok")).sock.close()
    return await asked(serving, request("GET", target("polling", sid)), "Content-Length: 16")


async def asked(serving: Serving, message: bytes, answer: str) -> SlowClient:
    """Ask, on a connection of its own, and read as far as this."""
    (url,) = await serving.urls
    client = SlowClient(url)
    await client.send(message)
    await client.until(answer.encode())
    return client


@pytest.mark.parametrize("connect", [over_websocket, over_polling])
def test_what_is_on_its_way_at_the_end_arrives(
    connect: Callable[[Serving], Coroutine[Any, Any, SlowClient]], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        serving = Serving(serving_much())
        client = await connect(serving)
        await turns()
        serving.stop.set()
        await turns()
        assert not serving.task.done()
        assert await client.rest() > MUCH - 100_000
        assert client.last == (b"\x88\x02\x03\xe9" if connect is over_websocket else b'xx"]')
        client.sock.close()
        await serving.task

    asyncio.run(main())
    assert caplog.record_tuples == []


@pytest.mark.parametrize("connect", [over_websocket, over_polling])
def test_who_does_not_take_it_in_time_is_cut_off_with_a_warning(
    connect: Callable[[Serving], Coroutine[Any, Any, SlowClient]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        serving = Serving(serving_much())
        client = await connect(serving)
        await turns()
        serving.stop.set()
        await serving.task
        with suppress(ConnectionResetError):
            assert await client.rest() < MUCH
        client.sock.close()

    monkeypatch.setattr(tornado, "CLOSE_TIMEOUT", 0.05)
    asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage().startswith("some clients had not taken what was sent to them within 0.05 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_returns_after_a_signal_and_gives_the_signals_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    seen: list[str] = []

    def ready(urls: list[str]) -> None:
        seen.extend(urls)
        signal.raise_signal(number)

    standalone.run(Server(), ANYWHERE, ready=ready)
    assert len(seen) == 1
    assert signal.getsignal(number) is before


def test_without_uvloop_plain_asyncio_serves_unless_uvloop_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    standalone.run(Server(), ANYWHERE, ready=lambda _: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(CannotStart, match="uvloop: it is not installed; install it, or choose asyncio"):
        standalone.run(Server(), ANYWHERE, loop=standalone.LoopKind.UVLOOP)


def test_what_has_begun_to_listen_is_closed_when_something_else_cannot(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()

    async def main() -> None:
        await standalone.serve(
            Server(), standalone.Site(bind=[("127.0.0.1", 0)], unix=str(taken)), stop=asyncio.Event()
        )

    with pytest.raises(CannotStart, match="a file that is no socket is there"):
        asyncio.run(main())


def test_a_server_that_cannot_listen_is_not_started() -> None:
    server, started = Server(), []
    server.on_start(lambda: started.append(True))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CannotStart, match="it is in use"):
        standalone.run(server, standalone.Site(bind=[("127.0.0.1", 0), taken.getsockname()[:2]]))
    assert started == []


async def entered(url: str) -> Wire:
    """Connect over WebSocket, and enter "/"."""
    port = int(url.rstrip("/").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wire = Wire(writer.get_extra_info("socket"), reader, writer)
    wire.send(opening() + text("40"))
    assert (await wire.answer()).status == 101
    for beginning in ("0{", "40{"):
        assert (await wire.text()).startswith(beginning)
    return wire


def test_views_that_run_at_the_end_are_answered_by_clients_before_these_are_disconnected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        replies = server.call("question", timeout=10).wait()
        server.emit("last")
        start_response("200 OK", [])
        return [repr(list(replies.answers.values())).encode()]

    async def main() -> None:
        serving = Serving(server, application)
        client = await entered((await serving.urls)[0])
        fetching = asyncio.create_task(serving.fetch("view"))
        assert await client.text() == '421["question"]'
        serving.stop.set()
        await turns()
        client.send(text('431["soup"]'))
        assert await client.text() == '42["last"]'
        assert await fetching == "['soup']"
        assert await client.closing() == 1001
        client.cut()
        await serving.task

    asyncio.run(main())
    assert caplog.record_tuples == []


def test_a_view_that_does_not_end_is_given_up_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(standalone, "VIEWS_TIMEOUT", 0.01)
    gate, begun = threading.Event(), []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        begun.append(1)
        gate.wait(30)
        return []

    async def main() -> None:
        serving = Serving(Server(), application)
        url = (await serving.urls)[0]
        client = await entered(url)
        fetching = asyncio.create_task(serving.fetch("view"))
        while not begun:
            await asyncio.sleep(0)
        serving.stop.set()
        assert await client.closing() == 1001
        client.cut()
        with pytest.raises(HTTPClientError, match="Stream closed"):
            await fetching
        await serving.task
        gate.set()

    asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage().startswith("some views of the application had not ended within 0.01 s")


@pytest.mark.parametrize("option", [{"app_threads": 0}, {"app_max_bytes": -1}])
def test_numbers_that_serve_nobody_are_refused(option: dict[str, int]) -> None:
    with pytest.raises(CannotStart, match="give a number above 0"):
        standalone.run(Server(), replace(ANYWHERE, app=print, **option))  # type: ignore[arg-type]


def test_a_server_that_is_closed_at_its_start_ends() -> None:
    server = Server()
    server.on_start(server.close)
    standalone.run(server, ANYWHERE)
    assert server.close().done
