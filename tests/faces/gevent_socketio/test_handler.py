"""Handlers that applications derive: what they may override, and what they are warned of."""

import http.client
import io
import json
import socket
from contextlib import closing
from typing import Any

import pytest

from faces.gevent_socketio.test_server import application, in_thread, serving
from waterspout.faces.gevent_socketio import SocketIOServer
from waterspout.faces.gevent_socketio.handler import SocketIOHandler, never_called
from waterspout.faces.gevent_socketio.transports import BaseTransport, XHRPollingTransport

LOCAL = ("127.0.0.1", 0)
MODERN = "EIO=4&transport=polling"
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

Answer = tuple[int, dict[str, str], bytes]


def ask(
    server: SocketIOServer, *targets: str, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> list[Answer]:
    """Ask for all targets, on one connection if it stays open."""
    request = {"method": method, "headers": headers or {}, "body": body}
    answers: list[Answer] = in_thread(_ask, (server.server_port, targets, request))
    return answers


def _ask(port: int, targets: tuple[str, ...], request: dict[str, Any]) -> list[Answer]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return [_one(connection, target, request) for target in targets]


def _one(connection: http.client.HTTPConnection, target: str, request: dict[str, Any]) -> Answer:
    connection.request(url=target, **request)
    response = connection.getresponse()
    body = b"" if response.status == 101 else response.read()
    return response.status, dict(response.getheaders()), body


def test_the_expressions_and_the_transports() -> None:
    request = SocketIOHandler.RE_REQUEST_URL.match("/a/b:c/1/xhr-polling/17/")
    assert request
    assert request.groupdict() == {"resource": "a/b:c", "transport_id": "xhr-polling", "sessid": "17"}
    handshake = SocketIOHandler.RE_HANDSHAKE_URL.match("/socket.io/1/")
    assert handshake
    assert handshake.groupdict() == {"resource": "socket.io"}
    leaving = SocketIOHandler.RE_DISCONNECT_URL.match("/socket.io/1//17")
    assert leaving
    assert leaving.groupdict() == {"resource": "socket.io", "protocol_version": "1", "sessid": "17"}
    names = ["flashsocket", "htmlfile", "jsonp-polling", "websocket", "xhr-multipart", "xhr-polling"]
    assert sorted(SocketIOHandler.handler_types) == names


class Habits(SocketIOHandler):
    """What applications' handlers do."""

    seen: Any

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        environ.update(self._headers())
        environ["from.headers"] = self.headers["X-Name"], dict(self._headers())["HTTP_X_NAME"], self.requestline
        return environ

    def handle_one_response(self) -> None:
        path = self.environ["PATH_INFO"]
        if path.startswith("/rooms/"):
            self.server.resource = path.strip("/").rpartition("/1")[0] or path.strip("/")
        Habits.seen = self.environ["from.headers"]
        super().handle_one_response()


def test_a_handler_changes_the_environment_and_the_resource() -> None:
    with serving(LOCAL, handler_class=Habits) as server:
        name = {"X-Name": "Ada"}
        targets = ("/rooms/7/1/", f"/rooms/8?{MODERN}", "/socket.io/1/", f"/rooms/8/?{MODERN}", "/page", "/rooms8/1/")
        old, modern, former, with_slash, page, other = ask(server, *targets, headers=name)
        assert old[2].endswith(b":60:60:websocket,flashsocket,htmlfile,xhr-multipart,xhr-polling,jsonp-polling")
        assert json.loads(modern[2][1:])["upgrades"] == ["websocket"]
        assert with_slash[0] == 200
        assert (former[2], page[2], other[2]) == (b"none", b"none", b"none")
        assert Habits.seen == ("Ada", "Ada", "GET /rooms8/1/ HTTP/1.1")
        assert server.resource == "rooms/8"


class Bare(SocketIOHandler):
    """A handler that makes its whole environment by itself."""

    def get_environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        own = {"REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO()}
        return {**self.server.get_environ(), "SERVER_PROTOCOL": self.request_version, **own}


def test_a_handler_makes_its_environment_by_itself() -> None:
    with serving(LOCAL, handler_class=Bare) as server:
        ((status, _, body), page) = ask(server, f"/socket.io/?{MODERN}", "/page")
        assert (status, body[:7], page[2]) == (200, b'0{"sid"', b"none")


class Mounted(SocketIOHandler):
    """A handler below a prefix, which takes a key out of the path."""

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/prefix ä".encode().decode("latin-1"))
        return environ

    def handle_one_response(self) -> None:
        if self.environ["PATH_INFO"].startswith("/key=1/"):
            self.environ["PATH_INFO"] = self.environ["PATH_INFO"].removeprefix("/key=1")
            self.environ["QUERY_STRING"] += "&EIO=4"
        super().handle_one_response()


def test_a_handler_changes_path_and_query() -> None:
    with serving(LOCAL, handler_class=Mounted) as server:
        first, second, page = ask(
            server,
            "/prefix%20%C3%A4/socket.io/?EIO=4&transport=polling",
            "/key=1/socket.io/?transport=polling",
            "/prefix/socket.io/?EIO=4&transport=polling",
        )
        assert [first[2][:7], second[2][:7], page[2]] == [b'0{"sid"', b'0{"sid"', b"none"]


class Doorman(SocketIOHandler):
    """A handler that refuses handshakes without a key."""

    def _do_handshake(self, tokens: dict[str, str]) -> None:
        if "key=1" in self.environ["QUERY_STRING"]:
            super()._do_handshake(tokens)
        else:
            self.handle_bad_request()


HANDSHAKES = (
    "/socket.io/1/?t=1",
    "/socket.io/1?t=1",
    "/socket.io/1//?t=1",
    f"/socket.io/?{MODERN}",
    f"/socket.io?{MODERN}&sid=",
    f"http://x/socket.io/?{MODERN}",
    "/socket.io/?EIO=4&transport=websocket",
)


def test_a_handler_refuses_the_handshakes_of_all_clients() -> None:
    with serving(LOCAL, handler_class=Doorman) as server:
        for target in HANDSHAKES:
            headers = WEBSOCKET if "websocket" in target else {}
            ((status, fields, body),) = ask(server, target, headers=headers)
            assert (status, fields["Connection"], body) == (400, "close", b""), target
            assert server.sockets == {}
        for target in HANDSHAKES:
            headers = WEBSOCKET if "websocket" in target else {}
            ((status, *_),) = ask(server, f"{target}&key=1", headers=headers)
            assert status == (101 if headers else 200), target
            ((status, *_),) = ask(server, target, method="OPTIONS")  # a page of another origin asks without a key
            assert status == 204, target


def test_requests_of_a_socket_are_no_handshakes() -> None:
    with serving(LOCAL, handler_class=Doorman) as server:
        ((_, _, body),) = ask(server, f"/socket.io/?{MODERN}&managed=1&key=1")
        target = f"/socket.io/?{MODERN}&sid={json.loads(body[1:])['sid']}"
        assert ask(server, target, method="POST", body=b"40")[0][0] == 200


class Writer(SocketIOHandler):
    """A handler that answers by itself."""

    def handle_one_response(self) -> None:
        match self.environ["PATH_INFO"]:
            case "/smart":
                self.write_smart("é")
            case "/leave":
                self.handle_disconnect_request()
            case "/transport":
                transport = XHRPollingTransport(self, self.config)
                transport.start_response("200 OK", [])
                transport.write("1::")
            case _:
                super().handle_one_response()


def test_a_handler_answers_by_itself() -> None:
    with serving(LOCAL, handler_class=Writer) as server:
        plain, script, no_index, transport, page = ask(
            server, "/smart", "/smart?jsonp=7", "/smart?jsonp=alert", "/transport", "/page"
        )
        assert (plain[0], plain[2], plain[1]["Access-Control-Allow-Origin"]) == (200, "é".encode(), "*")
        assert script[2] == b'/**/io.j[7]("\\u00e9");'
        assert (no_index[2], transport[2], page[2]) == ("é".encode(), b"1::", b"none")
        assert transport[1]["Content-Type"] == "text/plain; charset=UTF-8"
        ((status, fields, _),) = ask(server, "/leave")
        assert (status, fields["Connection"], fields["Content-Length"]) == (200, "close", "0")


class ForWebSockets(SocketIOHandler):
    """A handler of WebSockets only."""

    asked: list[str]

    def handle_one_response(self) -> None:
        self.asked.append(self.path)
        super().handle_one_response()


def test_websockets_have_a_handler_of_their_own() -> None:
    ForWebSockets.asked = []
    with serving(LOCAL, ws_handler_class=ForWebSockets) as server:
        ask(server, "/page", f"/socket.io/?{MODERN}")
        assert ask(server, "/page", headers=WEBSOCKET)[0][2] == b"none"
        assert ask(server, "/socket.io/?EIO=4&transport=websocket", headers=WEBSOCKET)[0][0] == 101
        assert ForWebSockets.asked == ["/socket.io/?EIO=4&transport=websocket"]


def test_classes_of_another_kind(caplog: pytest.LogCaptureFixture) -> None:
    other = type("OldHandler", (), {})
    with pytest.raises(TypeError, match="OldHandler cannot serve sockets: derive it from SocketIOHandler"):
        SocketIOServer(LOCAL, application, handler_class=other)
    assert SocketIOServer(LOCAL, application, ws_handler_class=other).ws_handler_class is None
    assert "so OldHandler is not used: derive it from SocketIOHandler" in caplog.text


class Slow(XHRPollingTransport):
    """A transport of one's own."""

    def get(self, socket: Any) -> None: ...


class InVain(SocketIOHandler):
    """A handler that overrides what the engine answers."""

    handler_types = {**SocketIOHandler.handler_types, "xhr-polling": Slow}  # noqa: RUF012

    def write_plain_result(self, data: Any) -> None: ...

    def handle_one_response(self) -> None: ...


def _init(self: Any, handler: Any, config: Any) -> None: ...


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseTransport, "__init__", _init)


def test_what_is_replaced_in_vain_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert never_called(SocketIOHandler) == []
    assert never_called(Habits) == []
    SocketIOServer(LOCAL, application, handler_class=InVain)
    assert "never called: InVain.write_plain_result, Slow.get; for pages of other origins" in caplog.text
    assert 'policy={"cors_origins": [...]}' in caplog.text


@pytest.mark.usefixtures("replaced")
def test_a_replaced_constructor_of_all_transports_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    SocketIOServer(LOCAL, application)
    assert "never called: BaseTransport.__init__; " in caplog.text


def test_requests_of_the_application_are_logged() -> None:
    log = io.StringIO()
    with serving(LOCAL, application, access_log=log) as server:
        ask(server, "/page?x=1", f"/socket.io/?{MODERN}")
    assert log.getvalue().count("\n") == 1
    assert '"GET /page?x=1 HTTP/1.1" 404 ' in log.getvalue()


def test_a_request_whose_body_nobody_reads_leaves_the_connection_usable() -> None:
    with serving(LOCAL, handler_class=Writer) as server:
        answers = ask(server, "/smart", "/page", method="POST", body=b"x" * 100)
        assert [body for _, _, body in answers] == ["é".encode(), b"none"]


def test_a_body_too_long_to_be_read_out_ends_the_connection_behind_the_answer() -> None:
    with serving(LOCAL, handler_class=Writer) as server:
        assert in_thread(_with_long_body, (server.server_port,)).startswith(b"HTTP/1.1 200 OK")


def _with_long_body(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"POST /smart HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
        return client.recv(1000)
