"""Clients of Socket.IO 0.7 to 0.9 at the same handlers and in the same rooms as all others."""

import asyncio
from typing import Any

import pytest

from waterspout import ConnectRefused, Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.testing import Clock, OldPair, OldPeer, OldPolling, Pair, Peer
from waterspout.types import Reason
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4

TRANSPORTS = ("websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def heard_by(server: Server, event: str = "message", namespace: str = "/") -> list[Any]:
    """Let a handler keep what comes, and return its list."""
    heard: list[Any] = []

    @server.on(event, namespace=namespace)
    def keep(socket: Socket, *args: Any) -> Any:
        heard.append(args)
        return args

    return heard


def news(peer: OldPeer) -> list[str]:
    return [packet for packet in peer.take() if packet not in ("8::", "1::")]


# How it ends


def test_a_connection_that_is_ended_is_ended_alike_in_all_its_namespaces(server: Server, transport: str) -> None:
    told: list[tuple[str, str]] = []
    for name in ("/", "/chat", "/news"):
        server.of(name).on_disconnect(lambda socket, reason: told.append((socket.namespace, reason)))
    pair = OldPair(server, transport=transport)
    for name in ("/chat", "/news"):
        pair.peer.connect(name)
    pair.socket.disconnect(close=True)
    assert told == [(name, "server namespace disconnect") for name in ("/", "/chat", "/news")]


# What comes


def test_send_json_and_emit_come_to_the_same_handlers(server: Server, transport: str) -> None:
    messages, said = heard_by(server), heard_by(server, "say")
    peer = OldPair(server, transport=transport).peer
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
    peer = OldPair(server).peer
    peer.emit("say", {name: 1}, id=1)
    peer.emit("count", {name: 1, "x": 2}, id=2)
    peer.emit("count", {name: 1}, {name: 2}, id=3)
    assert news(peer)[:2] == [f'6:::1+[{{"{name}":1}}]', "6:::2+[2]"]
    assert peer.closed is None
    assert heard == [({name: 1},)]


def test_an_answer_is_what_the_handler_returns(server: Server, transport: str) -> None:
    @server.on("none")
    def none(socket: Socket) -> None: ...

    @server.on("one")
    def one(socket: Socket) -> list[int]:
        return [1, 2]

    @server.on("two")
    def two(socket: Socket) -> tuple[str, str]:
        return "a+b", "c"

    peer = OldPair(server, transport=transport).peer
    for number, name in enumerate(("none", "one", "two"), 7):
        peer.emit(name, id=number)
    assert news(peer) == ["6:::7", "6:::8+[[1,2]]", '6:::9+["a+b","c"]']


def test_a_handler_that_raises_ends_nothing_and_what_comes_later_is_heard(server: Server, transport: str) -> None:
    failures: list[str] = []

    @server.on("boom")
    def boom(socket: Socket) -> None:
        raise ValueError("of the user")

    @server.on_error
    def told(socket: Socket, event: str, error: Exception) -> None:
        failures.append(event)

    said = heard_by(server, "say")
    peer = OldPair(server, transport=transport).peer
    peer.emit("boom", id=1)
    peer.emit("say", "later")
    assert said == [("later",)]
    assert failures == ["boom"]
    assert peer.closed is None
    assert news(peer) == []  # what was asked for is not answered


def test_a_receipt_comes_before_anybody_looks_at_the_message(server: Server, transport: str) -> None:
    @server.on("message")
    def answer(socket: Socket, text: str) -> str:
        socket.emit("seen", text)
        return "is not sent"

    peer = OldPair(server, transport=transport).peer
    peer.say("x", id=5, receipt=True)
    assert news(peer) == ["6:::5", '5:::{"name":"seen","args":["x"]}']
    peer.send("5:6::" + '{"name":"nobody listens"}', "3:7:/unknown:x")
    assert news(peer) == ["6:::6", "6::/unknown:7"]


def test_the_server_asks_and_the_client_answers(server: Server, transport: str) -> None:
    pair = OldPair(server, transport=transport)
    asked = pair.socket.call("question", 1)
    (question,) = news(pair.peer)
    assert question == '5:1+::{"name":"question","args":[1]}'
    pair.peer.acknowledge(99, "unknown")
    pair.peer.send('6:::1+["a+b",2]')
    assert asked.result() == ("a+b", 2)
    pair.peer.send('6:::1+["again"]')
    assert pair.socket.connected


def test_a_call_to_a_room_gathers_the_answers_of_all_generations(server: Server, transport: str) -> None:
    old, modern = OldPair(server, transport=transport), Pair(server)
    asked = server.call("q")
    assert news(old.peer) == ['5:1+::{"name":"q"}']
    old.peer.acknowledge(1, "old")
    modern.peer.acknowledge(1, "new")
    replies = asked.result()
    assert set(replies.answers.values()) == {"old", "new"}
    assert not replies.missing


# Rooms


def test_rooms_mix_the_generations(server: Server, transport: str) -> None:
    @server.on("join")
    def join(socket: Socket, room: str) -> None:
        socket.join(room)

    @server.on("shout")
    def shout(socket: Socket, *args: Any) -> None:
        socket.broadcast("shout", *args, to="room")

    old, stranger = OldPair(server, transport=transport), OldPair(server, transport=transport)
    others = [Pair(server, generation=row, transport=way) for row in (ENGINEIO_3, ENGINEIO_4)
              for way in ("polling", "websocket")]  # fmt: skip
    pairs: list[Any] = [old, *others]
    for pair in pairs:
        pair.peer.emit("join", "room")
    others[0].peer.emit("shout", "é😀", 1)
    old.peer.emit("shout", "from the past")
    assert news(old.peer) == ['5:::{"name":"shout","args":["\\u00e9\\ud83d\\ude00",1]}']
    assert news(stranger.peer) == []
    for pair in others:
        received = [packet for packet in pair.peer.take() if "past" in str(packet)]
        assert received == ['42["shout","from the past"]']


def test_bytes_come_to_an_old_client_as_base64_and_leave_nobody_unserved(server: Server, transport: str) -> None:
    old, modern = OldPair(server, transport=transport), Pair(server)
    server.emit("file", {"data": b"\0\xff"})
    (packet,) = news(old.peer)
    assert '"AP8="' in packet
    assert modern.peer.take()[1] == b"\0\xff"


def test_leaving_empties_the_rooms(server: Server, transport: str) -> None:
    pair = OldPair(server, transport=transport)
    pair.socket.join("room")
    pair.peer.leave()
    assert not server.sockets()
    assert server.stats().rooms == {"/": 0}
    assert server.stats().sessions == {}


# Namespaces, which these clients call endpoints


@pytest.mark.parametrize("knock", ["1::/chat?name=ada&x=1", "1::/chat:?name=ada&x=1"])
def test_an_endpoint_is_entered_with_its_query(server: Server, transport: str, knock: str) -> None:
    seen: list[Any] = []

    @server.of("/chat").on_connect
    def connect(socket: Socket, auth: Any) -> None:
        seen.append(auth)

    heard = heard_by(server, "say", "/chat")
    peer = OldPair(server, transport=transport).peer
    peer.send(knock, '5::/chat:{"name":"say","args":["hello"]}')
    assert news(peer) == ["1::/chat"]
    assert seen == [{"name": "ada", "x": "1"}]
    assert heard == [("hello",)]
    server.of("/chat").emit("back", 1)
    assert news(peer) == ['5::/chat:{"name":"back","args":[1]}']


def test_the_query_and_the_cookies_of_the_handshake_are_the_connect_handlers(server: Server, transport: str) -> None:
    seen: list[Any] = []

    @server.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        seen.append((auth, socket.request.param("user"), socket.request.cookies, socket.request.remote_address))

    OldPair(server, transport=transport, query="user=ada", headers=[("Cookie", "a=b")])
    assert seen == [({"user": "ada"}, "ada", {"a": "b"}, "127.0.0.1")]


def test_a_client_may_speak_before_it_has_entered(server: Server, transport: str) -> None:
    async def main() -> list[Any]:
        server.engine.bind(AsyncioDriver())
        heard = heard_by(server, "say", "/slow")
        entered: list[Any] = []

        @server.of("/slow").on_connect
        async def connect(socket: Socket, auth: Any) -> None:
            await asyncio.sleep(0)
            entered.append(socket)

        peer = OldPeer(server, transport="websocket")
        peer.connect("/slow")
        for number in range(100):
            peer.emit("say", number, namespace="/slow")
        assert not entered
        while len(heard) < 100:
            await asyncio.sleep(0)
        return heard

    assert asyncio.run(main()) == [(number,) for number in range(100)]


def test_who_speaks_where_it_cannot_enter_is_told_and_stays_connected(server: Server, transport: str) -> None:
    @server.of("/closed").on_connect
    def refuse(socket: Socket, auth: Any) -> bool:
        return False

    pair = OldPair(server, transport=transport)
    for namespace in ("/nowhere", "/closed"):
        pair.peer.connect(namespace)
        pair.peer.emit("say", 1, namespace=namespace)
        pair.peer.say("x", namespace=namespace)
        pair.peer.leave(namespace)
    assert news(pair.peer) == ["7::/nowhere:", "7::/closed:2"]
    assert pair.socket.connected


def test_a_client_leaves_an_endpoint_and_comes_back(server: Server, transport: str) -> None:
    chat = server.of("/chat")
    left: list[Any] = []
    chat.on_disconnect(lambda socket, reason: left.append(reason))
    pair = OldPair(server, transport=transport)
    pair.peer.connect("/chat")
    pair.peer.leave("/chat")
    assert left == [Reason.CLIENT_DISCONNECT]
    assert pair.socket.connected
    pair.peer.connect("/chat")
    chat.disconnect()
    assert news(pair.peer) == ["1::/chat", "1::/chat", "0::/chat"]
    assert left == [Reason.CLIENT_DISCONNECT, Reason.SERVER_DISCONNECT]
    assert pair.socket.connected


# The way in, and out


@pytest.mark.parametrize("refusal", [False, ConnectRefused({"why": 1}, message="No")])
def test_a_refused_client_is_told_and_does_not_try_again(server: Server, transport: str, refusal: Any) -> None:
    @server.on_connect
    def refuse(socket: Socket, auth: Any) -> Any:
        if isinstance(refusal, Exception):
            raise refusal
        return refusal

    server.engine.bind(Clock())
    peer = OldPeer(server, transport=transport)
    assert peer.take() == ["7:::2", "0::"]
    assert server.stats().sessions == {}
    assert not server.sockets()


@pytest.mark.parametrize("close", [False, True])
def test_the_server_ends_it(server: Server, transport: str, close: bool) -> None:
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append((socket.namespace, reason)))
    server.of("/chat").on_disconnect(lambda socket, reason: left.append((socket.namespace, reason)))
    pair = OldPair(server, transport=transport)
    pair.peer.connect("/chat")
    pair.peer.take()
    pair.socket.emit("last words")
    pair.socket.disconnect(close=close)
    assert news(pair.peer)[:2] == ['5:::{"name":"last words"}', "0::"]
    assert [namespace for namespace, _ in left] == ["/", "/chat"]
    assert left[0] == ("/", Reason.SERVER_DISCONNECT)
    assert server.stats().sessions == {}


