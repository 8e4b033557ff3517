"""What carries the packets of a peer of 0.7 to 0.9: a WebSocket, an endless answer, or polling."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from ..engine import Engine, OldRequest, Response
from ..types import Request
from ..wire import json
from ..wire.protocol1 import hixie
from ..wire.protocol1 import socketio as socketio1
from .frames import client_frame, server_frames
from .links import HANDSHAKE, HIXIE_HANDSHAKE, HIXIE_KEY3, MemoryLink
from .polls import Polls, Refused

WEBSOCKETS = ("websocket", "flashsocket")
STREAMS = ("htmlfile", "xhr-multipart")

_CHUNK = re.compile(rb"([0-9a-f]+)\r\n", re.DOTALL)
_SCRIPT = re.compile(rb'/\*\*/io\.j\[(\d+)\]\((".*")\);')
_ELEMENT = re.compile(rb'<script>_\((".*?")\);</script>')
_PART = re.compile(rb"--socketio\r\n.*?\r\n\r\n(.*?)\r\n(?=--socketio\r\n)", re.DOTALL)


class OldClient(Protocol):
    """What a carrier needs of its peer."""

    carrier: Any
    closed: int | None
    engine: Engine
    polls: bool
    sid: str

    def request(self, method: str, below: str, headers: Sequence[tuple[str, str]] = ()) -> Request:
        """Make a request for what is below `/socket.io/1`."""

    def ask(self, method: str, below: str, body: bytes = b"") -> Response:
        """Make a request and return its answer."""

    def admit(self, request: Request) -> OldRequest:
        """Ask the engine what a request means; raises `Refused`."""

    def receive(self, *packets: str) -> None:
        """Take packets."""


class OldWebSocket(MemoryLink):
    """A peer's WebSocket, by either of its names."""

    peer: OldClient
    handshake: Sequence[tuple[str, str]] = HANDSHAKE

    def open(self) -> None:
        """Make the opening handshake."""
        request = self.peer.request("GET", f"/{self.name}/{self.peer.sid}", self.handshake)
        decision = self.peer.admit(request)
        assert decision.greeting is not None
        assert decision.greeting.status == 101
        self.transport = self.peer.engine.connect(decision, request, self)

    def send(self, packets: Sequence[bytes]) -> None:
        """Send each packet in a frame of its own."""
        for packet in packets:
            self.transport.receive(self.frame(packet))

    def frame(self, packet: bytes) -> bytes:
        """Write the frame of a packet."""
        return client_frame(1, packet)

    def arrive(self, data: bytes) -> None:
        """Take frames."""
        for opcode, payload in server_frames(data):
            if opcode == 1:
                self.peer.receive(payload.decode())
            elif opcode == 8 and self.peer.carrier is self:
                self.peer.closed = int.from_bytes(payload[:2], "big")


class OldHixieWebSocket(OldWebSocket):
    """A peer's WebSocket of draft 76, as Flash and browsers of 2010 have it; `digest` answers its handshake."""

    handshake = HIXIE_HANDSHAKE

    def __init__(self, peer: OldClient, name: str) -> None:
        super().__init__(peer, name)
        self.digest = self._rest = b""

    def open(self) -> None:
        """Make the opening handshake, with what comes behind its head."""
        super().open()
        self.transport.receive(HIXIE_KEY3)

    def frame(self, packet: bytes) -> bytes:
        """Write the frame of a packet."""
        return hixie.text_frame(packet)

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


class _Posting:
    """What sends by POST."""

    peer: OldClient
    name: str

    def send(self, packets: Sequence[bytes]) -> None:
        """Send all in one payload; raises `Refused` unless the answer is 200."""
        body, _ = socketio1.encode_payload([(packet, ()) for packet in packets])
        self.post(body)

    def post(self, body: bytes) -> None:
        """Send a payload, on jsonp-polling in a form."""
        query = ""
        if self.name == "jsonp-polling":
            text = json.encode_ascii(body.decode())
            body, query = b"d=" + b"".join(b"%%%02X" % byte for byte in text), "?i=0"
        answer = self.peer.ask("POST", f"/{self.name}/{self.peer.sid}{query}", body)
        if answer.status != 200:
            raise Refused(answer)


class OldStream(_Posting, MemoryLink):
    """An endless answer, `htmlfile` or `xhr-multipart`, beside which the peer posts."""

    peer: OldClient

    def open(self) -> None:
        """Send the GET."""
        self._pieces: list[bytes] = []
        self._rest = self._unread = b""
        self._has_begun = False
        request = self.peer.request("GET", f"/{self.name}/{self.peer.sid}")
        decision = self.peer.admit(request)
        self.head = decision.greeting
        self.transport = self.peer.engine.connect(decision, request, self)

    @property
    def body(self) -> bytes:
        """What has come."""
        return b"".join(self._pieces)

    def arrive(self, data: bytes) -> None:
        """Take chunks."""
        rest, at = self._rest + data, 0
        chunks = []
        while (head := _CHUNK.match(rest, at)) is not None:
            start, size = head.end(), int(head[1], 16)
            chunks.append(rest[start : start + size])
            at = start + size + 2
            if not size and self.peer.carrier is self:
                self.peer.closed = 0
        self._rest = rest[at:]
        self._pieces += chunks
        self._unread += b"".join(chunks)
        self.peer.receive(*self._packets())

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


class OldPolling(_Posting, Polls):
    """A peer's polling, `xhr-polling` or `jsonp-polling`. `responses` keeps the server's answers."""

    peer: OldClient

    def open(self) -> None:
        """Send the first GET."""
        self.poll()

    def poll(self) -> None:
        """Send a GET."""
        query = "?i=0" if self.name == "jsonp-polling" else ""
        self.park(self.peer.request("GET", f"/{self.name}/{self.peer.sid}{query}"))

    def take(self, response: Response) -> None:
        """Take the packets of an answer."""
        body = response.body
        if self.name == "jsonp-polling":
            script = _SCRIPT.fullmatch(body)
            assert script is not None, body
            body = json.decode(script[2].decode()).encode()
        packets = [str(packet) for packet in socketio1.decode_payload(body)]
        self.peer.receive(*packets)
        if "0::" in packets:
            self.peer.closed = 0
