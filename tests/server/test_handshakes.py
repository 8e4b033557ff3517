"""`on_handshake`: who may connect at all, decided before the answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from waterspout import HandshakeRefused, Server, Socket
from waterspout.engine import Cookie, Decision, Open, Refuse
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, Pair, Peer, Refused, admit
from waterspout.types import Request
from waterspout.wire.generations import Generation

rows = pytest.mark.parametrize("row", [SOCKETIO_1, ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
laters = pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])


def make(function: Any, *, later: bool = False, threaded: bool = False, **options: Any) -> Server:
    server = Server(driver=Clock(later=later), **options)
    server.on_handshake(function, threaded=threaded)
    server.on("say")(lambda socket, words: words)
    return server


def refuse(request: Request) -> None:
    raise HandshakeRefused(401, "log in first", {"WWW-Authenticate": "Basic"})


async def refuse_in_time(request: Request) -> None:
    await asyncio.sleep(3)
    refuse(request)


async def greet_in_time(request: Request) -> dict[str, str]:
    await asyncio.sleep(3)
    return {"X-Node": "a"}


@rows
@laters
@pytest.mark.parametrize("function", [refuse, refuse_in_time])
def test_a_client_is_refused_before_there_is_a_connection(row: Generation, later: bool, function: Any) -> None:
    server = make(function, later=later)
    entered: list[Socket] = []
    server.on_connect(lambda socket, auth: entered.append(socket))
    with pytest.raises(Refused) as caught:
        Peer(server, generation=row)
    assert caught.value.response.status == 401
    assert b"log in first" in caught.value.response.body
    assert ("WWW-Authenticate", "Basic") in caught.value.response.headers
    assert entered == []
    assert not server.engine.sessions
    assert server.stats().refused == 1


@rows
@laters
@pytest.mark.parametrize("function", [lambda request: {"X-Node": "a"}, greet_in_time])
def test_it_adds_header_fields_to_the_answer(row: Generation, later: bool, function: Any) -> None:
    server = make(function, later=later)
    peer = Peer(server, generation=row, transport=None if row is SOCKETIO_1 else "polling")
    if row is SOCKETIO_1:
        answer = peer.ask("GET", "/")
    else:
        answer = peer.carrier.responses[0]  # type: ignore[union-attr]
    assert ("X-Node", "a") in answer.headers


def test_it_adds_them_to_the_answer_of_a_websocket_and_sets_cookies() -> None:
    def remember(request: Request) -> list[tuple[str, str]]:
        return [Cookie(name="seen", max_age=60).header("1"), Cookie(name="theme", http_only=False).header("dark")]

    server = make(remember)
    opened = admit(server.engine, opening(server))
    assert isinstance(opened, Open)
    cookies = [value for name, value in opened.headers if name == "Set-Cookie"]
    assert cookies == ["seen=1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax", "theme=dark; Path=/; SameSite=Lax"]


def test_what_it_finds_out_is_there_for_the_handlers(client: dict[str, Any]) -> None:
    def who(request: Request) -> None:
        request.data["user"] = request.param("user")

    server = make(who)
    server.on("who")(lambda socket: socket.request.data["user"])
    with Pair(server, query="user=ann", **client) as pair:
        pair.peer.emit("who", id=1)
        assert pair.peer.acks() == {1: "ann"}


def test_it_is_asked_once_for_a_connection(client: dict[str, Any]) -> None:
    asked: list[str] = []
    server = make(lambda request: asked.append(request.method))
    server.of("/more")
    with Pair(server, **client) as pair:
        pair.peer.connect("/more")
        pair.peer.emit("say", "on", id=1)
        assert pair.peer.acks() == {1: "on"}
    assert asked == ["GET"]


def test_it_is_asked_once_where_a_client_changes_to_a_websocket(engineio: Any) -> None:
    asked: list[str] = []
    server = make(lambda request: asked.append(request.method))
    with Pair(server, generation=engineio, transport="polling") as pair:
        pair.peer.upgrade()
        pair.peer.emit("say", "on", id=1)
        assert pair.peer.acks() == {1: "on"}
    assert asked == ["GET"]


@rows
@laters
def test_what_else_it_raises_is_reported_and_the_client_gets_500(row: Generation, later: bool) -> None:
    def fail(request: Request) -> None:
        raise LookupError("no database")

    server = make(fail, later=later)
    with pytest.raises(Refused, match="500"):
        Peer(server, generation=row)
    ((text, error),) = clock_of(server).reports
    assert text == "the function that decides about a handshake failed, and the client is refused"
    assert isinstance(error, LookupError)
    assert not server.engine.sessions


@rows
@pytest.mark.parametrize(
    ("result", "words"),
    [
        (True, "not iterable"),
        ("X-Node: a", "'X' is no header field"),
        ({"X Node": "a"}, "no header field"),
        ({"X-Node": "a\r\nSet-Cookie: b=c"}, "no header field"),
        ({"Content-Length": "0"}, "leave it out"),
        ({"sec-websocket-accept": "x"}, "leave it out"),
        ([("X-Node", 1)], "pairs of a name and a value"),
    ],
)
def test_what_cannot_be_in_an_answer_is_reported_and_refused_with_500(row: Generation, result: Any, words: str) -> None:
    server = make(lambda request: result)
    with pytest.raises(Refused, match="500"):
        Peer(server, generation=row)
    ((_, error),) = clock_of(server).reports
    assert words in str(error)
    assert not server.engine.sessions


@rows
@pytest.mark.parametrize("function", [greet_in_time, refuse_in_time])
def test_a_client_that_goes_before_the_decision_leaves_nothing(row: Generation, function: Any) -> None:
    server = make(function)
    decisions: list[Decision] = []
    admission = server.engine.admit(opening(server, row), decisions.append)
    assert admission is not None
    clock_of(server).advance(1)
    admission.abort()
    clock_of(server).advance(3)
    assert decisions == []
    assert not server.engine.sessions
    assert len(server.engine.deadlines) == 0


@rows
def test_a_server_that_closes_meanwhile_refuses(row: Generation) -> None:
    server = make(greet_in_time, shutdown_timeout=10)
    decisions: list[Decision] = []
    server.engine.admit(opening(server, row), decisions.append)
    server.close()
    clock_of(server).advance(20)
    (decision,) = decisions
    assert isinstance(decision, Refuse)
    assert decision.response.status == 503
    assert not server.engine.sessions


def test_a_blocking_function_runs_in_a_thread() -> None:
    around: list[str] = []

    @contextmanager
    def wrap() -> Iterator[None]:
        around.append("in")
        try:
            yield
        finally:
            around.append("out")

    server = make(refuse, threaded=True)
    server.engine.driver.around_thread_call = wrap
    with pytest.raises(Refused, match="401"):
        Peer(server)
    assert around == ["in", "out"]


def test_what_it_cannot_be_is_refused_with_a_remedy() -> None:
    server = Server()
    with pytest.raises(TypeError, match=r"is called with \(request\), but takes \(\)"):
        server.on_handshake(lambda: None)
    with pytest.raises(TypeError, match="give a function"):
        server.on_handshake("check")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="async and cannot run in a thread"):
        server.on_handshake(refuse_in_time, threaded=True)
    server.on_handshake(refuse)
    with pytest.raises(ValueError, match="has a function already"):
        server.on_handshake(refuse)


def test_a_cookie_whose_value_none_can_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"urllib\.parse\.quote"):
        Cookie(name="seen").header("a;b")


def clock_of(server: Server) -> Clock:
    assert isinstance(server.engine.driver, Clock)
    return server.engine.driver


def opening(server: Server, row: Generation = ENGINEIO_4) -> Request:
    """Make the first request of a client: of 1.x to 4.x, the handshake of a WebSocket."""
    fields = [("Host", "localhost"), *_WEBSOCKET]
    below = "/1/" if row is SOCKETIO_1 else f"/?EIO={row.revision}&transport=websocket"
    return Request("GET", f"{server.engine.path}{below}", fields)


_WEBSOCKET = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
