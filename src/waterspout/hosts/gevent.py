"""On gevent, beside a WSGI application: Flask, Django, Pyramid, Bottle, or any other.

gevent.pywsgi.WSGIServer(("127.0.0.1", 8000), App(server, wsgi_app)).serve_forever()
"""

from collections.abc import Callable, Iterable
from typing import Any

from .hubs import settle
from .residence import Mountable, Residence, engine_of
from .wsgi import Environ, StartResponse, WsgiIntake, is_framed_wrongly, path_of

__all__ = ["App"]

WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]


class App:
    """A WSGI application that lets a server have the requests for its paths, and another application all others.

    It needs the sockets of the connections, so it must be what a gevent server calls: put middleware inside it.
    """

    def __init__(self, server: Mountable, wsgi_app: WsgiApplication | None = None) -> None:
        self.engine = engine_of(server)
        self._application = _nothing if wsgi_app is None else wsgi_app
        self._residence = Residence.of(self.engine)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request."""
        if not self.engine.serves(path_of(environ, start_response)):
            return self._application(environ, start_response)
        if is_framed_wrongly(environ):
            return _answer(start_response, "400 Bad Request", b"Content-Length is one number")
        return WsgiIntake(self._residence, environ, start_response).serve()

    def start(self) -> None:
        """Start the server on the hub of this thread, before its first request."""
        settle(self._residence)


def _nothing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    return _answer(start_response, "404 Not Found", b"not found")


def _answer(start_response: Any, status: str, text: bytes) -> Iterable[bytes]:
    connection = [] if status.startswith("404") else [("Connection", "close")]
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *connection])
    return (text,)
