"""The socket policy that Flash asks for before `flashsocket` may connect; its port stays shut unless asked for."""

from contextlib import suppress
from typing import Any

import gevent
from gevent.server import StreamServer

from ...errors import DecodeError
from ...wire.protocol1 import decode_policy_request, encode_policy

__all__ = ["FlashPolicyServer"]

_PATIENCE = 3.0  # s from the connection to the complete request


class FlashPolicyServer(StreamServer):
    """Answers a request with the policy that lets films of all domains connect to all ports, and closes."""

    policyrequest = b"<policy-file-request/>"
    policy = encode_policy(("*",), "*")

    def __init__(self, listener: Any = None, backlog: int | None = None) -> None:
        super().__init__(("0.0.0.0", 10843) if listener is None else listener, backlog=backlog)

    def handle(self, socket: Any, address: Any) -> None:
        """Answer one request for the policy."""
        asked = b""
        with suppress(gevent.Timeout), gevent.Timeout(_PATIENCE):
            try:
                while received := socket.recv(64):
                    asked += received
                    if decode_policy_request(asked):
                        socket.sendall(self.policy)
                        break
            except (DecodeError, OSError):
                pass  # it is no request for the policy, or the client has gone
