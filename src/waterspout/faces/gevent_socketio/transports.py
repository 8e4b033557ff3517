"""The transports of 0.9, between the handler of a request and the two queues of a socket.

They are for sockets that no server carries: for unit tests, and for handlers that serve such sockets by themselves. The
requests of a server's sockets are served by the engine.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs

from gevent.queue import Empty

from ...wire import protocol1
from ...wire.jsonp import is_index
from .virtsocket import Socket

__all__ = [
    "BaseTransport",
    "FlashSocketTransport",
    "HTMLFileTransport",
    "JSONPolling",
    "WebsocketTransport",
    "XHRMultipartTransport",
    "XHRPollingTransport",
]

_CONNECT, _NOOP = b"1::", b"8::"


class BaseTransport:
    """Answers by a handler's `start_response` and `write_smart`, with these `headers` and this `content_type`.

    `config` has the times of the server, in seconds.
    """

    content_type = ("Content-Type", "text/plain; charset=UTF-8")

    def __init__(self, handler: Any, config: Any = None, **kwargs: Any) -> None:
        self.headers = [
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Methods", "POST, GET, OPTIONS"),
            ("Access-Control-Max-Age", "3600"),
        ]
        self.handler = handler
        self.config = config

    def start_response(self, status: str, headers: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """Begin a response with the headers, those of the transport, and its content type unless there is one."""
        names = [name for name, _ in headers]
        content_type = [] if "Content-Type" in names else [self.content_type]
        self.handler.start_response(status, [*headers, *content_type, *self.headers], **kwargs)

    def write(self, data: str | bytes = b"") -> None:
        """Send the body, or a part of one."""
        self.handler.write_smart(as_bytes(data))


class XHRPollingTransport(BaseTransport):
    """Packets in the bodies of POSTs, and in the answers to GETs, which wait for some."""

    def do_exchange(self, socket: Socket, request_method: str) -> Any:
        """Serve a request: the first one of a socket connects it."""
        if not socket.connection_established:
            self.start_response("200 OK", [("Connection", "close")])
            self.write(_CONNECT)
            return None
        match request_method:
            case "GET":
                return self.get(socket)
            case "POST":
                return self.post(socket)
            case "OPTIONS":
                return self.options()
        raise Exception(f"No support for the method: {request_method}")

    def options(self) -> list[bytes]:
        """Answer a preflight."""
        self.start_response("200 OK", [])
        self.write()
        return []

    def get(self, socket: Socket) -> None:
        """Send what waits for the client, or a noop if nothing has come for it in `heartbeat_interval` seconds."""
        socket.heartbeat()
        payload = self.get_messages_payload(socket, timeout=self.config["heartbeat_interval"])
        self.start_response("200 OK", [])
        self.write(payload or _NOOP)

    def post(self, socket: Socket) -> None:
        """Give the packets of a body to the socket."""
        for message in self.decode_payload(self._request_body()):
            socket.put_server_msg(message)
        self.start_response("200 OK", [("Connection", "close"), ("Content-Type", "text/plain")])
        self.write(b"1")

    def get_messages_payload(self, socket: Socket, timeout: float | None = None) -> bytes:
        """Wait for packets for the client, and return all that are there; nothing after `timeout` seconds."""
        try:
            return self.encode_payload(socket.get_multiple_client_msgs(timeout=timeout))
        except Empty:
            return b""

    def encode_payload(self, messages: Sequence[str | None]) -> bytes:
        """Write packets as one body; nothing if the first one is None, which ends a socket."""
        if not messages or messages[0] is None:
            return b""
        return protocol1.encode_payload((self._outgoing(each.encode()), ()) for each in messages if each is not None)[0]

    def decode_payload(self, payload: bytes) -> Iterable[Any]:
        """Read the packets of a body; DecodeError for what is none."""
        return list(protocol1.decode_payload(payload))

    def _request_body(self) -> bytes:
        body: bytes = self.handler.wsgi_input.read()
        return body

    def _outgoing(self, packet: bytes) -> bytes:
        return packet

    def _stream(self, socket: Socket, write: Callable[[bytes], None]) -> None:
        """Write payloads in a job of the socket, until that or the connection ends."""

        def write_all() -> None:
            try:
                while payload := self.get_messages_payload(socket):
                    write(payload)
            except OSError:
                pass  # the client has gone, and may come back

        socket.spawn(write_all)


class JSONPolling(XHRPollingTransport):
    """The same in scripts and forms, for pages of other origins."""

    content_type = ("Content-Type", "text/javascript; charset=UTF-8")

    def write(self, data: str | bytes = b"") -> None:
        """Send a script that calls the page's function number `i` of the query with the data."""
        index = parse_qs(self.handler.environ.get("QUERY_STRING") or "").get("i", ["0"])[0]
        super().write(protocol1.encode_script(int(index) if is_index(index) else 0, as_bytes(data)))

    def _request_body(self) -> bytes:
        return protocol1.decode_form(super()._request_body())

    _outgoing = staticmethod(protocol1.as_json_message)


