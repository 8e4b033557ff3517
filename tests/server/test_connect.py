"""How a client enters a namespace, or is kept out, and what waits until that is decided."""

import asyncio
from contextlib import suppress
from typing import Any

import pydantic
import pytest
from msgspec import Struct

from server.clients import is_told
from turns import events, packets, turn, until
from waterspout import ArgumentError, ConnectRefused, Reason, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.testing import SOCKETIO_1, ClientRefused, Clock, Pair, Peer, Refused
from waterspout.wire.generations import ENGINEIO_3, with_parser

OLDER = pytest.mark.parametrize("row", [SOCKETIO_1, ENGINEIO_3], ids=["1", "3"])


def knock(server: Server, clock: Clock | None = None, **client: Any) -> Peer:
    """Return a client that has asked to enter, and got its OPEN packet."""
    if clock is not None:
        server.engine.bind(clock)
    auth = client.pop("auth", None)
    peer = Peer(server, **client)
    if not peer.generation.implicit_connect:
        peer.connect(auth=auth)
    return peer


def answers(peer: Peer) -> list[str | bytes]:
    return [packet for packet in peer.take() if packet[:1] != "0"]


# Entering


def test_a_client_gets_an_id_that_is_not_the_one_of_its_session(server: Server) -> None:
    peer = knock(server, Clock())
    assert answers(peer) == ['40{"sid":"token-0000000000000002"}']
    assert peer.sid == "token-0000000000000001"
    assert [socket.id for socket in server.sockets()] == ["token-0000000000000002"]


@OLDER
def test_an_older_client_is_in_without_asking_and_knows_its_id_from_its_session(server: Server, row: Any) -> None:
    peer = knock(server, Clock(), generation=row)
    assert peer.take()[-1] == ("1::" if row is SOCKETIO_1 else "40")
    assert [socket.id for socket in server.sockets()] == [peer.sid] == ["token-0000000000000001"]


@OLDER
def test_an_older_client_works_out_its_id_in_other_namespaces(server: Server, row: Any) -> None:
    server.of("/chat")
    peer = knock(server, Clock(), generation=row)
    peer.connect("/chat")
    assert peer.take()[-1] == ("1::/chat" if row is SOCKETIO_1 else "40/chat,")
    assert [socket.id for socket in server.of("/chat").sockets()] == ["/chat#token-0000000000000001"]


def test_the_connect_handler_sees_the_socket_before_it_is_connected(server: Server, client: dict[str, Any]) -> None:
    seen: list[object] = []

    @server.on_connect
    def connect(socket: Socket, auth: object) -> None:
        seen.append((socket.connected, server.sockets(), socket.namespace))

    knock(server, **client)
    assert seen == [(False, [], "/")]
    assert [socket.connected for socket in server.sockets()] == [True]


# Auth


@pytest.mark.parametrize("auth", [{"token": "abc"}, {}, {"a": [1, {"b": None}]}])
def test_the_auth_of_a_client_is_what_it_sent(server: Server, auth: dict[str, Any]) -> None:
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    knock(server, auth=auth)
    assert seen == [auth]


def test_the_auth_is_an_empty_dictionary_where_none_was_sent(server: Server, client: dict[str, Any]) -> None:
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    knock(server, **client)
    assert seen == [{}]


@OLDER
def test_the_auth_of_an_older_client_is_its_query_without_the_words_of_the_protocol(server: Server, row: Any) -> None:
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    knock(server, generation=row, query="token=a%20b&t=Nx1&b64=1&j=0&room=x")
    assert seen == [{"token": "a b", "room": "x"}]


@OLDER
def test_the_auth_of_an_older_client_in_another_namespace_is_the_query_behind_its_name(
    server: Server, row: Any
) -> None:
    seen: list[object] = []
    server.of("/chat").on_connect(lambda socket, auth: seen.append((socket.namespace, auth)))
    peer = knock(server, generation=row, query="token=root")
    peer.connect("/chat", auth={"token": "a&b", "x": "✓"})
    assert seen == [("/chat", {"token": "a&b", "x": "✓"})]


