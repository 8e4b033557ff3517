"""Acting on many: who is found, moved, sent away and asked; here, on other nodes, and from other threads."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from server.stranger import Stranger
from turns import turn, until
from waterspout import Server, Socket
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.server.cluster import Broadcast, BusDisconnect, Join, Leave
from waterspout.server.rooms import Audience, Rooms
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, Pair, Peer, WebSocketCarrier
from waterspout.wire.packets import Event

ALL = [(SOCKETIO_1, "xhr-polling"), (ENGINEIO_3, "websocket"), (ENGINEIO_4, "polling"), (ENGINEIO_4, "websocket")]


@pytest.fixture
def four(server: Server) -> list[Pair]:
    """Clients of all generations over polling and WebSockets: all in "all", two in "red"."""
    pairs = [Pair(server, generation=row, transport=transport) for row, transport in ALL]
    for number, pair in enumerate(pairs):
        pair.socket.join("all", *(["red"] if number % 2 else []))
    return pairs


def heard(pairs: list[Pair]) -> list[int]:
    return [number for number, pair in enumerate(pairs) if pair.peer.take()]


def test_sockets_are_found_by_room_id_and_exception(server: Server, four: list[Pair]) -> None:
    one, two, three, last = (pair.socket for pair in four)
    assert server.sockets() == server.sockets(to="all") == [one, two, three, last]
    assert server.sockets(to="red") == [two, last]
    assert server.sockets(to=["red", one.id]) == [two, last, one]
    assert server.sockets(except_="red") == [one, three]
    assert server.sockets(to="all", except_=[one, last.id]) == [two, three]
    assert server.sockets(to=[]) == server.sockets(to="nobody") == []


@pytest.mark.parametrize("to", [b"x", 1.5, object(), [None], [["x"]]])
def test_what_cannot_be_an_audience_is_refused_with_a_sentence(server: Server, four: list[Pair], to: Any) -> None:
    verbs: list[Callable[..., Any]] = [server.sockets, server.fetch_sockets, server.disconnect]
    for verb in verbs:
        with pytest.raises(TypeError, match="give a room, a socket, its id, or several of them"):
            verb(to=to)
    assert all(pair.socket.connected for pair in four)


@pytest.mark.parametrize("room", [None, 1.5, ["a"], ("a",), b"a"])
def test_what_can_be_no_room_is_refused_and_nobody_moves(server: Server, four: list[Pair], room: Any) -> None:
    socket = four[0].socket
    before = socket.rooms
    for verb in (socket.join, socket.leave, server.join, server.leave, server.close_room):
        with pytest.raises(TypeError, match="is not a room: "):
            verb(room)
    assert socket.rooms == before


def test_many_join_and_leave_at_once(server: Server, four: list[Pair]) -> None:
    server.join("blue", 7, to="red")
    assert [sorted(map(str, pair.socket.rooms)) for pair in four] == [["all"], ["7", "all", "blue", "red"]] * 2
    server.emit("x", to=7)
    assert heard(four) == [1, 3]
    server.leave("blue", to=four[1].socket.id)
    server.emit("x", to="blue")
    assert heard(four) == [3]
    server.join("everybody", except_="red")
    server.emit("x", to="everybody")
    assert heard(four) == [0, 2]


def test_a_room_is_closed_and_its_members_stay(server: Server, four: list[Pair]) -> None:
    server.close_room("red")
    assert server.sockets(to="red") == []
    assert all(pair.socket.rooms == {"all"} and pair.socket.connected for pair in four)
    assert server.stats().rooms == {"/": 1}
    server.close_room("nobody")


def test_nobody_joins_the_room_of_one_socket(server: Server, four: list[Pair]) -> None:
    with pytest.raises(ValueError, match="is the id of another socket"):
        server.join("blue", four[0].socket.id)
    assert server.sockets(to="blue") == []  # nobody was moved before it was found


@pytest.mark.parametrize("close", [False, True])
def test_many_are_sent_away_at_once(server: Server, four: list[Pair], close: bool) -> None:
    reasons: list[Any] = []
    server.on_disconnect(lambda socket, reason: reasons.append((socket.id, str(reason))))
    server.disconnect(to="red", close=close)
    assert [pair.socket.connected for pair in four] == [True, False, True, False]
    assert reasons == [(four[n].socket.id, "server namespace disconnect") for n in (1, 3)]
    assert all(four[n].peer.take()[0] == "41" for n in (1, 3))
    assert len(server.engine.sessions) == (2 if close else 4)


def test_a_disconnect_handler_may_act_on_the_room_that_is_sent_away(server: Server, four: list[Pair]) -> None:
    server.on_disconnect(lambda socket, reason: server.disconnect(to="all"))
    server.disconnect(to=four[0].socket.id)
    assert server.sockets() == []


# call


def test_a_room_is_asked_in_one_frame_for_each_generation(server: Server, four: list[Pair]) -> None:
    replies = server.call("who", 1, to="all", timeout=5)
    assert [pair.peer.pick(Event, "/") for pair in four] == [[Event("/", "who", [1], 1)]] * 4
    for number, pair in enumerate(four):
        assert not replies.done
        pair.peer.acknowledge(1, *range(number))
    result = replies.result()
    assert list(result.answers.values()) == [None, 0, (0, 1), (0, 1, 2)]
    assert list(result.answers) == [pair.socket.id for pair in four]
    assert result.missing == ()


def test_websockets_of_a_generation_share_the_bytes_of_a_question(server: Server) -> None:
    pairs = [Pair(server) for _ in range(3)]
    server.call("who", b"\x01")
    carriers = [pair.peer.carrier for pair in pairs]
    last = [carrier.written[-1] for carrier in carriers if isinstance(carrier, WebSocketCarrier)]
    assert last[0] is last[1] is last[2]


def test_who_does_not_answer_or_leaves_is_missing(server: Server, four: list[Pair]) -> None:
    replies = server.call("who", to="all", timeout=5)
    four[0].peer.acknowledge(1, "me")
    four[1].peer.lose()
    four[2].socket.disconnect()
    assert not replies.done
    four[3].clock.advance(4.9)
    assert not replies.done
    four[3].clock.advance(0.2)
    assert replies.result().answers == {four[0].socket.id: "me"}
    assert replies.result().missing == tuple(four[n].socket.id for n in (1, 2, 3))
    four[3].peer.acknowledge(1, "late")
    assert len(replies.result().answers) == 1


def test_nobody_has_answered_at_once(server: Server, four: list[Pair]) -> None:
    assert server.call("who", to="nobody").result().missing == ()
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="give a number of seconds above 0"):
            server.call("who", timeout=wrong)
    with pytest.raises(TypeError, match="the event 'who' cannot be sent"):
        server.call("who", object())
    assert heard(four) == []


def test_an_answer_may_cause_the_next_question(server: Server, four: list[Pair]) -> None:
    asked: list[Any] = []
    first = server.call("one", to=four[0].socket.id)
    first.add_done_callback(lambda done: asked.append(server.call("two", to="all")))
    four[0].peer.acknowledge(1)
    assert len(asked) == 1
    assert [pair.peer.pick(Event, "/")[-1] for pair in four] == [Event("/", "two", [], 2)] * 4


# fetch_sockets


def test_who_is_here_is_told_as_values(server: Server, four: list[Pair]) -> None:
    four[1].socket.data["name"] = "Ada"
    presence = server.fetch_sockets(to="red").result()
    assert [(one.id, one.transport, one.generation) for one in presence.sockets] == [
        (four[1].socket.id, "websocket", "Engine.IO 3"), (four[3].socket.id, "websocket", "Engine.IO 4"),
    ]  # fmt: skip
    assert presence.sockets[0].data == {"name": "Ada"}
    assert presence.sockets[0].rooms == {"all", "red"}
    assert presence.sockets[0].remote_address == "127.0.0.1"
    assert presence.missing == ()
    four[1].socket.data["name"] = "Bob"
    assert presence.sockets[0].data == {"name": "Ada"}


# Other threads


def test_every_verb_of_many_may_be_called_from_another_thread() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        family = server.of(lambda name, auth: True)
        peers = [Peer(server, generation=row) for row in (ENGINEIO_3, ENGINEIO_4)]
        peers[1].connect()
        sockets = server.sockets()
        for peer in peers:
            peer.take()

        def act() -> Any:
            server.join("red", to=[socket.id for socket in sockets])
            server.emit("x", to="red", volatile=True, latest="k", compress=False)
            family.emit("y")
            replies = server.call("who", to="red", timeout=5)
            assert server.stats().sockets == {"/": 2}
            assert server.describe()["/"] == []
            assert server.sockets(to="nobody", except_="x") == []
            presence = server.fetch_sockets(to="red").wait(10)
            assert len(presence.sockets) == 2
            answered = replies.wait(10)
            server.close_room("red")
            server.disconnect(except_=sockets[0].id)
            return answered

        async def answer() -> None:
            for peer in peers:
                got: list[Any] = []
                while len(got) < 2:
                    await turn()
                    got.extend(peer.take())
                assert got == ['42["x"]', '421["who"]']
                peer.acknowledge(1, "me")

        answering = asyncio.create_task(asyncio.wait_for(answer(), 20))
        answered = await asyncio.to_thread(act)
        await answering
        assert sorted(answered.answers.values()) == ["me", "me"]
        await until(lambda: sockets[1].gone)
        assert sockets[0].connected
        assert sockets[0].rooms == set()

    asyncio.run(main())


# Other nodes


class Nodes:
    def __init__(self, **options: Any) -> None:
        bus, self.clock = MemoryBus(), Clock()
        self.servers = [Server(adapter=MemoryAdapter(bus), driver=self.clock, **options) for _ in range(2)]
        self.here, self.there = (Pair(server) for server in self.servers)
        self.stranger = Stranger(bus, self.clock)


def test_what_is_done_to_many_is_done_on_all_nodes() -> None:
    nodes = Nodes()
    here, there, server = nodes.here.socket, nodes.there.socket, nodes.servers[0]
    server.join("red", 7)
    assert here.rooms == there.rooms == {"red", 7}
    server.leave("red", to=there.id)
    assert [here.rooms, there.rooms] == [{"red", 7}, {7}]
    server.leave(7, except_=here)
    assert [here.rooms, there.rooms] == [{"red", 7}, set()]
    nodes.servers[1].close_room("red")
    assert here.rooms == {7}
    server.disconnect(to=there.id)
    assert (here.connected, there.connected) == (True, False)
    nodes.servers[1].disconnect(close=True)
    assert nodes.here.peer.closed is not None
    assert nodes.clock.reports == []


def test_how_a_message_waits_is_the_same_on_all_nodes() -> None:
    nodes = Nodes(per_message_deflate=True)
    carrier = nodes.there.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    carrier.blocked = True
    for number in range(3):
        nodes.servers[0].emit("price", number, latest="k")
        nodes.servers[0].emit("noise", number, volatile=True)
    carrier.unblock()
    assert nodes.there.peer.events() == [("price", 2)]
    assert nodes.servers[1].stats().dropped == 3
    peer = Pair(nodes.servers[1], extensions="permessage-deflate").peer
    assert isinstance(peer.carrier, WebSocketCarrier)
    for compress in (True, False):
        nodes.servers[0].emit("x", "y" * 5000, compress=compress)
        assert bool(peer.carrier.written[-1][0] & 0x40) is compress


def test_a_dynamic_namespace_is_reached_where_it_has_clients() -> None:
    nodes = Nodes()
    for server in nodes.servers:
        server.of(re.compile("/room-.*"))
    nodes.there.peer.connect("/room-1")
    nodes.there.peer.take()
    nodes.servers[0].of("/room-1").emit("x")
    assert nodes.there.peer.events("/room-1") == [("x",)]
    nodes.servers[0].of("/room-2").disconnect()
    assert nodes.clock.reports == []


def test_what_a_stranger_says_ends_nothing_and_is_reported_once() -> None:
    nodes = Nodes()
    there = nodes.there.socket
    other = Pair(nodes.servers[1]).socket
    nodes.stranger.say(Join([there.id, "red"], namespace="/"))  # ValueError: the id of another
    nodes.stranger.say(Broadcast("e", [], namespace="/nowhere"))
    nodes.stranger.say(Leave(["nowhere"], namespace="/", to=("nobody",)))
    nodes.stranger.say(BusDisconnect(namespace="/", to=("nobody",)))
    nodes.stranger.publish("waterspout/socket.io", b"\xc1")
    assert there.rooms == other.rooms == set()
    assert there.connected
    assert len([text for text, _ in nodes.clock.reports if "from the bus" in text]) == 2  # once on each node
    nodes.servers[0].emit("x")
    assert nodes.there.peer.events() == [("x",)]


def test_what_only_the_bus_cannot_carry_is_refused_before_anybody_is_served() -> None:
    nodes = Nodes()
    for act in (lambda: nodes.servers[0].emit("x", 2**70), lambda: nodes.servers[0].emit("x", to=2**70)):
        with pytest.raises(TypeError, match="the event 'x' cannot be sent to other nodes"):
            act()
    assert nodes.here.peer.take() == nodes.there.peer.take() == []


def test_a_socket_of_a_class_is_found_and_moved_as_any_other(server: Server) -> None:
    class Chat(Socket):
        name = "Ada"

    server.register("/", Chat)
    pair = Pair(server)
    server.join("red")
    (found,) = server.sockets(to="red")
    assert isinstance(found, Chat)
    assert found is pair.socket


def test_members_may_come_from_another_thread_while_some_are_selected() -> None:
    rooms: Any = Rooms()

    class Member:
        def __init__(self, id: str) -> None:
            self.id = id

        def __hash__(self) -> int:
            if self.id == "b" and selecting:
                rooms.admit(Member("d"))  # what a thread would do in between
            return 1

    selecting = False
    for name in "abc":
        rooms.admit(Member(name))
    whom = Audience(None, ("a",))
    selecting = True
    assert [member.id for member in rooms.select(whom)] == ["b", "c"]
