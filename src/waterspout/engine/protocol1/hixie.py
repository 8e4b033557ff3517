"""The WebSocket of a client of Socket.IO 0.7 to 0.9 before RFC 6455: draft 76, which Flash and browsers of 2010 speak.

Its opening handshake is not over with its head: 8 more bytes come behind it, of no announced length, and the server
answers them. The head is answered at once, without them: a proxy passes nothing more on before it has seen a 101.
"""

import re
from collections.abc import Callable

from ...errors import ProtocolError
from ...types import Request
from ...wire.protocol1.hixie import CLOSING, KEY3_BYTES, answer, text_frame
from ..http.response import Headers
from ..prepared import Prepared
from ..transports.interfaces import Fed, Link
from .session import Opening, ResumableSession
from .websocket import ResumableWebSocket

_VISIBLE = re.compile("[!-~]+")


def fields(request: Request) -> Headers:
    """Return the fields in which an answer repeats whose page has asked for what (draft 76, section 5.2, item 10).

    The scheme is that of the page where nobody knows better. Raises ProtocolError for what cannot be repeated.
    """
    origin, host = request.header("origin"), request.host or ""
    secure = origin == f"https://{host}" if request.secure is None else request.secure
    location = f"{'wss' if secure else 'ws'}://{host}{request.target}"
    for value in (host, location, *(() if origin is None else (origin,))):
        if not _VISIBLE.fullmatch(value):
            raise ProtocolError(f"The handshake has {value[:40]!r}, which the answer would repeat: use visible ASCII")
    return (*(() if origin is None else (("Sec-WebSocket-Origin", origin),)), ("Sec-WebSocket-Location", location))


class HixieWebSocket(ResumableWebSocket):
    """The WebSocket behind such a handshake; a closing frame has neither code nor reason, and there are no pings."""

    __slots__ = ()

    def write(self, prepared: Prepared) -> bool:
        """Write its frame, which is none of those that other WebSockets share, and remember it."""
        frame, unsent_bytes = text_frame(prepared.text), self.link.unsent_bytes
        if not self.link.write(frame):
            return False
        self._sent.add(len(frame), prepared, unsent_bytes)
        return True

    def end(self, frame: bytes) -> None:
        """Send the only last frame that there is."""
        super().end(CLOSING)


class Challenge(Opening):
    """Stands between link and transport until the handshake is over, for `upgrade_timeout` at most; then it passes on.

    `begin` makes the transport, behind the answer. A session that ends meanwhile ends this as well.
    """

    __slots__ = ("_begin", "_challenge", "_link", "_transport")

    def __init__(self, session: ResumableSession, challenge: bytes, link: Link, begin: Callable[[], Fed]) -> None:
        self._challenge = challenge  # the keys 1 and 2, and what has come of key 3
        self._link = link
        self._begin = begin
        self._transport: Fed | None = None
        super().__init__(session, session.policy.upgrade_timeout)

    def receive(self, data: bytes) -> None:
        """Take the rest of the handshake, and then what is the transport's."""
        if self._transport is not None:
            self._transport.receive(data)
            return
        missing = 8 + KEY3_BYTES - len(self._challenge)
        self._challenge += data[:missing]
        if len(data) < missing:
            return
        self._wait_no_longer()
        self._link.write(answer(self._challenge))
        self._transport = self._begin()
        if len(data) > missing:
            self._transport.receive(data[missing:])

    def writable(self) -> None:
        """There is room again."""
        if self._transport is not None:
            self._transport.writable()

    def lost(self) -> None:
        """The socket is gone."""
        self._wait_no_longer()
        if self._transport is not None:
            self._transport.lost()

    def retire(self) -> None:
        """Close: the session is over, or the rest does not come. There is no WebSocket yet that could say so."""
        self._wait_no_longer()
        self._link.close()
