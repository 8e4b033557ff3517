"""The server: gevent's WSGI server with sockets, whose `sockets` are all clients by their `sessid`."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from gevent.pywsgi import WSGIServer

from ...drivers import logger
from ...engine import Engine, Policy, Protocol1Policy
from ...hosts.gevent import App
from ...hosts.listeners import unix_listener
from ...hosts.wsgiserver import listener_at, secured, set_up, tls_context
from ...types import split_target
from ...wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from ..complaints import Complaints
from .carrier import SocketApplication
from .handler import SocketIOHandler, never_called
from .policyserver import FlashPolicyServer
from .virtsocket import Socket

__all__ = ["SocketIOServer", "serve", "serve_paste"]

log = logger("socketio.server")

POLICY_PORT = 10843
TRANSPORTS = ("websocket", "flashsocket", "htmlfile", "xhr-multipart", "xhr-polling", "jsonp-polling")
_IN_VAIN = (
    "the engine answers the requests for sockets, so these are never called: %s; for pages of other origins there is "
    'policy={"cors_origins": [...]}, for handshakes _do_handshake, and for all requests handle_one_response'
)
_GEVENTS = {"backlog", "spawn", "log", "error_log", "handler_class", "environ", "ssl_context"}
_SECONDS = {"heartbeat_timeout": 60, "close_timeout": 60, "heartbeat_interval": 25}
_YES = (True, "True", "true", "enable", "yes", "on", "1")


class Sockets(dict[str, Socket]):
    """All sockets by their `sessid`; loops go over a copy, since clients come and go meanwhile."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> Any:
        return list(super().keys())

    def values(self) -> Any:
        return list(super().values())

    def items(self) -> Any:
        return list(super().items())


