"""A connection, whose requests are the engine's if they are for sockets, and else the application's.

How it works: `handle_one_response` is called for each request, and `_do_handshake` for each handshake, of clients of
all versions; both may be overridden. The engine answers the requests for sockets. So the transports of `handler_types`
and the methods that write responses are for what a derived class answers by itself; `never_called` tells which of them
it has replaced in vain.
"""

import re
from http.client import HTTPMessage
from typing import Any, ClassVar
from urllib.parse import unquote

from gevent.pywsgi import WSGIHandler

from ...hosts.strict import StrictHandler
from ...hosts.wsgi import target_of
from ...types import Request, parse_query, split_target
from ...wire.jsonp import is_index
from ...wire.protocol1 import encode_script
from . import transports

__all__ = ["SocketIOHandler", "never_called"]

_RESOURCE = "^/(?P<resource>.+?)"
_PLAIN = [("Content-Type", "text/plain")]


class SocketIOHandler(StrictHandler):
    """Serves the requests of a connection.

    `config` has the times of the server. `environ` and `headers` are those of the request; `socketio_connection` tells
    whether it is for a socket.
    """

    environ: Any
    path: Any

    RE_REQUEST_URL = re.compile(_RESOURCE + "/1/(?P<transport_id>[^/]+)/(?P<sessid>[^/]+)/?$")
    RE_HANDSHAKE_URL = re.compile(_RESOURCE + "/1/$")
    RE_DISCONNECT_URL = re.compile(_RESOURCE + "/(?P<protocol_version>[^/]+)//(?P<sessid>[^/]+)/?$")

    handler_types: ClassVar[dict[str, Any]] = {
        "websocket": transports.WebsocketTransport,
        "flashsocket": transports.FlashSocketTransport,
        "htmlfile": transports.HTMLFileTransport,
        "xhr-multipart": transports.XHRMultipartTransport,
        "xhr-polling": transports.XHRPollingTransport,
        "jsonp-polling": transports.JSONPolling,
    }

    def __init__(self, config: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self.config = config
        self.socketio_connection = False
        self.allowed_paths = None
        self._target: str | None = None  # of the request that is served now
        super().__init__(*args, **kwargs)
        self.transports = list(self.server.transports or self.handler_types)

    @property
    def headers(self) -> HTTPMessage:  # type: ignore[override]
        """The header fields of the request."""
        message = HTTPMessage()
        for name, value in self.fields:
            message[name] = value
        return message

    @property
    def requestline(self) -> str:  # type: ignore[override]
        """The first line of the request."""
        return f"{self.command} {self.path} {self.request_version}"

    @property
    def target(self) -> str:
        """Path and query as they were sent, unless a derived class has changed them in the environment.

        The resource has the name that the engine knows.
        """
        return self._find_target() if self._target is None else self._target

    def handle_one_response(self) -> None:
        """Serve a request. To be overridden, for others than the server's `resource` and application."""
        self._target = self._find_target()
        try:
            self.socketio_connection = self.server.engine.serves(self._target.partition("?")[0])
            if self.socketio_connection:
                self._serve_sockets()
            else:
                super().handle_one_response()
        finally:
            self._target = None

    def _serve_sockets(self) -> None:
        kind = self.server.ws_handler_class
        if kind is not None and type(self) is not kind and self._is_websocket():
            self.__class__ = kind  # as gevent-socketio did; the connection serves no other request
            self.handle_one_response()
        elif self._is_handshake():
            self._do_handshake({"resource": self.server.resource})
        else:
            super().handle_one_response()

    def _do_handshake(self, tokens: dict[str, str]) -> None:
        """Answer a handshake; one that overrides this may refuse it, by `handle_bad_request`."""
        super().handle_one_response()

    def _find_target(self) -> str:
        target, environ = super().target, self.environ
        path, _, query = split_target(target)[1].partition("?")
        if environ["PATH_INFO"] != unquote(path, "latin-1") or environ["QUERY_STRING"] != query:
            target = target_of(environ)
        for_engine: str = self.server.target_for_engine(target)
        return for_engine

    def _is_handshake(self) -> bool:
        request = Request(self.head.method, self.target)
        parts = request.path.removeprefix(self.server.engine.path).strip("/").split("/")
        has_begun = len(parts) > 1 or (parts == [""] and request.param("sid"))
        return not has_begun and request.method != "OPTIONS"

    def _is_websocket(self) -> bool:
        return any(value.lower() == "websocket" for value in self.head.values("upgrade"))

    # Responses of a derived class's own

    def write_smart(self, data: str | bytes) -> None:
        """Send a response, or the body of one that has begun: as a script if the query has `jsonp`."""
        index = parse_query(self.environ["QUERY_STRING"]).get("jsonp", [None])[-1]
        if self.status:
            self.result = [transports.as_bytes(data)]
        elif index is not None and is_index(index):
            self.write_jsonp_result(data, index)
        else:
            self.write_plain_result(data)
        self.process_result()

    def write_jsonp_result(self, data: str | bytes, wrapper: str = "0") -> None:
        """Begin a response with a script that calls the page's function of this number, 1 to 9 digits."""
        self._begin("200 OK", [("Content-Type", "application/javascript")])
        self.result = [encode_script(int(wrapper), transports.as_bytes(data))]

    def write_plain_result(self, data: str | bytes) -> None:
        """Begin a response with a text that pages of all origins may read, without credentials."""
        self._begin("200 OK", [("Access-Control-Allow-Origin", "*"), *_PLAIN])
        self.result = [transports.as_bytes(data)]

    def handle_bad_request(self) -> None:
        """Refuse the request, and close the connection."""
        self._end_with("400 Bad Request")

    def handle_disconnect_request(self) -> None:
        """Answer a client that leaves, and close the connection."""
        self._end_with("200 OK")

    def _begin(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.response_use_chunked, self.response_length = False, 0
        self.start_response(status, headers)

    def _end_with(self, status: str) -> None:
        self.close_connection = True
        self._begin(status, [*_PLAIN, ("Connection", "close")])
        self.result = [b""]
        self.process_result()

    def log_request(self) -> None:
        """Log a request of the application's to the server's `log`."""
        if self.server.has_log and not self.socketio_connection:
            WSGIHandler.log_request(self)


_WRITES = {"write_smart", "write_jsonp_result", "write_plain_result", "handle_bad_request", "handle_disconnect_request"}
_TRANSPORTS = (transports.BaseTransport, transports.FlashSocketTransport, *SocketIOHandler.handler_types.values())
_OWN = {kind: dict(kind.__dict__) for each in (SocketIOHandler, *_TRANSPORTS) for kind in each.__mro__}


def never_called(handler_class: type[SocketIOHandler]) -> list[str]:
    """Return the methods that a class, or its transports, has in place of ours, and that the engine does not call."""
    transports = handler_class.handler_types.values()
    replaced = {kind: set(_replaced(kind)) for each in transports for kind in each.__mro__}
    replaced |= {kind: set(_replaced(kind)) & _WRITES for kind in handler_class.__mro__}
    return sorted(f"{kind.__name__}.{name}" for kind, names in replaced.items() for name in names)


def _replaced(kind: type) -> list[str]:
    own = _OWN.get(kind, {})
    return [name for name, value in kind.__dict__.items() if callable(value) and own.get(name) is not value]