class XHRMultipartTransport(XHRPollingTransport):
    """One endless answer with a part for each payload, for browsers of 2010."""

    content_type = ("Content-Type", protocol1.MULTIPART)

    def do_exchange(self, socket: Socket, request_method: str) -> Any:
        """Serve a request."""
        if request_method not in ("GET", "POST"):
            raise Exception(f"No support for such method: {request_method}")
        return self.get(socket) if request_method == "GET" else self.post(socket)

    def get(self, socket: Socket) -> None:
        """Begin the answer, whose first part is the name of the socket."""
        self.start_response("200 OK", [("Connection", "keep-alive")])
        self.write(protocol1.encode_first_part(socket.sessid))
        self._stream(socket, lambda payload: self.write(protocol1.encode_part(payload)))

    _outgoing = staticmethod(protocol1.as_json_message)


class HTMLFileTransport(XHRPollingTransport):
    """One endless page with a script for each payload, for Internet Explorer."""

    content_type = ("Content-Type", "text/html")

    def get(self, socket: Socket) -> None:
        """Begin the page."""
        self.start_response("200 OK", [("Connection", "keep-alive")])
        self.write(protocol1.PREAMBLE)
        self.write_packed(_CONNECT)
        self._stream(socket, self.write_packed)

    def write_packed(self, data: str | bytes) -> None:
        """Write a script that calls the page's function with the data."""
        self.write(protocol1.encode_chunk(as_bytes(data)))

    _outgoing = staticmethod(protocol1.as_json_message)


class WebsocketTransport(BaseTransport):
    """A WebSocket, an object with `send` and `receive`, which the environment has as "wsgi.websocket"."""

    def do_exchange(self, socket: Socket, request_method: str) -> None:
        """Carry the packets of both ways, in jobs of the socket."""
        websocket = self.handler.environ["wsgi.websocket"]
        websocket.send(_CONNECT.decode())
        socket.spawn(self.send_into_ws, socket, websocket)
        socket.spawn(self.read_from_ws, socket, websocket)

    def send_into_ws(self, socket: Socket, websocket: Any) -> None:
        """Send what waits for the client, until the socket ends; one whose WebSocket fails is disconnected."""
        while (message := socket.get_client_msg()) is not None:
            try:
                websocket.send(message)
            except (OSError, TypeError):  # that of gevent-websocket is an OSError
                socket.disconnect()
                return

    def read_from_ws(self, socket: Socket, websocket: Any) -> None:
        """Give what the client sends to the socket, until the WebSocket ends."""
        while (message := websocket.receive()) is not None:
            socket.put_server_msg(message)


class FlashSocketTransport(WebsocketTransport):
    """A WebSocket that Flash has made."""


def as_bytes(data: str | bytes) -> bytes:
    """Return a text in UTF-8."""
    return data.encode() if isinstance(data, str) else data
