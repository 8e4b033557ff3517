"""A process of its own, seen from inside: how it starts, what it serves, how it ends."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.web import RequestHandler

from waterspout import Server
from waterspout.hosts import standalone
from waterspout.hosts.listeners import CannotStart

ANYWHERE = standalone.Site(bind=("127.0.0.1", 0))
HANDSHAKE = "socket.io/?EIO=4&transport=polling"


class Page(RequestHandler):
    def get(self) -> None:
        self.write("a page")


class Serving:
    """A task that serves on a free port."""

    def __init__(self, server: Server) -> None:
        self.stop = asyncio.Event()
        self.urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        serving = standalone.serve(
            server,
            standalone.Site(bind=("127.0.0.1", 0), extra_routes=[("/page", Page)]),
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
        patch.setattr(standalone, "CLOSE_TIMEOUT", 0.05)
        asyncio.run(main())


def test_a_client_that_takes_nothing_is_cut_off_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        serving = Serving(Server())
        await serving.fetch(HANDSHAKE)
        serving.stop.set()
        await serving.task

    monkeypatch.setattr(standalone, "CLOSE_TIMEOUT", 0.05)
    asyncio.run(main())
    assert caplog.record_tuples == [
        (
            "waterspout.host",
            logging.WARNING,
            "some clients had not taken what was sent to them within 0.05 s; they are cut off",
        )
    ]


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
        standalone.run(Server(), ANYWHERE, loop=standalone.Loop.UVLOOP)


def test_what_has_begun_to_listen_is_closed_when_something_else_cannot(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()

    async def main() -> None:
        await standalone.serve(Server(), standalone.Site(bind=("127.0.0.1", 0), unix=str(taken)), stop=asyncio.Event())

    with pytest.raises(CannotStart, match="a file that is no socket is there"):
        asyncio.run(main())
