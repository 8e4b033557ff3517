"""What carries the packets of a peer of Socket.IO 0.7 to 0.9 beside a WebSocket of the standard."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

from ..engine import Response
from ..wire import json
from ..wire.protocol1 import hixie
from ..wire.protocol1 import socketio as socketio1
from .carriers import PollingCarrier, Poster, WebSocketCarrier
from .links import Headers, MemoryLink, perform

if TYPE_CHECKING:
    from .peer import Peer

HIXIE_HANDSHAKE = (
    ("Upgrade", "WebSocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key1", "4 @1  46546xW%0l 1 5"),
    ("Sec-WebSocket-Key2", "12998 5 Y3 1  .P00"),
)
HIXIE_KEY3 = b"^n:ds[4U"
"""An opening handshake of draft 76 (draft-ietf-hybi-thewebsocketprotocol-00, 1.2), and what follows its head."""

_SCRIPT = re.compile(rb'/\*\*/io\.j\[(\d+)\]\((".*")\);')
_ELEMENT = re.compile(rb'<script>_\((".*?")\);</script>')
_PART = re.compile(rb"--socketio\r\n.*?\r\n\r\n(.*?)\r\n(?=--socketio\r\n)", re.DOTALL)


class HixieCarrier(WebSocketCarrier):
    """A peer's WebSocket of draft 76, as Flash and browsers of 2010 have it; `digest` answers its handshake."""

    handshake = HIXIE_HANDSHAKE

    def __init__(self, peer: "Peer", name: str) -> None:
        super().__init__(peer, name)
        self.digest = self._rest = b""

    def open(self) -> None:
        """Make the opening handshake, with what comes behind its head."""
        super().open()
        self.feed(HIXIE_KEY3)

    def frame(self, packet: str | bytes) -> bytes:
        """Write the frame of a packet."""
        return hixie.text_frame(_text(packet))

    def arrive(self, data: bytes) -> None:
        """Take the digest, then frames."""
        missing = 16 - len(self.digest)
        self.digest += data[:missing]
        *frames, self._rest = (self._rest + data[missing:]).split(b"\xff")
        for frame in frames:
            if frame:
                self.peer.receive(frame[1:].decode())
        if self._rest == b"\0" and frames and not frames[-1] and self.peer.carrier is self:
            self.peer.closed = 0


class _Poster(Poster):
    """What sends by POST, each packet as text."""

    def encode(self, packets: Iterable[str | bytes]) -> tuple[bytes, Headers]:
        """Write the body of a POST."""
        return socketio1.encode_payload([(_text(packet), ()) for packet in packets])[0], ()


class XhrCarrier(_Poster, PollingCarrier):
    """A peer's xhr-polling."""

    goodbye = "0::"

    def decode(self, response: Response) -> Iterable[str | bytes]:
        """Read the packets of an answer."""
        return socketio1.decode_payload(response.body)


class JsonpCarrier(XhrCarrier):
    """A peer's jsonp-polling: answers are scripts, and what it posts are forms."""

    def encode(self, packets: Iterable[str | bytes]) -> tuple[bytes, Headers]:
        """Write a payload as a form."""
        body, headers = super().encode(packets)
        return b"d=" + quote_from_bytes(json.encode_ascii(body.decode())).encode(), headers

    def decode(self, response: Response) -> Iterable[str | bytes]:
        """Read the packets of a script."""
        script = _SCRIPT.fullmatch(response.body)
        assert script is not None, response.body
        return socketio1.decode_payload(json.decode(script[2].decode()).encode())


class StreamCarrier(_Poster, MemoryLink):
    """An endless answer, `htmlfile` or `xhr-multipart`, beside which the peer posts."""

    def open(self) -> None:
        """Send the GET."""
        self._pieces: list[bytes] = []
        self._unread = b""
        self._has_begun = False
        request = self.peer.request(transport=self.name)
        decision = self.peer.admit(request)
        self.head = decision.greeting
        self.transport = perform(self.peer.engine, self.peer.engine.connect, decision, request, self)

    @property
    def body(self) -> bytes:
        """What has come."""
        return b"".join(self._pieces)

    def arrive(self, data: bytes) -> None:
        """Take content."""
        self._pieces.append(data)
        self._unread += data
        for packet in self._packets():
            self.peer.receive(packet)

    def finish(self, data: bytes) -> None:
        """Take the end of the answer."""
        super().finish(data)
        if self.peer.carrier is self:
            self.peer.closed = 0

    def _packets(self) -> list[str]:
        """Cut what has come into packets, and return the new ones."""
        found = list((_ELEMENT if self.name == "htmlfile" else _PART).finditer(self._unread))
        if not found:
            return []
        self._unread = self._unread[found[-1].end() :]
        if self.name == "htmlfile":
            return [json.decode(element[1].decode()) for element in found]
        first, self._has_begun = not self._has_begun, True
        return [part[1].decode() for part in found[first:]]  # the first has the session's id


def _text(packet: str | bytes) -> bytes:
    if not isinstance(packet, str):
        raise TypeError(f"{packet!r} is not text: these transports of Socket.IO 0.7 to 0.9 carry nothing else")
    return packet.encode()
