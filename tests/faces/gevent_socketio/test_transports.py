"""Transports with a handler and a socket of the test's own, as applications' unit tests have them."""

import io
from collections import deque
from typing import Any

import gevent
import pytest

from waterspout.errors import DecodeError
from waterspout.faces.gevent_socketio import transports
from waterspout.faces.gevent_socketio.handler import SocketIOHandler
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.transports import BaseTransport, JSONPolling, XHRPollingTransport
from waterspout.faces.gevent_socketio.virtsocket import Socket

CONFIG = {"heartbeat_interval": 0.01, "heartbeat_timeout": 60, "close_timeout": 60}


class Server:
    """What a socket needs of its server."""

    def __init__(self) -> None:
        self.sockets: dict[str, Socket] = {}


class Handler:
    """What a transport needs of its handler."""

    def __init__(self, body: Any = b"", **environ: Any) -> None:
        self.wsgi_input = io.BytesIO(body)
        self.environ = environ
        self.status = ""
        self.headers: dict[str, str] = {}
        self.written: list[bytes] = []

    def start_response(self, status: str, headers: list[tuple[str, str]], **kwargs: Any) -> None:
        self.status, self.headers = status, dict(headers)

    def write_smart(self, data: bytes) -> None:
        self.written.append(data)


class WebSocket:
    """A connection of gevent-websocket."""

    def __init__(self, *received: str, most: int = 100) -> None:
        self.received = deque(received)
        self.sent: list[str] = []
        self._most = most

    def send(self, text: str) -> None:
        if len(self.sent) == self._most:
            raise ConnectionResetError("the client has gone")
        self.sent.append(text)

    def receive(self) -> str | None:
        return self.received.popleft() if self.received else None


SERVER = Server()


@pytest.fixture
def socket() -> Socket:
    socket = Socket(SERVER, CONFIG)
    socket.state = Socket.STATE_CONNECTED
    socket.connection_established = True
    return socket


def received(socket: Socket) -> list[str]:
    return [socket.get_server_msg(timeout=0) for _ in range(socket.server_queue.qsize())]


def test_the_first_request_connects_the_socket(socket: Socket) -> None:
    socket.connection_established = False
    handler = Handler()
    XHRPollingTransport(handler, CONFIG).do_exchange(socket, "GET")
    assert (handler.status, handler.written) == ("200 OK", [b"1::"])
    assert handler.headers["Access-Control-Allow-Origin"] == "*"
    assert handler.headers["Content-Type"] == "text/plain; charset=UTF-8"


def test_a_get_takes_all_packets_that_wait(socket: Socket) -> None:
    handler = Handler()
    transport = XHRPollingTransport(handler, CONFIG)
    socket.put_client_msg("3:::ä")
    transport.do_exchange(socket, "GET")
    for text in ("3:::1", "3:::𐍈"):
        socket.put_client_msg(text)
    transport.do_exchange(socket, "GET")
    transport.do_exchange(socket, "GET")  # nothing comes in `heartbeat_interval` seconds
    several = "\ufffd5\ufffd3:::1\ufffd6\ufffd3:::𐍈"
    assert handler.written == ["3:::ä".encode(), several.encode(), b"8::"]
    assert transport.encode_payload([None, "3:::1"]) == b""


def test_a_post_gives_its_packets_to_the_socket(socket: Socket) -> None:
    for body in ("3:::one\nline", "\ufffd5\ufffd3:::1\ufffd5\ufffd3:::2"):
        handler = Handler(body.encode())
        XHRPollingTransport(handler, CONFIG).do_exchange(socket, "POST")
        assert (handler.written, handler.headers["Content-Type"]) == ([b"1"], "text/plain")
    assert received(socket) == ["3:::one\nline", "3:::1", "3:::2"]
    assert XHRPollingTransport(Handler(), CONFIG).decode_payload(b"") == []
    with pytest.raises(DecodeError, match="before each"):
        XHRPollingTransport(Handler(), CONFIG).decode_payload("\ufffdx".encode())