@OLDER
def test_the_query_behind_the_name_of_another_namespace_is_the_clients_own_whatever_its_names(
    server: Server, row: Any
) -> None:
    seen: list[object] = []
    server.of("/chat").on_connect(lambda socket, auth: seen.append(auth))
    peer = knock(server, generation=row)
    peer.connect("/chat", auth=dict(zip(("t", "j", "sid", "b64", "EIO", "transport"), "123456", strict=True)))
    assert seen == [{"t": "1", "j": "2", "sid": "3", "b64": "4", "EIO": "5", "transport": "6"}]


def test_a_query_of_more_than_a_thousand_parameters_ends_the_connection(server: Server) -> None:
    server.of("/chat")
    pair = Pair(server, generation=ENGINEIO_3)
    pair.peer.send("40/chat?" + "a=1&" * 1000 + ",")
    assert pair.peer.closed == 1002
    assert server.of("/chat").sockets() == []


@pytest.mark.parametrize("parser", ["json", "msgpack"])
@pytest.mark.parametrize(("size", "closed"), [(65_536, None), (65_537, 1009)])
def test_a_query_above_64_kb_ends_the_connection(parser: str, size: int, closed: int | None) -> None:
    server = Server(parser=parser)
    server.of("/chat")
    peer = Pair(server, generation=with_parser(ENGINEIO_3, parser)).peer
    namespace = "/chat?a=".ljust(size + len("/chat?"), "b")
    peer.send(f"40{namespace}," if parser == "json" else f'4{{"type":0,"nsp":"{namespace}"}}')
    assert peer.closed == closed
    assert len(server.of("/chat").sockets()) == (1 if closed is None else 0)


@pytest.mark.parametrize("old", [False, True])
def test_a_query_is_parsed_for_a_namespace_only_that_may_exist(*, old: bool) -> None:
    server, names = Server(), list[str]()
    too_many = "a=1&" * 1000  # one more than a query may have: whoever parses it ends the connection

    def knocks() -> int | None:
        peer = Peer(server, generation=SOCKETIO_1) if old else Pair(server, generation=ENGINEIO_3).peer
        peer.send(f"1::/nope?{too_many}" if old else f"40/nope?{too_many},")
        return peer.closed

    assert knocks() is None
    server.of(lambda name, auth: names.append(name))
    assert knocks() is not None
    assert names == []


# Refusal

REFUSALS = [
    (ConnectRefused("no seat"), "no seat", None),
    (ConnectRefused({"code": 7}), "Not authorized", {"code": 7}),
    (ConnectRefused([1], message="full"), "full", [1]),
    (ConnectRefused(), "Not authorized", None),
    (ConnectRefused("née"), "née", None),
    (False, "Not authorized", None),
]


@pytest.mark.parametrize(("refusal", "message", "data"), REFUSALS)
def test_a_refused_client_hears_why(
    server: Server, client: dict[str, Any], refusal: ConnectRefused | bool, message: str, data: Any
) -> None:
    @server.on_connect
    def connect(socket: Socket, auth: object) -> bool:
        if isinstance(refusal, ConnectRefused):
            raise refusal
        return refusal

    clock = Clock()
    peer = knock(server, clock, **client)
    assert is_told(peer, message, data)
    assert server.sockets() == []
    assert clock.reports == []
    assert (peer.closed is None) is bool(server.engine.sessions) is (client["generation"] is not SOCKETIO_1)


# Auth with an annotation


class Login(Struct):
    token: str
    version: int = 1


class Odd(Exception):
    pass


class Careless(Struct):
    token: str

    def __post_init__(self) -> None:
        raise Odd


TEXT = "the event 'connect' does not take this as 'auth': "


def test_the_auth_is_what_the_annotation_says(server: Server, client: dict[str, Any]) -> None:
    seen: list[Any] = []

    @server.use
    def step(socket: Socket, auth: dict[str, str]) -> None:
        seen.append(auth)

    @server.on_connect
    async def connect(socket: Socket, auth: Login, late: Odd | None = None) -> None:
        seen.append((auth, late))

    Pair(server, auth={"token": "a"}, **client)
    assert seen == [{"token": "a"}, (Login("a"), None)]


