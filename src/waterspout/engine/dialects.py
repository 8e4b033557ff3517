"""How a kind of client speaks: what its packets mean, who pings, how it enters, and how it is told the end.

A session has life, outbox and backlog, and leaves all this to its dialect. A dialect has no state: one object serves
all sessions of its kind. What differs by a value only (a codec, a flag) is a column of the table of generations.
"""

from typing import TYPE_CHECKING, Protocol

from ..errors import DecodeError, ProtocolError, ReservedName
from ..types import Reason
from ..wire.packets import Connect
from ..wire.socketio import Partial
from .heartbeat import ClientPings, HeartbeatMonitor, ServerPings
from .prepared import Prepared
from .states import FORCED_BY_SERVER, Ending

if TYPE_CHECKING:
    from .session import Session


class Dialect(Protocol):
    """What a session asks of its dialect."""

    @property
    def no_connect(self) -> Ending:
        """How the session ends of a client that has entered no namespace in time, or may enter none."""

    def heartbeat(self, session: "Session") -> HeartbeatMonitor:
        """Return a new heartbeat for the session."""

    def greet(self, session: "Session") -> None:
        """Called when the first transport has opened: connect the client to "/", or wait for its CONNECT."""

    def receive_text(self, session: "Session", text: str) -> None:
        """Act on a text message; ProtocolError for what such a client may not send."""

    def receive_binary(self, session: "Session", data: bytes) -> None:
        """Act on a binary message; ProtocolError for what such a client may not send."""

    def socket_id(self, session: "Session", namespace: str) -> str:
        """Return the id of the client in a namespace."""

    def astray(self, session: "Session", what: str, namespace: str) -> None:
        """Act on what came for a namespace that the client has not entered; ProtocolError ends the session."""

    def let_go(self, session: "Session", namespace: str) -> None:
        """Tell the client that the application has disconnected it from a namespace."""

    def keep_out(self, session: "Session", namespace: str, *, failed: bool) -> None:
        """Act on a refusal of the client in a namespace, of which it was told; or on the failure of who decides."""

    def announce(self, session: "Session", ending: Ending) -> None:
        """Send what the client has to know before its session closes."""

    def expire(self, session: "Session") -> None:
        """End a session whose client has not answered the heartbeat."""


class NullDialect:
    """The dialect of clients that send nothing and are told nothing; others derive from it, and add their heartbeat."""

    no_connect = FORCED_BY_SERVER

    def greet(self, session: "Session") -> None: ...

    def receive_text(self, session: "Session", text: str) -> None: ...

    def receive_binary(self, session: "Session", data: bytes) -> None: ...

    def socket_id(self, session: "Session", namespace: str) -> str:
        """Return a new id, which others may know."""
        return session.table.driver.token()

    def astray(self, session: "Session", what: str, namespace: str) -> None: ...

    def let_go(self, session: "Session", namespace: str) -> None: ...

    def keep_out(self, session: "Session", namespace: str, *, failed: bool) -> None: ...

    def announce(self, session: "Session", ending: Ending) -> None: ...

    def expire(self, session: "Session") -> None:
        """End it without a word."""
        session.drop(Reason.PING_TIMEOUT)


class EngineIO(NullDialect):
    """Engine.IO 3 and 4, with Socket.IO 1.x to 4.x or a bare application on it. Their transport tells them the end."""

    def heartbeat(self, session: "Session") -> HeartbeatMonitor:
        """Return the heartbeat of Engine.IO 3, where clients ping, or of Engine.IO 4, where the server does."""
        return ClientPings() if session.generation.client_pings else ServerPings()

    def greet(self, session: "Session") -> None:
        """Connect clients of 1.x and 2.x to "/", which need no packet; wait for the CONNECT of others."""
        if session.table.is_bare:
            return
        if session.generation.implicit_connect:
            enter(session)
        else:
            session.await_connect()

    def receive_text(self, session: "Session", text: str) -> None:
        """Act on one Engine.IO packet."""
        if not session.is_live:
            if text == "1":
                self._control(session, text)  # its goodbye crossed with ours
            return
        session.heartbeat.heard = True
        session.received_bytes = len(text)
        table = session.table
        if not text or text[0] != "4":
            self._control(session, text)
        elif table.is_bare:
            table.message(session, text[1:])
        elif session.partial is not None:
            raise DecodeError(
                "a text message came where an attachment was due: send attachments right behind their packet"
            )
        else:
            try:
                packet = session.generation.socketio.decode(text, 1, table.max_attachments)
            except ReservedName as error:
                table.reserved(session, error)
                return
            if type(packet) is Partial:
                table.announced(session, packet.namespace)
                session.await_attachments(packet)
            else:
                take = table.packet  # an attribute, which Python calls faster from a local
                take(session, packet)  # type: ignore[arg-type]  # isinstance, which mypy asks for, costs more

    def receive_binary(self, session: "Session", data: bytes) -> None:
        """Act on one binary message: a bare application's, an attachment, or a packet of the msgpack parser."""
        if not session.is_live:
            return
        partial, table = session.partial, session.table
        session.heartbeat.heard = True
        session.received_bytes = len(data) if partial is None else session.received_bytes + len(data)
        if table.is_bare:
            table.message(session, data)
        elif (packet := session.generation.socketio.decode_binary(data, partial)) is not None:
            if partial is not None:
                session.attachments_complete()
            table.packet(session, packet)

    def socket_id(self, session: "Session", namespace: str) -> str:
        """Return a new id, which others may know; or the one that clients of 1.x and 2.x derive from the session's."""
        return session.table.driver.token() if session.generation.own_socket_id else derived_id(session, namespace)

    def astray(self, session: "Session", what: str, namespace: str) -> None:
        """Ignore it from clients of 1.x and 2.x, as their server does; end the session of others."""
        if not session.generation.strays:
            raise ProtocolError(f"{what} came for {namespace[:80]!r}, which the client has not entered")

    def let_go(self, session: "Session", namespace: str) -> None:
        """Send a disconnect packet."""
        session.push(Prepared(*session.generation.socketio.encode_disconnect(namespace)))

    def _control(self, session: "Session", text: str) -> None:
        match text[:1]:
            case "2":
                session.heartbeat.ping(session, text[1:])
            case "3":
                session.heartbeat.pong(session)
            case "1":
                session.table.turn.add(session.closed_by_client)
            case "b":
                self.receive_binary(session, session.generation.engineio.decode_base64_packet(text))
            case "0" | "5" | "6":
                pass  # the server's own packet, an upgrade that is over, and the packet without a meaning
            case _:
                raise DecodeError(
                    f"{text[:20]!r} is not a packet of {session.generation.name}: its first character is its type"
                )


def enter(session: "Session") -> None:
    """Connect a client to "/" that sends no CONNECT; the query of its connection is its auth."""
    session.table.packet(session, Connect("/", query=session.request.target.partition("?")[2]))


def derived_id(session: "Session", namespace: str) -> str:
    """Return the id of a socket as clients of 0.7 to 2.x work it out from that of their session."""
    return session.id if namespace == "/" else f"{namespace}#{session.id}"


ENGINEIO = EngineIO()