def test_other_methods(socket: Socket) -> None:
    handler = Handler()
    assert XHRPollingTransport(handler, CONFIG).do_exchange(socket, "OPTIONS") == []
    assert (handler.status, handler.written) == ("200 OK", [b""])
    for kind in (XHRPollingTransport, transports.XHRMultipartTransport):
        with pytest.raises(Exception, match=r"No support for .* method: PUT"):
            kind(handler, CONFIG).do_exchange(socket, "PUT")


def test_scripts_and_forms(socket: Socket) -> None:
    handler = Handler(b"d=%225%3A%3A%3A%7B%5C%22name%5C%22%3A%5C%22x%5C%22%7D%22", QUERY_STRING="t=1&i=7")
    JSONPolling(handler, CONFIG).do_exchange(socket, "POST")
    socket.put_client_msg("3:::</script>'")
    JSONPolling(handler, CONFIG).do_exchange(socket, "GET")
    JSONPolling(Handler(QUERY_STRING="i=alert"), CONFIG).write("x")
    assert received(socket) == ['5:::{"name":"x"}']
    assert handler.written == [b'/**/io.j[7]("1");', b'/**/io.j[7]("3:::\\u003c/script>\'");']
    assert handler.headers["Content-Type"] == "text/javascript; charset=UTF-8"


@pytest.mark.parametrize(
    ("kind", "begins", "packet"),
    [
        ("xhr-multipart", b"--socketio\r\n", b"3:::x\r\n--socketio\r\n"),
        ("htmlfile", b"<html><body><script>", b'<script>_("3:::x");</script>'),
    ],
)
def test_endless_answers(socket: Socket, kind: str, begins: bytes, packet: bytes) -> None:
    handler = Handler()
    SocketIOHandler.handler_types[kind](handler, CONFIG).do_exchange(socket, "GET")
    assert handler.written[0].startswith(begins)
    before = len(handler.written)
    socket.put_client_msg("3:::x")
    socket.client_queue.put(None)  # the end of the socket
    gevent.joinall(list(socket.jobs), raise_error=True)
    assert len(handler.written) == before + 1
    assert handler.written[-1].endswith(packet)


@pytest.mark.parametrize("kind", [transports.WebsocketTransport, transports.FlashSocketTransport])
def test_a_websocket(socket: Socket, kind: Any) -> None:
    websocket = WebSocket("3:::a", "3:::b")
    kind(Handler(**{"wsgi.websocket": websocket}), CONFIG).do_exchange(socket, "GET")
    socket.put_client_msg("3:::c")
    socket.client_queue.put(None)
    gevent.joinall(list(socket.jobs), raise_error=True)
    assert received(socket) == ["3:::a", "3:::b"]
    assert websocket.sent == ["1::", "3:::c"]


def test_a_websocket_that_fails_disconnects_the_socket(socket: Socket) -> None:
    socket.active_ns["/chat"] = BaseNamespace({"socketio": socket}, "/chat")
    transport = transports.WebsocketTransport(Handler(**{"wsgi.websocket": WebSocket(most=1)}), CONFIG)
    transport.do_exchange(socket, "GET")
    socket.put_client_msg("3:::c")
    gevent.joinall(list(socket.jobs), raise_error=True)
    assert socket.active_ns == {}


def test_a_replaced_constructor_of_all_transports(monkeypatch: pytest.MonkeyPatch, socket: Socket) -> None:
    def bare(self: Any, handler: Any, config: Any, **kwargs: Any) -> None:
        self.content_type = ("Content-Type", "text/plain")
        self.headers = []
        self.handler, self.config = handler, config

    monkeypatch.setattr(BaseTransport, "__init__", bare)
    for kind in SocketIOHandler.handler_types.values():
        handler = Handler(QUERY_STRING="")
        kind(handler, CONFIG).start_response("200 OK", [])
        assert list(handler.headers) == ["Content-Type"]