def test_the_client_ends_it_and_its_disconnect_handlers_run_once(server: Server, transport: str) -> None:
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    server.of("/chat").on_disconnect(lambda socket, reason: left.append(reason))
    pair = OldPair(server, transport=transport)
    pair.peer.connect("/chat")
    pair.peer.leave()
    pair.peer.ask("GET", f"//{pair.peer.sid}/?disconnect=1")
    assert left == [Reason.CLIENT_DISCONNECT] * 2


@pytest.mark.parametrize("other", TRANSPORTS)
def test_a_socket_survives_its_transport(server: Server, transport: str, other: str) -> None:
    left: list[Any] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    heard = heard_by(server)
    pair = OldPair(server, transport=transport)
    pair.socket.join("room")
    server.emit("before", to="room")
    pair.peer.lose()
    server.emit("between", to="room")
    answer = pair.socket.call("question")
    pair.peer.switch(other)
    pair.socket.emit("after")
    names = ["before", "between", "question", "after"]
    assert [packet.split('"name":"')[1].split('"')[0] for packet in news(pair.peer)] == names
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
    pair = OldPair(server, transport=transport, polls=False)
    pair.socket.join("room")
    pair.peer.lose()
    pair.clock.advance(4.9)
    assert pair.socket.connected
    pair.clock.advance(0.2)
    assert left == [Reason.TRANSPORT_CLOSE]
    assert server.stats().rooms == {"/": 0}
    assert len(server.engine.deadlines) == 0


