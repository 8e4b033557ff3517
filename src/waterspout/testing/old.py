"""Clients of Socket.IO 0.7 to 0.9 in memory: the peers of another protocol, in the manner of `testing`.

pair = OldPair(server, transport="xhr-polling")
pair.peer.emit("say", "hello", id=1)
assert pair.peer.take() == ['6:::1+["ok"]']
"""

import re
from collections.abc import Sequence
from typing import Any

from ..engine import Engine, Fed, Preflight, Refuse, Response, Visit
from ..server import Server, Socket
from ..types import Request
from ..wire import json, socketio1
from ..wire.socketio import Encoded
from .carriers import Refused
from .clock import Clock
from .frames import client_frame, server_frames

__all__ = ["OldPair", "OldPeer", "OldPolling", "OldStream", "OldWebSocket"]

WEBSOCKETS = ("websocket", "flashsocket")
STREAMS = ("htmlfile", "xhr-multipart")

_CHUNK = re.compile(rb"([0-9a-f]+)\r\n", re.DOTALL)
_SCRIPT = re.compile(rb'/\*\*/io\.j\[(\d+)\]\((".*")\);')
_ELEMENT = re.compile(rb'<script>_\((".*?")\);</script>')


class OldPeer:
    """A client in memory that has made its handshake; it answers nothing by itself, but polls while `polls` is true.

    Without a `transport` it stays at its handshake. `packets` that come are kept for `take`, as on the wire. Raises
    `Refused` if the server does not want it. `closed` is None, then the code of a WebSocket's close frame, or 0.
    """

    def __init__(
        self,
        server: Server | Engine,
        *,
        transport: str | None = "websocket",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        polls: bool = True,
    ) -> None:
        self.engine = server if isinstance(server, Engine) else server.engine
        self.query, self.headers = query, tuple(headers)
        self.polls = polls
        self.closed: int | None = None
        self.carrier: OldWebSocket | OldPolling | OldStream
        self._received: list[str] = []
        answer = self.ask("GET", f"/?t=1{'&' if query else ''}{query}")
        if answer.status != 200:
            raise Refused(answer)
        self.handshake = answer.body.decode()
        self.sid = self.handshake.split(":")[0]
        if transport is not None:
            self.switch(transport)

    def switch(self, transport: str) -> None:
        """Begin a transport, or go on over another, without a word of goodbye to the one before."""
        if transport in WEBSOCKETS:
            self.carrier = OldWebSocket(self, transport)
        elif transport in STREAMS:
            self.carrier = OldStream(self, transport)
        else:
            self.carrier = OldPolling(self, transport)
        self.carrier.open()

    def take(self) -> list[str]:
        """Return the packets that have come since the last time."""
        received, self._received = self._received, []
        return received

    def send(self, *packets: str) -> None:
        """Send packets as they are: over a WebSocket each in a frame, by POST in one payload."""
        self.carrier.send([packet.encode() for packet in packets])

    def connect(self, namespace: str, query: str = "") -> None:
        """Enter a namespace; a client is in "/" from the start."""
        self._send(socketio1.encode_knock(namespace, query))

    def emit(self, event: str, *args: Any, id: int | None = None, namespace: str = "/") -> None:
        """Send an event; with an `id`, the server is to acknowledge it."""
        self._send(socketio1.encode_event(namespace, event, args, id))

    def say(self, data: Any, *, namespace: str = "/", **options: Any) -> None:
        """Send a message without a name; the options are those of `encode_message`."""
        self._send(socketio1.encode_message(namespace, data, **options))

    def acknowledge(self, id: int, *args: Any, namespace: str = "/") -> None:
        """Answer an event of the server's that has this id."""
        self._send(socketio1.encode_ack(namespace, id, args))

    def leave(self, namespace: str = "/") -> None:
        """Leave a namespace, or with "/" altogether."""
        self._send(socketio1.encode_disconnect(namespace))

    def beat(self) -> None:
        """Answer a heartbeat."""
        self.send("2::")

    def lose(self) -> None:
        """Vanish: the connection is cut."""
        self.carrier.lose()

    def request(self, method: str, below: str, headers: Sequence[tuple[str, str]] = ()) -> Request:
        """Make a request for what is below `/socket.io/1`, as from a page of the server's."""
        fields = [("Host", "localhost"), ("Referer", "http://localhost/"), *self.headers, *headers]
        return Request(method, f"{self.engine.path}/1{below}", fields, remote_address="127.0.0.1")

    def ask(self, method: str, below: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> Response:
        """Make a request and return its answer, which has to come at once."""
        exchange = OldExchange(self.request(method, below, headers))
        decision = self.engine.admit(exchange.request)
        if isinstance(decision, Refuse | Preflight):
            return decision.response
        self.engine.respond(decision, exchange, body)
        assert exchange.response is not None, "the answer to this request comes later"
        return exchange.response

    def admit(self, request: Request) -> Visit:
        """Ask the engine what a request means; raises `Refused`."""
        decision = self.engine.admit(request)
        if isinstance(decision, Refuse | Preflight):
            raise Refused(decision.response)
        assert isinstance(decision, Visit)
        return decision

    def receive(self, *packets: str) -> None:
        """Take packets from a carrier."""
        self._received.extend(packets)

    def _send(self, encoded: Encoded) -> None:
        self.carrier.send([encoded[0]])


class OldExchange:
    """A request, and its answer once it is there."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Response | None = None

    def respond(self, response: Response) -> None:
        """Take the answer."""
        assert self.response is None
        self.response = response


class _Link:
    """A link in memory. While `blocked` it takes nothing; while `held` it takes all, and none of it leaves."""

    def __init__(self, peer: OldPeer, name: str) -> None:
        self.peer = peer
        self.name = name
        self.blocked = self.held = self.finished = self.paused = False
        self.transport: Fed
        self._waiting: list[bytes] = []

    def lose(self) -> None:
        """Cut the connection, and all that is held with it."""
        self.finished = True
        self.transport.lost()

    def unblock(self) -> None:
        """Take bytes again."""
        self.blocked = False
        self.transport.writable()

    def release(self) -> None:
        """Let what is held arrive."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.arrive(data)

    @property
    def unsent_bytes(self) -> int:
        """Return how many bytes are held."""
        return sum(map(len, self._waiting))

    def write(self, data: bytes) -> bool:
        """Take what the transport writes."""
        if self.finished:
            return True  # nobody reads it any more
        if self.blocked:
            return False
        if self.held:
            self._waiting.append(data)
        else:
            self.arrive(data)
        return True

    def finish(self, data: bytes) -> None:
        """Take the last bytes, behind all others."""
        self.blocked = False
        self.write(data)
        self.finished = True

    def close(self) -> None:
        """Close at once: what is held never arrives."""
        self.finished = True
        self._waiting.clear()

    def pause(self) -> None:
        """Hear that the server reads no further; `paused` says so."""
        self.paused = True

    def resume(self) -> None:
        """Hear that it reads again."""
        self.paused = False

    def arrive(self, data: bytes) -> None:
        """Take what has left the link."""
        raise NotImplementedError


class OldWebSocket(_Link):
    """A peer's WebSocket, by either of its names."""

    def open(self) -> None:
        """Make the opening handshake."""
        fields = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        request = self.peer.request("GET", f"/{self.name}/{self.peer.sid}", fields)
        decision = self.peer.admit(request)
        assert decision.greeting is not None
        assert decision.greeting.status == 101
        self.transport = self.peer.engine.connect(decision, request, self)

    def send(self, packets: Sequence[bytes]) -> None:
        """Send each packet in a frame of its own."""
        for packet in packets:
            self.transport.receive(client_frame(1, packet))

    def arrive(self, data: bytes) -> None:
        """Take frames."""
        for opcode, payload in server_frames(data):
            if opcode == 1:
                self.peer.receive(payload.decode())
            elif opcode == 8 and self.peer.carrier is self:
                self.peer.closed = int.from_bytes(payload[:2], "big")


class _Posting:
    """What sends by POST."""

    peer: OldPeer
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


class OldStream(_Posting, _Link):
    """An endless answer, `htmlfile` or `xhr-multipart`, beside which the peer posts. `body` is what has come of it."""

    def open(self) -> None:
        """Send the GET."""
        self.body = b""
        self._rest, self._read = b"", 0
        request = self.peer.request("GET", f"/{self.name}/{self.peer.sid}")
        decision = self.peer.admit(request)
        self.head = decision.greeting
        self.transport = self.peer.engine.connect(decision, request, self)

    def arrive(self, data: bytes) -> None:
        """Take chunks."""
        self._rest += data
        while (head := _CHUNK.match(self._rest)) is not None:
            start, size = head.end(), int(head[1], 16)
            self.body += self._rest[start : start + size]
            self._rest = self._rest[start + size + 2 :]
            if not size and self.peer.carrier is self:
                self.peer.closed = 0
        self.peer.receive(*self._packets())

    def _packets(self) -> list[str]:
        """Cut what has come into packets, and return the new ones."""
        if self.name == "htmlfile":
            found = [json.decode(element.decode()) for element in _ELEMENT.findall(self.body)]
        else:
            parts = self.body.split(b"--socketio\r\n")[2:-1]  # the first has the session's id
            found = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n").decode() for part in parts]
        read, self._read = self._read, len(found)
        return found[read:]


class OldPolling(_Posting):
    """A peer's polling, `xhr-polling` or `jsonp-polling`. `responses` keeps the server's answers."""

    def __init__(self, peer: OldPeer, name: str) -> None:
        self.peer = peer
        self.name = name
        self.responses: list[Response] = []
        self.request: Request
        self._parked: Visit | None = None

    @property
    def is_parked(self) -> bool:
        """Tell whether a GET waits for its answer."""
        return self._parked is not None

    def open(self) -> None:
        """Send the first GET."""
        self.poll()

    def poll(self) -> None:
        """Send a GET."""
        query = "?i=0" if self.name == "jsonp-polling" else ""
        self.request = self.peer.request("GET", f"/{self.name}/{self.peer.sid}{query}")
        self._parked = self.peer.admit(self.request)
        self.peer.engine.respond(self._parked, self)

    def lose(self) -> None:
        """Give up the parked GET."""
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self.peer.engine.abort(parked)

    def respond(self, response: Response) -> None:
        """Take the answer to the GET, and poll again."""
        if self._parked is None:
            return  # given up
        self._parked = None
        self.responses.append(response)
        body = response.body
        if self.name == "jsonp-polling":
            script = _SCRIPT.fullmatch(body)
            assert script is not None, body
            body = json.decode(script[2].decode()).encode()
        packets = [str(packet) for packet in socketio1.decode_payload(body)]
        self.peer.receive(*packets)
        if "0::" in packets:
            self.peer.closed = 0
        self.peer.engine.driver.soon(self._poll_again)

    def _poll_again(self) -> None:
        peer = self.peer
        if peer.polls and peer.closed is None and self._parked is None and peer.carrier is self:
            try:
                self.poll()
            except Refused as refused:
                self.responses.append(refused.response)
                peer.closed = 0


class OldPair:
    """A server and one client of 0.7 to 0.9 that has entered "/": `peer`, its `socket` at the server, and the `clock`.

    The options are those of `OldPeer`. Several pairs of one server share its clock, whatever their generation.
    """

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        driver = server.engine.driver
        self.clock = driver if isinstance(driver, Clock) else Clock()
        server.engine.bind(self.clock)
        self.peer = OldPeer(server, **options)
        self.socket: Socket = server.sockets()[-1]
        self.peer.take()
