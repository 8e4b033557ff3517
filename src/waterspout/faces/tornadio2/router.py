"""The router: what an application of Tornado is given, and what serves the clients of one connection class."""

import logging
import re
import warnings
from collections.abc import Mapping
from http.client import responses
from typing import Any, TypeVar

import tornado.ioloop
from tornado.web import HTTPError

from ...engine import ANY_HOST, Driver, Engine, Policy, Protocol1Policy, check_seconds
from ...engine import Session as EngineSession
from ...errors import HandshakeRefused, ReservedName
from ...hosts.loops import running_loop
from ...types import Reason, Request
from ...wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from ...wire.packets import Connect, Disconnect, Error, Packet
from ..complaints import Complaints
from . import persistent, polling, preflight
from .carrier import carry
from .conn import SocketConnection
from .info import ActiveRequest
from .periodic import Callback, current_loop
from .session import MISSED_HEARTBEATS, Session
from .session import log as session_log
from .sessioncontainer import SessionContainer
from .stats import StatsCollector

log = logging.getLogger("tornadio2.router")

R = TypeVar("R", bound=list[Any])

HandshakeHandler = preflight.HandshakeHandler
ioloop, version_info = tornado.ioloop, tornado.version_info  # as applications find them here

PROTOCOLS: dict[str, Any] = {
    "websocket": persistent.TornadioWebSocketHandler,
    "flashsocket": persistent.TornadioFlashSocketHandler,
    "xhr-polling": polling.TornadioXHRPollingHandler,
    "jsonp-polling": polling.TornadioJSONPHandler,
    "htmlfile": polling.TornadioHtmlFileHandler,
}
"""The handlers of the transports, by name."""

DEFAULT_SETTINGS: dict[str, Any] = {
    "session_check_interval": 15,  # s between two looks at sessions that no engine has
    "session_expiry": 30,  # s that a session waits for another transport; None for ever
    "heartbeat_interval": 12,  # s
    "enabled_protocols": ["websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile"],
    "xhr_polling_timeout": 20,  # s that a poll is held
    "websocket_check": False,  # a WebSocket carries nothing before its client has answered a heartbeat
    "global_heartbeats": True,  # on all transports, as 0.9.2 and later ask for
    "client_timeout": 5,  # s that a client is given beyond heartbeat_interval and xhr_polling_timeout
    "verify_remote_ip": True,  # a session is for the address of its handshake
}

ENGINE_SETTINGS = (
    *("allowed_hosts", "max_header_lines", "max_outbox_bytes", "max_payload_bytes"),
    *("subprotocols", "trusted_proxies"),
)
"""What `user_settings` may have besides; they mean what they do in a `waterspout.Policy`."""

_ANY_ORIGIN = re.compile(".*", re.DOTALL)  # `verify_origin` of the handlers is asked


class TornadioRouter:
    """Serves a connection class under `/socket.io`, or another `namespace`, to clients of 0.7 to 4.x at once.

    It can be made at import time: the event loop is that of the first request. Of `user_settings`, those that are in
    neither DEFAULT_SETTINGS nor ENGINE_SETTINGS are kept for the application.
    """

    def __init__(
        self,
        connection: type[SocketConnection],
        user_settings: Mapping[str, Any] = {},  # the original's signature; nothing changes it
        namespace: str = "socket.io",
        io_loop: Any = None,
    ) -> None:
        self.settings = {**DEFAULT_SETTINGS, **user_settings}
        self.stats = StatsCollector()
        self._sessions = SessionContainer()  # the engine counts the time of its own
        self.engine = Engine(_Application(self, self._sessions), path=f"/{namespace}", policy=_policy(self.settings))
        self.complaints = Complaints(self.engine)
        self._connection = connection
        self._namespace = namespace
        self._loop = io_loop
        self._sweep: Callback | None = None
        self.engine.when_bound(self._begin)
        if "session_check_interval" in user_settings:
            text = "session_check_interval: sessions expire exactly session_expiry seconds after their last transport"
            warnings.warn(text, DeprecationWarning, stacklevel=2)

    @property
    def io_loop(self) -> Any:
        """The loop that was given or set, else that of the first request; before that the thread's current one.

        At import time that is the one that `SocketServer` and `IOLoop.current().start()` run later. From another
        thread than it, call nothing but its `add_callback`.
        """
        return self._loop or current_loop()

    @io_loop.setter
    def io_loop(self, loop: Any) -> None:
        self._loop = loop

    @property
    def running_loop(self) -> Any:
        """The same, but None where no loop was given and none runs."""
        return current_loop() if self._loop is None and running_loop() is not None else self._loop

    @property
    def urls(self) -> list[Any]:
        """The routes for a `tornado.web.Application`: of the handshakes, and of each enabled protocol."""
        base, kwargs = f"{ANY_HOST}/{re.escape(self._namespace)}", {"server": self}
        names = [name for name in self.settings["enabled_protocols"] if name in PROTOCOLS]
        return [
            (rf"{base}/(?:(?P<version>\d+)(?:/?|//[^/]*/?))?", HandshakeHandler, kwargs),
            *((rf"{base}/1/{re.escape(name)}/(?P<session_id>[^/]+)/?", PROTOCOLS[name], kwargs) for name in names),
        ]

    @property
    def socket_handler(self) -> Any:
        """The class of the WebSockets, whose `check_origin` is asked for all of them."""
        return PROTOCOLS["websocket"]

    def apply_routes(self, routes: R) -> R:
        """Add the routes to a list, and return it."""
        routes.extend(self.urls)
        return routes

    def create_session(self, request: Any) -> Session:
        """Make a session of the request that asks for it; raises HTTPError(401) if `on_open` refuses it.

        The engine calls this at each handshake, so that a router may have sessions of its own class.
        """
        session = Session(self._connection, self, request, self.settings["session_expiry"])
        self._sessions.add(session)
        return session

    def get_session(self, session_id: str) -> Any:
        """Return a session, or None."""
        return self._sessions.get(session_id)

    def _begin(self, driver: Driver) -> None:
        """Begin what needs a loop, now that there is one."""
        self._loop = loop = self.running_loop  # for other threads, too
        if loop is not None:
            self.stats.start(loop)
            self._sweep = Callback(self._sessions.expire, self.settings["session_check_interval"] * 1000, loop)
            self._sweep.start()


