"""Between the engine and the sockets: packets in and out, for clients of each generation, and the application's view.

How it works: the engine makes a session for a handshake, and that a `Socket`, which the server's `sockets` have from
then on. The first packet of the client starts the WSGI application in a greenlet, once, with the environment of the
handshake and the socket in it. The view that calls `socketio_manage` is the socket's receiver until it ends. A view
that does not is an application without one: the client is sent away.
"""

from collections.abc import Hashable, Iterable
from functools import partial
from typing import Any

import gevent

from ...drivers import logger
from ...engine import Prepared, Session
from ...errors import DecodeError, ReservedName
from ...types import Reason, Request
from ...wire import surrogates
from ...wire.generations import SOCKETIO_1
from ...wire.packets import Ack, Connect, Disconnect, Error, Event, Heartbeat, Message, Packet, Signal
from ...wire.protocol1 import decode
from ..complaints import Complaints
from ..modern import ModernPackets, as_json_has_it
from . import packet as packets
from .virtsocket import NullCarrier, Socket

__all__ = ["SocketApplication"]

log = logger("socketio")

_NOT_THE_VIEWS = ("waterspout.", "HTTP_CONNECTION", "HTTP_UPGRADE")
"""Flask gives a request with the last two to routes for WebSockets only, and views of sockets have others."""


class OldCarrier(NullCarrier):
    """Carries a socket of a client of 0.7 to 0.9."""

    is_of_a_server = True

    def __init__(self, session: Session, socket: Socket) -> None:
        super().__init__(socket)
        self.session = session

    def enter(self, auth: Any) -> None:
        """Connect the client to the global namespace, which makes no namespace of the application's."""
        self.session.connected()
        self.write("1::")

    def send(self, packet: packets.Packet) -> None:
        if isinstance(packet, packets.SharedPacket):
            self.session.push(packet.made(self._kind(), self._prepare))
        else:
            self.session.push(self._prepare(packet))

    def prepare(self, packet: packets.SharedPacket) -> None:
        packet.made(self._kind(), self._prepare)

    def write(self, text: str) -> None:
        self.session.push(Prepared(surrogates.encode(text)))

    def ended(self, size_bytes: int) -> None:
        self.session.end_call(size_bytes)

    def close(self) -> None:
        self.session.close()

    def _kind(self) -> Hashable:
        """Return what the encoding of a packet depends on."""
        return self.session.generation, self._socket.json_dumps

    def _prepare(self, packet: packets.Packet) -> Prepared:
        return Prepared(surrogates.encode(packets.encode(packet, self._socket.json_dumps)))


class ModernCarrier(OldCarrier):
    """Carries a socket of a client of 1.x to 4.x."""

    needs_connect = True

    def __init__(self, session: Session, socket: Socket) -> None:
        super().__init__(session, socket)
        self.packets = ModernPackets(session, self._outgoing, partial(socket.complaints.write, log))
        self._admitted = {"/"}

    def enter(self, auth: Any) -> None:
        """Tell the client that it is connected to "/", and send what has waited for that; `auth` is for the socket."""
        if self.packets.enter():
            self._socket.auth = auth  # once: an application may have checked it
        elif self.session.generation.implicit_connect:
            self.packets.admit("/")

    def send(self, packet: packets.Packet) -> None:
        """Send a packet: bytes are attachments."""
        if not isinstance(packet, packets.SharedPacket):
            self._write(value_of(packet))
        elif (namespace := packet["endpoint"] or "/") in self._admitted:
            prepared = packet.made(self._kind(), self._prepare_event)
            if prepared is not None:
                self.packets.push(namespace, prepared)

    def prepare(self, packet: packets.SharedPacket) -> None:
        packet.made(self._kind(), self._prepare_event)

    def write(self, text: str) -> None:
        """Send what is the text of a packet of 0.9."""
        try:
            self._write(decode(text))
        except DecodeError as error:
            raise ValueError(f"this is no packet, so it is not sent: {text[:80]!r} ({error})") from error

    def meant(self, packet: packets.Packet, namespace: Any) -> packets.Packet:
        """Return an event "message" with one argument as a message, unless it has a method: so these clients send."""
        args = packet.get("args", ())
        if packet.get("name") != "message" or len(args) != 1 or hasattr(namespace, "on_message"):
            return packet
        kept = {key: value for key, value in packet.items() if key not in ("name", "args")}
        return {**kept, "type": "message" if isinstance(args[0], str) else "json", "data": args[0]}

    def unknown(self, endpoint: str) -> None:
        """Refuse a client that wants to connect to a namespace that does not exist."""
        self.packets.refuse(endpoint, "Invalid namespace")

    def _write(self, packet: Packet | Signal) -> None:
        match packet:
            case Connect(namespace):
                self._admitted.add(namespace)
                self.packets.admit(namespace)
            case Disconnect(namespace):
                if namespace not in self._admitted:
                    self.packets.refuse(namespace, "Not authorized")
                else:
                    self._admitted.discard(namespace)
                    self.packets.write(packet)
            case Heartbeat() | Error():
                pass
            case _ if packet.namespace in self._admitted:  # type: ignore[union-attr]
                self.packets.write(packet)

    def _prepare_event(self, packet: packets.Packet) -> Prepared | None:
        event: Any = value_of(packet)
        return self.packets.prepare(event)

    def _outgoing(self, value: Any) -> Any:
        dumps = self._socket.json_dumps
        return as_json_has_it(value, None if dumps is Socket.json_dumps else dumps)


