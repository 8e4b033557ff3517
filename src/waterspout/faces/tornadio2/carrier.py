"""The handlers of sessions that the engine carries: one for clients of 0.7 to 0.9, one for all others."""

import logging
from collections.abc import Callable
from functools import partial

from ...engine import SLOW_CONSUMER, Prepared
from ...engine import Session as EngineSession
from ...types import Request
from ...wire import surrogates
from ...wire.generations import SOCKETIO_1
from ...wire.packets import Ack, Connect, Disconnect, Event, Message, Packet
from ...wire.socketio import RESERVED
from . import proto
from .info import ActiveRequest

log = logging.getLogger("tornadio2.session")

_NAMES = (str, int, float)  # of events, for clients of 4.x


class ByHand:
    """The null carrier: for a session that has no handler yet, or one that a program drives by hand."""

    max_early_events = 100  # packets that may arrive before an `on_open` has ended

    def hear(self, packet: Packet) -> Packet:
        """Return the equivalent packet of 0.9."""
        return packet

    def enter(self) -> bool:
        """Connect the client to the main connection; False if it is connected, as clients of 0.9 are from the start."""
        return False

    def leave(self) -> bool:
        """Disconnect the client from the main connection alone; False for 0.9, where that ends the session."""
        return False

    def admit(self, namespace: str) -> None:
        """Tell the client that the endpoint has accepted it; for clients of 0.9 that was sent before."""

    def refuse(self, namespace: str, why: str) -> None:
        """Tell the client that an endpoint has refused it; clients of 0.9 get no answer."""

    def begin_call(self) -> Callable[[], object]:
        """Count a pending call, and return a function that counts its end; with too many, the client is not read."""
        return lambda: None


BY_HAND = ByHand()


class Carrier(ByHand):
    """The handler of a session of the engine; this one is for clients of 0.7 to 0.9, and sends packets unchanged."""

    def __init__(self, session: EngineSession, sent: Callable[[int], object]) -> None:
        self.session = session
        self.max_early_events = session.max_early_events
        self._sent = sent
        self._request: Request | None = None  # the latest

    @property
    def request(self) -> ActiveRequest:
        """The latest request of the session; at first the handshake."""
        return ActiveRequest(self._request or self.session.request)

    def attend(self, request: Request) -> None:
        request.forget()  # it is kept as long as a WebSocket is open
        self._request = request

    @property
    def name(self) -> str:
        """The name of the current transport, as handler classes name it."""
        return self.session.transport.name

    def send_messages(self, messages: list[str]) -> None:
        self._sent(len(messages))
        for message in messages:
            self.write(message)

    def write(self, message: str) -> None:
        if message:
            self.session.push(Prepared(surrogates.encode(message)))

    def session_closed(self) -> None:
        """End the connection after all that was sent."""
        self.session.close()

    def begin_call(self) -> Callable[[], object]:
        size_bytes = self.session.received_bytes
        self.session.begin_call(size_bytes)
        return partial(self.session.end_call, size_bytes)


class ModernCarrier(Carrier):
    """The handler for clients of 1.x to 4.x: encodes packets for their generation.

    Packets of an endpoint are held until it has accepted the client; those of the main connection until a client of 3.x
    or 4.x connects to it. At most `max_outbox_bytes` are held: above that, the packets of the main connection are
    dropped, since the client may never connect to it; if there are none, the session is closed.
    """

    def __init__(self, session: EngineSession, sent: Callable[[int], object]) -> None:
        super().__init__(session, sent)
        self._codec = session.generation.socketio
        self._held: dict[str, list[Prepared]] = {} if session.generation.implicit_connect else {"/": []}
        self._held_bytes = 0
        self._is_in_main = True

    def write(self, message: str) -> None:
        """Encode and send a packet; kinds that this generation does not have are ignored."""
        codec = self._codec
        match proto.meaning(message) if message else None:
            case Event() as packet if self._takes(packet.name):
                args = proto.outgoing(packet.args)
                self._push(packet.namespace, codec.encode_event(packet.namespace, packet.name, args, packet.id))
            case Message() as packet:  # its attributes: a pattern that unpacks takes twice as long
                data = proto.outgoing(packet.data)
                encoded = codec.encode_message(packet.namespace, data, packet.id, is_json=packet.is_json)
                self._push(packet.namespace, encoded)
            case Ack() as packet:
                self._push(packet.namespace, codec.encode_ack(packet.namespace, packet.id, proto.outgoing(packet.args)))
            case Connect("/"):
                if "/" not in self._held:  # 1.x and 2.x: connected from the start, so accepted at once
                    self.admit("/")
            case Connect(namespace):
                self._held.setdefault(namespace, [])
            case Disconnect(namespace):
                if self._let_go(namespace) is None:
                    self._push(namespace, codec.encode_disconnect(namespace))
                elif namespace != "/":  # it was not accepted yet
                    self._push(namespace, codec.encode_connect_error(namespace, "Not authorized"))

    def hear(self, packet: Packet) -> Packet:
        """Return an event "message" with one argument as a message: these clients send messages so."""
        match packet:
            case Event(name="message", args=[data]):
                return Message(packet.namespace, data, packet.id, is_json=True)
        return packet

    def enter(self) -> bool:
        if self._is_in_main and "/" not in self._held:
            return False
        self._is_in_main = True
        self.admit("/")
        return True

    def leave(self) -> bool:
        self._is_in_main = False
        return True

    def admit(self, namespace: str) -> None:
        """Tell the client that it is accepted, and send the held packets."""
        session, held = self.session, self._let_go(namespace)
        session.connected()
        id = session.dialect.socket_id(session, namespace)
        self._push(namespace, self._codec.encode_connect(namespace, id))
        for prepared in held or ():
            session.push(prepared)

    def refuse(self, namespace: str, why: str) -> None:
        self._push(namespace, self._codec.encode_connect_error(namespace, why))

    def _takes(self, name: object) -> bool:
        """Tell whether an event of this name can be sent: clients of 4.x close the connection for others."""
        if self.session.generation.implicit_connect or (type(name) in _NAMES and name not in RESERVED):
            return True
        text = "an event is not sent, because clients of 4.x close the connection for its name: %a"
        self.session.data.complain(log, text, name)
        return False

    def _push(self, namespace: str, encoded: tuple[bytes, tuple[bytes, ...]]) -> None:
        prepared = Prepared(*encoded)
        if namespace in self._held:
            self._hold(namespace, prepared)
        elif namespace != "/" or self._is_in_main:
            self.session.push(prepared)

    def _hold(self, namespace: str, prepared: Prepared) -> None:
        self._held[namespace].append(prepared)
        self._held_bytes += prepared.size_bytes
        if self._held_bytes <= self.session.policy.max_outbox_bytes:
            return
        if dropped := self._let_go("/"):
            self.session.table.traffic.dropped += len(dropped)
            self._is_in_main = False
        else:
            self.session.close(SLOW_CONSUMER)

    def _let_go(self, namespace: str) -> list[Prepared] | None:
        """Stop holding packets for a connection, and return those; None if none were to be held."""
        held = self._held.pop(namespace, None)
        self._held_bytes -= sum(prepared.size_bytes for prepared in held or ())
        return held


def carry(session: EngineSession, sent: Callable[[int], object]) -> Carrier:
    """Return the carrier for a session; `sent` is called with the number of packets that are sent."""
    kind = Carrier if session.generation.socketio is SOCKETIO_1.socketio else ModernCarrier
    return kind(session, sent)
