"""Flash's socket policy, which Flash requests at a port of its own before `flashsocket` of 0.7 to 0.9 may connect.

It is off unless `serve_policy` is called. The policy is all that a film needs to open sockets to the ports in it, from
the network of the person who views the film: so name the domains of your own films.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from ..drivers.log import logger
from ..errors import DecodeError
from ..wire.protocol1.envelopes import decode_policy_request, encode_policy

__all__ = ["PORT", "PolicyConnection", "serve_policy"]

PORT = 843  # the first that Flash tries; ports below 1024 need privileges
PATIENCE = 3.0  # s from the connection to the complete request


log = logger("waterspout.host")


async def serve_policy(
    host: str | Sequence[str] | None = None, port: int = PORT, *, domains: Sequence[str] = ("*",), ports: str = "*"
) -> asyncio.Server | None:
    """Serve the policy at this port, until the returned server is closed.

    Films of `domains` may connect to `ports` ("80,8000-8010"). If it cannot listen, it logs a warning and returns None:
    other transports need no policy.
    """
    answer = encode_policy(domains, ports)
    try:
        return await asyncio.get_running_loop().create_server(lambda: PolicyConnection(lambda: answer), host, port)
    except OSError as error:
        log.warning("no policy for Flash: port %d cannot be had: %s", port, error)
        return None


class PolicyConnection(asyncio.Protocol):
    """One connection: a request of 23 bytes, then the answer, then the end.

    `answer` is called when the request is complete; None closes the connection without an answer.
    """

    def __init__(self, answer: Callable[[], bytes | None]) -> None:
        self._answer = answer
        self._asked = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._transport.abort)

    def data_received(self, data: bytes) -> None:
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
        self._timer.cancel()