def test_a_class_of_sockets_has_its_auth_converted(server: Server, client: dict[str, Any]) -> None:
    seen: list[Any] = []

    class Chat(Socket):
        def on_connect(self, auth: Login) -> None:
            seen.append((type(self), auth))

    server.register("/", Chat)
    Pair(server, auth={"token": "a"}, **client)
    assert seen == [(Chat, Login("a"))]


def test_pydantic_makes_an_auth_as_well(server: Server, client: dict[str, Any]) -> None:
    seen: list[Any] = []

    class Badge(pydantic.BaseModel):
        token: str

    @server.on_connect
    def connect(socket: Socket, auth: Badge) -> None:
        seen.append(auth)

    Pair(server, auth={"token": "a"}, **client)
    with pytest.raises(ClientRefused):
        Pair(server, **client)
    assert seen == [Badge(token="a")]


@pytest.mark.parametrize("place", ["on_connect", "use"])
def test_a_client_whose_auth_does_not_fit_is_refused_and_told_why(
    server: Server, client: dict[str, Any], place: str
) -> None:
    called: list[object] = []
    heard: list[Any] = []
    server.on_error(lambda socket, event, error: heard.append((event, type(error), error.argument, error.place)))

    @getattr(server, place)
    def connect(socket: Socket, auth: Login) -> None:
        called.append(auth)

    clock = Clock()
    peer = knock(server, clock, **client)
    message = f"{TEXT}Object missing required field `token`"
    data = {"event": "connect", "argument": "auth", "place": "$", "message": message}
    assert is_told(peer, message, data)
    assert heard == [("connect", ArgumentError, "auth", "$")]
    assert (called, server.sockets(), clock.reports) == ([], [], [])


def test_a_refused_client_may_try_again_with_another_auth(server: Server) -> None:
    @server.on_connect
    def connect(socket: Socket, auth: Login) -> None: ...

    peer = knock(server, Clock(), auth={"token": 5})
    assert f"{TEXT}Expected `str`, got `int`, at $.token" in str(answers(peer)[0])
    peer.connect(auth={"token": "a"})
    assert peer.take()[0][:3] == "40{"


@OLDER
def test_a_query_has_numbers_and_booleans_where_they_are_asked_for_and_json_has_its_own(
    server: Server, row: Any
) -> None:
    seen: list[Any] = []

    @server.of("/chat").on_connect
    def connect(socket: Socket, auth: Login) -> None:
        seen.append(auth)

    old, new = knock(server, generation=row), knock(server)
    old.connect("/chat", auth={"token": "7", "version": "2"})
    old.connect("/chat", auth={"token": "7", "version": "two"})
    new.connect("/chat", auth={"token": "7", "version": "2"})
    assert seen == [Login("7", 2)]
    assert f"{TEXT}Expected `int`, got `str`, at $.version" in str(new.take()[-1])


@pytest.mark.parametrize(
    ("annotation", "expected"), [(Login | None, None), (dict[str, str] | None, {}), (None, None), (Any, {})]
)
def test_where_nothing_came_there_is_an_empty_dictionary_or_none(
    server: Server, client: dict[str, Any], annotation: Any, expected: Any
) -> None:
    seen: list[Any] = []

    def connect(socket: Socket, auth: Any) -> None:
        seen.append(auth)

    connect.__annotations__["auth"] = annotation
    server.on_connect(connect)
    Pair(server, **client)
    assert seen == [expected]


@pytest.mark.parametrize("place", ["on_connect", "use"])
def test_an_auth_that_nothing_becomes_is_refused_at_registration(server: Server, place: str, generation: Any) -> None:
    def connect(socket: Socket, auth: Socket) -> None: ...

    with pytest.raises(TypeError, match="cannot handle 'connect', parameter 'auth': a client cannot send a"):
        getattr(server, place)(connect)
    Pair(server, generation=generation)


def test_what_the_type_of_an_auth_raises_of_its_own_is_an_internal_error(server: Server) -> None:
    @server.on_connect
    def connect(socket: Socket, auth: Careless) -> None: ...

    clock = Clock()
    assert answers(knock(server, clock, auth={"token": "a"})) == ['44{"message":"Internal error"}']
    assert [type(error) for _, error in clock.reports] == [Odd]


@pytest.mark.parametrize("result", [None, 0, "", [], True, "no"])
def test_only_false_refuses(server: Server, result: object) -> None:
    server.on_connect(lambda socket, auth: result)
    knock(server)
    assert len(server.sockets()) == 1


