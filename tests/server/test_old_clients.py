"""What only clients of Socket.IO 0.7 to 0.9 have, over all their transports; what all have is tested with all."""

import asyncio
from typing import Any

import pytest

from waterspout import Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.testing import SOCKETIO_1, Pair, Peer, PollingCarrier
from waterspout.types import Reason
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

TRANSPORTS = ("websocket", "hixie", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def pair(server: Server, transport: str) -> Pair:
    """A client of 0.9 over each transport."""
    return Pair(server, generation=SOCKETIO_1, transport=transport)


def heard_by(server: Server, event: str = "message", namespace: str = "/") -> list[Any]:
    """Let a handler keep what comes, and return its list."""
    heard: list[Any] = []

    @server.on(event, namespace=namespace)
    def keep(socket: Socket, *args: Any) -> Any:
        heard.append(args)
        return args

    return heard


# What comes


def test_send_json_and_emit_come_to_the_same_handlers(server: Server, pair: Pair) -> None:
    messages, said = heard_by(server), heard_by(server, "say")
    peer = pair.peer
    peer.say("text: with\nall 😀")
    peer.say("")
    peer.say({"a": [1, None]}, is_json=True)
    peer.emit("say", 1, "two", [3])
    peer.emit("say")
    assert messages == [("text: with\nall 😀",), ("",), ({"a": [1, None]},)]
    assert said == [(1, "two", [3]), ()]


@pytest.mark.parametrize("name", ["self", "socket", "args", "data", "id", "namespace", "__class__", ""])
def test_a_dictionary_of_a_client_is_one_argument_whatever_its_keys(server: Server, name: str) -> None:
    heard = heard_by(server, "say")

    class Counting(Socket):
        @event
        def count(self, data: dict[str, int]) -> int:
            return len(data)

    server.register("/", Counting)
    peer = Pair(server, generation=SOCKETIO_1).peer
    peer.emit("say", {name: 1}, id=1)
    peer.emit("count", {name: 1, "x": 2}, id=2)
    peer.emit("count", {name: 1}, {name: 2}, id=3)
    answers = peer.acks()
    assert (answers[1], answers[2], "error" in answers[3]) == ({name: 1}, 2, True)
    assert peer.closed is None
    assert heard == [({name: 1},)]


def test_a_receipt_comes_before_anybody_looks_at_the_message(server: Server, pair: Pair) -> None:
    @server.on("message")
    def answer(socket: Socket, text: str) -> str:
        socket.emit("seen", text)
        return "is not sent"

    peer = pair.peer
    peer.say("x", id=5, receipt=True)
    assert ["seen" in str(packet) for packet in peer.take()] == [False, True]
    peer.say("x", id=5, receipt=True)
    assert (peer.acks(), peer.events()) == ({5: None}, [("seen", "x")])
    peer.send("5:6::" + '{"name":"nobody listens"}', "3:7:/unknown:x")
    assert (peer.acks(), peer.acks("/unknown")) == ({6: None}, {7: None})


# Rooms


def test_rooms_mix_the_generations(server: Server, transport: str) -> None:
    @server.on("join")
    def join(socket: Socket, room: str) -> None:
        socket.join(room)

    @server.on("shout")
    def shout(socket: Socket, *args: Any) -> None:
        socket.broadcast("shout", *args, to="room")

    old, stranger = (Pair(server, generation=SOCKETIO_1, transport=transport) for _ in range(2))
    others = [Pair(server, generation=row, transport=way) for row in (ENGINEIO_3, ENGINEIO_4)
              for way in ("polling", "websocket")]  # fmt: skip
    for pair in (old, *others):
        pair.peer.emit("join", "room")
    others[0].peer.emit("shout", "é😀", 1)
    old.peer.emit("shout", "from the past")
    assert old.peer.events() == [("shout", "é😀", 1)]
    assert stranger.peer.events() == []
    for pair in others:
        assert pair.peer.events()[-1] == ("shout", "from the past")


def test_bytes_come_to_an_old_client_as_base64_and_leave_nobody_unserved(server: Server) -> None:
    pairs = [Pair(server, generation=row) for row in (SOCKETIO_1, ENGINEIO_4)]
    server.emit("file", {"data": b"\0\xff"})
    assert [pair.peer.events() for pair in pairs] == [[("file", {"data": data})] for data in ("AP8=", b"\0\xff")]


# Namespaces, which these clients call endpoints


@pytest.mark.parametrize("knock", ["1::/chat?name=ada&x=1", "1::/chat:?name=ada&x=1"])
def test_an_endpoint_is_entered_with_its_query(server: Server, pair: Pair, knock: str) -> None:
    seen: list[Any] = []

    @server.of("/chat").on_connect
    def connect(socket: Socket, auth: Any) -> None:
        seen.append(auth)

    heard = heard_by(server, "say", "/chat")
    pair.peer.send(knock, '5::/chat:{"name":"say","args":["hello"]}')
    assert pair.peer.take()[-1] == "1::/chat"
    assert seen == [{"name": "ada", "x": "1"}]
    assert heard == [("hello",)]
    server.of("/chat").emit("back", 1)
    assert pair.peer.events("/chat") == [("back", 1)]


def test_a_client_may_speak_before_it_has_entered(server: Server) -> None:
    async def main() -> list[Any]:
        server.engine.bind(AsyncioDriver())
        heard = heard_by(server, "say", "/slow")
        entered: list[Any] = []

        @server.of("/slow").on_connect
        async def connect(socket: Socket, auth: Any) -> None:
            await asyncio.sleep(0)
            entered.append(socket)

        peer = Peer(server, generation=SOCKETIO_1, transport="websocket")
        peer.connect("/slow")
        for number in range(100):
            peer.emit("say", number, namespace="/slow")
        assert not entered
        while len(heard) < 100:
            await asyncio.sleep(0)
        return heard

    assert asyncio.run(main()) == [(number,) for number in range(100)]


def test_who_speaks_where_it_cannot_enter_is_told_and_stays_connected(server: Server, pair: Pair) -> None:
    @server.of("/closed").on_connect
    def refuse(socket: Socket, auth: Any) -> bool:
        return False

    for namespace in ("/nowhere", "/closed"):
        pair.peer.connect(namespace)
        pair.peer.emit("say", 1, namespace=namespace)
        pair.peer.say("x", namespace=namespace)
        pair.peer.leave(namespace)
    assert [packet for packet in pair.peer.take() if packet != "8::"] == ["7::/nowhere:", "7::/closed:2"]
    assert pair.socket.connected


# The way in, and out


@pytest.mark.parametrize("close", [False, True])
def test_who_is_put_out_of_the_first_namespace_is_out_of_all(server: Server, transport: str, close: bool) -> None:
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append((socket.namespace, reason)))
    server.of("/chat").on_disconnect(lambda socket, reason: left.append((socket.namespace, reason)))
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    pair.peer.connect("/chat")
    pair.socket.emit("last words")
    pair.socket.disconnect(close=close)
    assert pair.peer.events() == [("last words",)]
    assert "0::" in pair.peer.take()
    assert [namespace for namespace, _ in left] == ["/", "/chat"]
    assert left[0] == ("/", Reason.SERVER_DISCONNECT)
    assert server.stats().sessions == {}


