"""Rooms hold members: what is no socket may be one, with a generation of its own, and is served like all others."""

import re
from dataclasses import replace
from typing import Any

import pytest

from waterspout import Reason, Server
from waterspout.engine import Prepared
from waterspout.server.member import Member, SocketMember
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, Pair
from waterspout.wire.generations import Generation


class Plain:
    """A codec that writes an event as its name, and counts what it writes."""

    written = 0

    def encode_event(self, namespace: str, name: str, args: Any, id: int | None = None) -> tuple[bytes, tuple[()]]:
        if name == "unspeakable":
            raise TypeError("there is no word for it")
        self.written += 1
        return f"{namespace} {name}".encode(), ()


class Listener(Member):
    """A member without a session: it keeps what it is sent."""

    def __init__(self, server: Server, id: str, generation: Generation, namespace: str = "/") -> None:
        super().__init__(id, generation, server.of(namespace))
        self.received: list[bytes] = []
        self.reasons: list[Reason] = []
        self.namespace.admit(self)

    def push(self, prepared: Prepared) -> None:
        self.received.append(prepared.text)

    def left(self, reason: Reason) -> None:
        self.reasons.append(reason)

    def take(self) -> list[bytes]:
        received, self.received = self.received, []
        return received


class Subscriber(Member):
    """A member that is sent to through a session, and has no socket."""

    __slots__ = ("session",)


