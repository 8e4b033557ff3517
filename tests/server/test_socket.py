"""What a handler finds on a socket."""

from typing import Any

import pytest

from waterspout import Server, Socket
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation


def test_a_socket_has_a_dictionary_for_the_users_own_things(server: Server, generation: Any) -> None:
    one, other = Pair(server, generation=generation).socket, Pair(server, generation=generation).socket
    assert one.data == {}
    one.data["name"] = "Ada"
    assert one.data == {"name": "Ada"}
    assert other.data == {}


def test_sockets_of_one_client_in_two_namespaces_share_no_data(server: Server, generation: Any) -> None:
    server.of("/chat")
    pair = Pair(server, generation=generation)
    pair.peer.connect("/chat")
    (chat,) = server.of("/chat").sockets()
    pair.socket.data["name"] = "Ada"
    pair.socket.join("lobby")
    assert (chat.data, chat.rooms) == ({}, frozenset())
    assert chat.id != pair.socket.id
    assert chat._member.session is pair.socket._member.session


def test_a_socket_shows_the_request_that_opened_the_connection(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, query="room=x", headers=[("Cookie", "a=1; b=2"), ("X-Name", "Ada")], **client)
    request = pair.socket.request
    path = "/socket.io/1/" if client["generation"] is SOCKETIO_1 else "/socket.io/"
    assert (request.method, request.path, request.remote_address) == ("GET", path, "127.0.0.1")
    assert request.param("room") == "x"
    assert request.headers["x-name"] == "Ada"
    assert request.cookies == {"a": "1", "b": "2"}


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def test_what_a_connect_handler_has_looked_at_is_packed_again(server: Server, generation: Generation) -> None:
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append((socket.request.header("host"), socket.request.native)))
    peer = Peer(server, generation=generation)
    peer.connect()
    assert seen[0] == ("localhost", None)
    assert {socket.request._headers for socket in server.sockets()} == {None}


def test_a_socket_whose_id_is_its_sessions_does_not_show_it(server: Server) -> None:
    pair = Pair(server, generation=ENGINEIO_3)
    assert pair.socket.id == pair.peer.sid
    assert repr(pair.socket) == f"<Socket {pair.peer.sid[:4]}... in /, connected>"
    old = Pair(server, generation=SOCKETIO_1)
    assert repr(old.socket) == f"<Socket {old.peer.sid[:4]}... in /, connected>"


def test_a_socket_knows_what_carries_it_and_what_its_client_speaks(server: Server) -> None:
    pair = Pair(server, transport="polling")
    assert (pair.socket.transport, pair.socket.generation) == ("polling", "Engine.IO 4")
    pair.peer.upgrade()
    assert pair.socket.transport == "websocket"
    assert Pair(server, generation=ENGINEIO_3).socket.generation == "Engine.IO 3"


def test_a_socket_prints_its_public_id_and_not_the_secret_of_its_session(server: Server) -> None:
    pair = Pair(server)
    assert repr(pair.socket) == "<Socket token-0000000000000002 in /, connected>"
    pair.peer.leave()
    assert repr(pair.socket) == "<Socket token-0000000000000002 in /, gone>"
    assert pair.peer.sid not in repr(pair.socket)


def test_what_was_emitted_survives_an_upgrade_in_its_order(server: Server) -> None:
    pair = Pair(server, transport="polling")
    websocket = pair.peer.probe()
    websocket.send(["2probe"])
    for number in range(3):
        pair.socket.emit("n", number)
    websocket.send(["5"])
    pair.peer.carrier = websocket
    pair.socket.emit("n", 3)
    assert pair.peer.events() == [("n", number) for number in range(4)]


def test_ids_are_long_random_and_never_the_sessions() -> None:
    server = Server()
    peers = [Peer(server) for _ in range(100)]
    for peer in peers:
        peer.connect()
    ids = {socket.id for socket in server.sockets()} | {peer.sid for peer in peers}
    assert len(ids) == 200
    assert all(len(id) >= 20 for id in ids)


def test_emit_names_no_receivers(server: Server, generation: Any) -> None:
    socket = Pair(server, generation=generation).socket
    with pytest.raises(TypeError, match="unexpected keyword argument 'to'"):
        socket.emit("news", to="lobby")  # type: ignore[call-arg]


def test_arguments_may_change_after_they_were_emitted(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    value = {"n": 1}
    pair.socket.emit("news", value)
    server.emit("news", value)
    value["n"] = 2
    assert pair.peer.events() == [("news", {"n": 1})] * 2


def test_a_handler_may_emit_to_its_own_namespace_while_it_is_served(server: Server, generation: Any) -> None:
    @server.on("say")
    def say(socket: Socket, text: str) -> str:
        server.emit("said", text)
        socket.broadcast("heard")
        return "ok"

    one, two = Pair(server, generation=generation), Pair(server, generation=generation)
    one.peer.emit("say", "hello", id=1)
    assert one.peer.events() == [("said", "hello")]
    assert one.peer.acks() == {1: "ok"}
    assert two.peer.events() == [("said", "hello"), ("heard",)]


def test_a_clock_may_be_the_servers_driver_from_the_start() -> None:
    clock = Clock()
    pair = Pair(Server(driver=clock))
    assert pair.clock is clock


def test_what_is_done_to_a_client_that_has_left_changes_nothing_and_raises_nothing(generation: Any) -> None:
    server = Server(driver=Clock())
    with Pair(server, generation=generation) as pair:
        socket = pair.socket
    socket.join("lobby")
    socket.emit("late")
    socket.leave("lobby")
    server.close()
    server.emit("later")
    assert (socket.connected, socket.rooms, pair.peer.take()) == (False, frozenset(), [])
