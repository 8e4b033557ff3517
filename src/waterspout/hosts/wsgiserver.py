"""A server for WSGI on gevent, at listeners that are open: it lets connections in, and ends in good order.

`WSGIServer` of gevent accepts until the process has no descriptor left, and closes what it has given away.
"""

import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.monkey import get_original
from gevent.pywsgi import WSGIServer
from gevent.socket import socket as GeventSocket  # noqa: N812
from gevent.ssl import SSLContext, SSLSocket

from .accepting import Acceptor
from .hubs import GeventLoop
from .socketlink import prepare
from .strict import HEAD_TIMEOUT, HandlerOwner, StrictHandler
from .wsgi import Environ

__all__ = ["WsgiServer", "listener_at", "secured", "set_up", "tls_context"]

FIRST_REQUEST_TIMEOUT = 1.0  # s that a connection without a request has for one, when the server ends
CUT_TIMEOUT = 1.0  # s that an application has to tidy up, when its connection is cut off
UNREAD_TIMEOUT = 60.0  # s in which a client that has an answer to read reads none of it

_TLS = ("keyfile", "certfile", "ca_certs", "cert_reqs", "ciphers", "ssl_version")


def set_up(sock: socket.socket) -> bool:
    """Send without delay, and end a connection whose client reads nothing; return False if the client has gone."""
    try:
        prepare(sock, user_timeout=UNREAD_TIMEOUT)
    except OSError:
        return False
    return True


class WsgiServer:
    """Serves an application at some listeners, which it owns."""

    def __init__(
        self,
        application: Callable[..., Any],
        listeners: list[socket.socket],
        loop: GeventLoop,
        *,
        tls: ssl.SSLContext | None = None,
        multiprocess: bool = False,
        make_handler: Callable[[Any, Any, HandlerOwner], StrictHandler] = StrictHandler,
    ) -> None:
        self.application = application
        self.is_ending = False
        self._make_handler = make_handler
        self._tls = tls
        self._connections: dict[gevent.Greenlet[Any, Any], StrictHandler] = {}
        self._environ = _environ(listeners, "http" if tls is None else "https", multiprocess=multiprocess)
        self._acceptors = [Acceptor(listener, loop, self._welcome) for listener in listeners]

    def get_environ(self) -> Environ:
        """Return a new environment, with what all requests have in common."""
        return self._environ.copy()

    def stop(self) -> None:
        """Accept nothing more, and end each connection behind the request that it is at."""
        self.is_ending = True
        for acceptor in self._acceptors:
            acceptor.close()
        idle = [one for one in self._connections.items() if one[1].is_idle]
        gevent.killall(
            [greenlet for greenlet, handler in idle if handler.has_served and not handler.is_readable()], block=False
        )
        gevent.spawn_later(FIRST_REQUEST_TIMEOUT, self._end_idle)

    def flush(self, timeout: float) -> bool:
        """Wait until all requests are answered; tell whether that was so."""
        waiting = list(self._connections)
        return len(gevent.joinall(waiting, timeout=timeout)) == len(waiting)

    def close(self) -> None:
        """Close the connections that are left."""
        for handler in self._connections.values():
            handler.cut()
        gevent.killall(list(self._connections), timeout=CUT_TIMEOUT)

    def _end_idle(self) -> None:
        gevent.killall([greenlet for greenlet, handler in self._connections.items() if handler.is_idle], block=False)

    def _welcome(self, connection: socket.socket, address: Any) -> None:
        connection.setblocking(False)
        if not set_up(connection):
            connection.close()
            return
        sock = GeventSocket(connection.family, connection.type, connection.proto, fileno=connection.detach())
        handler = self._make_handler(sock, address, self)
        greenlet = gevent.Greenlet(self._serve, handler)
        self._connections[greenlet] = handler
        greenlet.link(self._ended)
        greenlet.start()

    def _serve(self, handler: StrictHandler) -> None:
        keep = partial(setattr, handler, "socket")
        if self._tls is None or secured(handler.socket, self._tls, keep) is not None:
            handler.handle()

    def _ended(self, greenlet: "gevent.Greenlet[Any, Any]") -> None:
        handler = self._connections.pop(greenlet)
        if handler.socket is not None:
            handler.socket.close()


def secured(sock: Any, context: Any, keep: Callable[[Any], object] | None = None) -> Any:
    """Return the socket with TLS, after its handshake; None, and it is closed, if the client makes none in 10 s.

    It is gevent's own socket, since others would block all. `keep` is called with it before the handshake, by which
    somebody else can close it meanwhile.
    """
    found, is_made = None, False
    try:
        found = SSLSocket(sock=sock, server_side=True, do_handshake_on_connect=False, _context=context)
        if keep is not None:
            keep(found)
        with gevent.Timeout(HEAD_TIMEOUT, TimeoutError()):  # `settimeout` would begin anew with each segment
            found.do_handshake()
        is_made = True
    except OSError:
        pass  # the client has gone, or is too slow
    finally:
        if found is not None and not is_made:
            found.close()
    return found if is_made else None


def tls_context(options: dict[str, Any]) -> Any:
    """Put one `ssl_context` in the place of gevent's keywords for TLS, and return it; None if there are none."""
    given = {name: options.pop(name) for name in _TLS if name in options}
    if "ssl_context" in options or not given:
        return options.get("ssl_context")
    context = options["ssl_context"] = SSLContext(given.get("ssl_version", ssl.PROTOCOL_TLS_SERVER))
    if "certfile" in given:
        context.load_cert_chain(given["certfile"], given.get("keyfile"))
    if "ca_certs" in given:
        context.load_verify_locations(given["ca_certs"])
    if "ciphers" in given:
        context.set_ciphers(given["ciphers"])
    context.verify_mode = given.get("cert_reqs", ssl.CERT_NONE)
    return context


def listener_at(descriptor: int) -> socket.socket | None:
    """Return the socket that listens at a descriptor, which it owns from then on; None if none listens."""
    try:
        native: Any = get_original("socket", "socket")  # gevent's would change other sockets
        found: socket.socket = native(fileno=descriptor)
    except OSError:
        return None
    if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return found
    found.detach()
    return None


def _environ(listeners: list[socket.socket], scheme: str, *, multiprocess: bool) -> Environ:
    names = [listener.getsockname() for listener in listeners if listener.family != socket.AF_UNIX]
    host, port = names[0][:2] if names else ("", "")
    return {
        **WSGIServer.base_env,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,  # other greenlets call it meanwhile
        "wsgi.multiprocess": multiprocess,
        "wsgi.url_scheme": scheme,
    }
