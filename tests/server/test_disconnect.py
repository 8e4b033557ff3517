"""How a client leaves, from either side, and what its handler is told."""

from contextlib import suppress
from typing import Any

import pytest

from server.clients import vanish
from waterspout import Reason, Server, Socket
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Pair, Peer, Refused, client_frame


@pytest.fixture
def told(server: Server) -> list[tuple[Socket, str, set[Any], bool]]:
    """What the disconnect handler of "/" has heard."""
    told: list[tuple[Socket, str, set[Any], bool]] = []

    @server.on_disconnect
    def gone(socket: Socket, reason: str) -> None:
        told.append((socket, reason, set(socket.rooms), socket.connected))

    return told


def reasons(told: list[tuple[Socket, str, set[Any], bool]]) -> list[str]:
    return [reason for _, reason, _, _ in told]


def test_the_words_are_those_of_the_javascript_server() -> None:
    assert [reason.value for reason in Reason] == [
        "client namespace disconnect",
        "server namespace disconnect",
        "server shutting down",
        "ping timeout",
        "transport close",
        "transport error",
        "parse error",
        "forced close",
        "forced server close",
        "slow consumer",
    ]
    assert f"{Reason.PING_TIMEOUT}" == "ping timeout"


def test_a_client_that_leaves_is_told_of_once_with_its_rooms(
    server: Server, client: dict[str, Any], told: list[Any]
) -> None:
    pair = Pair(server, **client)
    pair.socket.join("lobby", 7)
    pair.peer.leave()
    with suppress(Refused):  # the session of a client of 0.9 is over
        pair.peer.leave()
    pair.peer.lose()
    assert told == [(pair.socket, "client namespace disconnect", {"lobby", 7}, False)]
    assert server.sockets() == []


def test_a_client_that_leaves_keeps_its_connection_and_may_come_back(server: Server, told: list[Any]) -> None:
    pair = Pair(server)
    pair.peer.leave()
    assert pair.peer.closed is None
    pair.peer.connect()
    (entered,) = pair.peer.take()
    (back,) = server.sockets()
    assert entered == f'40{{"sid":"{back.id}"}}'
    assert back is not pair.socket
    assert back.id != pair.socket.id
    assert (pair.socket.connected, back.connected) == (False, True)
    assert len(told) == 1


def test_leaving_one_namespace_is_not_leaving_another(server: Server, client: dict[str, Any], told: list[Any]) -> None:
    left: list[str] = []
    server.of("/chat").on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    pair.peer.leave("/chat")
    assert (left, told) == (["client namespace disconnect"], [])
    assert pair.socket.connected


def test_a_client_comes_back_to_a_namespace_that_it_has_left(server: Server, client: dict[str, Any], told: Any) -> None:
    left: list[str] = []
    chat = server.of("/chat")
    chat.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, **client)
    for leave in (lambda: pair.peer.leave("/chat"), chat.disconnect):
        pair.peer.connect("/chat")
        chat.emit("hello")
        leave()
        chat.emit("lost")
        assert pair.peer.events("/chat") == [("hello",)]
    assert left == [Reason.CLIENT_DISCONNECT, Reason.SERVER_DISCONNECT]
    assert (pair.socket.connected, told) == (True, [])


def test_the_server_sends_a_client_out_of_a_namespace(server: Server, client: dict[str, Any], told: list[Any]) -> None:
    pair = Pair(server, **client)
    pair.socket.emit("goodbye")
    pair.socket.disconnect()
    pair.socket.disconnect()
    pair.socket.emit("dropped")
    assert pair.peer.events() == [("goodbye",)]
    assert reasons(told) == ["server namespace disconnect"]
    assert (pair.peer.closed is None) is (client["generation"] is not SOCKETIO_1)  # "/" is all of a connection of 0.9


def test_the_server_ends_the_whole_connection(server: Server, client: dict[str, Any], told: list[Any]) -> None:
    left: list[str] = []
    server.of("/chat").on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    pair.peer.take()
    pair.socket.emit("last words")
    pair.socket.disconnect(close=True)
    assert pair.peer.events() == [("last words",)]
    assert pair.peer.closed == (1000 if client["transport"] == "websocket" else 0)
    assert reasons(told) == left == ["server namespace disconnect"]
    assert not server.engine.sessions


def test_a_handler_may_send_its_own_client_away(server: Server, client: dict[str, Any], told: list[Any]) -> None:
    @server.on("quit")
    def leave(socket: Socket) -> str:
        socket.disconnect()
        return "dropped, for the client is gone"

    pair = Pair(server, **client)
    pair.peer.emit("quit", id=1)
    assert pair.peer.acks() == {}
    assert reasons(told) == ["server namespace disconnect"]


