"""The router: what an application of Tornado is given, and what serves the clients of one connection class."""

import logging
import re
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from tornado import ioloop, version_info

from ...engine import ANY_HOST, Driver, Engine, Policy, Protocol1Policy, check_seconds
from ...wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from . import persistent, polling, preflight
from .application import FaceApplication
from .complaints import Complaints
from .conn import SocketConnection
from .periodic import Callback, current_loop, is_running
from .session import MISSED_HEARTBEATS, Session
from .sessioncontainer import SessionContainer
from .stats import StatsCollector

__all__ = [
    "DEFAULT_SETTINGS",
    "ENGINE_SETTINGS",
    "PROTOCOLS",
    "HandshakeHandler",
    "TornadioRouter",
    "ioloop",
    "version_info",
]

log = logging.getLogger("tornadio2.router")

R = TypeVar("R", bound=list[Any])

HandshakeHandler = preflight.HandshakeHandler

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

INTERVALS = ("session_check_interval", "heartbeat_interval", "xhr_polling_timeout", "client_timeout")

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
        self.engine = Engine(FaceApplication(self, self._sessions), path=f"/{namespace}", policy=_policy(self.settings))
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
        return current_loop() if self._loop is None and is_running() else self._loop

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
            milliseconds = self.settings["session_check_interval"] * 1000
            self._sweep = Callback(self._sessions.expire, milliseconds, loop)
            self._sweep.start()


def _policy(settings: Mapping[str, Any]) -> Policy:
    """Say in the engine's words what belongs to the connection."""
    for name in INTERVALS:
        check_seconds(name, settings[name])
    if settings["session_expiry"] is not None:
        check_seconds("session_expiry", settings["session_expiry"])
    names = tuple(name for name in settings["enabled_protocols"] if name in PROTOCOLS)
    if not names:
        text = "there is none of enabled_protocols, %r, so clients of 0.7 to 0.9 cannot connect: choose from %s"
        log.warning(text, settings["enabled_protocols"], ", ".join(PROTOCOLS))
    modern = [kind for kind, has in (("websocket", "websocket" in names), ("polling", "xhr-polling" in names)) if has]
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
