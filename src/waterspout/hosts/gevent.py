"""On gevent, beside a WSGI application: Flask, Django, Pyramid, Bottle, or any other.

    waterspout.hosts.gevent.serve(server, wsgi_app)

It serves in the greenlet that calls it, and others go on meanwhile. An application with a gevent server of its own
gives that `App(server, wsgi_app)`, as in `gevent.pywsgi.WSGIServer(("127.0.0.1", 8000), App(server, wsgi_app))`.
"""

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import gevent
from gevent.event import Event

from ..drivers.log import logger
from ..errors import CannotStart
from .collector import fitted
from .hubs import GeventLoop, settle
from .listeners import LOCALHOST, announce, opened, urls
from .residence import NOT_MOUNTED, Mountable, Residence, engine_of
from .signals import CLOSE_TIMEOUT, EXIT_TIMEOUT, LATE, ending, leave_after, watch_stdin
from .wsgi import Environ, StartResponse, WsgiIntake, is_framed_wrongly, path_of
from .wsgiserver import WsgiServer

__all__ = ["App", "serve"]

WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]


log = logger("waterspout.host")


class App:
    """A WSGI application that lets a server have the requests for its paths, and another application all others.

    It takes over connections of gevent's servers, so it is what such a server calls: put middleware inside it. Under
    `serve` middleware may also stand around it. Without another application, all else is "not found".
    """

    def __init__(self, server: Mountable, wsgi_app: WsgiApplication | None = None) -> None:
        self.engine = engine_of(server)
        self._server = server
        self._application = _nothing if wsgi_app is None else wsgi_app
        self._residence = Residence.of(self.engine)
        _APPS.add(self)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if not self.engine.serves(path_of(environ, start_response)):
            return self._application(environ, start_response)
        if is_framed_wrongly(environ):
            return _answer(start_response, "400 Bad Request", b"Content-Length is one number")
        return WsgiIntake(self._residence, environ, start_response).serve()

    def start(self) -> None:
        """Start the server on the hub of this thread, before its first request.

        RuntimeError where it is in use on another loop.
        """
        settle(self._residence)

    def finish(self, timeout: float) -> bool:
        """Close the server, and wait until its clients have taken what was sent; tell whether they had the time.

        It is the end of an application of one's own, after its gevent server has stopped to accept.
        """
        end_at = time.monotonic() + timeout
        try:
            self._server.close().wait(timeout)
            self._residence.drain().wait(max(0.0, end_at - time.monotonic()))
        except TimeoutError:
            return False
        finally:
            self._residence.cut()
            self.engine.log.flush()
        return True

    def is_at(self, hub: Any) -> bool:
        """Tell whether the server runs on this hub."""
        return self._residence.home is hub


_APPS: "WeakSet[App]" = WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen: at hosts and ports, at a Unix socket, and at sockets that listen already; TLS is for TCP."""

    bind: Sequence[tuple[str, int]] = ()
    unix: str | None = None
    inherited: Sequence[socket.socket] = ()
    tls: ssl.SSLContext | None = None


def serve(
    server: Mountable,
    wsgi_app: WsgiApplication | None = None,
    *,
    port: int = 8000,
    host: str = LOCALHOST,
    unix: str | os.PathLike[str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> None:
    """Serve on a port, or at a Unix socket, until SIGTERM, SIGINT or `server.close()`; end gracefully.

    The URL is printed. Requests for the server's paths are its own, all others are for `wsgi_app`; without one they are
    "not found". Port 0 takes a free one. The host "localhost" is 127.0.0.1 and [::1]; 0.0.0.0 and :: are all
    interfaces. Signals are for the main thread. Raises `CannotStart`, with a sentence, for what cannot be.
    """
    place = Place(bind=[] if unix else [(host, port)], unix=None if unix is None else os.fspath(unix), tls=ssl_context)
    run(App(server, wsgi_app), place, ready=lambda urls: announce("this server", urls, [host]))


def run(
    application: WsgiApplication,
    place: Place,
    *,
    ready: Callable[[list[str]], object] = lambda urls: None,
    owns_process: bool = False,
    stop_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM, SIGINT or the `close` of a server. Returns when all has ended.

    With `owns_process` all Apps of the process are started, also those within other applications; and greenlets and
    threads that are still busy 9.5 s after the signal are left behind: the process ends with status 0. With
    `stop_with_stdin`, the end of standard input is a signal too (see `reload`).
    """
    hub = gevent.get_hub()
    loop, stop = GeventLoop(hub), Event()

    def end() -> None:
        if owns_process:
            leave_after(EXIT_TIMEOUT)
        hub.loop.run_callback_threadsafe(stop.set)

    with opened(place.bind, place.unix, place.inherited) as listeners, fitted(), ExitStack() as accepting:
        for app in start_all() if owns_process else start_all(application):
            app.engine.when_closing(stop.set)
        local = [listener for listener in listeners if listener.family == socket.AF_UNIX]
        tcp = [listener for listener in listeners if listener not in local]
        servers = [WsgiServer(application, tcp, loop, tls=place.tls), WsgiServer(application, local, loop)]
        for server in servers:
            accepting.callback(server.stop)
        with ending(end):
            if stop_with_stdin:
                watch_stdin(end, loop)
            ready(urls(listeners, secure=place.tls is not None))
            try:
                stop.wait()
            finally:
                accepting.close()
                finish_all(servers, CLOSE_TIMEOUT)


def start_all(*applications: Any) -> list[App]:
    """Start those of the applications that are Apps, by default all of the process, and return them.

    Raises `CannotStart` for one that has asynchronous functions.
    """
    apps = [app for app in applications or list(_APPS) if isinstance(app, App)]
    if not applications and not apps:
        log.warning(NOT_MOUNTED, "waterspout.hosts.gevent.App")
    for app in apps:
        try:
            app.start()
        except TypeError as error:
            raise CannotStart(f"cannot serve on gevent: {error}") from None
    return apps


def finish_all(servers: list[WsgiServer], timeout: float) -> None:
    """End all Apps of this hub, and the requests that have begun; cut off what needs longer."""
    hub, end_at = gevent.get_hub(), time.monotonic() + timeout
    finishing = [gevent.spawn(app.finish, timeout) for app in list(_APPS) if app.is_at(hub)]
    gevent.joinall(finishing)
    are_in_time = [server.flush(max(0.0, end_at - time.monotonic())) for server in servers]
    if not all([*are_in_time, *(greenlet.value for greenlet in finishing)]):
        log.warning(LATE, timeout)
    for server in servers:
        server.close()


def _nothing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    return _answer(start_response, "404 Not Found", b"not found")


def _answer(start_response: Any, status: str, text: bytes) -> Iterable[bytes]:
    connection = [] if status.startswith("404") else [("Connection", "close")]
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *connection])
    return (text,)
