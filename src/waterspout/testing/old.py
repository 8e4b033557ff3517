"""Clients of Socket.IO 0.7 to 0.9 in memory: the peers of another protocol, in the manner of `testing`.

pair = OldPair(server, transport="xhr-polling")
pair.peer.emit("say", "hello", id=1)
assert pair.peer.take() == ['6:::1+["ok"]']
"""

from collections.abc import Sequence
from typing import Any

from ..engine import ANSWERED, Engine, OldRequest, Response
from ..server import Server, Socket
from ..types import Request
from ..wire.protocol1 import socketio as socketio1
from ..wire.socketio import Encoded
from .clock import Clock
from .oldcarriers import STREAMS, WEBSOCKETS, OldHixieWebSocket, OldPolling, OldStream, OldWebSocket
from .peer import check_headers
from .polls import MemoryExchange, Refused

__all__ = ["OldPair", "OldPeer"]


class OldPeer:
    """A client in memory that has made its handshake; it answers nothing by itself, but polls while `polls` is true.

    Without a `transport` it stays at its handshake. `packets` that come are kept for `take`, as on the wire. Raises
    `Refused` if the server does not want it. With `hixie` its WebSockets are of draft 76, as those of Flash.
    `closed` is None, then the code of a WebSocket's close frame, or 0.
    """

    def __init__(
        self,
        server: Server | Engine,
        *,
        transport: str | None = "websocket",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        polls: bool = True,
        hixie: bool = False,
    ) -> None:
        self.engine = server if isinstance(server, Engine) else server.engine
        self.query, self.headers = query, check_headers(headers)
        self.polls = polls
        self.hixie = hixie
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
            self.carrier = (OldHixieWebSocket if self.hixie else OldWebSocket)(self, transport)
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
        exchange = MemoryExchange(self.request(method, below, headers))
        decision = self.engine.admit(exchange.request)
        if isinstance(decision, ANSWERED):
            return decision.response
        self.engine.respond(decision, exchange, body)
        assert exchange.response is not None, "the answer to this request comes later"
        return exchange.response

    def admit(self, request: Request) -> OldRequest:
        """Ask the engine what a request means; raises `Refused`."""
        decision = self.engine.admit(request)
        if isinstance(decision, ANSWERED):
            raise Refused(decision.response)
        assert isinstance(decision, OldRequest)
        return decision

    def receive(self, *packets: str) -> None:
        """Take packets from a carrier."""
        self._received.extend(packets)

    def _send(self, encoded: Encoded) -> None:
        self.carrier.send([encoded[0]])


class OldPair:
    """A server and one client of 0.7 to 0.9 that has entered "/": `peer`, its `socket` at the server, and the `clock`.

    The options are those of `OldPeer`. Several pairs of one server share its clock, whatever their generation.
    """

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        driver = server.engine.driver
        self.clock: Clock = driver if isinstance(driver, Clock) else Clock()
        server.engine.bind(self.clock)
        self.peer: OldPeer = OldPeer(server, **options)
        self.socket: Socket = server.sockets()[-1]
        self.peer.take()
