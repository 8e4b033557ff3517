"""The server of Flash's socket policy, whose text is a file."""

import asyncio
import socket
from functools import partial
from pathlib import Path
from typing import Any

from tornado.netutil import bind_sockets

from ...drivers import logger
from ...hosts.flashpolicy import PORT, PolicyConnection
from ..loops import current_loop

log = logger("tornadio2.flashserver")


class FlashPolicyServer:
    """Answers Flash's policy request with the content of a file, read for each request, and a NUL.

    It listens at once, on all interfaces, and answers when the loop runs. OSError if it cannot listen at the port.
    """

    def __init__(self, io_loop: Any = None, port: int = PORT, policy_file: str = "flashpolicy.xml") -> None:
        self.io_loop = io_loop or current_loop()
        self.policy_file = policy_file
        self._listeners: list[socket.socket] = bind_sockets(port)
        self._servers: list[asyncio.Server] = []
        self.port: int = self._listeners[0].getsockname()[1]
        self.io_loop.add_callback(self._serve)

    def stop(self) -> None:
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    async def _serve(self) -> None:
        create = partial(asyncio.get_running_loop().create_server, partial(PolicyConnection, self._policy))
        for listener in self._listeners:
            self._servers.append(await create(sock=listener, start_serving=False))
            await self._servers[-1].start_serving()

    def _policy(self) -> bytes | None:
        try:
            return Path(self.policy_file).read_bytes().rstrip(b"\0") + b"\0"
        except OSError as error:
            log.warning("no policy for Flash: %s", error)
            return None
