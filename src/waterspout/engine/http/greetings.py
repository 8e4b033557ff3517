"""What is sent before a WebSocket or an endless answer begins, as a value: each host writes it in its own way."""

from dataclasses import dataclass
from typing import ClassVar

from .response import Headers


@dataclass(slots=True)  # frozen, it would take five times as long to make
class Upgrade:
    """A WebSocket begins, `pause` seconds after this.

    A host that hands over the socket answers `key` (Sec-WebSocket-Key; None: draft 76) with a 101, and sends
    `handshake` as well. Any other host accepts with `headers` and `subprotocol` only; it pings the client each
    `ping_interval` seconds, unless that is None, because the engine cannot.
    """

    headers: Headers
    key: str | None
    subprotocol: str | None = None
    handshake: Headers = ()
    pause: float = 0.0
    ping_interval: float | None = None

    def carrying(self, headers: Headers) -> "Upgrade":
        """Return the same with these headers."""
        return Upgrade(headers, self.key, self.subprotocol, self.handshake, self.pause, self.ping_interval)


@dataclass(slots=True)
class Stream:
    """An endless answer with the status 200 begins; how its content is framed is the host's affair."""

    headers: Headers

    pause: ClassVar[float] = 0.0


Greeting = Upgrade | Stream
