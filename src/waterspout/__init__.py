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
from collections.abc import Callable
from inspect import currentframe
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .adapters import open_adapter
from .adapters.asyncemitter import AsyncEmitter
from .adapters.emitter import Emitter
from .drivers import InlineDriver
from .engine import Engine, Pending, Policy
from .errors import (
    AckTimeout,
    ArgumentError,
    CannotStart,
    ConnectRefused,
    EventDenied,
    EventRefused,
    HandshakeRefused,
    RateLimited,
    SocketClosed,
    TooManyCalls,
    WaterspoutError,
)
from .server import Namespace, Server, Socket, event, hook
from .types import Reason, Request

__all__ = [
    "AckTimeout",
    "ArgumentError",
    "AsyncEmitter",
    "CannotStart",
    "ConnectRefused",
    "Emitter",
    "Engine",
    "EventDenied",
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
    "hook",
    "run",
]

Engine.default_driver = InlineDriver
Server.open_adapter = staticmethod(open_adapter)


def run(
    server: Server | Engine,
    *,
    port: int = 8000,
    host: str = "localhost",
    static: str | Path | None = None,
    entry: str | None = None,
    app: Callable[..., Any] | None = None,
    app_threads: int | None = None,
    app_max_bytes: int = 100_000_000,
) -> None:
    """Serve on a port until SIGTERM, SIGINT or `server.close()`, inside Tornado; end gracefully. The URL is printed.

    In another thread than the main one there are no signals: `server.close()` is the end. A server may be run again.
    Port 0 takes a free one. The host "localhost" is 127.0.0.1 and [::1]; 0.0.0.0 and :: are all interfaces. `static`
    is a directory whose files are served beside it, the page of the clients for one. `entry` is the path of a Unix
    socket at which `waterspout publish` and `waterspout emit` reach the server; it is for this user and root only.
    `app` is a WSGI application for all other requests, as of Flask or Django. It is called in `app_threads` threads, by
    default the number of CPUs and 4, at most 32; bodies that are sent to it, and its answers, have up to
    `app_max_bytes` each (docs/wsgi.md).
    Raises `CannotStart`, with a sentence, for what cannot be.
    """
    from .hosts import listeners, standalone
    from .hosts.static import static_routes
    from .hosts.wsgimount import check_wsgi

    main = getattr(sys.modules["__main__"], "__file__", None)
    try:
        if app is not None:
            check_wsgi(app, "`app`")
        sources = [Path(main)] if main else []
        pages = () if static is None else static_routes(static, sources=sources, only_files=app is not None)
        standalone.run(
            server,
            standalone.Site(
                bind=[(host, port)],
                last_routes=pages,
                entry=entry,
                app=app,
                app_threads=app_threads,
                app_max_bytes=app_max_bytes,
            ),
            ready=lambda urls: listeners.announce("this server", urls, [host]),
        )
    except CannotStart as error:
        raise error.with_traceback(None) from None  # the sentence says it all


_ELSEWHERE = {
    "waterspout.hosts.tornado": ("routes", "drain"),
    "waterspout.hosts.gevent": ("App", "serve"),
    "waterspout.testing": ("Pair", "Peer", "Clock"),
    "waterspout.adapters": ("MemoryAdapter",),
    "waterspout.adapters.redis": ("RedisAdapter",),
    "waterspout.server": (
        "Adapter",
        "Channel",
        "ChannelMessage",
        "DynamicNamespace",
        "Gap",
        "Headcount",
        "Node",
        "Presence",
        "Replies",
        "Stats",
        "Text",
    ),
    "waterspout.engine": ("Cookie", "Deflate"),
    "waterspout.faces": ("install",),
    "waterspout.faces.tornadio2": ("SocketConnection", "TornadioRouter", "SocketServer"),
}
_INSTEAD = {
    "AsyncServer": "waterspout.Server, whose handlers may be async",
    "SocketIO": "waterspout.Server",
    "RedisManager": "Server(adapter='redis://...') for servers, and waterspout.Emitter for other programs",
    "AsyncRedisManager": "Server(adapter='redis://...') for servers, and waterspout.AsyncEmitter for other programs",
    "AsyncNamespace": "waterspout.Socket for a class with handlers, and Server.register",
    "ASGIApp": "waterspout.hosts.asgi.App, or `waterspout serve --host uvicorn`",
    "WSGIApp": "waterspout.hosts.gevent.App, or `waterspout serve --host gevent`",
    "get_tornado_handler": "waterspout.hosts.tornado.routes",
    "Client": "waterspout.testing.Peer in tests; it is a server, and has no client for a network",
    "AsyncClient": "waterspout.testing.Peer in tests; it is a server, and has no client for a network",
    "emit": "Server.emit, Namespace.emit and Socket.emit",
    "on": "Server.on",
}

if not TYPE_CHECKING:  # it would make any name an attribute

    def __getattr__(name: str) -> Any:
        """Say where a name is that is not here.

        `from waterspout import` takes an AttributeError for its own and hides the sentence, so it gets an ImportError;
        importlib asks in a function of this name before, in all versions of Python that there are.
        """
        place = next((module for module, names in _ELSEWHERE.items() if name in names), None)
        if place is not None:
            sentence = f"{name} is in {place}: from {place} import {name}"
        elif name in _INSTEAD:
            sentence = f"waterspout has no {name}, but {_INSTEAD[name]}"
        else:
            raise AttributeError(f"module 'waterspout' has no attribute {name!r}")
        here = currentframe()
        is_import = here and here.f_back and here.f_back.f_code.co_name == "_handle_fromlist"
        raise (ImportError if is_import else AttributeError)(sentence, name=name)