def test_an_exception_refuses_without_telling_the_client_what_happened(server: Server, client: dict[str, Any]) -> None:
    heard: list[tuple[str, str]] = []

    @server.on_connect
    def connect(socket: Socket, auth: object) -> None:
        raise LookupError("the password of the database is 1234")

    @server.on_error
    def error(socket: Socket, event: str, error: Exception) -> None:
        heard.append((event, str(error)))

    clock = Clock()
    peer = knock(server, clock, **client)
    assert is_told(peer, "Internal error")
    assert [(text, repr(error)) for text, error in clock.reports] == [
        ("the handler of 'connect' in / failed", "LookupError('the password of the database is 1234')")
    ]
    assert heard == [("connect", "the password of the database is 1234")]
    assert server.sockets() == []


def test_a_refusal_that_cannot_be_sent_is_an_error_of_the_handler(server: Server) -> None:
    @server.on_connect
    def connect(socket: Socket, auth: object) -> None:
        raise ConnectRefused({"why": object()})

    clock = Clock()
    assert answers(knock(server, clock)) == ['44{"message":"Internal error"}']
    assert [text for text, _ in clock.reports] == ["the handler of 'connect' in / failed"]


def test_a_refused_client_leaves_nothing_and_may_try_again(server: Server) -> None:
    gone: list[str] = []

    @server.on_connect
    def connect(socket: Socket, auth: dict[str, Any]) -> bool | None:
        socket.join("lobby")
        return None if auth.get("name") else False

    server.on_disconnect(lambda socket, reason: gone.append(reason))
    peer = knock(server)
    assert answers(peer) == ['44{"message":"Not authorized"}']
    assert len(server.of("/").rooms) == 0
    peer.emit("anything")
    peer.connect(auth={"name": "Ada"})
    (entered,) = peer.take()
    assert entered[:3] == "40{"
    assert [socket.rooms for socket in server.sockets()] == [{"lobby"}]
    assert gone == []


def test_a_socket_that_was_refused_is_gone(server: Server, client: dict[str, Any]) -> None:
    refused: list[Socket] = []

    @server.on_connect
    def connect(socket: Socket, auth: object) -> bool:
        refused.append(socket)
        return False

    peer = knock(server, Clock(), **client)
    peer.take()
    (socket,) = refused
    socket.emit("news")
    socket.join("lobby")
    assert socket.call("question").done
    assert repr(socket).endswith("in /, gone>")
    assert socket.rooms == frozenset()
    assert peer.take() == []


def test_an_older_client_that_is_refused_may_stay_for_another_namespace() -> None:
    server, clock = Server(connect_timeout=5), Clock()
    server.on_connect(lambda socket, auth: False)
    server.of("/chat")
    peer = knock(server, clock, generation=ENGINEIO_3)
    clock.advance(10)
    peer.connect("/chat")
    assert len(server.of("/chat").sockets()) == 1


def test_a_client_that_is_refused_and_stays_away_is_closed_in_time() -> None:
    server, clock = Server(connect_timeout=5), Clock()
    server.on_connect(lambda socket, auth: False)
    peer = knock(server, clock)
    clock.advance(4.9)
    assert peer.closed is None
    clock.advance(0.2)
    assert peer.closed == 1000
    assert not server.engine.sessions


def test_a_client_that_has_entered_is_not_closed_by_the_connect_timeout() -> None:
    server, clock = Server(connect_timeout=5), Clock()
    peer = knock(server, clock)
    clock.advance(10)
    assert peer.closed is None


# While the handler decides


class Door:
    """A server whose connect handler waits for the test to decide."""

    def __init__(self) -> None:
        self.server = Server()
        self.server.engine.bind(AsyncioDriver())
        self.inside: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        self.verdict: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.heard: list[object] = []
        self.reasons: list[str] = []

        @self.server.on_connect
        async def connect(socket: Socket, auth: object) -> object:
            self.inside.set_result(socket)
            return await self.verdict

        self.server.on("say")(lambda socket, *args: self.heard.append(args))
        self.server.on_disconnect(lambda socket, reason: self.reasons.append(reason))

    async def knock(self, **client: Any) -> tuple[Peer, Socket]:
        peer = knock(self.server, **client)
        socket = await self.inside
        await turn()  # who polls is back
        peer.take()
        return peer, socket

    async def open(self, peer: Peer, count: int = 0) -> list[tuple[Any, ...]]:
        """Accept, and return so many events that come behind the acceptance."""
        self.verdict.set_result(None)
        await until(lambda: peer._received)
        assert str(peer._received[0])[:2] in ("40", "1:")
        peer.skip(1)
        return await events(peer, count)


