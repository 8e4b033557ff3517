"""What the engine sees of a server: the packets of all sessions, for the sockets they belong to."""

from typing import Any
from urllib.parse import parse_qsl

from ..engine import Asker, Engine, Session
from ..errors import ProtocolError
from ..types import Reason, Request
from ..wire.packets import Ack, Connect, Disconnect, Event, Message, Packet, as_event
from .limits import Limits
from .namespace import Namespace, push_refusal
from .namespaces import DynamicNamespace, Namespaces

_RESERVED_QUERY = frozenset(("EIO", "transport", "sid", "t", "b64", "j"))


class Sockets:
    """The application of an engine that speaks Socket.IO.

    A session's `data` is a dictionary by namespace: the socket; None where it has left, or is not in yet.
    """

    engine: Engine
    namespaces: Namespaces

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def open(self, session: Session, request: Request) -> None:
        """Give a client its time to enter a namespace."""
        session.data = {}
        if not session.generation.implicit_connect:
            session.await_connect()

    def packet(self, session: Session, packet: Packet) -> None:
        """Take a packet; the first line is where nearly all of them go."""
        socket = session.data.get(packet.namespace)
        if socket is not None:
            if type(packet) is Event:
                socket._receive(packet)
            elif type(packet) is Ack:
                socket._acknowledged(packet.id, packet.args)
            elif type(packet) is Disconnect:
                socket._part(Reason.CLIENT_DISCONNECT)
            elif type(packet) is Message:
                socket._receive(as_event(packet))
        elif type(packet) is Connect:
            self._knock(session, packet)
        elif packet.namespace not in session.data and session.generation.waits_to_enter:  # else it crossed with an end
            raise _not_entered("a packet", packet.namespace)

    def announced(self, session: Session, namespace: str) -> None:
        """Accept attachments for namespaces that the client has entered."""
        if namespace not in session.data:
            raise _not_entered("attachments", namespace)

    def close(self, session: Session, reason: Reason) -> None:
        """Let all sockets of the session go."""
        for socket in tuple(session.data.values()):
            if socket is not None:
                socket._part(reason)

    def _knock(self, session: Session, packet: Connect) -> None:
        if not self._has_room(session.data):
            most = self._limits.max_namespaces
            push_refusal(session, packet.namespace, f"Too many namespaces: {most} are allowed on one connection")
            return
        auth = _auth(packet)
        namespace = self.namespaces.find(packet.namespace)
        if namespace is not None:
            namespace.open(session, auth)
        else:
            _Question(self, session, packet.namespace, auth).ask()

    def _has_room(self, data: dict[str, Any]) -> bool:
        """Tell whether one more namespace may be entered; what was left is forgotten when it gets too much."""
        most = self._limits.max_namespaces
        if len(data) >= most:
            for name in [name for name, socket in data.items() if socket is None]:
                del data[name]
        return len(data) < most


class _Question:
    """Asks the functions of dynamic namespaces, one after the other, whether they want a client."""

    __slots__ = ("_application", "_auth", "_functions", "_late", "_name", "_session")

    def __init__(self, application: Sockets, session: Session, name: str, auth: Any) -> None:
        self._application = application
        self._session = session
        self._name = name
        self._auth = auth
        self._late = False
        self._functions = [one for one in application.namespaces.dynamic if callable(one.match)]

    def ask(self) -> None:
        if not self._functions:
            self._session.data.pop(self._name, None)
            push_refusal(self._session, self._name, "Invalid namespace")
            return
        self._session.data[self._name] = None  # what comes before the answer is ignored
        family = self._functions.pop(0)
        assert callable(family.match)
        self._application.engine.driver.run(family.match, (self._name, self._auth), self, family)

    def answered(self, token: DynamicNamespace, result: Any) -> None:
        self._come_back()
        if not self._session.is_live or self._session.data.get(self._name) is not None:
            return
        if not result:
            self.ask()
            return
        namespaces = self._application.namespaces
        namespace: Namespace | None = namespaces.existing(self._name)
        (namespace or namespaces.make(token, self._name)).open(self._session, self._auth)

    def failed(self, token: DynamicNamespace, error: BaseException) -> None:
        self._come_back()
        self._application.engine.driver.report("the function of a dynamic namespace failed", error)
        if self._session.is_live:
            self.ask()

    def later(self, token: DynamicNamespace) -> Asker:
        self._late = True
        self._session.begin_call()
        return self

    def _come_back(self) -> None:
        if self._late:
            self._late = False
            self._session.end_call()


def _not_entered(what: str, namespace: str) -> ProtocolError:
    return ProtocolError(f"{what} came for {namespace[:80]!r}, which the client has not entered")


def _auth(packet: Connect) -> Any:
    """Return what the client sent along: its auth, or the query of a client that knows no auth."""
    if packet.data is not None:
        return packet.data
    try:
        pairs = parse_qsl(packet.query, max_num_fields=1000)
    except ValueError:
        raise ProtocolError("more than 1000 parameters came in the query of a namespace") from None
    return {name: value for name, value in pairs if name not in _RESERVED_QUERY}
