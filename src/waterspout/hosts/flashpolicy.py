"""The policy that Flash asks for on a port of its own, before its sockets (`flashsocket` of 0.7 to 0.9) may connect.

It is off unless somebody calls `serve_policy`. A film needs no more than this answer to open sockets to the ports that
it names, from the network of whoever looks at it: name the domains whose films are your own.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from ..drivers.log import logger
from ..errors import DecodeError
from ..wire.protocol1.envelopes import decode_policy_request, encode_policy

__all__ = ["PORT", "PolicyConnection", "serve_policy"]

PORT = 843  # where Flash asks first; below 1024, it takes a privilege
PATIENCE = 3.0  # s that a client has to ask


log = logger("waterspout.host")


async def serve_policy(
    host: str | Sequence[str] | None = None, port: int = PORT, *, domains: Sequence[str] = ("*",), ports: str = "*"
) -> asyncio.Server | None:
    """Answer Flash's question on this port, until the returned server is closed.

    `domains` may connect to `ports` ("80,8000-8010"). None, and a warning in the log, if the port cannot be had: the
    other transports do without.
    """
    answer = encode_policy(domains, ports)
    try:
        return await asyncio.get_running_loop().create_server(lambda: PolicyConnection(lambda: answer), host, port)
    except OSError as error:
        log.warning("no policy for Flash: port %d cannot be had: %s", port, error)
        return None


class PolicyConnection(asyncio.Protocol):
    """One connection: a question of 23 bytes, the answer, and the end.

    `answer` is called for it once it is complete; None ends the connection without a word.
    """

    def __init__(self, answer: Callable[[], bytes | None]) -> None:
        self._answer = answer
        self._asked = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give it its time."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer the question, and nothing else."""
        if self._transport.is_closing():
            return
        self._asked += data
        try:
            if decode_policy_request(self._asked):
                self._transport.write(self._answer() or b"")
                self._transport.close()
        except DecodeError:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Wait no longer."""
        self._timer.cancel()
