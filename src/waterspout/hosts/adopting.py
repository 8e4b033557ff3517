"""A connection that changes its owner at the boundary of a request: from a host to a link, a listener or a process."""

import socket
import ssl
from dataclasses import dataclass
from http.client import responses

from ..engine import Admitted, Response
from ..types import Request
from .link import QueuedLink
from .output import Output
from .residence import Residence
from .socketlink import SecureLink, SocketLink, prepare


@dataclass(slots=True)  # frozen, it would take five times as long to make
class Adopted:
    """A connected, non-blocking socket, and what its owner had read of it behind the last request.

    The owner has done with it: no loop watches it, nothing waits to be written. TLS stays with it, as an SSLSocket.
    """

    socket: socket.socket
    ahead: bytes = b""

    def link(self, output: Output) -> SocketLink:
        """Make a link of it; `ahead` is to be given to its receiver first."""
        prepare(self.socket)
        if isinstance(self.socket, ssl.SSLSocket):
            return SecureLink(self.socket, output)
        return SocketLink(self.socket.detach(), output)


def begin(
    link: QueuedLink, residence: Residence, request: Request, decision: Admitted, greeting: Response, ahead: bytes = b""
) -> None:
    """Send the greeting over a link, and connect the engine to it; `ahead` was read behind the request."""
    link.write(head(greeting))
    residence.output.after(
        decision.greeting_pause, lambda: link.start(residence.engine.connect(decision, request, link), ahead)
    )


def head(response: Response) -> bytes:
    """Write a status line and header fields."""
    lines = [f"HTTP/1.1 {response.status} {responses[response.status]}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
