"""The router: makes the routes for a Tornado application, and serves the clients of one connection class."""

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
from ..loops import current_loop
from . import persistent, polling, preflight
from .carrier import carry
from .conn import SocketConnection
from .info import ActiveRequest
from .periodic import Callback
from .session import MISSED_HEARTBEATS, Session
from .session import log as session_log
from .sessioncontainer import SessionContainer
from .stats import StatsCollector

log = logging.getLogger("tornadio2.router")

R = TypeVar("R", bound=list[Any])

HandshakeHandler = preflight.HandshakeHandler
ioloop, version_info = tornado.ioloop, tornado.version_info  # names that applications import from here

PROTOCOLS: dict[str, Any] = {
    "websocket": persistent.TornadioWebSocketHandler,
    "flashsocket": persistent.TornadioFlashSocketHandler,
    "xhr-polling": polling.TornadioXHRPollingHandler,
    "jsonp-polling": polling.TornadioJSONPHandler,
    "htmlfile": polling.TornadioHtmlFileHandler,
}
"""The handlers of the transports, by name."""

DEFAULT_SETTINGS: dict[str, Any] = {
    "session_check_interval": 15,  # s between checks of sessions that no engine carries
    "session_expiry": 30,  # s that a session waits for its next transport; None: without limit
    "heartbeat_interval": 12,  # s
    "enabled_protocols": ["websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile"],
    "xhr_polling_timeout": 20,  # s that a poll is held
    "websocket_check": False,  # use a WebSocket only after its client has answered a heartbeat
    "global_heartbeats": True,  # on all transports, as 0.9.2 and later require
    "client_timeout": 5,  # s added to heartbeat_interval and xhr_polling_timeout
    "verify_remote_ip": True,  # a session is found only from the address of its handshake
}

ENGINE_SETTINGS = (
    *("allowed_hosts", "max_header_lines", "max_outbox_bytes", "max_payload_bytes"),
    *("subprotocols", "trusted_proxies"),
)
"""More options that `user_settings` may have; see `waterspout.Policy`."""

_ANY_ORIGIN = re.compile(".*", re.DOTALL)  # the handlers' `verify_origin` decides


class TornadioRouter:
    """Serves a connection class under `/socket.io`, or another `namespace`, to clients of 0.7 to 4.x.

    It can be made at import time: its event loop is that of the first request. Entries of `user_settings` that are in
    neither DEFAULT_SETTINGS nor ENGINE_SETTINGS are for the application.
    """

    def __init__(
        self,
        connection: type[SocketConnection],
        user_settings: Mapping[str, Any] = {},  # the original's signature; it is not modified
        namespace: str = "socket.io",
        io_loop: Any = None,
    ) -> None:
        self.settings = {**DEFAULT_SETTINGS, **user_settings}
        self.stats = StatsCollector()
        self._sessions = SessionContainer()  # the engine itself ends the sessions that it carries
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
        """The loop that was given or set, else that of the first request; before that, the thread's current loop.

        At import time, that is the loop which `SocketServer` and `IOLoop.current().start()` run later. From other
        threads, call only its `add_callback`.
        """
        return self._loop or current_loop()

    @io_loop.setter
    def io_loop(self, loop: Any) -> None:
        self._loop = loop

    @property
    def running_loop(self) -> Any:
        """The same, but None if no loop was given and none is running."""
        return current_loop() if self._loop is None and running_loop() is not None else self._loop

    @property
    def urls(self) -> list[Any]:
        """The routes for a `tornado.web.Application`: for handshakes, and for each enabled protocol."""
        base, kwargs = f"{ANY_HOST}/{re.escape(self._namespace)}", {"server": self}
        names = [name for name in self.settings["enabled_protocols"] if name in PROTOCOLS]
        return [
            (rf"{base}/(?:(?P<version>\d+)(?:/?|//[^/]*/?))?", HandshakeHandler, kwargs),
            *((rf"{base}/1/{re.escape(name)}/(?P<session_id>[^/]+)/?", PROTOCOLS[name], kwargs) for name in names),
        ]

    @property
    def socket_handler(self) -> Any:
        """The class of WebSockets; its `check_origin` is called for all of them."""
        return PROTOCOLS["websocket"]

    def apply_routes(self, routes: R) -> R:
        """Add the routes to a list, and return it."""
        routes.extend(self.urls)
        return routes

    def create_session(self, request: Any) -> Session:
        """Make a session for a handshake; HTTPError(401) if `on_open` refuses it.

        Called at each handshake, so that a router may override it to use its own class of sessions.
        """
        session = Session(self._connection, self, request, self.settings["session_expiry"])
        self._sessions.add(session)
        return session

    def get_session(self, session_id: str) -> Any:
        """Return a session, or None."""
        return self._sessions.get(session_id)

    def _begin(self, driver: Driver) -> None:
        """Start the timers, when a loop is running."""
        self._loop = loop = self.running_loop  # other threads need it, too
        if loop is not None:
            self.stats.start(loop)
            self._sweep = Callback(self._sessions.expire, self.settings["session_check_interval"] * 1000, loop)
            self._sweep.start()


class _Application:
    """The engine's application: makes a TornadIO2 session for each session of the engine, as its `data`."""

    def __init__(self, router: TornadioRouter, sessions: SessionContainer) -> None:
        self._router = router
        self._sessions = sessions

    def open(self, session: EngineSession, request: Request) -> None:
        """Make a session; HandshakeRefused with the status of `on_open` if it refuses, or 500 if it fails.

        The handshake does not wait for an asynchronous `on_open`, since that may itself wait for the client.
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
        self._sessions.add(opened)  # an overridden `create_session` may not have done it
        opened.set_handler(carry(session, self._router.stats.on_packet_sent))
        opened.flush()

    def packet(self, session: EngineSession, packet: Packet) -> None:
        opened: Session = session.data
        if type(packet) is Error:  # from clients of 1.x to 4.x, as the JavaScript servers ignore them
            return
        if isinstance(packet, Connect) and packet.namespace == "/":
            session.connected()
            if opened.carrier.enter() and packet.data:  # `on_open` was called at the handshake
                opened.info.join(packet.data)
            return
        self._router.stats.on_packet_recv(1)
        if isinstance(packet, Disconnect) and packet.namespace == "/" and opened.endpoints and opened.carrier.leave():
            return  # the endpoints stay connected
        opened.receive(opened.carrier.hear(packet))

    def reserved(self, session: EngineSession, error: ReservedName) -> None:
        """Log and drop an event with a reserved name."""
        session.data.complain(session_log, "an event is ignored: %s", error)

    def announced(self, session: EngineSession, namespace: str) -> None:
        """Accept attachments for endpoints that the client is connected to."""
        if namespace != "/" and namespace not in session.data.endpoints:
            session.dialect.astray(session, "attachments", namespace)

    def close(self, session: EngineSession, reason: Reason) -> None:
        """Close the session: first its endpoints, then the main connection."""
        opened: Session = session.data
        if opened.handler is not None:
            opened.remove_handler(opened.handler)
        opened.close()
        opened.send_queue.clear()
        self._sessions.forget(opened)


def _policy(settings: Mapping[str, Any]) -> Policy:
    """Translate the settings into a policy of the engine."""
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