def test_the_client_ends_it_and_its_disconnect_handlers_run_once(server: Server, transport: str) -> None:
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    server.of("/chat").on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    pair.peer.connect("/chat")
    pair.peer.leave()
    pair.peer.ask("GET", f"//{pair.peer.sid}/?disconnect=1")
    assert left == [Reason.CLIENT_DISCONNECT] * 2


@pytest.mark.parametrize("other", ["websocket", "htmlfile", "jsonp-polling"])
def test_a_socket_survives_its_transport(server: Server, transport: str, other: str) -> None:
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    heard = heard_by(server)
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    pair.socket.join("room")
    server.emit("before", to="room")
    pair.peer.lose()
    server.emit("between", to="room")
    answer = pair.socket.call("question")
    pair.peer.switch(other)
    pair.socket.emit("after")
    assert pair.peer.events() == [("before",), ("between",), ("question",), ("after",)]
    pair.peer.acknowledge(1, "answer")
    pair.peer.say("still me")
    assert answer.result() == "answer"
    assert heard == [("still me",)]
    assert pair.socket.transport == other
    assert left == []


def test_who_does_not_come_back_leaves_its_rooms(transport: str) -> None:
    server = Server(resume_timeout=5)
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, generation=SOCKETIO_1, transport=transport, polls=False)
    pair.socket.join("room")
    pair.peer.lose()
    pair.clock.advance(4.9)
    assert pair.socket.connected
    pair.clock.advance(0.2)
    assert left == [Reason.TRANSPORT_CLOSE]
    assert server.stats().rooms == {"/": 0}
    assert len(server.engine.deadlines) == 0


def test_a_get_is_held_as_long_as_the_option_says() -> None:
    pair = Pair(Server(poll_hold=3), generation=SOCKETIO_1, transport="xhr-polling", polls=False)
    assert isinstance(pair.peer.carrier, PollingCarrier)
    pair.peer.carrier.poll()
    pair.clock.advance(3)
    assert pair.peer.take() == ["8::"]


def test_a_closing_server_lets_all_go(server: Server, transport: str) -> None:
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    visitor = Peer(server, generation=SOCKETIO_1, transport=None)
    closing = server.close()
    pair.clock.advance(1)
    assert closing.done
    assert "0::" not in pair.peer.take()  # they are to come back, to whoever serves then
    assert not server.engine.sessions
    assert visitor.ask("GET", "/").status == 503


# Told apart


def test_a_socket_says_what_its_client_speaks(server: Server, transport: str) -> None:
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    name = pair.peer.transport
    assert (pair.socket.generation, pair.socket.transport) == ("Socket.IO 1", name)
    assert server.stats().sessions == {"Socket.IO 1": {name: 1}}


def test_the_id_of_a_session_is_told_to_nobody_else(server: Server, transport: str) -> None:
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    other: Peer = Pair(server).peer
    server.of("/chat")
    pair.peer.connect("/chat")
    pair.peer.say("x", id=1)
    server.emit("all", pair.socket.transport)
    carrier = pair.peer.carrier
    said = [*pair.peer.take(), *other.take()]
    if isinstance(carrier, PollingCarrier):
        said += [str((answer.headers, answer.body)) for answer in carrier.responses]
    assert not [packet for packet in said if pair.peer.sid in str(packet)]


@pytest.mark.at_once  # a client that leaves before it is let in takes its events with it
def test_all_endpoints_share_a_rate_also_after_they_were_left(transport: str) -> None:
    server, calls = Server(max_events_per_second=3), list[str]()
    chat = server.of("/chat")
    chat.on_connect(lambda socket, auth: calls.append("connect"))
    chat.on("say")(lambda socket: calls.append("say"))
    peer = Pair(server, transport=transport, generation=SOCKETIO_1).peer
    for _ in range(10):
        peer.send("1::/chat", '5::/chat:{"name":"say"}', "3::/chat:a message", "0::/chat")
    assert calls == ["connect", "say"]  # the message has no handler, but counts
    assert peer.take()[-1] == "7::/chat:2"
