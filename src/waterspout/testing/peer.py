"""A client in memory."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from ..engine import ANSWERED, Engine, Open, Resume
from ..errors import DecodeError
from ..server import Server
from ..types import Request
from ..wire import json
from ..wire.generations import ENGINEIO_4, Generation
from ..wire.packets import Ack, Event, Packet, Signal
from ..wire.socketio import Encoded, Partial
from .carriers import PollingCarrier, WebSocketCarrier
from .polls import Refused

_CARRIERS: dict[str, type[WebSocketCarrier | PollingCarrier]] = {
    "polling": PollingCarrier,
    "websocket": WebSocketCarrier,
}
P = TypeVar("P", Event, Ack)

_MANY = 1 << 30  # attachments


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
        if not isinstance(server, Server | Engine):
            raise TypeError(f"{server!r} is no server: give a waterspout.Server or a waterspout.Engine")
        check_generation(generation)
        if transport not in _CARRIERS:
            raise ValueError(f"transport is {transport!r}: choose from {', '.join(_CARRIERS)}")
        self.engine = server if isinstance(server, Engine) else server.engine
        self.generation = generation
        self.query, self.headers = query, check_headers(headers)
        self.polls = polls
        self.extensions = extensions
        self.sid = ""
        self.closed: int | None = None
        self.frames: list[tuple[int, bytes]] = []
        self._received: list[str | bytes] = []
        self.carrier: WebSocketCarrier | PollingCarrier
        self.carrier = _CARRIERS[transport](self)
        self.carrier.open()

    @property
    def transport(self) -> str:
        """The transport in use."""
        return self.carrier.name

    def take(self) -> list[str | bytes]:
        """Return what has come since the last time, as it is on the wire."""
        received, self._received = self._received, []
        return received

    def events(self, namespace: str = "/") -> list[tuple[Any, ...]]:
        """Return the events that have come to a namespace, as `(name, *args)`, and leave the rest to `take`."""
        return [(packet.name, *packet.args) for packet in self._pick(Event, namespace)]

    def acks(self, namespace: str = "/") -> dict[int, Any]:
        """Return the acknowledgements that have come, by id, and leave the rest to `take`.

        Each is the mirror of what a handler returns: None, a value, or a tuple.
        """
        packets = self._pick(Ack, namespace)
        return {
            one.id: None if not one.args else one.args[0] if len(one.args) == 1 else tuple(one.args) for one in packets
        }

    def skip(self, packets: int) -> None:
        """Forget the first packets of what has come."""
        del self._received[:packets]

    def send(self, *packets: str | bytes) -> None:
        """Send Engine.IO packets as they are: text with its type, or the content of binary messages."""
        self.carrier.send(packets)

    def connect(self, namespace: str = "/", auth: dict[str, Any] | None = None) -> None:
        """Enter a namespace; clients of Engine.IO 3 are in "/" from the start."""
        self._send(self.generation.socketio.encode_knock(namespace, auth))

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
        self.carrier = websocket  # from here on the server may say goodbye there
        websocket.send(["5"])

    def probe(self) -> "WebSocketCarrier":
        """Open a WebSocket beside the polling, and leave the rest to the caller."""
        websocket = WebSocketCarrier(self)
        websocket.open()
        return websocket

    def lose(self) -> None:
        """Vanish: the connection is cut."""
        self.carrier.lose()

    def close(self) -> None:
        """Say goodbye, if there is still a connection."""
        if self.sid in self.engine.sessions and self.closed is None:
            self.send("1")

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
        if isinstance(decision, ANSWERED):
            raise Refused(decision.response)
        assert isinstance(decision, Open | Resume)
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

    def _pick(self, kind: type[P], namespace: str) -> list[P]:
        """Take out the packets of a kind and a namespace, with their attachments."""
        picked: list[P] = []
        rest: list[str | bytes] = []
        received = iter(self._received)
        for first in received:
            packet, raw = self._read(first), [first]
            if isinstance(packet, Partial):
                packet = _complete(packet, received, raw)
            if isinstance(packet, kind) and packet.namespace == namespace:
                picked.append(packet)
            else:
                rest += raw
        self._received = rest
        return picked

    def _read(self, packet: str | bytes) -> Packet | Partial | Signal | None:
        """Read an event or an acknowledgement, which are spelt alike in both directions."""
        codec = self.generation.socketio
        try:
            if isinstance(packet, bytes):
                return codec.decode_binary(packet, None)
            return codec.decode(packet, 1, _MANY) if packet[:1] == "4" and packet[1:2] in tuple("2356") else None
        except DecodeError:
            return None  # a packet that only servers send


def check_generation(generation: Generation) -> Generation:
    """Raise TypeError for what is no row of the table of generations."""
    if not isinstance(generation, Generation):
        raise TypeError(f"generation is {generation!r}: give ENGINEIO_3 or ENGINEIO_4 of waterspout.testing")
    return generation


def check_headers(headers: Any) -> tuple[tuple[str, str], ...]:
    """Raise TypeError for what is no sequence of pairs, such as a dictionary: a field may be there twice."""
    pairs = tuple(headers.items() if isinstance(headers, dict) else headers)
    if isinstance(headers, dict) or any(isinstance(one, str) for one in pairs):
        meant = list(pairs) if isinstance(headers, dict) else [("Cookie", "a=1")]
        raise TypeError(f"headers is {headers!r}: give pairs of a name and a value, as in {meant!r}")
    return pairs


def _complete(partial: Partial, received: Iterator[str | bytes], raw: list[str | bytes]) -> Packet | None:
    """Take the attachments of a packet, which follow it; None if they have not all come."""
    for data in received:
        raw.append(data)
        packet = partial.add(data) if isinstance(data, bytes) else None
        if packet is not None:
            return packet
    return None
