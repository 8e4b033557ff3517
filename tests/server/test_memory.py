"""What is over leaves nothing behind."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.clients import vanish
from waits import waits
from waterspout import Server, Socket
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer
from waterspout.wire.generations import Generation


def tables(server: Server) -> dict[str, int]:
    names = ("/", "/chat")
    return {
        "sessions": len(server.engine.sessions),
        "deadlines": waits(server.engine),
        "sockets": sum(len(server.of(name).sockets()) for name in names),
        "rooms": sum(len(server.of(name).rooms) for name in names),
    }


EMPTY = {"sessions": 0, "deadlines": 0, "sockets": 0, "rooms": 0}


def fall_silent(pair: Pair) -> None:
    pair.peer.polls = False
    pair.clock.advance(100)


def say_goodbye(pair: Pair) -> None:
    pair.peer.close()


def send_away(pair: Pair) -> None:
    pair.socket.disconnect(close=True)


def shut_down(pair: Pair) -> None:
    pair.server.close()


ENDS = [vanish, fall_silent, say_goodbye, send_away, shut_down]


@pytest.mark.parametrize("end", ENDS)
def test_all_tables_are_empty_after_the_last_client(
    server: Server, client: dict[str, Any], end: Callable[[Pair], None]
) -> None:
    server.of("/chat")
    pairs = [Pair(server, **client) for _ in range(3)]
    for number, pair in enumerate(pairs):
        pair.peer.connect("/chat")
        pair.socket.join("lobby", number)
        server.of("/chat").sockets()[-1].join("lobby")
        pair.socket.call("question", timeout=1000)
        if client["generation"] is not SOCKETIO_1:
            pair.peer.send('451-["half",{"_placeholder":true,"num":0}]')
    assert tables(server)["rooms"] == 5
    assert tables(server)["deadlines"] >= 6
    for pair in pairs:
        end(pair)
    pairs[0].clock.advance(1.5)  # nobody comes for a goodbye by polling
    assert tables(server) == EMPTY


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("end", [vanish, send_away])
def test_a_socket_is_freed_without_the_garbage_collector(
    server: Server, client: dict[str, Any], end: Callable[[Pair], None]
) -> None:
    pair = Pair(server, **client)
    pair.socket.join("lobby")
    pair.socket.data["self"] = 1
    pair.socket.call("question")
    socket = weakref.ref(pair.socket)
    end(pair)
    del pair
    assert socket() is None


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("end", [vanish, send_away])
@pytest.mark.parametrize("transport", ["websocket", "upgraded"])
def test_a_session_on_a_websocket_is_freed_without_the_garbage_collector(
    server: Server, engineio: Generation, transport: str, end: Callable[[Pair], None]
) -> None:
    pair = Pair(server, generation=engineio, transport="polling" if transport == "upgraded" else transport)
    if transport == "upgraded":
        pair.peer.upgrade()
    session = weakref.ref(pair.socket._member.session)
    end(pair)
    del pair
    assert session() is None


def test_clients_that_come_and_go_leave_the_tables_as_they_were(
    server: Server, engineio_client: dict[str, Any]
) -> None:
    server.engine.bind(Clock())
    server.on_connect(lambda socket, auth: socket.join("lobby"))
    for _ in range(200):
        peer = Peer(server, **engineio_client)
        peer.connect()
        peer.emit("x", id=1)
        peer.leave()
        peer.connect()
        peer.lose()
    assert tables(server) == EMPTY


def test_attachments_of_a_client_that_has_not_entered_are_not_kept(server: Server) -> None:
    server.engine.bind(Clock())
    for _ in range(100):
        peer = Peer(server)
        peer.send('451-["x",{"_placeholder":true,"num":0}]')
        assert peer.closed == 1002
    assert tables(server) == EMPTY


def test_a_socket_that_is_kept_keeps_no_other(server: Server, generation: Any) -> None:
    kept: list[Socket] = []
    server.on_disconnect(lambda socket, reason: kept.append(socket))
    for _ in range(3):
        vanish(Pair(server, generation=generation))
    assert len(kept) == 3
    assert tables(server) == EMPTY