class Company:
    """A server with a client of each generation and two listeners, all of them in one room."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.server = Server(driver=self.clock)
        self.codec = Plain()
        codec: Any = self.codec
        self.row = replace(ENGINEIO_4, name="Plain", socketio=codec)
        self.pairs = [Pair(self.server, generation=row) for row in (SOCKETIO_1, ENGINEIO_3, ENGINEIO_4)]
        self.one, self.two = self.listeners = [Listener(self.server, name, self.row) for name in ("one", "two")]
        self.server.join("lobby")

    def received(self) -> list[Any]:
        return [*(pair.peer.events() for pair in self.pairs), *(listener.take() for listener in self.listeners)]


@pytest.fixture
def company() -> Company:
    return Company()


def test_a_room_serves_them_beside_sockets_and_encodes_once_for_their_generation(company: Company) -> None:
    company.server.emit("news", 1, to="lobby")
    assert company.received() == [[("news", 1)]] * 3 + [[b"/ news"]] * 2
    assert company.codec.written == 1
    company.server.emit("news", 2, to=["lobby", "one"], except_=[company.pairs[0].socket, "two"])
    assert company.received() == [[]] + [[("news", 2)]] * 2 + [[b"/ news"], []]


def test_they_are_served_where_all_members_are_of_one_generation() -> None:
    """That is the short way of a fan-out, which writes to sessions."""
    server = Server()
    pair = Pair(server)
    listener = Listener(server, "one", ENGINEIO_4)
    server.emit("news")
    assert (pair.peer.events(), listener.take()) == ([("news",)], [b'42["news"]'])
    server.emit("news", to="one")
    assert (pair.peer.events(), listener.take()) == ([], [b'42["news"]'])
    server.disconnect(to="one")
    server.emit("news")
    assert (pair.peer.events(), listener.take()) == ([("news",)], [])


def test_one_with_a_session_of_its_own_row_needs_no_push(company: Company) -> None:
    pair = Pair(company.server)
    subscriber = Subscriber("subscriber", company.row, company.server.of("/"))
    subscriber.session = pair.socket._member.session
    company.server.of("/").admit(subscriber)
    company.server.emit("news", to="subscriber")
    assert pair.peer.take() == ["/ news"]


def test_what_their_codec_cannot_carry_is_an_error_and_nobody_gets_anything(company: Company) -> None:
    with pytest.raises(TypeError, match="the event 'unspeakable' cannot be sent: there is no word for it"):
        company.server.emit("unspeakable", to="lobby")
    assert company.received() == [[]] * 5


def test_another_thread_serves_them_too_and_not_who_came_since(company: Company) -> None:
    clock, posted = company.clock, list[Any]()
    codec: Any = Plain()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "foreign", lambda: True)
        patch.setattr(clock, "soon", lambda function, *args: posted.append((function, args)))
        company.server.emit("news", to="lobby")
    late = Listener(company.server, "late", replace(company.row, socketio=codec))
    late.join(["lobby"])
    [(function, args)] = posted
    function(*args)
    assert company.received() == [[("news",)]] * 3 + [[b"/ news"]] * 2
    assert (late.take(), codec.written) == ([], 0)


def test_they_are_members_and_no_sockets(company: Company) -> None:
    server = company.server
    sockets = [pair.socket for pair in company.pairs]
    assert server.stats().sockets == {"/": 5}
    assert server.sockets(to="lobby") == sockets
    assert [one.id for one in server.fetch_sockets().result().sockets] == [socket.id for socket in sockets]


def test_one_that_cannot_answer_is_missing_in_a_call(company: Company) -> None:
    replies = company.server.call("who", to=["one", company.pairs[2].socket])
    company.pairs[2].peer.acknowledge(1, "me")
    assert replies.result().answers == {company.pairs[2].socket.id: "me"}
    assert replies.result().missing == ("one",)
    assert company.one.take() == []


def test_they_enter_and_leave_rooms_as_sockets_do(company: Company) -> None:
    server = company.server
    server.leave("lobby", to="one")
    server.join("attic", "one", to="one")
    assert company.one.rooms == {"attic": None}
    server.emit("news", to="lobby")
    assert (company.one.take(), company.two.take()) == ([], [b"/ news"])
    with pytest.raises(ValueError, match=re.escape("'two' is the id of another socket")):
        server.join("two", to="one")
    server.close_room("attic")
    server.emit("news", to="attic")
    assert company.one.take() == []


def test_one_that_has_left_gets_nothing_and_its_codec_is_asked_no_more(company: Company) -> None:
    server = company.server
    server.disconnect(to=["one", "two"])
    assert [listener.reasons for listener in company.listeners] == [[Reason.SERVER_DISCONNECT]] * 2
    company.one.join(["lobby"])
    server.emit("news", to=["lobby", "one"])
    assert company.received() == [[("news",)]] * 3 + [[], []]
    assert company.codec.written == 0
    assert server.stats().sockets == {"/": 3}


def test_those_that_no_session_tells_of_the_end_are_told_by_the_server(company: Company) -> None:
    reasons = list[Reason]()
    company.server.on_disconnect(lambda socket, reason: reasons.append(reason))
    company.server.close()
    assert company.one.reasons == [Reason.SHUTDOWN]
    assert reasons == [Reason.SHUTDOWN] * 3
    assert (company.server.stats().sockets, company.server.stats().rooms) == ({"/": 0}, {"/": 0})


def test_another_loop_begins_without_those_of_the_one_before(company: Company) -> None:
    company.clock.is_over = lambda *, idle: True  # type: ignore[method-assign]
    company.server.engine.bind(Clock())
    assert company.one.reasons == [Reason.SHUTDOWN]


def test_a_dynamic_namespace_lives_as_long_as_one_is_in_it(company: Company) -> None:
    family = company.server.of(re.compile("/room-.*"))
    listener = Listener(company.server, "three", company.row, "/room-1")
    assert [namespace.name for namespace in family.namespaces()] == ["/room-1"]
    family.emit("news")
    assert listener.take() == [b"/room-1 news"]
    family.namespaces()[0].disconnect()
    assert (family.namespaces(), listener.reasons) == ([], [Reason.SERVER_DISCONNECT])


def test_a_socket_that_has_left_is_known_by_no_member(generation: Generation) -> None:
    """An event that is still being handled keeps the member, and with it the socket for `on_error`."""
    server, errors = Server(), list[Any]()
    pair = Pair(server, generation=generation)
    socket, member = pair.socket, pair.socket._member
    assert (member.socket, type(member)) == (socket, SocketMember)
    server.on_error(lambda socket, event, error: errors.append((socket, event)))

    @server.on("say")
    def say(socket: Any) -> None:
        socket.disconnect()
        raise RuntimeError("it is too late")

    socket.join("lobby")
    pair.peer.emit("say")
    assert errors == [(socket, "say")]
    assert socket._member is not member
    assert not hasattr(socket._member, "socket")
    assert (socket.gone, socket.rooms, socket.id) == (True, frozenset(["lobby"]), member.id)


def test_a_client_that_does_nothing_costs_a_member_and_a_socket_and_no_more(generation: Generation) -> None:
    socket = Pair(Server(), generation=generation).socket
    member = socket._member
    assert (member.acks, member.early, member.queue, member.rooms, socket._data) == (None,) * 5
    assert not hasattr(member, "__dict__")
    assert not hasattr(socket, "__dict__")