def test_a_get_is_held_as_long_as_the_option_says() -> None:
    pair = OldPair(Server(poll_hold=3), transport="xhr-polling", polls=False)
    assert isinstance(pair.peer.carrier, OldPolling)
    pair.peer.carrier.poll()
    pair.clock.advance(3)
    assert pair.peer.take() == ["8::"]


def test_a_closing_server_lets_all_go(server: Server, transport: str) -> None:
    pair, visitor = OldPair(server, transport=transport), OldPeer(server, transport=None)
    closing = server.close()
    pair.clock.advance(1)
    assert closing.done
    assert "0::" not in pair.peer.take()  # they are to come back, to whoever serves then
    assert not server.engine.sessions
    assert visitor.ask("GET", "/").status == 503


# Told apart


def test_a_socket_says_what_its_client_speaks(server: Server, transport: str) -> None:
    pair = OldPair(server, transport=transport)
    assert (pair.socket.generation, pair.socket.transport) == ("Socket.IO 1", transport)
    assert server.stats().sessions == {"Socket.IO 1": {transport: 1}}


def test_the_id_of_a_session_is_told_to_nobody_else(server: Server, transport: str) -> None:
    pair = OldPair(server, transport=transport)
    other: Peer = Pair(server).peer
    server.of("/chat")
    pair.peer.connect("/chat")
    pair.peer.say("x", id=1)
    server.emit("all", pair.socket.transport)
    carrier = pair.peer.carrier
    said = [*pair.peer.take(), *other.take()]
    if isinstance(carrier, OldPolling):
        said += [str((answer.headers, answer.body)) for answer in carrier.responses]
    assert not [packet for packet in said if pair.peer.sid in str(packet)]


def test_all_endpoints_share_a_rate_also_after_they_were_left(transport: str) -> None:
    server, calls = Server(max_events_per_second=3), list[str]()
    chat = server.of("/chat")
    chat.on_connect(lambda socket, auth: calls.append("connect"))
    chat.on("say")(lambda socket: calls.append("say"))
    peer = OldPair(server, transport=transport).peer
    for _ in range(10):
        peer.send("1::/chat", '5::/chat:{"name":"say"}', "3::/chat:a message", "0::/chat")
    assert calls == ["connect", "say"]  # the message has no handler, but counts
    assert news(peer)[-1] == "7::/chat:2"


def test_hooks_see_old_clients_like_all_others(transport: str) -> None:
    server = Server(max_events_per_second=2)
    errors: list[Any] = []
    server.on_error(lambda socket, event, error: errors.append((event, str(error))))

    @server.on("typed")
    def typed(socket: Socket, number: int) -> int:
        return number

    peer = OldPair(server, transport=transport).peer
    peer.emit("typed", "no number", id=1)
    peer.emit("typed", 1, id=2)
    answers = news(peer)
    assert answers[1] == "6:::2+[1]"
    assert errors[0][0] == "typed"
