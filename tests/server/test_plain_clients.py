"""Limits, checks, steps, order, threads, nodes and memory: what holds for all clients holds for plain WebSockets."""

import asyncio
import gc
import logging
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server.plainhouse import House, entered, heard
from turns import until
from waits import waits
from waterspout import HandshakeRefused, Server, Socket, SocketClosed, event
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.errors import TooManyCalls
from waterspout.server.acks import Replies
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, EVENTS, SOCKETIO_1, Clock, Pair, Peer, Refused, admit
from waterspout.testing.links import HANDSHAKE
from waterspout.types import Request


@pytest.fixture
def house() -> House:
    return House()


# Limits


def test_a_client_is_read_no_further_while_its_calls_are_pending() -> None:
    house = House(max_calls=3)

    @house.chat.on("slow")
    async def slow(socket: Socket) -> None:
        await asyncio.sleep(1)

    client = house.come()
    heard(client)
    carrier: Any = client.carrier
    client.send(*(f'{{"event":"slow","id":{number}}}' for number in range(3)))
    assert carrier.paused
    client.send("{}")
    assert heard(client) == []
    house.clock.advance(1.1)
    assert not carrier.paused
    assert [message.get("id") for message in heard(client)] == [0, 1, 2, None]


def test_a_client_that_owes_too_many_answers_is_asked_nothing_more() -> None:
    house = House(max_pending_acks=2)
    client = house.come()
    [socket] = house.chat.sockets()
    asked = [socket.call("question") for _ in range(3)]
    with pytest.raises(TooManyCalls):
        asked[2].result()
    client.lose()
    with pytest.raises(SocketClosed):
        asked[0].result()


def test_one_namespace_is_enough_for_it() -> None:
    house = House(max_namespaces=1)
    house.chat.on_connect(lambda socket, auth: None)
    client = house.come()
    client.send('{"connect":{}}')
    assert entered(client)


def test_a_connect_handler_may_take_as_long_as_connect_timeout() -> None:
    house = House(connect_timeout=2)

    @house.chat.on_connect
    async def connect(socket: Socket, auth: Any) -> None:
        await asyncio.sleep(5)

    client = house.come(query="a=1")
    house.clock.advance(2.1)
    assert client.closed == 4401
    house.clock.advance(5)
    assert house.chat.sockets() == []
    assert waits(house.server.engine) == 0


@pytest.mark.parametrize("text", ['{"event":"x","id":1}', "{}", '{"event":"connect","id":1}'])
def test_who_floods_and_never_reads_is_cut(text: str) -> None:
    house = House(max_outbox_bytes=400)
    client = house.come()
    carrier: Any = client.carrier
    carrier.blocked = True
    most = 0
    for _ in range(300):
        client.send(text)
        most = max([most, *(session.outbox_bytes for session in house.server.engine.sessions.values())])
    assert client.closed == 1008
    assert most <= 400
    assert (house.server.engine.sessions, waits(house.server.engine)) == ({}, 0)


def test_a_message_above_the_limit_is_too_large_and_one_that_is_nested_is_none(house: House) -> None:
    house = House(max_payload_bytes=10_000)
    house.chat.on("say")(lambda socket, text: len(text))
    client, other = house.come(), house.come()
    heard(client)
    client.send(f'{{"event":"say","id":1,"data":"{"x" * 9960}"}}')
    assert heard(client) == [{"id": 1, "data": 9960}]
    client.send(f'{{"event":"say","id":1,"data":"{"x" * 9970}"}}')
    assert client.closed == 1009
    other.send(f'{{"event":"say","data":{"[" * 300}{"]" * 300}}}')
    assert other.closed == 4400


# Who may come


def test_on_handshake_is_asked_and_what_it_finds_is_kept(house: House) -> None:
    @house.server.on_handshake
    def check(request: Request) -> dict[str, str]:
        if request.param("token") != "good":
            raise HandshakeRefused(401, "who are you?")
        request.data["user"] = "ada"
        return {"Set-Cookie": "seen=1"}

    assert entered(house.come(query="token=good"))
    assert house.chat.sockets()[0].request.data == {"user": "ada"}
    asked = Request("GET", "/ws?token=good", [("Host", "here"), *HANDSHAKE], remote_address="192.0.2.1")
    decision: Any = admit(house.server.engine, asked)
    assert ("Set-Cookie", "seen=1") in decision.greeting.headers
    house.server.engine.abort(decision)
    with pytest.raises(Refused) as raised:
        house.come(query="token=bad")
    assert (raised.value.response.status, raised.value.response.body) == (401, b"who are you?")
    assert len(house.server.engine.sessions) == 1


def test_origins_and_hosts_are_those_that_the_options_allow() -> None:
    good, bad = ("Origin", "https://good.example"), ("Origin", "https://bad.example")
    house = House(cors_origins=[good[1]], allowed_hosts=["localhost"])
    assert entered(house.come(headers=[good]))
    for fields in ([bad], [good, ("Host", "bad.example")]):
        with pytest.raises(Refused) as raised:
            house.come(headers=fields)
        assert raised.value.response.status == 403


