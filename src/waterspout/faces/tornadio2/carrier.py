"""What stands between a session of TornadIO2 and the engine's: one for clients of 0.7 to 0.9, one for all others."""

import logging
from collections.abc import Callable
from functools import partial

from ...engine import SLOW_CONSUMER, Prepared
from ...engine import Session as EngineSession
from ...types import Request
from ...wire import surrogates
from ...wire.generations import SOCKETIO_1
from ...wire.packets import Ack, Connect, Disconnect, Error, Event, Message, Packet
from ...wire.socketio import RESERVED
from . import proto
from .info import ActiveRequest

log = logging.getLogger("tornadio2.session")

_NAMES = (str, int, float)  # of events, for clients of 4.x


class Visitor(ActiveRequest):
    """A handshake, with the id of its session."""

    def __init__(self, session: EngineSession, request: Request) -> None:
        super().__init__(request)
        self.session_id = session.id


class ByHand:
    """Stands for the carrier of a session that a program drives by itself, or that nobody carries.

    Nothing has to be told to clients but what is sent, as it was with TornadIO2, and nobody counts calls.
    """

    max_early_events = 100  # packets that may come before an `on_open` has ended

    def ignores(self, packet: Packet) -> bool:
        """Tell whether a packet is one that the JavaScript servers of its client's time ignored."""
        return False

    def hear(self, packet: Packet) -> Packet:
        """Return what a packet of the client says in the words of 0.9, which it has of itself."""
        return packet

    def enter(self) -> bool:
        """Let the client into the main connection, or return False for one that is there; 0.9 is from the start."""
        return False

    def leave(self) -> bool:
        """Let the client out of the main connection alone, or return False for one that leaves altogether, as 0.9."""
        return False

    def admit(self, namespace: str) -> None:
        """Let the client into an endpoint, which has not refused it; it knows since it was told of it."""

    def refuse(self, namespace: str, why: str) -> None:
        """Keep the client out of an endpoint; TornadIO2 told it nothing."""

    def begin_call(self) -> Callable[[], object]:
        """Count a call that goes on later, and return what counts its end; a client that has too many waits."""
        return lambda: None


BY_HAND = ByHand()


class Carrier(ByHand):
    """The handler of a session that came through the engine, which keeps what waits and says when the client is gone.

    This one is for clients of 0.7 to 0.9: they hear the text of a packet as it is.
    """

    def __init__(self, session: EngineSession, sent: Callable[[int], object]) -> None:
        self.session = session
        self.max_early_events = session.max_early_events
        self._sent = sent
        self._request: Request | None = None  # that came last

    @property
    def request(self) -> ActiveRequest:
        """The request that carries the session, or has last: its handshake's until there is another."""
        return ActiveRequest(self._request or self.session.request)

    def attend(self, request: Request) -> None:
        """Take a request that carries the session from now on."""
        request.forget()  # it stays as long as a WebSocket
        self._request = request

    @property
    def name(self) -> str:
        """The name of the transport that carries the session now, as the classes of handlers have theirs."""
        return self.session.transport.name

    def send_messages(self, messages: list[str]) -> None:
        self._sent(len(messages))
        for message in messages:
            self.write(message)

    def write(self, message: str) -> None:
        if message:
            self.session.push(Prepared(surrogates.encode(message)))

    def session_closed(self) -> None:
        """End the connection behind all that was sent."""
        self.session.close()

    def begin_call(self) -> Callable[[], object]:
        """Count a call that goes on later, with the bytes that it holds, and return what counts its end."""
        size_bytes = self.session.received_bytes
        self.session.begin_call(size_bytes)
        return partial(self.session.end_call, size_bytes)


class ModernCarrier(Carrier):
    """The same for clients of 1.x to 4.x, who hear in their generation's words what a packet says.

    They know whether an endpoint wants them before they hear anything else of it, so that is held back meanwhile; and
    those of 3.x and 4.x have to ask for the main connection, which has begun with the handshake. What is held back for
    a client counts as in its outbox. If that is too much for the main connection, which it may never ask for, it hears
    of that one only what is sent once it is in.
    """

    def __init__(self, session: EngineSession, sent: Callable[[int], object]) -> None:
        super().__init__(session, sent)
        self._codec = session.generation.socketio
        self._held: dict[str, list[Prepared]] = {} if session.generation.implicit_connect else {"/": []}
        self._held_bytes = 0
        self._is_in_main = True

    def write(self, message: str) -> None:
        """Send what a packet says, if there are words for it."""
        match proto.meaning(message) if message else None:
            case Connect(namespace):
                self._begin(namespace)
            case Disconnect(namespace):
                self._end(namespace)
            case Event() as packet if self._takes(packet.name):
                args = proto.outgoing(packet.args)
                self._push(packet.namespace, self._codec.encode_event(packet.namespace, packet.name, args, packet.id))
            case Message() as packet:
                data = proto.outgoing(packet.data)
                encoded = self._codec.encode_message(packet.namespace, data, packet.id, is_json=packet.is_json)
                self._push(packet.namespace, encoded)
            case Ack() as packet:
                args = proto.outgoing(packet.args)
                self._push(packet.namespace, self._codec.encode_ack(packet.namespace, packet.id, args))

    def ignores(self, packet: Packet) -> bool:
        return type(packet) is Error

    def hear(self, packet: Packet) -> Packet:
        """Return what a packet says: an event "message" with one argument is what such a client has for a message."""
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
        """Send nothing of the main connection any more: the client has left it, and is in its endpoints still."""
        self._is_in_main = False
        return True

    def admit(self, namespace: str) -> None:
        """Tell the client that it is in, and then what was held back."""
        held = self._let_go(namespace) or []
        session = self.session
        session.connected()
        self._push(namespace, self._codec.encode_connect(namespace, session.socket_id(namespace)))
        for prepared in held:
            self.session.push(prepared)

    def refuse(self, namespace: str, why: str) -> None:
        self._push(namespace, self._codec.encode_connect_error(namespace, why))

    def _takes(self, name: object) -> bool:
        """Tell whether a client takes an event of this name; one of 4.x that gets another ends its connection."""
        if self.session.generation.implicit_connect or (type(name) in _NAMES and name not in RESERVED):
            return True
        text = "an event is not sent, because clients of 4.x end their connection at its name: %a"
        self.session.data.complain(log, text, name)
        return False

    def _begin(self, namespace: str) -> None:
        """Hold back what is sent there; in the main connection, who need not ask is at once."""
        if namespace != "/":
            self._held.setdefault(namespace, [])
        elif "/" not in self._held:
            self.admit("/")

    def _end(self, namespace: str) -> None:
        """Tell the client that it is out, or if it was not in yet, that it may not."""
        if self._let_go(namespace) is None:
            self._push(namespace, self._codec.encode_disconnect(namespace))
        elif namespace != "/":
            self._push(namespace, self._codec.encode_connect_error(namespace, "Not authorized"))

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
        """Hold nothing back any more for a connection, and return what was; None if nothing was to be."""
        held = self._held.pop(namespace, None)
        self._held_bytes -= sum(prepared.size_bytes for prepared in held or ())
        return held


def carry(session: EngineSession, sent: Callable[[int], object]) -> Carrier:
    """Return the carrier for a session; `sent` is called with the number of packets, whenever some are sent.

    What this face writes is a packet of 0.9: where that is what the session's codec speaks, it goes as it is.
    """
    kind = Carrier if session.generation.socketio is SOCKETIO_1.socketio else ModernCarrier
    return kind(session, sent)
