"""How clients of Socket.IO 0.7 to 0.9 speak (docs/protocol-1.md)."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...errors import DecodeError, ReservedName
from ...types import Reason
from ...wire.packets import Disconnect, Error, Event, Heartbeat, Message, Noop
from ...wire.protocol1 import socketio as socketio1
from ..dialects import NullDialect, derived_id, enter
from ..heartbeat import HeartbeatMonitor, ServerPings
from ..prepared import Prepared
from ..states import FORCED_BY_SERVER, SHUTDOWN, Ending
from .heartbeat import CountedHeartbeat
from .offers import BY_WEBSOCKET

if TYPE_CHECKING:
    from ..session import Session


class Protocol1(NullDialect):
    """Revision 1 of the protocol: its packets are the session's, without Engine.IO between. Strays are ignored."""

    def heartbeat(self, session: "Session") -> HeartbeatMonitor:
        """Return the heartbeat of 0.9's server; or one that counts, if the policy's `missed_heartbeats` says so."""
        most = session.policy.protocol1.missed_heartbeats
        return ServerPings() if most is None else CountedHeartbeat(most)

    def greet(self, session: "Session") -> None:
        """Connect the client to "/", which needs no packet."""
        if not session.table.is_bare:
            enter(session)

    def receive_text(self, session: "Session", text: str) -> None:
        """Act on one packet."""
        if not session.is_live:
            return
        session.heartbeat.heard = True
        session.received_bytes = len(text)
        table = session.table
        try:
            packet = session.generation.socketio.decode(text)
        except ReservedName as error:
            table.reserved(session, error)
            return
        except DecodeError as error:
            if table.broken is None:
                raise
            table.broken(session, text, error)
            return
        if type(packet) is Event and not packet.receipt:  # nearly all of them
            table.packet(session, packet)
            return
        match packet:
            case Heartbeat():
                session.heartbeat.pong(session)
            case Noop():
                pass
            case _ if table.policy.protocol1.application_answers:
                table.packet(session, packet)  # type: ignore[arg-type]  # a codec without attachments has no Partial
            case Error():
                pass
            case Disconnect("/"):
                session.drop(Reason.CLIENT_DISCONNECT)
            case Event() | Message() if packet.receipt:
                self._confirm(session, packet)
            case _:
                table.packet(session, packet)  # type: ignore[arg-type]  # a codec without attachments has no Partial

    def receive_binary(self, session: "Session", data: bytes) -> None:
        """Refuse it: this protocol has text only."""
        if session.is_live:
            session.generation.socketio.decode_binary(data, None)

    def socket_id(self, session: "Session", namespace: str) -> str:
        """Return the id that the client derives from its session's."""
        return derived_id(session, namespace)

    def let_go(self, session: "Session", namespace: str) -> None:
        """Send a disconnect packet; without "/" there is no connection."""
        session.push(Prepared(*socketio1.encode_disconnect(namespace)))
        if namespace == "/":
            session.close(FORCED_BY_SERVER)

    def keep_out(self, session: "Session", namespace: str, *, failed: bool) -> None:
        """End the connection of a client that may not enter "/"; after a disconnect packet it does not try again."""
        if namespace == "/":
            self.let_go(session, namespace)

    def announce(self, session: "Session", ending: Ending) -> None:
        """Tell a client that polls or streams to begin again: only the end of a WebSocket is always noticed."""
        if ending is SHUTDOWN and session.transport.name not in BY_WEBSOCKET:
            session.push(Prepared(*socketio1.encode_error("/", "client not handshaken", "reconnect")))

    def expire(self, session: "Session") -> None:
        """End it; where heartbeats are counted, the client is told all the same (WP-70)."""
        if session.policy.protocol1.missed_heartbeats is None:
            session.drop(Reason.PING_TIMEOUT)
        else:
            boot(session, Ending(reason=Reason.PING_TIMEOUT))

    def _confirm(self, session: "Session", packet: Event | Message) -> None:
        """Acknowledge it before anybody looks at it, like the JavaScript server (WP-50)."""
        assert packet.id is not None
        session.push(Prepared(*session.generation.socketio.encode_ack(packet.namespace, packet.id, ())))
        session.table.packet(session, replace(packet, id=None, receipt=False))


def boot(session: "Session", ending: Ending) -> None:
    """End a session with the packet after which the client does not come back (WP-40)."""
    session.push(Prepared(*socketio1.encode_disconnect("/")))
    session.close(ending)


PROTOCOL_1 = Protocol1()
