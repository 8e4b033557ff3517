"""Serves what a test program has made, in its own process, on a host of a name: "asyncio", "uvloop" or "gevent".

The first two are loops of Tornado's host. For gevent the process is begun by gevent's monkey (`program`); there the
programs' asynchronous functions run in greenlets, which block where the functions wait.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, FallbackHandler
from tornado.wsgi import WSGIContainer

from waterspout import Engine, Server
from waterspout.hosts import tornado as host

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
