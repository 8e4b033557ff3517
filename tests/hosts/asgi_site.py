"""A process of an ASGI server that serves a module which a test has written, and raw clients of it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hosts.client import HANDSHAKE, Answer, Session, Wire, opening, request, text
from hosts.suite.eventsource import chunk, head
from ports import free_port
from serving import PATIENCE

OURS = "waterspout.hosts.uvicorn"
UVICORN = ("uvicorn", "site_under_test:app", "--port", "PORT")
COMMANDS = {
    "uvicorn": UVICORN,
    "uvicorn-ours": (*UVICORN, "--ws", f"{OURS}:WebSocketProtocol", "--http", f"{OURS}:HttpProtocol"),
    "gunicorn-ours": ("gunicorn", "-k", f"{OURS}.Worker", "-b", "127.0.0.1:PORT", "site_under_test:app"),
    "hypercorn": ("hypercorn", "site_under_test:app", "--workers", "0", "--bind", "127.0.0.1:PORT"),
    "granian": ("granian", "--interface", "asgi", "site_under_test:app", "--port", "PORT"),
    "daphne": ("daphne", "site_under_test:app", "--port", "PORT"),
}
"""The command of each server, with a PORT to be filled in."""

CODES: dict[str, set[int | None]] = {
    **{kind: {1001} for kind in COMMANDS},
    "granian": {1001, None},  # its loop has the signal at the same time
    "daphne": {1000},  # it has no other code for this
}
"""With which WebSockets are closed when a server has a signal; None where any connection may be cut."""


class Site:
    """A process that serves, and raw clients of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self._wires: list[Wire] = []

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

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

    async def poll(self, path: str = "/socket.io") -> Session:
        """Enter "/" over polling, and let a poll wait."""
        session = Session(await self.connect(), await self.connect(), path=path)
        await session.enter()
        session.poll()
        return session

    async def websocket(self, path: str = "/socket.io") -> Wire:
        """Enter "/" over a WebSocket."""
        wire = await self._opened(opening(path=path))
        await wire.text()
        wire.send(text("40"))
        assert (await wire.text()).startswith("40")
        return wire

    async def plain_websocket(self, target: str) -> Wire:
        """Enter a namespace over a plain WebSocket."""
        wire = await self._opened(request("GET", target, *HANDSHAKE))
        assert (await wire.text()).startswith('{"connect":')
        return wire

    async def stream(self, target: str = "/prices") -> Wire:
        """Listen to a channel."""
        wire = await self.connect()
        wire.send(request("GET", target))
        await head(wire)
        assert (await chunk(wire)).startswith(b"event: stream-open\n")
        return wire

    async def _opened(self, handshake: bytes) -> Wire:
        while (answer := await self._answered(handshake)).status == 503:
            pass  # of a process that ends
        assert answer.status == 101, answer
        return self._wires[-1]

    async def _answered(self, handshake: bytes) -> Answer:
        while True:
            wire = await self.connect()
            wire.send(handshake)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                return await wire.answer()


@contextmanager
def running(folder: Path, site: str, command: tuple[str, ...], *paths: Path) -> Iterator[Site]:
    """Run a command that serves the module `site_under_test`; modules of these paths come before all others."""
    (folder / "site_under_test.py").write_text(site)
    port = free_port()
    words = [word.replace("PORT", str(port)) for word in command]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), str(folder), *filter(None, sys.path)])},
            start_new_session=True,
        )
        try:
            yield Site(process, port, log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
