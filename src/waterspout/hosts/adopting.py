"""A connection that changes its owner at the boundary of a request: from a host to a link, a listener or a process."""

from dataclasses import dataclass
from typing import Any

from ..engine import Admitted, Greeting, Link, Stream
from ..types import Request
from ..wire.websocket import accept
from .chunks import ChunkedLink, UnframedLink
from .link import QueuedLink
from .output import Output
from .residence import Residence
from .socketlink import SecureLink, SocketLink, prepare

_PATIENCE = 30.0  # s in which the peer of an endless answer has to acknowledge what was sent


@dataclass(slots=True)  # frozen, it would take five times as long to make
class Adopted:
    """A connected, non-blocking socket, and what its owner had read of it behind the last request.

    The owner has done with it: no loop watches it, nothing waits to be written. TLS stays with it, as an SSLSocket.
    """

    socket: Any
    ahead: bytes = b""

    def link(self, output: Output, *, streams: bool = False) -> SocketLink:
        """Make a link of it; `ahead` is to be given to its receiver first.

        With `streams` it has no heartbeat that is answered, so the kernel watches for a peer that has vanished.
        """
        prepare(self.socket, user_timeout=_PATIENCE if streams else None)
        if is_secure(self.socket):
            return SecureLink(self.socket, output)
        return SocketLink(self.socket.detach(), output)


def is_secure(sock: Any) -> bool:
    """Tell whether it is an SSLSocket, of which gevent has one of its own."""
    return hasattr(sock, "pending")


def begin(
    link: QueuedLink,
    residence: Residence,
    request: Request,
    decision: Admitted,
    greeting: Greeting,
    ahead: bytes = b"",
    *,
    chunked: bool = True,
) -> None:
    """Send the greeting over a link, and connect the engine to it; `ahead` was read behind the request.

    Without `chunked`, for a client of HTTP/1.0, an endless answer ends with its connection.
    """
    link.write(head(greeting, chunked=chunked))
    lent: Link = link
    if isinstance(greeting, Stream):
        lent = ChunkedLink(link) if chunked else UnframedLink(link)
    residence.output.after(greeting.pause, lambda: link.start(residence.engine.connect(decision, request, lent), ahead))


def head(greeting: Greeting, *, chunked: bool = True) -> bytes:
    """Write the status line and the header fields of a greeting, for HTTP/1.1; without `chunked` for 1.0 as well."""
    if isinstance(greeting, Stream):
        lines, fields = ["HTTP/1.1 200 OK", "Connection: close"], greeting.headers
        if chunked:
            lines.append("Transfer-Encoding: chunked")
    else:
        lines, fields = ["HTTP/1.1 101 Switching Protocols"], (*greeting.handshake, *greeting.headers)
        lines += ["Upgrade: WebSocket" if greeting.key is None else "Upgrade: websocket", "Connection: Upgrade"]
        if greeting.key is not None:  # RFC 6455, section 4.2.2; draft 76 has none, and another spelling
            lines.append(f"Sec-WebSocket-Accept: {accept(greeting.key)}")
        if greeting.subprotocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {greeting.subprotocol}")
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
