"""Rooms: who is in them, and whom `to` and `except_` mean."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from waterspout import Server, Socket
from waterspout.server.member import Member
from waterspout.server.rooms import Audience, Room, Rooms
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Pair

# The index


ADA, BOB, CY = (Member(id, ENGINEIO_4, Server().of("/")) for id in ("ada", "bob", "cy"))


def to(*names: Room) -> Audience:
    return Audience(names)


def test_a_room_begins_with_its_first_member_and_ends_with_its_last() -> None:
    rooms = Rooms()
    assert len(rooms) == 0
    rooms.join("lobby", ADA)
    rooms.join("lobby", BOB)
    assert len(rooms) == 1
    assert list(rooms.select(to("lobby"))) == [ADA, BOB]
    rooms.leave("lobby", ADA)
    assert list(rooms.select(to("lobby"))) == [BOB]
    rooms.leave("lobby", BOB)
    assert len(rooms) == 0
    assert list(rooms.select(to("lobby"))) == []


def test_joining_and_leaving_twice_is_joining_and_leaving_once() -> None:
    rooms = Rooms()
    rooms.join(7, ADA)
    rooms.join(7, ADA)
    assert list(rooms.select(to(7))) == [ADA]
    rooms.leave(7, ADA)
    rooms.leave(7, ADA)
    rooms.leave("never", ADA)
    assert len(rooms) == 0
    rooms.join(7, BOB)
    rooms.leave(7, ADA)
    assert list(rooms.select(to(7))) == [BOB]


def test_members_are_selected_once_each_in_the_order_of_their_coming() -> None:
    rooms = Rooms()
    for member in (ADA, BOB, CY):
        rooms.admit(member)
        rooms.join("all", member)
    rooms.join("some", CY)
    assert list(rooms.select(Audience(None))) == [ADA, BOB, CY]
    assert list(rooms.select(to("some", "all", "bob"))) == [CY, ADA, BOB]
    assert list(rooms.select(to("bob"))) == [BOB]
    assert list(rooms.select(to())) == []
    assert list(rooms.select(to("nowhere", 5))) == []


def test_a_number_and_its_digits_are_two_rooms() -> None:
    rooms = Rooms()
    rooms.join(1, ADA)
    rooms.join("1", BOB)
    assert list(rooms.select(to(1))) == [ADA]
    assert list(rooms.select(to("1"))) == [BOB]


def test_an_id_means_its_member_even_where_a_room_was_called_so_before() -> None:
    rooms = Rooms()
    rooms.join("bob", ADA)
    rooms.expect("cy")
    with pytest.raises(ValueError, match="'cy' is the id of another socket"):
        rooms.check("cy", ADA)
    rooms.admit(BOB)
    assert list(rooms.select(to("bob"))) == [BOB]


@pytest.mark.parametrize(
    ("option", "value"),
    [("to", 1.5), ("to", {"a": 1, None: 2}), ("to", [["nested"]]), ("except_", 1.5), ("except_", [b"bytes"])],
)
def test_what_can_be_no_room_is_refused_with_a_sentence(server: Server, option: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{option} is .*: give a room, a socket, its id, or several of them"):
        server.emit("x", **{option: value})


# Joining and leaving


def test_a_socket_knows_its_rooms(server: Server, generation: Any) -> None:
    socket = Pair(server, generation=generation).socket
    assert socket.rooms == frozenset()
    socket.join("lobby", 7)
    socket.join("lobby")
    assert socket.rooms == {"lobby", 7}
    socket.leave(7, "never joined")
    socket.leave(7)
    assert socket.rooms == {"lobby"}


def test_a_room_gets_what_is_sent_to_it_until_the_socket_leaves(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pair.socket.join("lobby")
    pair.socket.join("lobby")
    server.emit("news", 1, to="lobby")
    assert pair.peer.events() == [("news", 1)]
    pair.socket.leave("lobby")
    server.emit("news", 2, to="lobby")
    assert pair.peer.take() == []
    assert len(server.of("/").rooms) == 0


def test_a_client_that_leaves_is_taken_out_of_all_rooms(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    stays = Pair(server, **client)
    pair.socket.join("lobby", "attic")
    stays.socket.join("lobby")
    pair.peer.leave()
    assert len(server.of("/").rooms) == 1
    pair.socket.join("lobby", "cellar")
    assert len(server.of("/").rooms) == 1
    assert pair.socket.rooms == {"lobby", "attic"}
    server.emit("news", to=["lobby", "attic", "cellar", pair.socket.id])
    assert pair.peer.events() == []
    assert stays.peer.events() == [("news",)]


def test_a_room_of_one_namespace_is_not_the_room_of_another(server: Server, generation: Any) -> None:
    chat = server.of("/chat")
    pair = Pair(server, generation=generation)
    pair.peer.connect("/chat")
    pair.peer.take()
    pair.socket.join("lobby")
    chat.sockets()[0].join("lobby")
    chat.emit("news", to="lobby")
    assert pair.peer.events("/chat") == [("news",)]


def test_the_own_id_may_be_joined_and_changes_nothing(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pair.socket.join(pair.socket.id)
    server.emit("news", to=pair.socket.id)
    assert pair.peer.events() == [("news",)]
    pair.socket.leave(pair.socket.id)
    server.emit("news", to=pair.socket.id)
    assert pair.peer.events() == [("news",)]


@pytest.mark.parametrize("way", ["socket", "server", "connect handler"])
def test_the_own_id_becomes_no_room(server: Server, way: str, generation: Any) -> None:
    if way == "connect handler":
        server.on_connect(lambda socket, auth: socket.join(socket.id, "lobby"))
    pair = Pair(server, generation=generation)
    if way == "socket":
        pair.socket.join(pair.socket.id, "lobby")
    elif way == "server":
        server.join(pair.socket.id, "lobby", to=pair.socket.id)
    assert pair.socket.rooms == {"lobby"}
    assert server.stats().rooms == {"/": 1}
    assert server.sockets(to="lobby") == [pair.socket]


def test_the_id_of_another_is_no_room_to_join(server: Server, generation: Any) -> None:
    eve, ada = Pair(server, generation=generation), Pair(server, generation=generation)
    with pytest.raises(ValueError, match=f"'{ada.socket.id}' is the id of another socket"):
        eve.socket.join("lobby", ada.socket.id)
    assert eve.socket.rooms == frozenset()
    server.emit("secret", to=ada.socket.id)
    assert eve.peer.take() == []
    assert ada.peer.events() == [("secret",)]


# Addressing: ada is in red, bob in red and blue, cy in blue, dan in none

Call = Callable[[Server, dict[str, Socket]], object]

EMITS: list[tuple[str, Call, str]] = [
    ("nobody in particular", lambda s, who: s.emit("x"), "ada bob cy dan"),
    ("a room", lambda s, who: s.emit("x", to="red"), "ada bob"),
    ("an id", lambda s, who: s.emit("x", to=who["dan"].id), "dan"),
    ("several rooms, each client once", lambda s, who: s.emit("x", to=["red", "blue"]), "ada bob cy"),
    ("a room twice", lambda s, who: s.emit("x", to=("red", "red")), "ada bob"),
    ("rooms and ids", lambda s, who: s.emit("x", to=["red", who["bob"].id, who["dan"].id]), "ada bob dan"),
    ("a set", lambda s, who: s.emit("x", to={"red", "blue"}), "ada bob cy"),
    ("a generator", lambda s, who: s.emit("x", to=(room for room in ["red"])), "ada bob"),
    ("an empty list", lambda s, who: s.emit("x", to=[]), ""),
    ("a room that does not exist", lambda s, who: s.emit("x", to="green"), ""),
    ("all but a room", lambda s, who: s.emit("x", except_="red"), "cy dan"),
    ("all but an id", lambda s, who: s.emit("x", except_=who["ada"].id), "bob cy dan"),
    ("all but a socket", lambda s, who: s.emit("x", except_=who["ada"]), "bob cy dan"),
    ("all but several", lambda s, who: s.emit("x", except_=["blue", who["ada"], who["dan"].id]), ""),
    ("all but a generator's", lambda s, who: s.emit("x", except_=(who[name] for name in ["cy"])), "ada bob dan"),
    ("all but nobody", lambda s, who: s.emit("x", except_=[]), "ada bob cy dan"),
    ("all but a room that does not exist", lambda s, who: s.emit("x", except_="green"), "ada bob cy dan"),
    ("a room without another", lambda s, who: s.emit("x", to="red", except_="blue"), "ada"),
    ("everybody else", lambda s, who: who["ada"].broadcast("x"), "bob cy dan"),
    ("everybody else in a room", lambda s, who: who["bob"].broadcast("x", to="red"), "ada"),
    ("a room where the sender is not", lambda s, who: who["dan"].broadcast("x", to="red"), "ada bob"),
    ("everybody else but a room", lambda s, who: who["cy"].broadcast("x", except_="red"), "dan"),
    ("everybody else but some", lambda s, who: who["cy"].broadcast("x", except_=[who["ada"], "blue"]), "dan"),
    ("everybody else but a socket", lambda s, who: who["cy"].broadcast("x", except_=who["dan"]), "ada bob"),
    ("nobody: the sender's own id", lambda s, who: who["ada"].broadcast("x", to=who["ada"].id), ""),
    ("one other by id", lambda s, who: who["ada"].broadcast("x", to=who["dan"].id), "dan"),
    ("one client", lambda s, who: who["ada"].emit("x"), "ada"),
]


CLIENTS = [(SOCKETIO_1, "xhr-polling"), (ENGINEIO_3, "websocket"), (ENGINEIO_4, "polling"), (SOCKETIO_1, "websocket")]


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize(("call", "expected"), [case[1:] for case in EMITS], ids=[case[0] for case in EMITS])
def test_an_event_reaches_each_addressed_client_once_and_no_other(
    server: Server, first: int, call: Call, expected: str
) -> None:
    clients = zip(("ada", "bob", "cy", "dan"), CLIENTS[first:] + CLIENTS[:first], strict=True)
    pairs = {name: Pair(server, generation=row, transport=transport) for name, (row, transport) in clients}
    for name, rooms in {"ada": ["red"], "bob": ["red", "blue"], "cy": ["blue"]}.items():
        pairs[name].socket.join(*rooms)
    call(server, {name: pair.socket for name, pair in pairs.items()})
    received = {name: pair.peer.events() for name, pair in pairs.items()}
    assert received == {name: [("x",)] if name in expected.split() else [] for name in pairs}


def test_a_room_bearing_an_id_that_nobody_has_any_more_reaches_nobody(server: Server, generation: Any) -> None:
    pair, other = Pair(server, generation=generation), Pair(server, generation=generation)
    pair.peer.lose()
    other.socket.emit("x")
    server.emit("x", to=pair.socket.id)
    assert other.peer.events() == [("x",)]


def test_clients_may_join_and_leave_while_a_room_is_served(server: Server, generation: Any) -> None:
    pairs = [Pair(server, generation=generation) for _ in range(3)]

    def rooms() -> Iterator[str]:
        yield "lobby"
        pairs[2].socket.leave("lobby")

    for pair in pairs:
        pair.socket.join("lobby")
    server.emit("x", to=rooms())
    assert [pair.peer.events() for pair in pairs] == [[("x",)], [("x",)], []]


# What names no room


@pytest.mark.parametrize(
    ("room", "remedy"),
    [
        (None, "give a string or a number"),
        (1.5, "give a string or a number"),
        (b"lobby", "give a string or a number"),
        (["a", "b"], "pass several as separate arguments: *rooms"),
        (("a", "b"), "pass several as separate arguments: *rooms"),
    ],
    ids=str,
)
def test_what_names_no_room_is_refused_with_a_remedy(room: Any, remedy: str) -> None:
    server = Server()
    pair = Pair(server)
    for verb in pair.socket.join, pair.socket.leave, server.join, server.leave:
        with pytest.raises(TypeError, match=re.escape(f"{room!r} is not a room: {remedy}")):
            verb("lobby", room)
    assert pair.socket.rooms == frozenset()


@pytest.mark.parametrize("option", ["to", "except_"])
@pytest.mark.parametrize("value", [b"room", [None], 1.5, [b"room"]], ids=str)
def test_what_means_nobody_is_refused(option: str, value: Any) -> None:
    wrong: Any = {option: value}
    sentence = f"{option} is {value!r}: give a room, a socket, its id, or several of them"
    with pytest.raises(TypeError, match=re.escape(sentence)):
        Server().emit("x", **wrong)


def test_a_socket_is_meant_by_itself_or_its_id(server: Server, generation: Any) -> None:
    one, two, three = (Pair(server, generation=generation) for _ in range(3))
    two.socket.join("lobby")
    server.emit("one", to=one.socket)
    server.emit("both", to=[one.socket, "lobby", one.socket.id])
    three.socket.broadcast("else", to=[one.socket, three.socket])
    assert [len(pair.peer.take()) for pair in (one, two, three)] == [3, 1, 0]
    assert server.sockets(to=two.socket) == [two.socket]
    server.disconnect(to=two.socket)
    assert not two.socket.connected


def test_a_socket_of_another_namespace_is_nobody_here(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    server.of("/chat").emit("x", to=pair.socket)
    assert pair.peer.take() == []


@pytest.mark.parametrize("room", [True, False])
def test_true_and_false_are_no_rooms(server: Server, room: bool, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    for verb in (pair.socket.join, pair.socket.leave, server.join, server.leave):
        with pytest.raises(TypeError, match=f"{room} is not a room: give a string or a number"):
            verb("lobby", room)
    assert pair.socket.rooms == frozenset()
    with pytest.raises(TypeError, match=f"to is {room}: give a room"):
        server.emit("x", to=room)
    with pytest.raises(TypeError, match=r"except_ is .*: give a room"):
        pair.socket.broadcast("x", except_=room)
    assert pair.peer.take() == []
