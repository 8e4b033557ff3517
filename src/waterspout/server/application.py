"""The engine's application that speaks Socket.IO: it passes the packets of sessions to their members."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from ..engine import Asker, Engine, Layer, Level, Session
from ..errors import ProtocolError
from ..types import Reason, Request
from ..wire.packets import Ack, Connect, Disconnect, Event, Message, Packet, as_event
from .dispatch import shorten
from .entrance import Auth, QueryAuth
from .life import CountingAsker
from .limits import Limits, MeteredSockets
from .namespace import is_namespace, push_refusal
from .namespaces import DynamicNamespace, Namespaces
from .signatures import Function, read_function

_RESERVED_QUERY = frozenset(("EIO", "transport", "sid", "t", "b64", "j"))


class SocketIOApplication:
    """Passes packets to members, and makes members of connect packets.

    A session's `data` is a dictionary by namespace: a `SocketMember`, or a `_NamespaceLookup` that decides whether
    there will be one, or None after the client has disconnected. With a rate limit it is a `MeteredSockets`.
    """

    engine: Engine
    namespaces: Namespaces
    open: Callable[[Session, Request], Any] | None = None
    opens_in_thread = False

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def new_data(self) -> dict[str, Any]:
        """Begin a session without namespaces."""
        return {} if self._limits.max_events_per_second is None else MeteredSockets()

    def on_handshake(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Ask this function of each request that begins a session."""
        read_function(self.engine.functions, function, "the function of on_handshake", ("request",), threaded=threaded)
        if self.open is not None:
            raise ValueError("on_handshake has a function already: register one, which may call others")
        self.opens_in_thread = threaded
        self.open = lambda session, request: function(request)

    def packet(self, session: Session, packet: Packet) -> None:
        """Take a packet; nearly all of them are events."""
        member = session.data.get(packet.namespace)
        if member is not None:
            if type(packet) is Event:
                member.receive(packet)
            elif type(packet) is Ack:
                member.acknowledged(packet.id, packet.args)
            elif type(packet) is Disconnect:
                member.part(Reason.CLIENT_DISCONNECT)
            elif type(packet) is Message:
                member.receive(as_event(packet))
        elif type(packet) is Connect:
            self._connect(session, packet)
        elif packet.namespace not in session.data:
            session.dialect.astray(session, "a packet", packet.namespace)

    def announced(self, session: Session, namespace: str) -> None:
        """Accept attachments for namespaces that the client has entered."""
        if namespace not in session.data:
            session.dialect.astray(session, "attachments", namespace)

    def close(self, session: Session, reason: Reason) -> None:
        """Disconnect the client from all namespaces."""
        for member in tuple(session.data.values()):
            if member is not None:
                member.part(reason)

    def turn_away(self, session: Session, name: str) -> None:
        """Refuse a namespace that does not exist, and log it."""
        text = "session %s... asks for the namespace %a, which does not exist: server.of makes one"
        log, values = self.engine.log, (session.id[:4], shorten(name))
        if not log.warn_of(Layer.SERVER, name, text, *values):
            log.note(Layer.SERVER, Level.DEBUG, text, *values)
        push_refusal(session, name, "Invalid namespace")

    def _connect(self, session: Session, packet: Connect) -> None:
        limit = self._limits.max_events_per_second
        if limit is not None and not session.data.spend(limit, self.engine.driver.now()):
            rule = f"a client may send {limit:g} in a second (max_events_per_second), and this counts too"
            push_refusal(session, packet.namespace, f"Too many events: {rule}")
            return
        if not self._has_room(session.data):
            most = self._limits.max_namespaces
            push_refusal(session, packet.namespace, f"Too many namespaces: {most} are allowed on one connection")
            return
        namespace = self.namespaces.find(packet.namespace)
        if namespace is not None:  # a query takes time to parse, which is only spent on a namespace that may exist
            namespace.open(session, _auth(packet))
        elif is_namespace(packet.namespace):
            _NamespaceLookup(self, session, packet).ask()
        else:
            self.turn_away(session, packet.namespace)

    def _has_room(self, data: dict[str, Any]) -> bool:
        """Tell whether the client may enter one more namespace; forget for it the one that it left first."""
        most = self._limits.max_namespaces
        if len(data) >= most:
            left = next((name for name, member in data.items() if member is None), None)
            if left is not None:
                del data[left]
        return len(data) < most


class _NamespaceLookup:
    """Calls the functions of dynamic namespaces, one after the other, until one admits the client.

    Meanwhile it stands in the session's `data` in the member's place: it counts among the namespaces of the connection,
    ignores packets, and ends when the client disconnects.
    """

    __slots__ = ("_application", "_auth", "_functions", "_name", "_session")

    def __init__(self, application: SocketIOApplication, session: Session, packet: Connect) -> None:
        self._application = application
        self._session = session
        self._name = packet.namespace
        self._functions = [one for one in application.namespaces.dynamic if callable(one.match)]
        self._auth = _auth(packet) if self._functions else Auth({})

    def ask(self) -> None:
        if not self._functions:
            self._session.data.pop(self._name, None)
            self._application.turn_away(self._session, self._name)
            return
        self._session.data[self._name] = self
        family = self._functions.pop(0)
        assert callable(family.match)
        function = Function(family.match, family.threaded)
        function.run(self._application.engine.driver, (self._name, self._auth.value), self, family)

    def answered(self, token: DynamicNamespace, result: Any) -> None:
        if not self._is_open:
            return
        if not result:
            self.ask()
            return
        namespaces = self._application.namespaces
        namespace = namespaces.existing(self._name)
        if namespace is None:
            namespace = namespaces.make(token, self._name)
        namespace.open(self._session, self._auth)

    def failed(self, token: DynamicNamespace, error: BaseException) -> None:
        handlers = token._handlers
        handlers.errors += 1
        text = f"the function {handlers.name} of a dynamic namespace failed"
        self._application.engine.log.report((handlers.name, _NamespaceLookup, type(error)), text, error)
        if self._is_open:
            self.ask()

    def later(self, token: DynamicNamespace) -> Asker:
        return CountingAsker(self, self._session)

    def describe(self, token: DynamicNamespace) -> str:
        """Name the function, for a warning."""
        return f"the function {token._handlers.name} of a dynamic namespace"

    # What is called in the member's place

    def receive(self, packet: Event) -> None: ...

    def acknowledged(self, ack_id: int, args: list[Any]) -> None: ...

    def part(self, reason: Reason) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        self._session.data[self._name] = None

    # Below this line: how it is done

    @property
    def _is_open(self) -> bool:
        return self._session.is_live and self._session.data.get(self._name) is self


def _auth(packet: Connect) -> Auth:
    """Return what the client sent along: its auth, or the query of a client that knows no auth."""
    if packet.data is not None:
        return Auth(packet.data, is_query=isinstance(packet.data, QueryAuth))
    try:
        pairs = parse_qsl(packet.query, max_num_fields=1000)
    except ValueError:
        raise ProtocolError("the query of a namespace has more than 1000 parameters") from None
    if packet.namespace != "/":
        return Auth(dict(pairs), is_query=True)  # its own, where Engine.IO has written nothing
    return Auth({name: value for name, value in pairs if name not in _RESERVED_QUERY}, is_query=True)