class SocketApplication:
    """What the engine calls. `data` of a session is its socket."""

    def __init__(self, server: Any, complaints: Complaints) -> None:
        self._server = server
        self._complaints = complaints

    def open(self, session: Session, request: Request) -> None:
        """Make a socket for a client."""
        socket = self._server.get_socket()
        socket.complaints = self._complaints
        is_old = session.generation.socketio is SOCKETIO_1.socketio
        socket.carrier = (OldCarrier if is_old else ModernCarrier)(session, socket)
        socket.state = Socket.STATE_CONNECTED
        socket.connection_established = True
        socket.environ = _environ(request, socket)
        session.data = socket

    def packet(self, session: Session, packet: Packet) -> None:
        """Give a packet to the receiver, and let the first one start it."""
        socket: Socket = session.data
        if socket.wsgi_app_greenlet is None:
            name = _TRANSPORTS.get(session.transport.name, session.transport.name)
            socket.environ["PATH_INFO"] = f"/{self._server.resource}/1/{name}/{socket.sessid}"
            socket.wsgi_app_greenlet = gevent.spawn(self._run, socket)
        if isinstance(packet, Connect) and packet.namespace == "/":
            socket.carrier.enter(packet.data)
            return
        size_bytes = session.received_bytes
        session.begin_call(size_bytes)
        socket.put_server_msg((dictionary_of(packet), size_bytes))

    def broken(self, session: Session, text: str, error: DecodeError) -> None:
        """Tell a client of 0.7 to 0.9 that it has sent what is no packet."""
        socket: Socket = session.data
        message = f"There was a decoding error when dealing with packet with event: {text[:20]}... ({error.outline})"
        socket.error("invalid_packet", message)

    def reserved(self, session: Session, error: ReservedName) -> None:
        """Ignore an event that has a name of Socket.IO's own."""
        self._complaints.write(log, "an event is ignored: %s", error)

    def announced(self, session: Session, namespace: str) -> None:
        """Accept attachments: what they belong to decides."""

    def close(self, session: Session, reason: Reason) -> None:
        """End a socket whose client has gone: by its receiver, or in a greenlet if that is in a method."""
        socket: Socket = session.data
        socket.end()

    def _run(self, socket: Socket) -> None:
        """Call the WSGI application, whose view is the receiver until the socket ends."""
        statuses: list[str] = []
        answer: Iterable[bytes] = ()
        try:
            answer = self._server.wsgi_app(socket.environ, lambda status, *rest: statuses.append(status)) or ()
            for _ in answer:
                pass
        except (Exception, gevent.Timeout) as error:
            self._complaints.write(log, "the WSGI application failed, which was to manage a socket", error=error)
        finally:
            if hasattr(answer, "close"):
                answer.close()
            if socket.connected:
                text = "the application has answered %s to %s: let a view of this path call socketio_manage"
                self._complaints.write(log, text, statuses[-1] if statuses else "nothing", socket.environ["PATH_INFO"])
            socket.kill(detach=True)


_TRANSPORTS = {"polling": "xhr-polling"}
"""What 0.9 calls a transport of later clients, where that is another name."""


def _environ(request: Request, socket: Socket) -> dict[str, Any]:
    """Return the environment of a handshake as that of a transport's request, which the original gave to views."""
    native: Any = request.native or {}  # clients in memory have none
    environ = {name: value for name, value in native.items() if not name.startswith(_NOT_THE_VIEWS)}
    return {**environ, "REQUEST_METHOD": "GET", "socketio": socket}


def dictionary_of(packet: Packet) -> packets.Packet:
    """Return a packet of the engine's as a dictionary."""
    found: packets.Packet
    match packet:
        case Connect():
            found = {"type": "connect", "qs": packet.query} | ({} if packet.data is None else {"auth": packet.data})
        case Disconnect():
            found = {"type": "disconnect"}
        case Ack():
            found = {"type": "ack", "ackId": packet.id, "args": packet.args}
        case Error():
            found = {"type": "error", "reason": packet.reason, "advice": packet.advice}
        case Event():
            found = {"type": "event", "name": packet.name, "args": packet.args, **_wish(packet)}
        case Message():
            found = {"type": "json" if packet.is_json else "message", "data": packet.data, **_wish(packet)}
    found["endpoint"] = "" if packet.namespace == "/" else packet.namespace
    return found


def _wish(packet: Event | Message) -> packets.Packet:
    """Return what a packet has that is to be acknowledged."""
    return {} if packet.id is None else {"id": packet.id, "ack": True if packet.receipt else "data"}


def _args(packet: packets.Packet) -> list[Any]:
    """Return the arguments; what is no list is one, as for clients of 0.9."""
    args = packet.get("args", ())
    return list(args) if isinstance(args, list | tuple) else [args]


def value_of(packet: packets.Packet) -> Packet | Signal:
    """Return a dictionary as a packet of the engine's."""
    namespace = packet.get("endpoint") or "/"
    id = packet.get("id") if packet.get("ack") else None  # one without `ack` answers a packet, which is of 0.9 only
    match packet["type"]:
        case "connect":
            return Connect(namespace)
        case "disconnect":
            return Disconnect(namespace)
        case "event":
            return Event(namespace, packet["name"], _args(packet), id)
        case "message":
            return Message(namespace, packets.message_of(packet, str, bytes), id)
        case "json":
            return Message(namespace, packet["data"], id, is_json=True)
        case "ack":
            return Ack(namespace, packet["ackId"], _args(packet))
        case "error":
            return Error(namespace)
    return Heartbeat()