def test_nothing_reaches_a_handler_before_the_client_is_accepted(client: dict[str, Any]) -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock(**client)
        peer.emit("say", 1)
        peer.emit("say", 2)
        assert (door.heard, peer.take(), socket.connected) == ([], [], False)
        assert door.server.sockets() == []
        await door.open(peer)
        await until(lambda: door.heard)
        assert door.heard == [(1,), (2,)]

    asyncio.run(main())


def test_what_is_emitted_before_the_acceptance_arrives_behind_it(client: dict[str, Any]) -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock(**client)
        socket.emit("first", 1)
        socket.emit("second", b"\x01")
        assert peer.take() == []
        second = "AQ==" if peer.generation is SOCKETIO_1 else b"\x01"
        assert await door.open(peer, 2) == [("first", 1), ("second", second)]

    asyncio.run(main())


def test_rooms_joined_before_the_acceptance_are_entered_with_it(client: dict[str, Any]) -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock(**client)
        socket.join("lobby", "attic")
        socket.leave("attic")
        assert socket.rooms == {"lobby"}
        door.server.emit("early", to="lobby")
        door.server.emit("early")
        await door.open(peer)
        door.server.emit("in time", to="lobby")
        door.server.emit("not there", to="attic")
        assert await events(peer, 1) == [("in time",)]

    asyncio.run(main())


def test_a_client_that_is_refused_late_gets_nothing_of_what_was_emitted(client: dict[str, Any]) -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock(**client)
        socket.emit("secret")
        socket.join("lobby")
        peer.emit("say", 1)
        door.verdict.set_exception(ConnectRefused("no"))
        await until(lambda: "gone" in repr(socket))
        await turn()
        assert is_told(peer, "no")
        assert door.heard == door.reasons == []
        assert len(door.server.of("/").rooms) == 0

    asyncio.run(main())


def test_ten_events_may_wait_for_the_acceptance_and_no_more(engineio_client: dict[str, Any]) -> None:
    async def main() -> None:
        door = Door()
        peer, _ = await door.knock(**engineio_client)
        for number in range(10):
            peer.emit("say", number)
        assert len(door.server.engine.sessions) == 1
        with suppress(Refused):  # so that POST is answered
            peer.emit("say", 10)
        assert not door.server.engine.sessions
        door.verdict.set_result(None)
        await until(lambda: not asyncio.all_tasks() - {asyncio.current_task()})
        assert door.heard == door.reasons == []

    asyncio.run(main())


@pytest.mark.parametrize("verdict", [None, False])
@pytest.mark.parametrize("way", ["lose", "leave"])
def test_a_client_that_goes_before_the_verdict_was_never_there(
    way: str, verdict: bool | None, client: dict[str, Any]
) -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock(**client)
        socket.join("lobby")
        peer.emit("say")
        getattr(peer, way)()
        if way == "lose" and peer.generation is SOCKETIO_1:  # which may come back
            door.server.engine.sessions[peer.sid].drop(Reason.TRANSPORT_CLOSE)
        await until(lambda: "gone" in repr(socket))
        peer.take()
        door.verdict.set_result(verdict)
        await until(lambda: not asyncio.all_tasks() - {asyncio.current_task()})
        await turn()
        assert door.server.sockets() == []
        assert len(door.server.of("/").rooms) == 0
        assert peer.events() == []
        assert door.heard == door.reasons == []

    asyncio.run(main())


def test_a_call_before_the_acceptance_is_answered_after_it() -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock()
        answer = socket.call("who")
        assert await door.open(peer, 1) == [("who",)]
        peer.acknowledge(1, "me")
        assert await answer == "me"

    asyncio.run(main())


# Leaving at once


