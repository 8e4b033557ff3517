"""Clients in memory, for tests without sockets, sleeps or mocks.

    pair = Pair(server)
    pair.peer.emit("say", "hello", id=1)
    assert pair.peer.take() == ['431["ok"]']

A `Peer` is a client of any generation over polling or WebSocket; it speaks to the server's engine as a host
does. What it gets stands there as it is on the wire: text packets as str, binary messages as bytes. A
`Clock` is the server's driver, with a time that passes when the test says so.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .drivers import InlineDriver
from .engine import Engine, Open, Preflight, Refuse, Response, Resume, Visit
from .engine.driver import Waitable
from .server import Server, Socket
from .types import Request
from .wire import json
from .wire.deflate import Deflate, inflate
from .wire.generations import ENGINEIO_4, Generation
from .wire.socketio import Encoded

__all__ = ["Clock", "Pair", "Peer", "PollingCarrier", "Refused", "WebSocketCarrier", "client_frame", "server_frames"]

_LARGEST = 1 << 30  # bytes that a server's message may unpack to


class Refused(Exception):
    """The server has refused a request; `response` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body.decode(errors='replace')}")
        self.response = response


class Clock(InlineDriver):
    """A driver whose time stands still until `advance`; what is reported is kept in `reports`."""

    def __init__(self, start: float = 1000.0) -> None:
        super().__init__()
        self.time = start
        self.reports: list[tuple[str, BaseException | None]] = []
        self._alarm: tuple[float, Callable[[], object]] | None = None
        self._tokens = 0

    def now(self) -> float:
        """Return the time that the test has set."""
        return self.time

    def wall(self) -> float:
        """Return a date in November 2023, and the time since the start."""
        return 1_700_000_000.0 + self.time

    def token(self) -> str:
        """Return tokens that count: `token-0000000000000001`, ..."""
        self._tokens += 1
        return f"token-{self._tokens:016d}"

    def alarm(self, at: float, function: Callable[[], object]) -> None:
        """Call the function when `advance` or `block` gets there."""
        self._alarm = at, function

    def report(self, text: str, error: BaseException | None = None) -> None:
        """Keep it in `reports`."""
        self.reports.append((text, error))

    def block(self, pending: Waitable, timeout: float | None) -> bool:
        """Let time pass until the pending is done, or the timeout is over."""
        done: list[Any] = []
        pending.add_done_callback(done.append)
        end = None if timeout is None else self.time + timeout
        while not done and self._alarm is not None and (end is None or self._alarm[0] <= end):
            self._ring()
        return bool(done)

    def advance(self, seconds: float) -> None:
        """Let time pass; every deadline on the way comes at its own moment."""
        end = self.time + seconds
        while self._alarm is not None and self._alarm[0] <= end:
            self._ring()
        self.time = end

    def _ring(self) -> None:
        assert self._alarm is not None
        (at, function), self._alarm = self._alarm, None
        self.time = max(self.time, at)
        function()


