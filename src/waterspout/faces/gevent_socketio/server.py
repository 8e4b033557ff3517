"""The server: gevent's WSGI server with sockets, whose `sockets` are all clients by their `sessid`."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from gevent.pywsgi import WSGIServer
from gevent.socket import socket as GeventSocket  # noqa: N812

from ...drivers import logger
from ...engine import Engine, Policy, Protocol1Policy
from ...hosts.gevent import App
from ...hosts.listeners import unix_listener
from ...hosts.strict import StrictHandler
from ...wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from ..complaints import Complaints
from .carrier import SocketApplication
from .policyserver import FlashPolicyServer
from .virtsocket import Socket

__all__ = ["SocketIOServer", "serve", "serve_paste"]

log = logger("socketio.server")

POLICY_PORT = 10843
TRANSPORTS = ("websocket", "flashsocket", "htmlfile", "xhr-multipart", "xhr-polling", "jsonp-polling")
_SECONDS = {"heartbeat_timeout": 60, "close_timeout": 60, "heartbeat_interval": 25}
_YES = (True, "True", "true", "enable", "yes", "on", "1")


class Sockets(dict[str, Socket]):
    """All sockets by their `sessid`; loops go over a copy, since clients come and go meanwhile."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> Any:
        """Return the names."""
        return list(super().keys())

    def values(self) -> Any:
        """Return the sockets."""
        return list(super().values())

    def items(self) -> Any:
        """Return both."""
        return list(super().items())


class SocketIOServer(WSGIServer):
    """Serves a WSGI application, and sockets below `/<resource>/`.

    The listener is an address, a socket that listens, or the path of a Unix socket. Beside the arguments of gevent's
    server it takes `resource`, by default "socket.io"; `transports`, names of those that are offered;
    `heartbeat_interval`, `heartbeat_timeout` and `close_timeout` in seconds; `log_file`; and `policy_server` with
    `policy_listener`: Flash's policy is served only where one of them is given. `policy` is a dictionary of options of
    `waterspout.engine.Policy`.
    """

    handler_class = StrictHandler
    is_ending = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sockets = Sockets()
        self.resource: str = (kwargs.pop("namespace", None) or kwargs.pop("resource", "socket.io")).strip("/")
        self.transports = kwargs.pop("transports", None)
        self.config = {name: int(kwargs.pop(name, default)) for name, default in _SECONDS.items()}
        policy_listener = kwargs.pop("policy_listener", None)
        self.policy_server = None
        if kwargs.pop("policy_server", policy_listener is not None):
            self.policy_server = FlashPolicyServer(policy_listener or (_host_of(args[0]), POLICY_PORT))
        if (log_file := kwargs.pop("log_file", None)) is not None:
            kwargs["log"] = open(log_file, "a")  # noqa: SIM115
        policy = _policy(self.config, self.transports, kwargs.pop("policy", {}))
        listener, *others = args
        self._socket_file = ExitStack()
        if isinstance(listener, str) and "/" in listener:
            made = self._socket_file.enter_context(unix_listener(listener))
            listener = GeventSocket(made.family, made.type, made.proto, fileno=made.detach())
        elif hasattr(listener, "setblocking") and not isinstance(listener, GeventSocket):
            listener.setblocking(False)  # where nothing is patched
        super().__init__(listener, *others, **kwargs)
        self.wsgi_app: Any = self.application
        complaints = Complaints()
        self.engine = Engine(SocketApplication(self, complaints), path=f"/{self.resource}", policy=policy)
        self.application = self._app = App(self.engine, self.wsgi_app)

    def get_socket(self, sessid: str = "") -> Socket | None:
        """Return a socket by its `sessid`, or None; a new one for ''."""
        if not sessid:
            socket = Socket(self, self.config)
            self.sockets[socket.sessid] = socket
            return socket
        found = self.sockets.get(sessid)
        if found is not None:
            found.incr_hits()
        return found

    def handle(self, client_socket: Any, address: Any) -> None:
        """Serve a connection."""
        self.handler_class(client_socket, address, self).handle()

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


def serve(app: Any, **kw: Any) -> None:
    """Serve an application until the process ends, with options as texts, as a paste file has them."""
    quiet = kw.pop("_quiet", False)
    if not quiet:
        logging.basicConfig()
    host, port = kw.pop("host", "127.0.0.1"), int(kw.pop("port", 6543))
    transports = kw.pop("transports", None)
    flash_host, flash_port = kw.pop("policy_listener_host", host), int(kw.pop("policy_listener_port", POLICY_PORT))
    wants_policy = kw.pop("policy_server", False) in _YES
    server = SocketIOServer(
        (host, port),
        app,
        transports=[name.strip() for name in transports.split(",")] if transports else None,
        policy_server=wants_policy,
        policy_listener=(flash_host, flash_port) if wants_policy else None,
        **kw,
    )
    if not quiet:
        print(f"serving on http://{host}:{port}", flush=True)  # noqa: T201
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


def _host_of(listener: Any) -> str:
    """Return the host of a listener, for the policy's own."""
    host = listener[0] if isinstance(listener, tuple) else listener.getsockname()[0]
    return str(host)
