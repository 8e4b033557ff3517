"""What a face sends to clients of 1.x to 4.x, which do not understand the packets of 0.9."""

from collections.abc import Callable
from typing import Any

from ..engine import SLOW_CONSUMER, Prepared, Session
from ..wire import json
from ..wire.packets import Ack, Connect, Disconnect, Event, Message, Packet, Signal
from ..wire.socketio import RESERVED

__all__ = ["ModernPackets", "as_json_has_it"]

_NAMES = (str, int, float)  # of events, for clients of 4.x


def as_json_has_it(value: Any, dumps: Callable[[Any], str] | None = None) -> Any:
    """Return the value to encode for clients of 1.x to 4.x, so that they get what clients of 0.9 get.

    Binary content is unchanged, unless the application has an encoder of its own, `dumps`.
    """
    if dumps is not None:
        return json.decode(dumps(value))
    return value if json.encode_plain(value) is not None else json.with_floats(value)


class ModernPackets:
    """Encodes packets for one client, in its generation.

    Packets of a namespace are held until it has accepted the client; those of "/" until a client of 3.x or 4.x connects
    to it. At most `max_outbox_bytes` are held: above that, the packets of "/" are dropped, since the client may never
    connect to it; if there are none, the session is closed.

    `outgoing` makes values of the face's own ready to be encoded; `complain` is called with a text about an event that
    cannot be sent, and its name.
    """

    def __init__(
        self, session: Session, outgoing: Callable[[Any], Any], complain: Callable[[str, object], object]
    ) -> None:
        self.session = session
        self._outgoing = outgoing
        self._complain = complain
        self._codec = session.generation.socketio
        self._held: dict[str, list[Prepared]] = {} if session.generation.implicit_connect else {"/": []}
        self._held_bytes = 0
        self._is_in_main = True

    def write(self, packet: Packet | Signal) -> None:
        """Encode and send a packet; kinds that this generation does not have are ignored."""
        codec, outgoing = self._codec, self._outgoing
        match packet:
            case Event() as packet:
                if (prepared := self.prepare(packet)) is not None:
                    self.push(packet.namespace, prepared)
            case Message() as packet:  # its attributes: a pattern that unpacks takes twice as long
                data = outgoing(packet.data)
                encoded = codec.encode_message(packet.namespace, data, packet.id, is_json=packet.is_json)
                self._push(packet.namespace, encoded)
            case Ack() as packet:
                self._push(packet.namespace, codec.encode_ack(packet.namespace, packet.id, outgoing(packet.args)))
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

    def prepare(self, packet: Event) -> Prepared | None:
        """Encode an event, to push it to this client and to others of its generation; None if it cannot be sent."""
        if not self._takes(packet.name):
            return None
        args = self._outgoing(packet.args)
        return Prepared(*self._codec.encode_event(packet.namespace, packet.name, args, packet.id))

    def push(self, namespace: str, prepared: Prepared) -> None:
        """Send what is prepared, or hold it."""
        if namespace in self._held:
            self._hold(namespace, prepared)
        elif namespace != "/" or self._is_in_main:
            self.session.push(prepared)

    def enter(self) -> bool:
        """Connect the client to "/"; False if it is."""
        if self._is_in_main and "/" not in self._held:
            return False
        self._is_in_main = True
        self.admit("/")
        return True

    def leave(self) -> None:
        """Send nothing more to "/", until the client enters again."""
        self._is_in_main = False

    def admit(self, namespace: str) -> None:
        """Tell the client that it is accepted, and send the held packets."""
        session, held = self.session, self._let_go(namespace)
        session.connected()
        id = session.dialect.socket_id(session, namespace)
        self._push(namespace, self._codec.encode_connect(namespace, id))
        for prepared in held or ():
            session.push(prepared)

    def refuse(self, namespace: str, why: str) -> None:
        """Tell the client that a namespace has refused it."""
        self._push(namespace, self._codec.encode_connect_error(namespace, why))

    def _takes(self, name: object) -> bool:
        """Tell whether an event of this name can be sent: clients of 4.x close the connection for others."""
        if self.session.generation.implicit_connect or (type(name) in _NAMES and name not in RESERVED):
            return True
        self._complain("an event is not sent, because clients of 4.x close the connection for its name: %a", name)
        return False

    def _push(self, namespace: str, encoded: tuple[bytes, tuple[bytes, ...]]) -> None:
        self.push(namespace, Prepared(*encoded))

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
        """Stop holding packets for a namespace, and return those; None if none were to be held."""
        held = self._held.pop(namespace, None)
        self._held_bytes -= sum(prepared.size_bytes for prepared in held or ())
        return held
