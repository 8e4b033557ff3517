"""The handlers of sessions that the engine carries: one for clients of 0.7 to 0.9, one for all others."""

import logging
from collections.abc import Callable
from functools import partial

from ...engine import Prepared
from ...engine import Session as EngineSession
from ...types import Request
from ...wire import surrogates
from ...wire.generations import SOCKETIO_1
from ...wire.packets import Event, Message, Packet
from ..modern import ModernPackets
from . import proto
from .info import ActiveRequest

log = logging.getLogger("tornadio2.session")


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
    """The handler for clients of 1.x to 4.x."""

    def __init__(self, session: EngineSession, sent: Callable[[int], object]) -> None:
        super().__init__(session, sent)
        self._packets = ModernPackets(session, proto.outgoing, self._complain)

    def write(self, message: str) -> None:
        if message:
            self._packets.write(proto.meaning(message))

    def hear(self, packet: Packet) -> Packet:
        """Return an event "message" with one argument as a message: these clients send messages so."""
        match packet:
            case Event(name="message", args=[data]):
                return Message(packet.namespace, data, packet.id, is_json=True)
        return packet

    def enter(self) -> bool:
        return self._packets.enter()

    def leave(self) -> bool:
        self._packets.leave()
        return True

    def admit(self, namespace: str) -> None:
        self._packets.admit(namespace)

    def refuse(self, namespace: str, why: str) -> None:
        self._packets.refuse(namespace, why)

    def _complain(self, text: str, name: object) -> None:
        self.session.data.complain(log, text, name)


def carry(session: EngineSession, sent: Callable[[int], object]) -> Carrier:
    """Return the carrier for a session; `sent` is called with the number of packets that are sent."""
    kind = Carrier if session.generation.socketio is SOCKETIO_1.socketio else ModernCarrier
    return kind(session, sent)
