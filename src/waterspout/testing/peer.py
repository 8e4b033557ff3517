"""A client in memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from ..engine import ANSWERED, Admitted, Engine, Response
from ..errors import DecodeError
from ..server import Server
from ..types import Request
from ..wire import json
from ..wire.generations import ENGINEIO_4, EVENTS, Generation
from ..wire.packets import Ack, Connect, Event, Message, Packet, Signal, as_event
from ..wire.socketio import Encoded, Partial
from ..wire.websocket import CLOSE, PONG
from .carriers import MemoryExchange, Refused, WebSocketCarrier
from .dialects import Carrier, dialect_of
from .frames import client_frame
from .links import admit, respond

P = TypeVar("P", Event, Ack, Connect)

_MANY = 1 << 30  # attachments


class Peer:
    """A client in memory, of any generation. It answers nothing by itself, but polls again while `polls` is true.

    `server` is a Server or an Engine; `query` and `headers` go with every request. Raises `Refused` if the
    server does not want it. `handshake` is what the server said of the session: a dictionary, of SOCKETIO_1 a text.
    `closed` is None, then the code of the WebSocket's close frame, or 0 where there is none.

    Of ENGINEIO_3 and ENGINEIO_4 the transports are "websocket" and "polling"; of SOCKETIO_1 they are "websocket",
    "flashsocket", "hixie" (a flashsocket of draft 76, as Flash has it), "xhr-polling", "jsonp-polling", "htmlfile" and
    "xhr-multipart", or None for a client that stays at its handshake. EVENTS is a plain WebSocket, and needs the `path`
    at which the server has exposed a namespace. `extensions` is what its WebSockets offer, as
    in "permessage-deflate; client_max_window_bits"; if the server agrees, all that it says is compressed.
    """

    def __init__(
        self,
        server: Server | Engine,
        *,
        generation: Generation = ENGINEIO_4,
        transport: str | None = "websocket",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        polls: bool = True,
        extensions: str = "",
        path: str | None = None,
    ) -> None:
        if not isinstance(server, Server | Engine):
            raise TypeError(f"{server!r} is not a server: give a waterspout.Server or a waterspout.Engine")
        self.engine = server if isinstance(server, Engine) else server.engine
        self.generation = check_generation(generation)
        self._dialect = dialect_of(generation)
        if generation is EVENTS and path is None:
            raise ValueError('path is None: give the one at which the namespace is exposed, such as "/ws"')
        self.path = self.engine.path if path is None else path
        self.query, self.headers = query, check_headers(headers)
        self.polls = polls
        self.extensions = extensions
        self.namespace = "/"
        self.sid = ""
        self.closed: int | None = None
        self.frames: list[tuple[int, bytes]] = []
        self.handshake: Any = None
        self.carrier: Carrier
        self._received: list[str | bytes] = []
        self.posting: MemoryExchange | None = None  # the latest POST
        self._answers: dict[tuple[str, str], Callable[..., Any]] = {}
        self._answered: set[tuple[str, int | str]] = set()
        if self._dialect.has_handshake:
            self._shake_hands()
        if transport is not None or not self._dialect.has_handshake:
            self._open(transport)

    @property
    def transport(self) -> str:
        """The transport in use."""
        return self.carrier.name

    def take(self) -> list[str | bytes]:
        """Return what has come since the last time, as it is on the wire: text as str, binary messages as bytes."""
        received, self._received = self._received, []
        return received

    def events(self, namespace: str | None = None) -> list[tuple[Any, ...]]:
        """Return the events that have come to a namespace, as `(name, *args)`, and leave the rest to `take`.

        A message without a name, of which only SOCKETIO_1 has any, is the event "message".
        """
        return [(packet.name, *packet.args) for packet in self.pick(Event, namespace)]

    def acks(self, namespace: str | None = None) -> dict[int, Any]:
        """Return the acknowledgements that have come, by id, and leave the rest to `take`.

        Each is the mirror of what a handler returns: None, a value, or a tuple.
        """
        packets = self.pick(Ack, namespace)
        return {
            one.id: None if not one.args else one.args[0] if len(one.args) == 1 else tuple(one.args) for one in packets
        }

    def pick(self, kind: type[P], namespace: str | None = None) -> list[P]:
        """Return the packets of a kind that have come to a namespace, and leave the rest to `take`.

        The kind is Event, Ack, or Connect, for the answer to `connect`.
        """
        namespace = self._in(namespace)
        picked: list[P] = []
        rest: list[str | bytes] = []
        received = iter(self._received)
        for first in received:
            packet, raw = self._read(first), [first]
            if isinstance(packet, Partial):
                packet = _complete(packet, received, raw)
            if isinstance(packet, Message):
                packet = as_event(packet)
            if isinstance(packet, kind) and packet.namespace == namespace:
                picked.append(packet)
            else:
                rest += raw
        self._received = rest
        return picked

    def skip(self, packets: int) -> None:
        """Forget the first packets of what has come."""
        del self._received[:packets]

    def send(self, *packets: str | bytes) -> None:
        """Send packets as they are: text with its type, or the content of binary messages."""
        self.carrier.send(packets)

    def connect(self, namespace: str | None = None, auth: dict[str, Any] | None = None) -> None:
        """Enter a namespace; of 0.7 to 2.x, clients are in "/" from the start, and `auth` is their query."""
        namespace = self._in(namespace)
        if auth is not None and self.generation.implicit_connect:
            namespace, auth = f"{namespace}?{encode_query(auth)}", None
        self._send(self.generation.socketio.encode_knock(namespace, auth))

    def emit(self, event: str, *args: Any, id: int | None = None, namespace: str | None = None) -> None:
        """Send an event; with an `id`, the server is to acknowledge it."""
        self._send(self.generation.socketio.encode_event(self._in(namespace), event, args, id))

    def say(self, data: Any, *, namespace: str | None = None, **options: Any) -> None:
        """Send a message without a name, or from 1.x on the event "message".

        The options are `id` and, of SOCKETIO_1, `is_json` for what is no text, and `receipt` to be told of its arrival.
        """
        self._send(self.generation.socketio.encode_message(self._in(namespace), data, **options))

    def acknowledge(self, id: int, *args: Any, namespace: str | None = None) -> None:
        """Answer an event of the server's that has this id."""
        self._send(self.generation.socketio.encode_ack(self._in(namespace), id, args))

    def on(self, event: str, function: Callable[..., Any], *, namespace: str | None = None) -> None:
        """Acknowledge an event of the server's from now on, with what a function of its arguments returns.

        Code of the server's that waits for the client, in a plain function, has no other way to get an answer. The
        events are there for `events`, too. A plain handler that waits for a client over polling needs a server with
        `Clock(later=True)`, as on hosts that call it after the POST; RuntimeError in that handler otherwise.
        """
        self._answers[self._in(namespace), event] = function

    def leave(self, namespace: str | None = None) -> None:
        """Leave a namespace; with "/", clients of 0.7 to 0.9 end their connection."""
        self._send(self.generation.socketio.encode_disconnect(self._in(namespace)))

    def beat(self) -> None:
        """Send the heartbeat that is the client's part: a ping of 1.x and 2.x, else the answer to one."""
        packet = self.generation.ping.decode() if self.generation.client_pings else self._dialect.pong
        self.send(packet) if packet else self._say(PONG)

    def upgrade(self) -> None:
        """Change from polling to a WebSocket, with all the steps of Engine.IO; RuntimeError for SOCKETIO_1."""
        websocket = self.probe()
        websocket.send(["2probe"])
        self.carrier = websocket  # from here on the server may say goodbye there
        websocket.send(["5"])

    def probe(self) -> WebSocketCarrier:
        """Open a WebSocket beside the polling, and leave the rest to the caller; RuntimeError for SOCKETIO_1."""
        if not self.generation.upgrades:
            raise RuntimeError(f"{self.generation.clients} has no upgrade: go on over another transport with switch()")
        websocket = WebSocketCarrier(self)
        websocket.open()
        return websocket

    def switch(self, transport: str) -> None:
        """Go on over another transport, as SOCKETIO_1 may at any time; RuntimeError for other generations."""
        if self.generation.upgrades:
            raise RuntimeError(
                f"{self.generation.clients} leaves polling with upgrade(), and has no other change of transport"
            )
        self._open(transport)

    def lose(self) -> None:
        """Vanish: the connection is cut."""
        self.carrier.lose()

    def close(self) -> None:
        """Close the connection, if it is still open."""
        goodbye = self._dialect.goodbye
        if self.sid in self.engine.sessions and self.closed is None:
            self.send(goodbye) if goodbye else self._say(CLOSE, b"\x03\xe8")

    def request(
        self,
        method: str = "GET",
        transport: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        *,
        below: str | None = None,
    ) -> Request:
        """Make a request as this client would, for a transport, or for what is `below` its path."""
        if below is None:
            below = self._dialect.target(self, transport or self.transport)
        fields = [("Host", "localhost"), *self._dialect.headers, *self.headers, *headers]
        return Request(method, f"{self.path}{self._dialect.path}{below}", fields, remote_address="127.0.0.1")

    def ask(self, method: str, below: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> Response:
        """Make a request for what is below `/socket.io`, of SOCKETIO_1 below `/socket.io/1`, and return its answer.

        The answer has to come at once.
        """
        exchange = MemoryExchange(self.request(method, headers=headers, below=below))
        decision = admit(self.engine, exchange.request)
        if isinstance(decision, ANSWERED):
            return decision.response
        respond(self.engine, decision, exchange, body)
        assert exchange.response is not None, "the answer to this request comes later"
        return exchange.response

    def admit(self, request: Request) -> Admitted:
        """Ask the engine what a request means; raises `Refused`."""
        decision = admit(self.engine, request)
        if isinstance(decision, ANSWERED):
            raise Refused(decision.response)
        return decision

    def receive(self, packet: str | bytes) -> None:
        """Take a packet from a carrier."""
        if isinstance(packet, str) and packet[:1] == "0" and not self.sid:
            self.handshake = json.decode(packet[1:])
            self.sid = self.handshake["sid"]
        self._received.append(packet)
        if self._answers:
            self.engine.driver.soon(self._answer)

    def _answer(self) -> None:
        """Acknowledge the events that functions are for, each once; what has come stays where it is."""
        received = list(self._received)
        found = [(one, event) for one in {key[0] for key in self._answers} for event in self.pick(Event, one)]
        self._received = received
        for namespace, event in found:
            function = self._answers.get((namespace, event.name))
            if function is not None and event.id is not None and (namespace, event.id) not in self._answered:
                if self.posting is not None and self.posting.response is None:
                    raise RuntimeError(
                        f"a handler waits for the answer to {event.name!r} before the POST that has brought it is "
                        "answered, and a client sends one POST at a time: give the server Clock(later=True)"
                    )
                self._answered.add((namespace, event.id))
                self.acknowledge(int(event.id), function(*event.args), namespace=namespace)

    def _in(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else namespace

    def _say(self, opcode: int, payload: bytes = b"") -> None:
        """Send a frame of the WebSocket that is no message."""
        assert isinstance(self.carrier, WebSocketCarrier)
        self.carrier.feed(client_frame(opcode, payload))

    def _shake_hands(self) -> None:
        """Begin a session that has no transport yet."""
        answer = self.ask("GET", self._dialect.target(self, ""))
        if answer.status != 200:
            raise Refused(answer)
        self.handshake = answer.body.decode()
        self.sid = self.handshake.split(":")[0]

    def _open(self, transport: str | None) -> None:
        carriers = self._dialect.carriers
        if transport is None or transport not in carriers:
            raise ValueError(f"transport is {transport!r}: choose from {', '.join(carriers)}")
        self.carrier = carriers[transport](self, transport)
        self.carrier.open()

    def _send(self, encoded: Encoded) -> None:
        text, attachments = encoded
        self.send(*((text.decode(),) if text else ()), *attachments)

    def _read(self, packet: str | bytes) -> Packet | Partial | Signal | None:
        """Read an event or an acknowledgement, which are spelt alike in both directions."""
        codec, prefix = self.generation.socketio, self._dialect.prefix
        try:
            if isinstance(packet, bytes):
                return codec.decode_binary(packet, None)
            return codec.decode(packet, len(prefix), _MANY) if packet.startswith(prefix) else None
        except DecodeError:
            return None  # a packet that only servers send


def check_generation(generation: Generation) -> Generation:
    """Raise TypeError for what is no row of the table of generations."""
    if not isinstance(generation, Generation):
        raise TypeError(
            f"generation is {generation!r}: give ENGINEIO_3, ENGINEIO_4, SOCKETIO_1 or EVENTS of waterspout.testing"
        )
    return generation


def check_headers(headers: Any) -> tuple[tuple[str, str], ...]:
    """Raise TypeError for what is no sequence of pairs, such as a dictionary: a field may be there twice."""
    pairs = tuple(headers.items() if isinstance(headers, dict) else headers)
    if isinstance(headers, dict) or any(isinstance(one, str) for one in pairs):
        meant = list(pairs) if isinstance(headers, dict) else [("Cookie", "a=1")]
        raise TypeError(f"headers is {headers!r}: give pairs of a name and a value, as in {meant!r}")
    return pairs


def encode_query(auth: dict[str, Any]) -> str:
    """Write the auth of a client that sends it as its query; TypeError for values that are no strings."""
    for name, value in auth.items():
        if not isinstance(value, str):
            raise TypeError(f"auth has {name}={value!r}: clients of 0.7 to 2.x send their query, so give a string")
    return urlencode(auth)


def _complete(partial: Partial, received: Iterator[str | bytes], raw: list[str | bytes]) -> Packet | None:
    """Take the attachments of a packet, which follow it; None if they have not all come."""
    for data in received:
        raw.append(data)
        packet = partial.add(data) if isinstance(data, bytes) else None
        if packet is not None:
            return packet
    return None
