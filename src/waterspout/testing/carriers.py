"""What carries a peer's packets: a WebSocket, or long-polling."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..engine import Response, Upgrade
from ..types import Request
from ..wire.deflate import Deflate
from ..wire.generations import EVENTS
from .frames import client_frame, server_frames
from .links import HANDSHAKE, Headers, MemoryLink, perform, respond

if TYPE_CHECKING:
    from .peer import Peer

_BINARY = ("Content-Type", "application/octet-stream")


class Refused(Exception):
    """The server has refused a request; `response` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body.decode(errors='replace')}")
        self.response = response


class MemoryExchange:
    """A request, and its answer once it is there."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Response | None = None

    def respond(self, response: Response, written: Callable[[], object] | None = None) -> None:
        """Take the answer."""
        assert self.response is None
        self.response = response
        if written is not None:
            written()

    def take_back(self) -> bool:
        """Return False: in memory, an answer arrives at once."""
        return False


class WebSocketCarrier(MemoryLink):
    """A peer's WebSocket: a link that keeps what is `written`.

    `extensions` is the server's answer to what the peer has offered, empty if it has agreed to nothing.
    """

    handshake = HANDSHAKE

    def __init__(self, peer: "Peer", name: str = "websocket") -> None:
        super().__init__(peer, name)
        self.written: list[bytes] = []
        self.extensions = ""

    def open(self) -> None:
        """Make the handshake."""
        offer = self.peer.extensions
        fields = (*self.handshake, ("Sec-WebSocket-Extensions", offer)) if offer else self.handshake
        request = self.peer.request(transport=self.name, headers=fields)
        decision = self.peer.admit(request)
        assert isinstance(decision.greeting, Upgrade)
        if self.peer.generation is EVENTS and decision.session is not None:  # of which the client is not told
            self.peer.sid = decision.session.id
        self.extensions = dict(decision.greeting.handshake).get("Sec-WebSocket-Extensions", "")
        self.transport = perform(self.peer.engine, self.peer.engine.connect, decision, request, self)

    def send(self, packets: Iterable[str | bytes]) -> None:
        """Send each packet in a frame of its own."""
        for packet in packets:
            self.feed(self.frame(packet))

    def frame(self, packet: str | bytes) -> bytes:
        """Write the frame of a packet."""
        if isinstance(packet, str):
            opcode, payload = 1, packet.encode()
        else:
            opcode, payload = 2, self.peer.generation.engineio.encode_binary(packet)
        if self.extensions:
            opcode, payload = opcode | 0x40, Deflate().deflate(payload)
        return client_frame(opcode, payload)

    def feed(self, data: bytes) -> None:
        """Send bytes as they are."""
        perform(self.peer.engine, self.transport.receive, data)

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


class Poster:
    """What sends by POST."""

    peer: "Peer"
    name: str

    def send(self, packets: Iterable[str | bytes]) -> None:
        """Send the packets in one POST; raises `Refused` unless it is answered with 200."""
        self.post(*self.encode(packets))

    def post(self, body: bytes, headers: Headers = ()) -> None:
        """Send a body as it is."""
        answer = MemoryExchange(self.peer.request("POST", self.name, headers))
        decision = self.peer.admit(answer.request)
        self.peer.posting = answer
        respond(self.peer.engine, decision, answer, body)
        if answer.response is not None and answer.response.status != 200:
            raise Refused(answer.response)

    def encode(self, packets: Iterable[str | bytes]) -> tuple[bytes, Headers]:
        """Write the body of a POST; return it with its header fields."""
        messages = [(p.encode(), ()) if isinstance(p, str) else (b"", (p,)) for p in packets]
        body, is_binary = self.peer.generation.engineio.encode_payload(messages)
        return body, (_BINARY,) if is_binary else ()


class PollingCarrier(Poster):
    """A peer's long-polling, of which one GET is parked at most. `responses` keeps the server's answers."""

    goodbye = "1"

    def __init__(self, peer: "Peer", name: str = "polling") -> None:
        self.peer = peer
        self.name = name
        self.responses: list[Response] = []
        self.request: Request
        self._parked: Any = None

    def open(self) -> None:
        """Send the first GET."""
        self.poll()
        if self.responses and self.responses[0].status != 200:
            raise Refused(self.responses[0])

    @property
    def is_parked(self) -> bool:
        """Tell whether a GET waits for its answer."""
        return self._parked is not None

    def poll(self) -> None:
        """Send a GET."""
        self.request = self.peer.request(transport=self.name)
        self._parked = self.peer.admit(self.request)
        respond(self.peer.engine, self._parked, self)

    def lose(self) -> None:
        """Give up the parked GET."""
        if self._parked is not None:
            parked, self._parked = self._parked, None
            perform(self.peer.engine, self.peer.engine.abort, parked)

    def respond(self, response: Response, written: Callable[[], object] | None = None) -> None:
        """Take the answer to the GET, and poll again."""
        if self._parked is None:
            return  # given up
        self._parked = None
        self.responses.append(response)
        self._take(response)
        if written is not None:
            written()
        self.peer.engine.driver.soon(self._poll_again)

    def take_back(self) -> bool:
        """Return False: in memory, an answer arrives at once."""
        return False

    def decode(self, response: Response) -> Iterable[str | bytes]:
        """Read the packets of an answer."""
        return self.peer.generation.engineio.decode_payload(response.body, binary=_BINARY in response.headers)

    def _take(self, response: Response) -> None:
        peer = self.peer
        if response.status != 200:
            peer.closed = 0
            return
        for packet in self.decode(response):
            peer.receive(packet)
            if packet == self.goodbye:
                peer.closed = 0

    def _poll_again(self) -> None:
        peer = self.peer
        if peer.polls and peer.closed is None and self._parked is None and peer.carrier is self:
            try:
                self.poll()
            except Refused as refused:
                self.responses.append(refused.response)
                peer.closed = 0