class Peer:
    """A client in memory. It answers nothing by itself, but on polling keeps a poll parked while `polls` is true.

    `server` is a Server or an Engine; `query` and `headers` go with every request. Raises `Refused` if the
    server does not want it. `closed` is None, then the code of the WebSocket's close frame, or 0 on polling.
    `extensions` is what its WebSockets offer, as in "permessage-deflate; client_max_window_bits"; if the
    server agrees, all that it says is compressed.
    """

    def __init__(
        self,
        server: Server | Engine,
        *,
        generation: Generation = ENGINEIO_4,
        transport: str = "websocket",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        polls: bool = True,
        extensions: str = "",
    ) -> None:
        self.engine = server if isinstance(server, Engine) else server.engine
        self.generation = generation
        self.query, self.headers = query, tuple(headers)
        self.polls = polls
        self.extensions = extensions
        self.sid = ""
        self.closed: int | None = None
        self.frames: list[tuple[int, bytes]] = []
        self._received: list[str | bytes] = []
        self.carrier: WebSocketCarrier | PollingCarrier
        self.carrier = WebSocketCarrier(self) if transport == "websocket" else PollingCarrier(self)
        self.carrier.open()

    @property
    def transport(self) -> str:
        """The transport in use."""
        return self.carrier.name

    def take(self) -> list[str | bytes]:
        """Return what has come since the last time, as it is on the wire."""
        received, self._received = self._received, []
        return received

    def send(self, *packets: str | bytes) -> None:
        """Send Engine.IO packets as they are: text with its type, or the content of binary messages."""
        self.carrier.send(packets)

    def connect(self, namespace: str = "/", auth: dict[str, Any] | None = None) -> None:
        """Enter a namespace; clients of Engine.IO 3 are in "/" from the start."""
        self._send(self.generation.socketio.encode_knock(namespace, auth))  # type: ignore[call-arg]

    def emit(self, event: str, *args: Any, id: int | None = None, namespace: str = "/") -> None:
        """Send an event; with an `id`, the server is to acknowledge it."""
        self._send(self.generation.socketio.encode_event(namespace, event, args, id))

    def acknowledge(self, id: int, *args: Any, namespace: str = "/") -> None:
        """Answer an event of the server's that has this id."""
        self._send(self.generation.socketio.encode_ack(namespace, id, args))

    def leave(self, namespace: str = "/") -> None:
        """Leave a namespace."""
        self._send(self.generation.socketio.encode_disconnect(namespace))

    def beat(self) -> None:
        """Send the heartbeat that is the client's part: a ping before Engine.IO 4, a pong from then on."""
        self.send("2" if self.generation.client_pings else "3")

    def upgrade(self) -> None:
        """Change from polling to a WebSocket, with all the steps of the protocol."""
        websocket = self.probe()
        websocket.send(["2probe"])
        websocket.send(["5"])
        self.carrier = websocket

    def probe(self) -> "WebSocketCarrier":
        """Open a WebSocket beside the polling, and leave the rest to the caller."""
        websocket = WebSocketCarrier(self)
        websocket.open()
        return websocket

    def lose(self) -> None:
        """Vanish: the connection is cut."""
        self.carrier.lose()

    def request(
        self, method: str = "GET", transport: str | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> Request:
        """Make a request as this client would."""
        query = f"EIO={self.generation.revision}&transport={transport or self.transport}"
        query += f"&sid={self.sid}" if self.sid else ""
        query += f"&{self.query}" if self.query else ""
        fields = [("Host", "localhost"), *self.headers, *headers]
        return Request(method, f"{self.engine.path}/?{query}", fields, remote_address="127.0.0.1")

    def admit(self, request: Request) -> Open | Resume:
        """Ask the engine what a request means; raises `Refused`."""
        decision = self.engine.admit(request)
        if isinstance(decision, Refuse | Preflight):
            raise Refused(decision.response)
        assert not isinstance(decision, Visit)
        return decision

    def receive(self, packet: str | bytes) -> None:
        """Take a packet from a carrier."""
        if isinstance(packet, str) and packet[:1] == "0" and not self.sid:
            self.handshake: dict[str, Any] = json.decode(packet[1:])
            self.sid = self.handshake["sid"]
        self._received.append(packet)

    def _send(self, encoded: Encoded) -> None:
        text, attachments = encoded
        self.send(*((text.decode(),) if text else ()), *attachments)


class WebSocketCarrier:
    """A peer's WebSocket: a link that keeps what is written. While `blocked`, it takes nothing.

    `extensions` is the server's answer to what the peer has offered, empty if it has agreed to nothing.
    """

    name = "websocket"

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.blocked = self.finished = self.paused = False
        self.written: list[bytes] = []
        self.extensions = ""

    def open(self) -> None:
        """Make the handshake."""
        fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        if self._peer.extensions:
            fields.append(("Sec-WebSocket-Extensions", self._peer.extensions))
        request = self._peer.request(transport="websocket", headers=fields)
        decision = self._peer.admit(request)
        self.extensions = dict(decision.headers).get("Sec-WebSocket-Extensions", "")
        self.transport = self._peer.engine.connect(decision, request, self)

    def send(self, packets: Iterable[str | bytes]) -> None:
        """Send each packet in a frame of its own."""
        encode = self._peer.generation.engineio.encode_binary
        for packet in packets:
            opcode, payload = (1, packet.encode()) if isinstance(packet, str) else (2, encode(packet))
            if self.extensions:
                opcode, payload = opcode | 0x40, Deflate().deflate(payload)
            self.feed(client_frame(opcode, payload))

    def feed(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.receive(data)

    def lose(self) -> None:
        """Cut the connection."""
        self.finished = True
        self.transport.lost()

    def unblock(self) -> None:
        """Read again."""
        self.blocked = False
        self.transport.writable()

    def write(self, data: bytes) -> bool:
        """Take what the transport writes."""
        if self.finished:
            return True  # nobody reads it any more
        if self.blocked:
            return False
        self.written.append(data)
        traffic = self._peer.engine.traffic
        traffic.messages_out += 1
        traffic.bytes_out += len(data)
        for opcode, payload in server_frames(data):
            self._take(opcode, payload)
        return True

    @property
    def unsent_bytes(self) -> int:
        """Return 0: what is written has arrived."""
        return 0

    def close(self) -> None:
        """Close at once."""
        self.finished = True

    def pause(self) -> None:
        """Hear that the server reads no further; `paused` says so."""
        self.paused = True

    def resume(self) -> None:
        """Hear that it reads again."""
        self.paused = False

    def finish(self, data: bytes) -> None:
        """Take the last frame."""
        self.blocked = False
        self.write(data)
        self.finished = True

    def _take(self, opcode: int, payload: bytes) -> None:
        peer = self._peer
        peer.frames.append((opcode, payload))
        if opcode == 1:
            peer.receive(payload.decode())
        elif opcode == 2:
            peer.receive(peer.generation.engineio.decode_binary(payload))
        elif opcode == 8 and peer.carrier is self:
            peer.closed = int.from_bytes(payload[:2], "big")


class PollingCarrier:
    """A peer's long-polling. `responses` keeps the server's answers."""

    name = "polling"

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._parked: Open | Resume | None = None
        self.responses: list[Response] = []
        self.request: Request

    def open(self) -> None:
        """Make the handshake."""
        self.poll()

    def poll(self) -> None:
        """Send a GET."""
        self.request = self._peer.request(transport=self.name)
        self._parked = self._peer.admit(self.request)
        self._peer.engine.respond(self._parked, self)

    def send(self, packets: Iterable[str | bytes]) -> None:
        """Send the packets in one POST; raises `Refused` unless it is answered with 200."""
        messages = [(p.encode(), ()) if isinstance(p, str) else (b"", (p,)) for p in packets]
        body, binary = self._peer.generation.engineio.encode_payload(messages)
        self.post(body, (("Content-Type", "application/octet-stream"),) if binary else ())

    def post(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send a body as it is."""
        request = self._peer.request("POST", self.name, headers)
        answer = _Answer(request)
        self._peer.engine.respond(self._peer.admit(request), answer, body)
        if answer.response is not None and answer.response.status != 200:
            raise Refused(answer.response)

    def lose(self) -> None:
        """Give up the parked poll."""
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self._peer.engine.abort(parked)

    def respond(self, response: Response) -> None:
        """Take the answer to the poll, and poll again."""
        if self._parked is None:
            return  # given up
        self._parked = None
        self.responses.append(response)
        peer = self._peer
        if response.status != 200:
            peer.closed = 0
            return
        binary = ("Content-Type", "application/octet-stream") in response.headers
        for packet in peer.generation.engineio.decode_payload(response.body, binary=binary):
            peer.receive(packet)
            if packet == "1":
                peer.closed = 0
        peer.engine.driver.soon(self._poll_again)

    def _poll_again(self) -> None:
        peer = self._peer
        if peer.polls and peer.closed is None and self._parked is None and peer.carrier is self:
            try:
                self.poll()
            except Refused as refused:
                self.responses.append(refused.response)
                peer.closed = 0


class _Answer:
    """An exchange that keeps its answer."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Response | None = None

    def respond(self, response: Response) -> None:
        self.response = response


class Pair:
    """A server and one client that has entered "/": `peer`, the server's `socket` for it, and the `clock`.

    The options are those of `Peer`, and the `auth` of the client. Several pairs of one server share its clock.
    """

    def __init__(self, server: Server, *, auth: dict[str, Any] | None = None, **options: Any) -> None:
        self.server = server
        driver = server.engine.driver
        self.clock = driver if isinstance(driver, Clock) else Clock()
        server.engine.bind(self.clock)
        self.peer = Peer(server, **options)
        if not self.peer.generation.implicit_connect:
            self.peer.connect(auth=auth)
        self.socket: Socket = server.sockets()[-1]
        self.peer.take()


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Make a frame as a client does, masked with zeros so that its payload can be read in a failing test.

    `opcode` may have reserved bits beside it: 0x41 is a text whose payload is compressed.
    """
    first = opcode | (0x80 if final else 0)
    n = len(payload)
    if n < 126:
        head = bytes((first, 0x80 | n))
    elif n < 65_536:
        head = bytes((first, 0x80 | 126)) + n.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + n.to_bytes(8, "big")
    return head + bytes(4) + payload


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut a server's frames, which are whole and unmasked, into opcodes and payloads; compressed ones are unpacked."""
    frames = []
    while data:
        size, at = data[1], 2
        if size > 125:
            at += 2 if size == 126 else 8
            size = int.from_bytes(data[2:at], "big")
        payload = data[at : at + size]
        frames.append((data[0] & 0x0F, inflate(payload, _LARGEST) if data[0] & 0x40 else payload))
        data = data[at + size :]
    return frames
