"""Waterspout: one real-time server for every generation of Socket.IO.

    from waterspout import Server

    server = Server()

    @server.on("say")
    def say(socket, text):
        socket.broadcast("said", text)
        return "ok"

Serve it with `waterspout serve module:server`, with `waterspout.run(server)`, or inside a Tornado
application with `waterspout.hosts.tornado.routes(server)`.
"""

import sys
from pathlib import Path

from .drivers import InlineDriver
from .engine import Engine, Pending, Policy
from .errors import (
    AckTimeout,
    ArgumentError,
    CannotStart,
    ConnectRefused,
    EventRefused,
    HandshakeRefused,
    RateLimited,
    SocketClosed,
    TooManyCalls,
    WaterspoutError,
)
from .server import Namespace, Server, Socket, event
from .types import Reason, Request

__all__ = [
    "AckTimeout",
    "ArgumentError",
    "CannotStart",
    "ConnectRefused",
    "Engine",
    "EventRefused",
    "HandshakeRefused",
    "Namespace",
    "Pending",
    "Policy",
    "RateLimited",
    "Reason",
    "Request",
    "Server",
    "Socket",
    "SocketClosed",
    "TooManyCalls",
    "WaterspoutError",
    "event",
    "run",
]

Engine.default_driver = InlineDriver


def run(
    server: Server | Engine, *, port: int = 8000, host: str = "localhost", static: str | Path | None = None
) -> None:
    """Serve on a port until SIGTERM, SIGINT or `server.close()`, inside Tornado; end gracefully. The URL is printed.

    In another thread than the main one there are no signals: `server.close()` is the end. A server may be run again.
    Port 0 takes a free one. The host "localhost" is 127.0.0.1 and [::1]; 0.0.0.0 and :: are all interfaces. `static`
    is a directory whose files are served beside it, the page of the clients for one. Raises `CannotStart`, with a
    sentence, for what cannot be.
    """
    from .hosts import listeners, standalone
    from .hosts.static import static_routes

    main = getattr(sys.modules["__main__"], "__file__", None)
    try:
        pages = () if static is None else static_routes(static, sources=[Path(main)] if main else [])
        standalone.run(
            server,
            standalone.Site(bind=[(host, port)], last_routes=pages),
            ready=lambda urls: print(  # noqa: T201  (whoever calls this is a program's last line)
                listeners.announcement("this server", urls, [host]), flush=True
            ),
        )
    except CannotStart as error:
        raise error.with_traceback(None) from None  # the sentence says it all
