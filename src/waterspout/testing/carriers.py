"""What carries a peer's packets: a WebSocket, or long-polling."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from ..engine import Engine, Open, Response, Resume, WebSocketTransport
from ..types import Request
from ..wire.deflate import Deflate
from ..wire.generations import Generation
from .frames import client_frame, server_frames
from .links import HANDSHAKE, MemoryLink
from .polls import MemoryExchange, Polls, Refused


class Client(Protocol):
    """What a carrier needs of its peer."""

    carrier: Any
    closed: int | None
    engine: Engine
    extensions: str
    frames: list[tuple[int, bytes]]
    generation: Generation
    polls: bool

    def request(
        self, method: str = "GET", transport: str | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> Request:
        """Make a request."""

    def admit(self, request: Request) -> Open | Resume:
        """Ask the engine what it means."""

    def receive(self, packet: str | bytes) -> None:
        """Take what has come."""


class WebSocketCarrier(MemoryLink):
    """A peer's WebSocket: a link that keeps what is `written`.

    `extensions` is the server's answer to what the peer has offered, empty if it has agreed to nothing.
    """

    peer: Client
    transport: WebSocketTransport

    def __init__(self, peer: Client) -> None:
        super().__init__(peer, "websocket")
        self.written: list[bytes] = []
        self.extensions = ""

    def open(self) -> None:
        """Make the handshake."""
        offer = self.peer.extensions
        fields = (*HANDSHAKE, ("Sec-WebSocket-Extensions", offer)) if offer else HANDSHAKE
        request = self.peer.request(transport="websocket", headers=fields)
        decision = self.peer.admit(request)
        self.extensions = dict(decision.headers).get("Sec-WebSocket-Extensions", "")
        transport = self.peer.engine.connect(decision, request, self)
        assert isinstance(transport, WebSocketTransport)
        self.transport = transport

    def send(self, packets: Iterable[str | bytes]) -> None:
        """Send each packet in a frame of its own."""
        encode = self.peer.generation.engineio.encode_binary
        for packet in packets:
            opcode, payload = (1, packet.encode()) if isinstance(packet, str) else (2, encode(packet))
            if self.extensions:
                opcode, payload = opcode | 0x40, Deflate().deflate(payload)
            self.feed(client_frame(opcode, payload))

    def feed(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.receive(data)

    def arrive(self, data: bytes) -> None:
        """Keep the frames, and take what is in them."""
        self.written.append(data)
        for opcode, payload in server_frames(data):
            self._take(opcode, payload)

    def _take(self, opcode: int, payload: bytes) -> None:
        peer = self.peer
        peer.frames.append((opcode, payload))
        if opcode == 1:
            peer.receive(payload.decode())
        elif opcode == 2:
            peer.receive(peer.generation.engineio.decode_binary(payload))
        elif opcode == 8 and peer.carrier is self:
            peer.closed = int.from_bytes(payload[:2], "big")


class PollingCarrier(Polls):
    """A peer's long-polling. `responses` keeps the server's answers."""

    peer: Client

    def __init__(self, peer: Client) -> None:
        super().__init__(peer, "polling")

    def open(self) -> None:
        """Make the handshake."""
        self.poll()
        if self.responses and self.responses[0].status != 200:
            raise Refused(self.responses[0])

    def poll(self) -> None:
        """Send a GET."""
        self.park(self.peer.request(transport=self.name))

    def send(self, packets: Iterable[str | bytes]) -> None:
        """Send the packets in one POST; raises `Refused` unless it is answered with 200."""
        messages = [(p.encode(), ()) if isinstance(p, str) else (b"", (p,)) for p in packets]
        body, binary = self.peer.generation.engineio.encode_payload(messages)
        self.post(body, (("Content-Type", "application/octet-stream"),) if binary else ())

    def post(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send a body as it is."""
        answer = MemoryExchange(self.peer.request("POST", self.name, headers))
        self.peer.engine.respond(self.peer.admit(answer.request), answer, body)
        if answer.response is not None and answer.response.status != 200:
            raise Refused(answer.response)

    def take(self, response: Response) -> None:
        """Take the packets of an answer."""
        peer = self.peer
        if response.status != 200:
            peer.closed = 0
            return
        binary = ("Content-Type", "application/octet-stream") in response.headers
        for packet in peer.generation.engineio.decode_payload(response.body, binary=binary):
            peer.receive(packet)
            if packet == "1":
                peer.closed = 0
