"""The application of an engine that speaks Socket.IO: namespaces, and what belongs to all of them."""

from collections.abc import Callable
from math import inf
from typing import Any
from urllib.parse import parse_qsl

from ..engine import Cookie, Driver, Engine, Origins, Pending, Policy, Session, TrustedProxies
from ..errors import ProtocolError
from ..types import Reason, Request
from ..wire.packets import Ack, Connect, Disconnect, Event, Packet
from .cluster import Adapter, Broadcast, Cluster
from .namespace import F, Namespace, push_refusal
from .rooms import Target
from .socket import Except, Socket

_RESERVED_QUERY = frozenset(("EIO", "transport", "sid", "t", "b64", "j"))


class Server:
    """A Socket.IO server for every host, and for clients of 1.x to 4.x at once.

    Times are in seconds, sizes in bytes; the options bear the names of the JavaScript server. `path` is
    where hosts mount it; `cors_origins` are the origins, beside its own, whose pages may connect ("*" is
    everybody); `cookie` carries the session id to a load balancer; `trusted_proxies` are the proxies whose
    `X-Forwarded-*` fields are believed (see `Policy`); `adapter` joins several nodes; a `driver` is for
    tests. ValueError for a value out of range.
    """

    def __init__(
        self,
        *,
        path: str = "/socket.io",
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        upgrade_timeout: float = 10.0,
        connect_timeout: float = 10.0,
        shutdown_timeout: float = 5.0,
        max_payload_bytes: int = 1_000_000,
        max_outbox_bytes: int = 1_000_000,
        max_attachments: int = 10,
        transports: tuple[str, ...] = ("polling", "websocket"),
        cors_origins: Origins = None,
        cors_credentials: bool = False,
        cookie: Cookie | str | None = None,
        trusted_proxies: TrustedProxies = (),
        adapter: Adapter | None = None,
        driver: Driver | None = None,
    ) -> None:
        policy = Policy(
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            upgrade_timeout=upgrade_timeout,
            connect_timeout=connect_timeout,
            max_payload_bytes=max_payload_bytes,
            max_outbox_bytes=max_outbox_bytes,
            max_attachments=max_attachments,
            transports=tuple(transports),
            cors_origins=cors_origins,
            cors_credentials=cors_credentials,
            cookie=Cookie(name=cookie) if isinstance(cookie, str) else cookie,
            trusted_proxies=trusted_proxies,
        )
        self.engine = Engine(_Sockets(self), driver=driver, path=path, policy=policy)
        self.engine.is_clustered = adapter is not None
        if not 0 <= shutdown_timeout < inf:
            raise ValueError(f"shutdown_timeout is {shutdown_timeout!r}: give a number of seconds, 0 or more")
        self._shutdown_timeout = shutdown_timeout
        self._cluster = Cluster(adapter, f"waterspout{self.engine.path}", self._deliver)
        self._cluster.attach(self.engine.driver)
        self.engine.when_bound(self._cluster.attach)
        self._namespaces: dict[str, Namespace] = {}
        self._root = self.of("/")

    def of(self, namespace: str) -> Namespace:
        """Return a namespace; from its first mention on, clients may enter it."""
        found = self._namespaces.get(namespace)
        if found is None:
            found = self._namespaces[namespace] = Namespace(namespace, self.engine, self._cluster)
        return found

    def on(self, event: str, *, namespace: str = "/") -> Callable[[F], F]:
        """Register the handler of an event; see `Namespace.on`."""
        return self.of(namespace).on(event)

    def on_connect(self, handler: F) -> F:
        """Register what decides whether a client may enter "/"; see `Namespace.on_connect`."""
        return self._root.on_connect(handler)

    def on_disconnect(self, handler: F) -> F:
        """Register what hears that a client has left "/"; see `Namespace.on_disconnect`."""
        return self._root.on_disconnect(handler)

    def on_error(self, handler: F) -> F:
        """Register what hears of exceptions in the handlers of "/"; see `Namespace.on_error`."""
        return self._root.on_error(handler)

    def emit(self, event: str, *args: Any, to: Target = None, except_: Except = None) -> None:
        """Send an event to the clients of "/"; see `Namespace.emit`."""
        self._root.emit(event, *args, to=to, except_=except_)

    def sockets(self) -> list[Socket]:
        """Return the clients that are in "/" now."""
        return self._root.sockets()

    def close(self) -> Pending[None]:
        """Tell all clients, flush and end; then wait `shutdown_timeout` for running handlers, and cancel them."""
        driver = self.engine.driver
        done: Pending[None] = Pending(driver)
        if driver.foreign():
            driver.soon(self._close, done)
        else:
            self._close(done)
        return done

    def open(self, session: Session, packet: Connect) -> None:
        """Let a client knock at a namespace."""
        namespace = self._namespaces.get(packet.namespace)
        if namespace is None:
            push_refusal(session, packet.namespace, "Invalid namespace")
        else:
            namespace.open(session, _auth(packet))

    def _close(self, done: Pending[None]) -> None:
        self._cluster.leave()
        engine, timeout = self.engine, self._shutdown_timeout

        def finish() -> None:
            engine.driver.finish(timeout, lambda: done.resolve(None))

        # in the turn, so that the handlers of the last farewells are among those that are waited for
        engine.close().add_done_callback(lambda _: engine.turn.add(finish))

    def _deliver(self, message: Broadcast) -> None:
        namespace = self._namespaces.get(message.namespace)
        if namespace is not None:
            namespace.deliver(message.event, message.args, message.to, message.except_)


class _Sockets:
    """What the engine sees: the packets of all sessions, for the sockets they belong to."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def open(self, session: Session, request: Request) -> None:
        session.data = {}
        if not session.generation.implicit_connect:
            session.await_connect()

    def packet(self, session: Session, packet: Packet) -> None:
        socket = session.data.get(packet.namespace)
        if socket is not None:
            if type(packet) is Event:
                socket.receive(packet)
            elif type(packet) is Ack:
                socket.acknowledged(packet.id, packet.args)
            elif type(packet) is Disconnect:
                self._server.of(packet.namespace).part(socket, Reason.CLIENT_DISCONNECT)
        elif type(packet) is Connect:
            self._server.open(session, packet)
        elif packet.namespace not in session.data:  # else it crossed with the end of its socket
            raise ProtocolError(f"a packet came for {packet.namespace[:80]!r}, which the client has not entered")

    def announced(self, session: Session, namespace: str) -> None:
        if namespace not in session.data:
            raise ProtocolError(f"attachments came for {namespace[:80]!r}, which the client has not entered")

    def close(self, session: Session, reason: Reason) -> None:
        for name, socket in tuple(session.data.items()):
            if socket is not None:
                self._server.of(name).part(socket, reason)


def _auth(packet: Connect) -> Any:
    """Return what the client sent along: its auth, or the query of a client that knows no auth."""
    if packet.data is not None:
        return packet.data
    try:
        pairs = parse_qsl(packet.query, max_num_fields=1000)
    except ValueError:
        raise ProtocolError("more than 1000 parameters came in the query of a namespace") from None
    return {name: value for name, value in pairs if name not in _RESERVED_QUERY}
