"""The answer to an HTTP request, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ProtocolError
from ...types import Request
from ...wire.websocket import VERSION, UnsupportedVersion, choose_subprotocol

Headers = tuple[tuple[str, str], ...]

PRIVATE: Headers = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
"""What every answer with a body says: nobody keeps it, and no browser takes it for a page."""

SHUTTING_DOWN = "the server is shutting down: connect again later"

TEXT: Headers = (("Content-Type", "text/plain; charset=UTF-8"), *PRIVATE)

SCRIPT: Headers = (("Content-Type", "text/javascript; charset=UTF-8"), ("X-XSS-Protection", "0"), *PRIVATE)
"""Of a poll by a script element: an old Internet Explorer would take it for an injected one, and mend it."""


@dataclass(slots=True)  # not frozen: each request makes one, and Python takes three times as long for that
class Response:
    """A complete HTTP answer; the host adds its length."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def subprotocol(request: Request, spoken: Sequence[str] | None) -> str | None:
    """Return the subprotocol of a WebSocket, if its client offers one that is spoken; it closes if it needs one."""
    return choose_subprotocol(request.header("sec-websocket-protocol"), spoken)


def version_spoken(error: ProtocolError, versions: Sequence[str] = (VERSION,)) -> Headers:
    """Tell a WebSocket that is refused for its version which ones are spoken (RFC 6455, section 4.4)."""
    return (("Sec-WebSocket-Version", ", ".join(versions)),) if isinstance(error, UnsupportedVersion) else ()