class _Application:
    """Makes a session of TornadIO2 for each handshake: the `data` of the engine's, which its `handler` carries."""

    def __init__(self, router: TornadioRouter, sessions: SessionContainer) -> None:
        self._router = router
        self._sessions = sessions

    def open(self, session: EngineSession, request: Request) -> None:
        """Make a session; HandshakeRefused with the status of `on_open` if it refuses, 500 if it fails.

        The client is not kept waiting for an `on_open` that goes on: that may itself wait for the client.
        """
        try:
            opened = self._router.create_session(ActiveRequest(request, session.id))
        except HTTPError as error:
            status = error.status_code if error.status_code in responses and error.status_code >= 300 else 500
            raise HandshakeRefused(status, error.reason or "") from error
        except Exception as error:
            self._router.complaints.write(session_log, "a client is refused, because on_open has failed", error=error)
            raise HandshakeRefused(500) from error
        session.data = opened
        self._sessions.add(opened)  # create_session may be the user's own
        opened.set_handler(carry(session, self._router.stats.on_packet_sent))
        opened.flush()

    def packet(self, session: EngineSession, packet: Packet) -> None:
        """Pass a packet on."""
        opened: Session = session.data
        if type(packet) is Error:  # of clients of 1.x to 4.x: the JavaScript servers ignore it
            return
        if isinstance(packet, Connect) and packet.namespace == "/":
            session.connected()
            if opened.carrier.enter() and packet.data:  # it has been open since the handshake
                opened.info.join(packet.data)
            return
        self._router.stats.on_packet_recv(1)
        if isinstance(packet, Disconnect) and packet.namespace == "/" and opened.endpoints and opened.carrier.leave():
            return  # of the main connection alone
        opened.receive(opened.carrier.hear(packet))

    def reserved(self, session: EngineSession, error: ReservedName) -> None:
        """Log an event that bears a name of Socket.IO's own, and drop it."""
        session.data.complain(session_log, "an event is ignored: %s", error)

    def announced(self, session: EngineSession, namespace: str) -> None:
        """Accept attachments for endpoints that the client has entered."""
        if namespace != "/" and namespace not in session.data.endpoints:
            session.dialect.astray(session, "attachments", namespace)

    def close(self, session: EngineSession, reason: Reason) -> None:
        """Close the session: its endpoints, and then the main connection."""
        opened: Session = session.data
        if opened.handler is not None:
            opened.remove_handler(opened.handler)
        opened.close()
        opened.send_queue.clear()
        self._sessions.forget(opened)


def _policy(settings: Mapping[str, Any]) -> Policy:
    """Say in the engine's words what belongs to the connection."""
    for name in DEFAULT_SETTINGS:
        if name.endswith(("_interval", "_timeout")):
            check_seconds(name, settings[name])
    if settings["session_expiry"] is not None:
        check_seconds("session_expiry", settings["session_expiry"])
    names = tuple(name for name in settings["enabled_protocols"] if name in PROTOCOLS)
    if not names:
        text = "there is none of enabled_protocols, %r, so clients of 0.7 to 0.9 cannot connect: choose from %s"
        log.warning(text, settings["enabled_protocols"], ", ".join(PROTOCOLS))
    modern = [kind for name, kind in (("websocket", "websocket"), ("xhr-polling", "polling")) if name in names]
    return Policy(
        ping_interval=settings["heartbeat_interval"],
        ping_timeout=settings["client_timeout"],
        transports=tuple(modern) or ("polling",),
        generations=(ENGINEIO_3, ENGINEIO_4, SOCKETIO_1) if names else (ENGINEIO_3, ENGINEIO_4),
        cors_origins=_ANY_ORIGIN,
        cors_credentials=True,
        verify_remote_ip=settings["verify_remote_ip"],
        protocol1=Protocol1Policy(
            resume_timeout=settings["session_expiry"],
            poll_hold=settings["xhr_polling_timeout"],
            transports=names or None,
            close_timeout_advertised=settings["xhr_polling_timeout"] + settings["client_timeout"],
            unknown_session=401,
            second_poll="refuse",
            post_reply="",
            websocket_check=settings["websocket_check"],
            application_answers=True,
            missed_heartbeats=MISSED_HEARTBEATS + 1,
            global_heartbeats=settings["global_heartbeats"],
        ),
        **{name: settings[name] for name in ENGINE_SETTINGS if name in settings},
    )