def test_the_farewell_comes_after_what_is_running(server: Server, client: dict[str, Any]) -> None:
    order: list[str] = []

    @server.on("quit")
    def leave(socket: Socket) -> None:
        socket.disconnect()
        order.append("handler")

    server.on_disconnect(lambda socket, reason: order.append("farewell"))
    pair = Pair(server, **client)
    pair.peer.emit("quit")
    assert order == ["handler", "farewell"]


def break_text(pair: Pair) -> None:
    pair.peer.send("5:::{" if pair.peer.generation is SOCKETIO_1 else '42["')


def break_frame(pair: Pair) -> None:
    pair.peer.carrier.feed(b"\xff\xff")  # type: ignore[union-attr]


def say_goodbye(pair: Pair) -> None:
    pair.peer.close()


def close_frame(pair: Pair) -> None:
    pair.peer.carrier.feed(client_frame(8, b"\x03\xe8"))  # type: ignore[union-attr]


def fall_silent(pair: Pair) -> None:
    pair.peer.polls = False
    pair.clock.advance(100)


ENDS = [
    (vanish, "websocket", "transport close"),
    (vanish, "polling", "transport error"),
    (close_frame, "websocket", "transport close"),
    (say_goodbye, "websocket", "transport close"),
    (say_goodbye, "polling", "transport close"),
    (break_text, "websocket", "parse error"),
    (break_frame, "websocket", "parse error"),
    (fall_silent, "websocket", "ping timeout"),
    (fall_silent, "polling", "ping timeout"),
]
OLD_ENDS = [
    (vanish, "websocket", "transport close"),
    (vanish, "xhr-polling", "transport close"),
    (say_goodbye, "websocket", "client namespace disconnect"),
    (say_goodbye, "xhr-polling", "client namespace disconnect"),
    (break_text, "websocket", "parse error"),
    (break_frame, "websocket", "parse error"),
    (fall_silent, "websocket", "ping timeout"),
    (fall_silent, "xhr-polling", "transport close"),
]
CASES = [(row, *end) for row in (ENGINEIO_3, ENGINEIO_4) for end in ENDS] + [(SOCKETIO_1, *end) for end in OLD_ENDS]


@pytest.mark.parametrize(("generation", "end", "transport", "reason"), CASES)
def test_the_end_of_a_connection_is_the_end_of_its_sockets(
    server: Server, told: list[Any], generation: Any, end: Any, transport: str, reason: str
) -> None:
    left: list[str] = []
    server.of("/chat").on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=generation, transport=transport)
    pair.peer.connect("/chat")
    pair.socket.join("lobby")
    end(pair)
    assert [(reason, rooms) for _, reason, rooms, _ in told] == [(reason, {"lobby"})]
    assert left == [reason]
    assert server.sockets() == server.of("/chat").sockets() == []
    assert not server.engine.sessions


def test_the_handler_of_a_client_that_was_not_accepted_hears_nothing(server: Server, told: list[Any]) -> None:
    server.on_connect(lambda socket, auth: False)
    peer = Peer(server)
    peer.connect()
    peer.lose()
    assert told == []


def test_the_handler_may_tell_the_others_and_its_client_hears_nothing(server: Server, client: dict[str, Any]) -> None:
    @server.on_disconnect
    def gone(socket: Socket, reason: str) -> None:
        server.emit("left", reason, to=socket.rooms)
        socket.emit("nothing")
        socket.join("lobby")

    leaves, stays = Pair(server, **client), Pair(server, **client)
    leaves.socket.join("lobby")
    stays.socket.join("lobby")
    leaves.peer.leave()
    assert stays.peer.events() == [("left", "client namespace disconnect")]
    assert leaves.peer.events() == []
    assert len(server.of("/").rooms) == 1


def test_data_of_a_socket_is_still_there_for_the_handler(server: Server, generation: Any) -> None:
    seen: list[Any] = []
    server.on_disconnect(lambda socket, reason: seen.append(socket.data))
    pair = Pair(server, generation=generation)
    pair.socket.data["name"] = "Ada"
    vanish(pair)
    assert seen == [{"name": "Ada"}]


def test_a_handler_that_ends_other_connections_meets_them_one_by_one(
    server: Server, told: list[Any], generation: Any
) -> None:
    pairs = [Pair(server, generation=generation) for _ in range(3)]

    @server.on("everybody out")
    def out(socket: Socket) -> None:
        for other in server.sockets():
            other.disconnect(close=True)

    pairs[1].peer.emit("everybody out")
    assert [socket for socket, *_ in told] == [pair.socket for pair in pairs]
    assert [pair.peer.closed for pair in pairs] == [1000] * 3
