"""How a process of an ASGI server ends: with a crowd of clients, in old versions, reloaded, and with workers."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hosts.client import Answer, Session, Wire, opening, request, text
from hosts.suite.eventsource import chunk, head
from ports import free_port
from serving import PATIENCE

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
GRACE = 10  # s, of `docker stop`
SITE = """
import os
from waterspout import Server
from waterspout.hosts.asgi import App

server = Server()
server.on("pid")(lambda socket: os.getpid())
server.expose("/prices", server.channel("prices"))
app = App(server)
"""
UVICORN = ("uvicorn", "site_under_test:app", "--port", "PORT")
GUNICORN = ("gunicorn", "site_under_test:app", "-k", "asgi", "-b", "127.0.0.1:PORT")


class Site:
    """A process that serves, and raw clients of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self._wires: list[Wire] = []

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test, and close what it has opened."""
        asyncio.run(self._run(test))

    async def _run(self, test: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await test
        finally:
            for wire in self._wires:
                wire.abort()
            await asyncio.sleep(0)

    async def connect(self) -> Wire:
        """Open a connection, once the process listens."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.02)
            else:
                self._wires.append(Wire(writer.get_extra_info("socket"), reader, writer))
                return self._wires[-1]

    async def poll(self) -> Session:
        """Enter "/" over polling, and let a poll wait."""
        session = Session(await self.connect(), await self.connect())
        await session.enter()
        session.poll()
        return session

    async def websocket(self) -> Wire:
        """Enter "/" over a WebSocket."""
        while (answer := await self._opened()).status == 503:
            pass  # of a process that ends
        assert answer.status == 101
        wire = self._wires[-1]
        await wire.text()
        wire.send(text("40"))
        assert (await wire.text()).startswith("40")
        return wire

    async def _opened(self) -> Answer:
        while True:
            wire = await self.connect()
            wire.send(opening())
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                return await wire.answer()

    async def stream(self) -> Wire:
        """Listen to a channel."""
        wire = await self.connect()
        wire.send(request("GET", "/prices"))
        await head(wire)
        assert (await chunk(wire)).startswith(b"event: stream-open\n")
        return wire


@contextmanager
def running(folder: Path, *command: str, path: Path | None = None) -> Iterator[Site]:
    (folder / "site_under_test.py").write_text(SITE)
    port = free_port()
    paths = [*([] if path is None else [str(path)]), str(folder), *filter(None, sys.path)]
    words = [word.replace("PORT", str(port)) for word in command]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        try:
            yield Site(process, port, folder / "log")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def all_are_told(site: Site, size: int) -> None:
    """End the process while so many clients of each kind are there: it has told them all when it ends, in time."""
    polls = [await site.poll() for _ in range(size)]
    sockets = [await site.websocket() for _ in range(size)]
    streams = [await site.stream() for _ in range(size)]
    site.process.send_signal(signal.SIGTERM)
    ended = asyncio.to_thread(site.process.wait, GRACE)
    told = asyncio.gather(
        asyncio.gather(*(session.polled() for session in polls)),
        asyncio.gather(*(wire.closing() for wire in sockets)),
        asyncio.gather(*(chunk(wire) for wire in streams)),
    )
    answers, codes, last = await told
    assert set(answers) == {"1"}
    assert set(codes) == {1001}
    assert {each.partition(b":")[0] for each in last} == {b"retry"}
    assert [await chunk(wire) for wire in streams] == [b""] * size
    assert await ended in (0, -signal.SIGTERM)
    assert "Traceback" not in site.log.read_text(), site.log.read_text()


@pytest.mark.hosts
@pytest.mark.parametrize("command", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_a_crowd_of_clients_is_told_before_the_process_ends(command: tuple[str, ...], tmp_path: Path) -> None:
    with running(tmp_path, *command) as site:
        site.run(all_are_told(site, 100))


@pytest.mark.hosts
@pytest.mark.parametrize("version", ["0.42", "0.43"])
def test_a_crowd_of_clients_is_told_by_older_versions_of_uvicorn(version: str, tmp_path: Path) -> None:
    """They differ in what they tell open streams of a shutdown."""
    older, folder = tmp_path / "older", tmp_path / "site"
    folder.mkdir()
    lock = ROOT / "requirements" / f"uvicorn{version.replace('0.', '')}.txt"
    subprocess.run([sys.executable, *PIP, "-r", str(lock), "--target", str(older)], check=True)
    with running(folder, "uvicorn", "--version", path=older) as site:
        site.process.wait()
        assert f"uvicorn {version}." in site.log.read_text()
    with running(folder, *UVICORN, path=older) as site:
        site.run(all_are_told(site, 100))


@pytest.mark.hosts
def test_a_reload_tells_the_clients_of_the_old_process_and_serves_them_again(tmp_path: Path) -> None:
    async def reloaded(site: Site) -> None:
        session, wire, stream = await site.poll(), await site.websocket(), await site.stream()
        wire.send(text('420["pid"]'))
        before = await wire.text()
        (tmp_path / "site_under_test.py").write_text(SITE + "\n")
        assert await session.polled() == "1"
        assert await wire.closing() == 1001
        assert (await chunk(stream)).startswith(b"retry:")
        again = await site.websocket()
        again.send(text('420["pid"]'))
        assert await again.text() != before

    with running(tmp_path, *UVICORN, "--reload") as site:
        site.run(reloaded(site))


@pytest.mark.hosts
@pytest.mark.parametrize(
    "command",
    [
        (*UVICORN, "--workers", "2"),
        ("hypercorn", "site_under_test:app", "--workers", "2", "--bind", "127.0.0.1:PORT"),
        ("granian", "--interface", "asgi", "site_under_test:app", "--port", "PORT", "--workers", "2"),
        (*GUNICORN, "--workers", "2"),
    ],
    ids=lambda command: command[0],
)
def test_several_workers_are_warned_of(command: tuple[str, ...], tmp_path: Path) -> None:
    async def ask(site: Site) -> None:
        while not re.search("one of several processes.* fail", site.log.read_text()):
            wire = await site.connect()
            wire.send(request("GET", "/socket.io/?EIO=4&transport=polling", ("Connection", "close")))
            await wire.answer()
            wire.abort()

    with running(tmp_path, *command) as site:
        site.run(ask(site))


async def enter(site: Site) -> None:
    await site.websocket()


@pytest.mark.hosts
def test_one_worker_is_not_warned_of(tmp_path: Path) -> None:
    with running(tmp_path, *UVICORN, "--reload") as site:
        site.run(enter(site))
        assert "processes" not in site.log.read_text()
