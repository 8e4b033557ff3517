"""Serves what a test program has made, in its own process, on a host: "asyncio", "uvloop", "gevent", or an ASGI server.

The first two are loops of Tornado's host. For gevent the process is begun by gevent's monkey (`program`); there the
programs' asynchronous functions run in greenlets, which block where the functions wait.
"""

import asyncio
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial, wraps
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, FallbackHandler
from tornado.wsgi import WSGIContainer

from ports import free_port
from waterspout import Engine, Server
from waterspout.hosts import tornado as host

OURS = "waterspout.hosts.uvicorn"
HOSTS = ("asyncio", "uvloop", "gevent")
CLOSE_TIMEOUT = 1.0  # s; a client that was cut off over polling takes no goodbye

Mountable = Server | Engine
Respond = Callable[[str, bytes], bytes | None]
"""Answers a request that is not the servers', by path and body: with a page, or None for "not found"."""


def program(kind: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module on a host; `kind` is its first argument."""
    patched = ("-m", "gevent.monkey", "--module") if kind == "gevent" else ("-m",)
    return [sys.executable, *patched, module, kind, *arguments]


def serve(kind: str, *mountables: Mountable, respond: Respond = lambda path, body: None, port: int = 0) -> None:
    """Print the port and serve until SIGTERM, the requests of others by `respond`."""
    if kind == "gevent":
        _on_gevent(mountables, _Pages(respond), port)
    elif kind in _SERVERS:
        _on_asgi(kind, mountables, respond, port)
    elif kind == "uvloop":
        import uvloop

        uvloop.run(_in_tornado(mountables, _Pages(respond), port))
    else:
        asyncio.run(_in_tornado(mountables, _Pages(respond), port))


class _Pages:
    """What is not the servers', as a WSGI application."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        page = self._respond(environ["PATH_INFO"], body)
        start_response("404 Not Found" if page is None else "200 OK", [("Content-Type", "text/html")])
        return [page or b""]


async def _in_tornado(mountables: Sequence[Mountable], pages: _Pages, port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sockets = bind_sockets(port, "127.0.0.1")
    routes: list[Any] = [route for mounted in mountables for route in host.routes(mounted)]
    fallback = (".*", FallbackHandler, {"fallback": WSGIContainer(pages)})
    http = HTTPServer(Application([*routes, fallback]))
    http.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            for mounted in mountables:
                await mounted.close()
                await host.drain(mounted)
    http.stop()


def _on_asgi(kind: str, mountables: Sequence[Mountable], respond: Respond, port: int) -> None:
    from waterspout.hosts.asgi import App

    async def pages(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"there is no {scope['type']}")
        event = await receive()
        body = event["body"]
        while event.get("more_body"):
            event = await receive()
            body += event["body"]
        page = respond(scope["path"], body)
        fields = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 404 if page is None else 200, "headers": fields})
        await send({"type": "http.response.body", "body": page or b""})

    application: Any = pages
    for mounted in mountables:
        application = App(mounted, application)
    port = port or free_port()
    threading.Thread(target=_tell_once_open, args=(port,), daemon=True).start()
    _SERVERS[kind](application, port)


def _tell_once_open(port: int) -> None:
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        time.sleep(0.01)
    print(port, flush=True)


def _with_uvicorn(application: Any, port: int, **protocols: Any) -> None:
    import uvicorn

    config = uvicorn.Config(
        application, port=port, log_level="warning", proxy_headers=False, ws_per_message_deflate=False, **protocols
    )
    with suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # which uvicorn raises again at its end
        uvicorn.Server(config).run()


def _with_protocols_of_ours(application: Any, port: int) -> None:
    _with_uvicorn(application, port, ws=f"{OURS}:WebSocketProtocol", http=f"{OURS}:HttpProtocol")


def _with_hypercorn(application: Any, port: int) -> None:
    from hypercorn.asyncio import serve as run
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    asyncio.run(run(application, config))


def _with_granian(application: Any, port: int) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server as Granian

    async def run() -> None:
        server = Granian(application, port=port, interface=Interfaces.ASGI, log_enabled=False)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
        await server.serve()

    asyncio.run(run())


def _with_daphne(application: Any, port: int) -> None:
    from daphne.server import Server as Daphne  # type: ignore[import-untyped]

    Daphne(application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"]).run()


ASGI_SERVERS: dict[str, Callable[[Any, int], None]] = {
    "uvicorn": _with_uvicorn,
    "uvicorn-ours": _with_protocols_of_ours,
    "hypercorn": _with_hypercorn,
    "granian": _with_granian,
    "daphne": _with_daphne,
}
# Beside those of the matrices, one whose own pings come while a client is watched.
_SERVERS: dict[str, Callable[[Any, int], None]] = {
    **ASGI_SERVERS,
    "uvicorn-pinging": partial(_with_uvicorn, ws_ping_interval=1),
}


def _on_gevent(mountables: Sequence[Mountable], pages: Any, port: int) -> None:
    from waterspout.drivers.gevent import GeventDriver
    from waterspout.hosts import gevent

    class Blocking(GeventDriver):
        """Runs asynchronous functions as well: to await a `Pending` is to wait for it."""

        runs_coroutines = True

        def __init__(self) -> None:
            super().__init__()
            run = self.run
            self.run = lambda function, *others: run(blocking(function), *others)

        def attend(self, pending: Any) -> Generator[Any, Any, None]:
            self.block(pending, None)
            return
            yield

    application: Any = pages
    for mounted in mountables:
        (mounted if isinstance(mounted, Engine) else mounted.engine).bind(Blocking())
        application = gevent.App(mounted, application)
    # A client may close the server, with which the process ends; the signal that comes then is to change nothing.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    place = gevent.Place(bind=[("127.0.0.1", port)])
    gevent.run(
        application,
        place,
        ready=lambda urls: print(urls[0].rpartition(":")[2].rstrip("/"), flush=True),
        owns_process=True,
    )


def blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a plain function of one that may be asynchronous."""

    @wraps(function)
    def call(*args: Any) -> Any:
        result = function(*args)
        return _end(result) if isinstance(result, Coroutine) else result

    return call


def _end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end. What it awaits blocks by itself; at a bare yield, as of `sleep(0)`, others go on."""
    import gevent

    while True:
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
        gevent.sleep(0)
