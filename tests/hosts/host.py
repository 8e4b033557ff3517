"""A host under test: it serves within the loop of a test, and leaves nothing behind."""

import asyncio
import math
import os
import socket
import ssl
import stat
from collections.abc import Callable, Coroutine
from typing import Any

from hosts.client import BUFFER_BYTES, Session, Wire, opening
from waterspout import Engine, Reason, Server

PATIENCE = 200.0  # s, ten times what the longest of them takes; no test waits this long unless something is wrong
EAGER_TURNS = 200
PAUSE = 0.001  # s; what takes longer waits for a timer or the kernel, and a busy loop would only slow that down


class Host:
    """What a host's own module brings: `start` and `stop`. All else is common.

    A test is a coroutine; it runs in `run`, which afterwards cuts the clients off, stops the host, and waits until
    no task and no socket is left of either.
    """

    requests_in_a_turn = 2
    """How many requests of one connection are served, at most, before others have their turn."""
    tasks = 2
    """How many tasks there are while one WebSocket is open, at most: the test's, and Tornado's for the connection."""
    keeps_fields = True
    """Whether the answer to the handshake of a WebSocket has the header fields of the engine."""
    closes_all = True
    """Whether no socket is left open at its end."""

    def __init__(
        self,
        loop_factory: Callable[[], asyncio.AbstractEventLoop],
        *,
        unix: str | None = None,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.loop_factory = loop_factory
        self.unix, self.server_tls, self.client_tls = unix, server_tls, client_tls
        self.port = 0
        self._mounted: list[Server | Engine] = []
        self._wires: list[Wire] = []

    async def start(self, *mountables: Server | Engine) -> None:
        """Serve them all at one place: the Unix socket if there is a path, else a `port`, with TLS if that is given."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Accept nothing more, and close what HTTP still holds."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """What the host takes for a client's address."""
        return "127.0.0.1"

    @property
    def page(self) -> str:
        """The origin of the server's own pages."""
        return "http://localhost" if self.server_tls is None else "https://localhost"

    # What a test uses

    async def serve(self, *mountables: Server | Engine) -> None:
        """Begin to serve."""
        self._mounted.extend(mountables)
        await self.start(*mountables)

    async def connect(self) -> Wire:
        """Open a connection."""
        sock = socket.socket(socket.AF_INET if self.unix is None else socket.AF_UNIX)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self.unix or ("127.0.0.1", self.port))
        name = "127.0.0.1" if self.client_tls else None
        streams = await asyncio.open_connection(
            sock=sock, ssl=self.client_tls, server_hostname=name, limit=BUFFER_BYTES
        )
        self._wires.append(Wire(sock, *streams))
        return self._wires[-1]

    def forget(self, wire: Wire) -> None:
        """Take a wire that has ended for what it is."""
        self._wires.remove(wire)

    async def session(self, *, eio: int = 4, path: str = "/socket.io") -> Session:
        """Enter "/" over polling."""
        session = Session(await self.connect(), await self.connect(), eio=eio, path=path)
        await session.enter()
        return session

    async def websocket(self, *, eio: int = 4, path: str = "/socket.io", enter: bool = True) -> Wire:
        """Open a WebSocket, and enter "/"."""
        wire = await self.connect()
        wire.send(opening(eio=eio, path=path))
        assert (await wire.answer()).status == 101
        assert (await wire.text()).startswith('0{"sid":"')
        if eio == 3:
            assert await wire.text() == "40"
        elif enter:
            wire.send(b"\x81\x82" + bytes(4) + b"40")
            assert (await wire.text()).startswith('40{"sid":"')
        return wire

    async def until(self, holds: Callable[[], object]) -> None:
        """Let the loop turn until something holds: without a pause at first, for most of it needs a few turns."""
        for _ in range(EAGER_TURNS):
            if holds():
                return
            await asyncio.sleep(0)
        while not holds():
            await asyncio.sleep(PAUSE)

    def connections(self) -> int:
        """Count the sockets at the server's address that do not listen: its connections, whoever else has sockets."""
        place = self.unix or ("127.0.0.1", self.port)
        return sum(each.is_of(place) for each in map(Descriptor, listed()))

    async def noticed(self) -> None:
        """Wait, after a connection has been closed, until the engine must know it."""

    # How it runs

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test."""
        with asyncio.Runner(loop_factory=self.loop_factory) as runner:
            runner.run(self._run(test))

    async def _run(self, test: Coroutine[Any, Any, None]) -> None:
        before = sockets()
        async with asyncio.timeout(PATIENCE):
            try:
                await test
            finally:
                await self._end()
            allowed = before if self.closes_all else math.inf
            await self.until(lambda: sockets() <= allowed and len(asyncio.all_tasks()) == 1)

    async def _end(self) -> None:
        for wire in self._wires:
            wire.cut()
        await self.stop()
        for mountable in self._mounted:
            engine = mountable if isinstance(mountable, Engine) else mountable.engine
            for session in list(engine.sessions.values()):
                session.drop(Reason.TRANSPORT_CLOSE)  # else the end would wait a second for each poll
            await mountable.close()


class Descriptor(int):
    """A descriptor of this process, which may be closed already."""

    def is_socket(self) -> bool:
        """Tell whether it is a socket."""
        try:
            return stat.S_ISSOCK(os.fstat(self).st_mode)
        except OSError:
            return False

    def is_of(self, place: str | tuple[str, int]) -> bool:
        """Tell whether it is a connection of the server at this place."""
        if not self.is_socket():
            return False
        same = socket.socket(fileno=int(self))
        try:
            return same.getsockname() == place and not same.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        finally:
            same.detach()


def listed() -> list[int]:
    """List the descriptors of this process, and the one with which they were listed."""
    return list(map(int, os.listdir("/dev/fd")))


def sockets() -> int:
    """Count the open sockets of this process."""
    return sum(each.is_socket() for each in map(Descriptor, listed()))