def test_a_handler_may_accept_and_send_away(server: Server, client: dict[str, Any]) -> None:
    reasons: list[tuple[str, object]] = []

    @server.on_connect
    def connect(socket: Socket, auth: object) -> None:
        socket.join("lobby")
        socket.emit("sorry")
        socket.disconnect()

    server.on_disconnect(lambda socket, reason: reasons.append((reason, set(socket.rooms))))
    peer = knock(server, **client)
    assert peer.events() == [("sorry",)]
    assert reasons == [(Reason.SERVER_DISCONNECT, {"lobby"})]
    assert server.sockets() == []
    assert len(server.of("/").rooms) == 0
    assert (peer.closed is None) is (client["generation"] is not SOCKETIO_1)


def test_a_handler_may_end_the_whole_connection(server: Server, client: dict[str, Any]) -> None:
    reasons: list[str] = []
    server.on_connect(lambda socket, auth: socket.disconnect(close=True))
    server.on_disconnect(lambda socket, reason: reasons.append(reason))
    peer = knock(server, **client)
    assert peer.closed == (1000 if client["transport"] == "websocket" else 0)
    assert reasons == [Reason.SERVER_DISCONNECT]
    assert server.sockets() == []
    assert not server.engine.sessions


def test_a_handler_that_sends_away_and_refuses_only_refuses(server: Server) -> None:
    reasons: list[str] = []

    @server.on_connect
    def connect(socket: Socket, auth: object) -> bool:
        socket.disconnect()
        return False

    server.on_disconnect(lambda socket, reason: reasons.append(reason))
    assert answers(knock(server)) == ['44{"message":"Not authorized"}']
    assert reasons == []


def test_events_that_waited_are_not_heard_by_a_client_that_was_sent_away() -> None:
    async def main() -> None:
        door = Door()
        peer, socket = await door.knock()
        peer.emit("say")
        socket.disconnect()
        assert await door.open(peer) == []
        assert await packets(peer, 1) == ["41"]
        await until(lambda: door.reasons)
        assert door.heard == []
        assert door.reasons == [Reason.SERVER_DISCONNECT]

    asyncio.run(main())


def test_nobody_joins_the_room_of_another_before_the_acceptance_either(server: Server, generation: Any) -> None:
    victim = Pair(server, generation=generation)
    caught: list[str] = []

    @server.on_connect
    def connect(socket: Socket, auth: object) -> None:
        with pytest.raises(ValueError, match="is the id of another socket") as refused:
            socket.join("lobby", victim.socket.id)
        caught.append(str(refused.value))

    pair = Pair(server, generation=generation)
    assert caught
    assert pair.socket.rooms == set()
    victim.socket.emit("secret")
    assert pair.peer.take() == []


# A question that the client could answer only after its acceptance


WAITS = "'name' is sent after the connect handler has ended"


def asking(server: Server) -> list[object]:
    """Let the connect handler wait for the client's answer; return what it gets instead."""
    got: list[object] = []

    @server.on_connect
    async def connect(socket: Socket, auth: object) -> None:
        try:
            got.append(await socket.call("name"))
        except RuntimeError as error:
            got.append(str(error).partition(":")[0])

    return got


def test_a_connect_handler_that_waits_for_its_client_is_told_so_at_once(server: Server, client: dict[str, Any]) -> None:
    got = asking(server)
    Pair(server, **client)
    assert got == [WAITS]


def test_on_a_loop_it_is_told_the_same(server: Server) -> None:
    got = asking(server)

    async def main() -> None:
        server.engine.bind(AsyncioDriver())
        knock(server)
        await until(lambda: got)

    asyncio.run(main())
    assert got == [WAITS]


def test_a_task_of_the_connect_handler_may_wait_for_the_answer(server: Server, generation: Any) -> None:
    got: list[object] = []

    async def ask(socket: Socket) -> None:
        got.append(await socket.call("name"))

    @server.on_connect
    async def connect(socket: Socket, auth: object) -> None:
        socket.data["task"] = asyncio.create_task(ask(socket))
        await asyncio.sleep(0)

    pair = Pair(server, generation=generation)
    assert pair.peer.events() == [("name",)]
    pair.peer.acknowledge(1, "Ada")
    assert got == ["Ada"]
