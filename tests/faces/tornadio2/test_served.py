"""A router's routes in an application of Tornado, asked over a real port with raw requests."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web

from faces.tornadio2.applications import Main
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, persistent

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@contextmanager
def serving(router: TornadioRouter) -> Iterator[int]:
    """Serve a router on a loop of a thread of its own, and give the port."""
    (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    loops: list[Any] = []
    ready = threading.Event()

    async def serve() -> None:
        server = tornado.httpserver.HTTPServer(tornado.web.Application(router.apply_routes([])))
        server.add_sockets([socket])
        ended = asyncio.Event()
        loops.append((asyncio.get_running_loop(), ended))
        ready.set()
        await ended.wait()
        server.stop()
        await server.close_all_connections()
        await router.engine.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield socket.getsockname()[1]
    finally:
        loop, ended = loops[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(TornadioRouter(Main, {"xhr_polling_timeout": 0.2})) as number:
        yield number


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
    """Make a request as it is, and return status, body and headers of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    answer = response.status, response.read(), response.headers
    connection.close()
    return answer


def handshake(port: int, query: str = "") -> str:
    status, body, _ = ask(port, "GET", f"/socket.io/1/?t=1{query}")
    assert status == 200
    sid, *rest = body.decode().split(":")
    assert rest == ["17", "6", "websocket,flashsocket,xhr-polling,jsonp-polling,htmlfile"]
    return sid


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/socket.io/1/?t=1", 200),
        ("GET", "/socket.io/1?t=1", 200),
        ("GET", "/socket.io/2/", 503),
        ("GET", "/socket.io/1/?refuse=1", 401),
        ("GET", "/socket.io/1/?raise=402", 402),
        ("GET", "/socket.io/1/?raise=799", 500),
        ("GET", "/socket.io/1/?raise=failure", 500),
        ("GET", "/socket.io/1/xhr-polling/unknown", 401),
        ("POST", "/socket.io/1/xhr-polling/unknown", 401),
        ("GET", "/socket.io/1/htmlfile/unknown", 401),
        ("GET", "/socket.io/1/xhr-multipart/unknown", 404),
        ("GET", "/socket.io/1/nonsense/unknown", 404),
        ("POST", "/socket.io/1/websocket/unknown", 405),
        ("GET", "/socket.io/?EIO=4&transport=polling", 200),
        ("GET", "/socket.io/?EIO=3&transport=polling", 200),
        ("GET", "/socket.io/?EIO=4&transport=polling&refuse=1", 401),
        ("GET", "/socket.io/?EIO=2&transport=polling", 400),
        ("GET", "/elsewhere", 404),
    ],
)
def test_wp_1_to_12_every_request_has_an_answer(port: int, method: str, path: str, status: int) -> None:
    assert ask(port, method, path, b"" if method == "POST" else None)[0] == status


def test_wp_24_28_36_polling_goes_both_ways_in_utf_8(port: int) -> None:
    path = f"/socket.io/1/xhr-polling/{handshake(port, '&name=x')}"
    assert ask(port, "POST", path, "3:1+::é\n😀".encode())[:2] == (200, b"")
    status, body, headers = ask(port, "GET", path)
    assert status == 200
    assert body.decode().split("\ufffd")[2::2] == [
        "1::",
        '5:::{"args": [{"name": "x"}], "name": "hi"}',
        "3:::é\n😀",
        '6:::1+[["the answer"]]',
    ]
    assert "Etag" not in headers
    assert ask(port, "GET", path)[1] == b"8::"


def test_wp_13_14_a_goodbye_may_be_a_request(port: int) -> None:
    for below in ("/socket.io/1/xhr-polling/{}?disconnect=1", "/socket.io/1//{}/?disconnect=1"):
        sid = handshake(port)
        assert ask(port, "GET", below.format(sid))[:2] == (200, b"")
        assert ask(port, "GET", f"/socket.io/1/xhr-polling/{sid}")[0] == 401