class SocketIOServer(WSGIServer):
    """Serves a WSGI application, and sockets below `/<resource>/`; `resource` may be changed at any time.

    The listener is an address, a socket that listens or its descriptor, or the path of a Unix socket. Beside the
    arguments of gevent's server it takes `resource`, by default "socket.io"; `transports`, names of those that are
    offered; `heartbeat_interval`, `heartbeat_timeout` and `close_timeout` in seconds; `log_file`; and `policy_server`
    with `policy_listener`: Flash's policy is served only where one of them is given. `handler_class`, and
    `ws_handler_class` for WebSockets, are derived from `SocketIOHandler`. `policy` is a dictionary of options of
    `waterspout.engine.Policy`.
    """

    handler_class = SocketIOHandler
    is_ending = False

    def __init__(self, listener: Any, application: Any = None, *args: Any, **kwargs: Any) -> None:
        self.sockets = Sockets()
        self.resource: str = (kwargs.pop("namespace", None) or kwargs.pop("resource", "socket.io")).strip("/")
        self.transports = kwargs.pop("transports", None)
        self.config = {name: int(kwargs.pop(name, default)) for name, default in _SECONDS.items()}
        self.ws_handler_class = kwargs.pop("ws_handler_class", None)
        policy_listener = kwargs.pop("policy_listener", None)
        wants_policy = kwargs.pop("policy_server", policy_listener is not None)
        if (log_file := kwargs.pop("log_file", None)) is not None:
            kwargs["log"] = open(log_file, "a", buffering=1)  # noqa: SIM115
        self.has_log = kwargs.get("log", sys.stderr) is not None
        self._policy = _policy(self.config, self.transports, kwargs.pop("policy", {}))
        self._socket_file = ExitStack()
        self._context = tls_context(kwargs)
        if unknown := kwargs.keys() - _GEVENTS:  # gevent would take it for one of TLS
            raise TypeError(f"{min(unknown)!r} is no keyword of SocketIOServer")
        super().__init__(_listener(listener, self._socket_file), application, *args, **kwargs)
        self.policy_server = None
        if wants_policy:
            self.policy_server = FlashPolicyServer(policy_listener or (self.server_host or "0.0.0.0", POLICY_PORT))
        self._check_handlers()
        self.wsgi_app: Any = self.application
        self._open()

    def target_for_engine(self, target: str) -> str:
        """Return a request's target with the name that the engine has for the resource."""
        known, name = self.engine.path, f"/{self.resource.strip('/')}"
        if name == known:
            return target
        path = split_target(target)[1]
        if path.startswith(name) and path[len(name) :][:1] in ("", "/", "?"):
            return known + path.removeprefix(name)
        return "/" if path.startswith(known) else target

    def get_socket(self, sessid: str = "") -> Socket | None:
        """Return a socket by its `sessid`, or None; a new one for ''."""
        if not sessid:
            socket = Socket(self, self.config)
            self.sockets[socket.sessid] = socket
            return socket
        if (found := self.sockets.get(sessid)) is not None:
            found.incr_hits()
        return found

    def handle(self, client_socket: Any, address: Any) -> None:
        """Serve a connection."""
        if set_up(client_socket):
            self.handler_class(self.config, client_socket, address, self).handle()

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Serve a connection with TLS, which stays open if the engine has taken it."""
        if (client := secured(client_socket, self._context)) is not None:
            self.handle(client, address)

    def start(self) -> None:
        """Listen; also again, when the server has stopped."""
        if self.is_ending and not self.started:
            self._open()
        super().start()

    def start_accepting(self) -> None:
        """Accept connections, also those of Flash."""
        if self.policy_server is not None and not self.policy_server.started:
            try:
                self.policy_server.start()
            except OSError as error:
                log.warning("no policy for Flash: %s", error)
        self._app.start()
        super().start_accepting()

    def stop(self, timeout: float | None = None) -> None:
        """Accept no connections any more, tell all clients, and wait for what has begun, for `timeout` seconds."""
        self.is_ending = True
        if self.policy_server is not None:
            self.policy_server.stop()
        self._app.finish(self.stop_timeout if timeout is None else timeout)
        super().stop(timeout=timeout)
        self._socket_file.close()

    def _open(self) -> None:
        """Make an engine, as one that has been closed stays so."""
        self.is_ending = False
        self.engine = Engine(SocketApplication(self, Complaints()), path=f"/{self.resource}", policy=self._policy)
        self.application = self._app = App(self.engine, self.wsgi_app)

    def _check_handlers(self) -> None:
        """Warn of what a derived class has replaced in vain; TypeError for a handler of another kind."""
        if not issubclass(self.handler_class, SocketIOHandler):
            raise TypeError(f"{self.handler_class.__name__} cannot serve sockets: derive it from SocketIOHandler")
        kind = self.ws_handler_class
        if kind is not None and not issubclass(kind, SocketIOHandler):
            log.warning(
                "the engine carries WebSockets, so %s is not used: derive it from SocketIOHandler", kind.__name__
            )
            self.ws_handler_class = None
        for kind in filter(None, (self.handler_class, self.ws_handler_class)):
            if names := never_called(kind):
                log.warning(_IN_VAIN, ", ".join(names))


def serve(app: Any, **kw: Any) -> None:
    """Serve an application until the process ends, with options as texts, as a paste file has them."""
    quiet = kw.pop("_quiet", False)
    if not quiet:
        logging.basicConfig()
    host, port = kw.pop("host", "127.0.0.1"), int(kw.pop("port", 6543))
    if transports := kw.pop("transports", None):
        kw["transports"] = [name.strip() for name in transports.split(",")]
    flash = kw.pop("policy_listener_host", host), int(kw.pop("policy_listener_port", POLICY_PORT))
    if kw.pop("policy_server", False) in _YES:
        kw["policy_listener"] = flash
    server = SocketIOServer((host, port), app, **kw)
    if not quiet:
        line = f"serving on http://{host}:{port}\n"
        print(line, end="", flush=True)  # noqa: T201  (in one write, as other threads may print)
    server.serve_forever()


def serve_paste(app: Any, global_conf: dict[str, str], **kw: Any) -> int:
    """Serve the application of a paste file; its section of the server has the options of `serve`.

    The program patches the standard library itself, as it did with the original.
    """
    serve(app, **kw)
    return 0


def _policy(config: dict[str, int], transports: Iterable[str] | None, options: dict[str, Any]) -> Policy:
    """Return the policy of the engine. ValueError for a transport that does not exist."""
    names = tuple(TRANSPORTS if transports is None else transports)
    if unknown := [name for name in names if name not in TRANSPORTS]:
        raise ValueError(f"transports should be elements of: {', '.join(TRANSPORTS)}; and {unknown[0]!r} is none")
    modern = [kind for name, kind in (("websocket", "websocket"), ("xhr-polling", "polling")) if name in names]
    return Policy(
        **{
            "ping_interval": config["heartbeat_interval"],
            "ping_timeout": config["heartbeat_timeout"] - config["heartbeat_interval"],
            "transports": tuple(modern) or ("polling",),
            "generations": (ENGINEIO_3, ENGINEIO_4, SOCKETIO_1),
            "cors_origins": "*",
            "protocol1": Protocol1Policy(
                transports=names,
                resume_timeout=config["close_timeout"],
                poll_hold=config["heartbeat_interval"],
                close_timeout_advertised=config["close_timeout"],
                unknown_session=400,
                application_answers=True,
            ),
            **options,
        }
    )


def _listener(listener: Any, stack: ExitStack) -> Any:
    """Return what gevent's server takes as a listener; the file of a Unix socket is removed by the stack.

    A number is a port, unless it is the descriptor of a socket that listens.
    """
    if isinstance(listener, int):
        listener = listener_at(listener) or listener
    elif isinstance(listener, str) and "/" in listener:
        listener = stack.enter_context(unix_listener(listener.removeprefix("unix:")))
    if hasattr(listener, "setblocking"):
        listener.setblocking(False)  # where nothing is patched
    return listener