# What is told about it


def test_numbers_and_the_socket_name_it(house: House) -> None:
    house.come()
    house.come("/prices")
    assert house.server.stats().sessions == {"WebSocket": {"websocket": 2}}
    assert house.server.stats().sockets["/chat"] == 1
    [socket] = house.chat.sockets()
    assert (socket.generation, socket.transport) == ("WebSocket", "websocket")


def test_the_log_has_nothing_of_what_it_sends(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    @house.chat.on_connect
    def connect(socket: Socket, auth: Any) -> bool:
        return bool(auth != {"token": "SECRET"})

    house.chat.on("say")(lambda socket, text: None)
    house.come(query="token=SECRET")
    messages = ['{"connect":"SECRET"}', "SECRET", '{"SECRET":1}', '{"event":["SECRET"]}', '{"event":1,"data":"SECRET"}']
    for message in (*messages, '{"connect":{"token":"SECRET"}}', '{"event":"say","args":["SECRET","SECRET"]}'):
        house.come().send(message)
    with pytest.raises(Refused):
        house.come(query="token=SECRET", headers=[("Origin", "https://bad.example")])
    house.clock.advance(2)
    assert len(caplog.records) > 10
    assert not any("SECRET" in record.getMessage() for record in caplog.records)


def test_a_flood_of_unknown_events_writes_a_few_lines(house: House, caplog: pytest.LogCaptureFixture) -> None:
    client = house.come()
    client.send(*(f'{{"event":"unknown {number}","id":{number}}}' for number in range(100)))
    assert len(heard(client)) == 101
    assert len(caplog.records) == 10


# Handlers


class Chatter(Socket):
    def on_connect(self, auth: dict[str, Any]) -> None:
        self.name = auth["name"]

    @event
    def say(self, text: str) -> str:
        return f"{self.name}: {text}"


def test_a_class_serves_it_with_typed_events(house: House) -> None:
    place = house.server.register("/class", Chatter)
    house.server.expose("/class", place)
    client = house.come("/class")
    client.send('{"connect":{"name":"Ada"}}', '{"event":"say","data":"hi","id":1}', '{"event":"say","data":5,"id":2}')
    _, first, second = heard(client)
    assert first == {"id": 1, "data": "Ada: hi"}
    assert second["error"]["argument"] == "text"


def test_steps_and_the_handler_of_any_event_see_what_it_sends(house: House) -> None:
    seen: list[Any] = []
    house.chat.use(lambda socket, auth: seen.append(auth))
    house.chat.use_event(lambda socket, name, args: seen.append((name, args)))

    @house.chat.on_any
    def any_event(socket: Socket, name: str, *args: Any) -> int:
        seen.append((name, *args))
        return len(seen)

    client = house.come()
    assert heard(client) == []
    client.send('{"event":"a","args":[1,2],"id":7}')
    assert heard(client)[1:] == [{"id": 7, "data": 3}]
    assert seen == [{}, ("a", [1, 2]), ("a", 1, 2)]


def test_ordered_events_are_answered_in_their_order(house: House) -> None:
    @house.chat.on("wait", ordered=True)
    async def wait(socket: Socket, seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    client = house.come()
    heard(client)
    client.send(*(f'{{"event":"wait","data":{seconds},"id":"{seconds}"}}' for seconds in (3.5, 1.5)))
    house.clock.advance(10)
    assert heard(client) == [{"id": "3.5", "data": 3.5}, {"id": "1.5", "data": 1.5}]


# Others


def test_a_thread_emits_and_asks_in_mixed_rooms(house: House) -> None:
    server = house.server
    server.expose("/root", server.of("/"))
    plain = house.come("/root")
    others = [Pair(server, generation=row) for row in (SOCKETIO_1, ENGINEIO_3, ENGINEIO_4)]
    heard(plain)
    asked: list[Any] = []

    def work() -> None:
        server.emit("a", 1, b"x")
        server.emit("b", latest="key", compress=False)
        asked.append(server.of("/").call("q", timeout=5))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    house.clock.settle()
    *events, question = heard(plain)
    assert events == [{"event": "a", "args": [1, "eA=="]}, {"event": "b"}]
    for other in others:
        assert [one[0] for one in other.peer.events()] == ["a", "b", "q"]
    plain.send(f'{{"id":{question["id"]},"args":[1,2]}}')
    house.clock.advance(5.1)
    missing = tuple(other.socket.id for other in others)
    [socket] = [one for one in server.of("/").sockets() if one.generation == "WebSocket"]
    assert asked[0].result() == Replies({socket.id: (1, 2)}, missing)


def test_what_waits_for_a_slow_one_keeps_its_flags(house: House) -> None:
    client = house.come()
    carrier: Any = client.carrier
    carrier.blocked = True
    house.chat.emit("first")
    for number in range(3):
        house.chat.emit("price", number, latest="ACME")
        house.chat.emit("moved", number, volatile=True)
    carrier.unblock()
    assert heard(client)[1:] == [{"event": "first"}, {"event": "price", "data": 2}]


def test_it_hears_what_is_emitted_on_another_node() -> None:
    bus, clock = MemoryBus(), Clock()
    first, second = (Server(adapter=MemoryAdapter(bus), driver=clock) for _ in range(2))
    first.expose("/ws", first.of("/"))
    plain, other = Pair(first, generation=EVENTS, path="/ws"), Pair(second)
    plain.socket.join("room")
    other.socket.join("room")
    other.socket.broadcast("a", 1, to="room")
    plain.socket.broadcast("b", 2, to="room")
    clock.settle()
    assert plain.peer.events() == [("a", 1)]
    assert other.peer.events() == [("b", 2)]
    second.of("/").disconnect(to="room")
    clock.settle()
    assert plain.peer.closed == 4403


def test_a_function_that_runs_in_a_thread_answers_it() -> None:
    async def test() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        server.expose("/ws", server.of("/"))
        server.on("who", threaded=True)(lambda socket: threading.get_ident())
        peer = Peer(server, generation=EVENTS, path="/ws")
        peer.send('{"event":"who","id":1}')
        await until(lambda: len(peer.frames) == 2)
        [_, answer] = heard(peer)
        assert answer["data"] != threading.get_ident()
        await server.close()

    asyncio.run(test())


def test_a_namespace_of_a_pattern_lives_as_long_as_its_clients(house: House) -> None:
    rooms = house.server.of(re.compile(r"/room-[a-z]+"))
    rooms.on("where")(lambda socket: socket.namespace)

    @house.server.expose("/rooms/{name}")
    def enter(request: Request, name: str) -> Any:
        if not rooms.matches(f"/room-{name}"):
            raise HandshakeRefused(404)
        return house.server.of(f"/room-{name}")

    clients = [house.come("/rooms/a"), house.come("/rooms/a"), house.come("/rooms/%62")]
    clients[0].send('{"event":"where","id":1}')
    assert heard(clients[0])[1:] == [{"id": 1, "data": "/room-a"}]
    assert sorted(one.name for one in rooms.namespaces()) == ["/room-a", "/room-b"]
    clients.pop(0).lose()
    rooms.emit("still here")
    assert [heard(client)[1:] for client in clients] == [[{"event": "still here"}]] * 2
    for client in clients:
        client.close()
    del client, clients
    gc.collect()
    assert {name for name in house.server.stats().sockets if "room" in name} == set()
    for name in ("a%2Cb", "a%3Fb", "a%0Ab", "A", "a%2Fb"):
        with pytest.raises(Refused) as raised:
            house.come(f"/rooms/{name}")
        assert raised.value.response.status == 404


# Its end


def test_who_is_still_asked_about_when_the_server_ends_is_told_to_come_back(house: House) -> None:
    @house.chat.on_connect
    async def connect(socket: Socket, auth: Any) -> None:
        await asyncio.sleep(5)

    client = house.come(query="a=1")
    house.server.close()
    house.clock.advance(6)
    assert (heard(client), client.closed) == ([], 1001)
    assert waits(house.server.engine) == 0


ENDS: dict[str, Callable[[House, Peer], object]] = {
    "the connection is lost": lambda house, client: client.lose(),
    "the client closes": lambda house, client: client.close(),
    "the server disconnects it": lambda house, client: house.chat.disconnect(),
    "it is silent": lambda house, client: house.clock.advance(60),
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("end", ENDS)
def test_a_client_that_has_left_is_freed_without_the_garbage_collector(house: House, end: str) -> None:
    client = house.come()
    [socket] = house.chat.sockets()
    socket.join("room")
    socket.call("question")
    socket.subscribe(house.channel)
    left = weakref.ref(socket), weakref.ref(socket._member.session)
    ENDS[end](house, client)
    house.clock.settle()
    del client, socket
    assert [one() for one in left] == [None, None]
    assert waits(house.server.engine) == 0


@pytest.mark.usefixtures("no_collector")
def test_a_subscriber_that_has_left_is_freed_without_the_garbage_collector(house: House) -> None:
    left: list[weakref.ref[Any]] = []
    exposure = house.server.expose("/mine", [house.channel, house.news], max_age=100)
    exposure.on_subscribe(lambda subscriber: left.extend(map(weakref.ref, (subscriber, subscriber.session))))
    client = house.come("/mine", "fields=id,data")
    house.clock.settle()
    client.lose()
    house.clock.settle()
    del client
    assert [one() for one in left] == [None, None]
    assert (house.channel.count, waits(house.server.engine)) == (0, 0)


def test_all_clients_of_a_namespace_share_what_speaks_for_them(house: House) -> None:
    house.come()
    house.come()
    assert len({session.dialect for session in house.server.engine.sessions.values()}) == 1