def test_wp_20_a_websocket_says_connect_first(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", f"/socket.io/1/websocket/{handshake(port)}", headers=UPGRADE)
    assert connection.sock is not None
    stream = connection.sock.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.readline()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert stream.read(5) == b"\x81\x031::"
    stream.close()
    connection.close()


def test_t2_s9_the_loop_that_serves_is_the_router_s() -> None:
    loops: list[Any] = []

    class Asking(Main):
        def on_open(self, request: Any) -> Any:
            loops.append(self.session.server.io_loop)

    with serving(TornadioRouter(Asking, {"session_expiry": 1})) as number:
        ask(number, "GET", "/socket.io/1/")
    assert hasattr(loops[0], "add_timeout")


class Teller(SocketConnection):
    """Tells of the request that carries its session."""

    def on_message(self, message: Any) -> Any:
        request = self.session.handler.request
        told = request.headers.get("User-Agent"), request.cookies["user"].value, request.remote_ip, request.path
        self.send([*told, request.method, request.arguments.get("x", [b""])[0].decode()])


def test_t2_92_the_handler_has_the_request_that_carries_the_session() -> None:
    with serving(TornadioRouter(Teller, {"xhr_polling_timeout": 0.2})) as port:
        status, body, _ = ask(port, "GET", "/socket.io/1/?t=1", User_Agent="the first", Cookie="user=a")
        path = f"/socket.io/1/xhr-polling/{body.decode().split(':')[0]}"
        ask(port, "POST", path, b"3:::x", User_Agent="a post", Cookie="user=b")
        answer = ask(port, "GET", path + "?x=1", User_Agent="a poll", Cookie="user=c")[1].decode()
        told = json.loads(answer.split("4:::")[1])
        assert (status, told) == (200, ["the first", "a", "127.0.0.1", "/socket.io/1/", "GET", ""])
        ask(port, "POST", path, b"3:::x", User_Agent="a post", Cookie="user=b")
        told = json.loads(ask(port, "GET", path, User_Agent="another", Cookie="user=d")[1].decode().split("4:::")[1])
        assert told == ["a poll", "c", "127.0.0.1", path, "GET", "1"]


def test_t2_92_a_client_of_today_has_its_polls_requests() -> None:
    with serving(TornadioRouter(Teller)) as port:
        path = "/socket.io/?EIO=4&transport=polling"
        sid = json.loads(ask(port, "GET", path, Cookie="user=a")[1][1:])["sid"]
        path += f"&sid={sid}&x=1"
        ask(port, "POST", path, b"40")
        ask(port, "GET", path, User_Agent="a poll", Cookie="user=b")
        ask(port, "POST", path, b'42["message","x"]')
        answer = ask(port, "GET", path, User_Agent="the next", Cookie="user=c")[1].decode()
        assert json.loads(answer[2:])[1] == ["a poll", "b", "127.0.0.1", "/socket.io/", "GET", "1"]


def test_check_origin_of_the_class_of_websockets_is_asked_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def check_origin(self: Any, origin: str) -> bool:
        asked.append(origin)
        return origin == "http://good.example"

    monkeypatch.setattr(persistent.TornadioWebSocketHandler, "check_origin", check_origin)
    with serving(TornadioRouter(Main)) as port:
        sid = ask(port, "GET", "/socket.io/1/")[1].decode().split(":")[0]
        for path in (f"/socket.io/1/websocket/{sid}", "/socket.io/?EIO=4&transport=websocket"):
            status, _, _ = ask(port, "GET", path, None, **UPGRADE, Origin="http://bad.example")
            assert status == 403
            with_socket = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with_socket.request("GET", path, headers={**UPGRADE, "Origin": "http://good.example"})
            assert with_socket.sock.recv(1000).startswith(b"HTTP/1.1 101 ")
            with_socket.close()
    assert asked == ["http://bad.example", "http://good.example"] * 2
