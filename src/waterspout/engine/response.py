"""The answer to an HTTP request, as a value."""

from dataclasses import dataclass

from ..wire.websocket import accept

Headers = tuple[tuple[str, str], ...]

PRIVATE: Headers = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
"""What every answer with a body says: nobody keeps it, and no browser takes it for a page."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete HTTP answer; the host adds its length."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def switching(key: str, headers: Headers) -> Response:
    """Make the answer to an opening handshake (RFC 6455, section 4.2.2)."""
    fields = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept(key)))
    return Response(101, (*fields, *headers))
