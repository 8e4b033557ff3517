"""Clients of Socket.IO 1.x to 4.x of an application of TornadIO2, in memory, over polling and WebSocket."""

import re
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from faces.tornadio2.applications import Chat, closed, routed
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, proto
from waterspout.faces.tornadio2.carrier import Carrier, ModernCarrier, carry
from waterspout.faces.tornadio2.session import Session
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, Peer, Refused
from waterspout.wire.generations import Generation, all_rows

REFUSED = {ENGINEIO_3: '44/a,"Not authorized"', ENGINEIO_4: '44/a,{"message":"Not authorized"}'}
UNKNOWN = {ENGINEIO_3: '44/x,"Invalid namespace"', ENGINEIO_4: '44/x,{"message":"Invalid namespace"}'}


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
def generation(request: pytest.FixtureRequest) -> Generation:
    row: Generation = request.param
    return row


@pytest.fixture(params=["polling", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def client(router: TornadioRouter, generation: Generation, transport: str = "websocket", **options: Any) -> Peer:
    """Return a client that is in the main connection, and has heard what every client hears."""
    peer = Peer(router.engine, generation=generation, transport=transport, **options)
    if not generation.implicit_connect:
        peer.connect()
    assert said(peer)[1:] == ["40", '42["hi",{"name":null}]']
    return peer


def said(peer: Peer) -> list[str | bytes]:
    """Return what has come, with nothing of ids that the server makes."""
    return [re.sub(r'\{"sid":"[^"]*"\}', "", one) if isinstance(one, str) else one for one in peer.take()]


def enter(peer: Peer, namespace: str, **arguments: str) -> None:
    """Enter an endpoint with arguments: by a query, or from Engine.IO 4 on by auth."""
    if peer.generation is ENGINEIO_4:
        peer.connect(namespace, arguments)
    else:
        query = "&".join(f"{name}={value}" for name, value in arguments.items())
        peer.send(f"40{namespace}?{query}," if query else f"40{namespace},")


def session_of(router: TornadioRouter, peer: Peer) -> Session:
    session = router.get_session(peer.sid)
    assert isinstance(session, Session)
    return session


def test_on_open_is_at_the_handshake_and_what_it_sends_comes_behind_connect(
    router: TornadioRouter, generation: Generation, transport: str
) -> None:
    peer = Peer(router.engine, generation=generation, transport=transport, query="name=x")
    heard = said(peer)[1:]
    if generation is ENGINEIO_4:
        assert heard == []
        assert session_of(router, peer).conn.info.get_argument("name") == "x"
        peer.connect()
        heard = said(peer)
    assert heard == ["40", '42["hi",{"name":"x"}]']


@pytest.mark.parametrize(("query", "status"), [("refuse=1", 401), ("raise=402", 402), ("raise=failure", 500)])
def test_t2_4_who_is_refused_gets_a_status_and_leaves_nothing(
    router: TornadioRouter, generation: Generation, transport: str, query: str, status: int
) -> None:
    with pytest.raises(Refused) as refusal:
        Peer(router.engine, generation=generation, transport=transport, query=query)
    assert refusal.value.response.status == status
    assert router.engine.sessions == {}
    assert router.stats.dump()["active_sessions"] == 0
    assert closed() == []


def test_the_socket_id_of_a_client_of_today_is_not_its_session_s(router: TornadioRouter) -> None:
    peer = Peer(router.engine)
    peer.connect()
    connected = peer.take()[1]
    assert re.fullmatch(r'40\{"sid":"[^"]+"\}', str(connected))
    assert peer.sid not in str(connected)


def test_messages_and_events_come_and_go_in_words_of_today(
    router: TornadioRouter, generation: Generation, transport: str
) -> None:
    peer = client(router, generation, transport)
    peer.emit("message", "é 😀")
    peer.emit("message", {"a": 1}, id=1)
    peer.emit("ask", 1, 2, id=2)
    peer.emit("ask", {"a": 1}, id=3)
    peer.emit("later", "x", id=4)
    peer.emit("unknown", id=5)
    heard = [str(one).encode().decode("unicode_escape") if "\\u" in str(one) else one for one in said(peer)]
    assert heard[1:] == [
        '42["message",{"a":1}]',
        '431[["the answer"]]',
        "432[2]",
        '433[0,{"a":1}]',
        '434["x"]',
        "435[]",
    ]


@pytest.mark.parametrize(
    ("args", "failed"),
    [
        (["x"], "Failing.on_message"),
        ([{"a": 1}], "Failing.on_message"),
        ([], "the handler of the event 'message' of Failing"),
        (["x", 1], "the handler of the event 'message' of Failing"),
    ],
)
def test_the_log_names_the_method_that_an_event_message_has_come_to(
    clock: Clock, generation: Generation, args: list[Any], failed: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Chat):
        def on_message(self, message: Any) -> Any:
            raise ValueError(message)

        def on_event(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
            raise ValueError(name, args)

    peer = client(routed(clock, Failing), generation)
    peer.emit("message", *args)
    assert [record.getMessage() for record in caplog.records] == [f"{failed} has failed"]
    assert closed() == [None]


def test_an_event_message_with_several_arguments_is_an_event_and_one_with_one_a_message(
    clock: Clock, generation: Generation, transport: str
) -> None:
    class Both(Chat):
        def on_message(self, message: Any) -> Any:
            return ["message", message]

        @event("message")
        def several(self, *values: Any) -> Any:
            return ["event", *values]

    peer = client(routed(clock, Both), generation, transport)
    peer.emit("message", "[1]", id=1)
    peer.emit("message", id=2)
    peer.emit("message", "a", "b", id=3)
    assert said(peer) == ['431[["message","[1]"]]', '432[["event"]]', '433[["event","a","b"]]']


def test_binary_content_stays_binary(router: TornadioRouter, generation: Generation, transport: str) -> None:
    peer = client(router, generation, transport)
    peer.emit("message", {"data": b"\0\xff"})
    assert said(peer) == ['451-["message",{"data":{"_placeholder":true,"num":0}}]', b"\0\xff"]


def test_attachments_for_an_endpoint_that_is_not_open_are_not_for_anybody(
    router: TornadioRouter, generation: Generation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "waterspout.engine")
    peer = client(router, generation)
    peer.emit("message", b"x", namespace="/a")
    if generation is ENGINEIO_4:  # as in the JavaScript servers of each
        assert closed() == [None]
        assert "attachments came for '/a', which the client has not entered" in caplog.text
    else:
        assert closed() == []
        peer.emit("message", "still here")


@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_packets_go_as_they_are_where_they_are_those_of_the_codec(parser: str) -> None:
    kinds = {}
    for row in all_rows(parser):
        session: Any = SimpleNamespace(generation=replace(row, name="another row"), max_early_events=1)
        kinds[row.clients] = type(carry(session, lambda count: None))
    assert kinds == {
        "Socket.IO 0.7 to 0.9": Carrier,
        "Socket.IO 1.x and 2.x": ModernCarrier,
        "Socket.IO 3.x and 4.x": ModernCarrier,
    }


def test_the_client_s_answers_come_back(router: TornadioRouter, generation: Generation, transport: str) -> None:
    peer = client(router, generation, transport)
    peer.emit("question")
    assert said(peer) == ['421["q",1]', '422["message","m"]']
    peer.acknowledge(1, "a+b")
    peer.acknowledge(2)
    assert said(peer) == ['42["answered","q",["a+b"]]', '42["answered","m",null]']


def test_endpoints_are_namespaces_with_arguments_of_their_own(
    router: TornadioRouter, generation: Generation, transport: str
) -> None:
    peer = client(router, generation, transport)
    enter(peer, "/a", name="x")
    assert said(peer) == ["40/a,", '42/a,["hi",{"name":"x"}]']
    peer.emit("ask", id=1, namespace="/a")
    assert said(peer) == ["43/a,1[0]"]
    enter(peer, "/x")
    assert said(peer) == [UNKNOWN[generation]]
    peer.leave("/a")
    peer.emit("ask", id=2, namespace="/a")
    assert said(peer) == ["41/a,"]
    assert closed() == ["/a"]


def test_an_endpoint_that_refuses_is_no_place_where_the_client_ever_was(
    router: TornadioRouter, generation: Generation, transport: str
) -> None:
    peer = client(router, generation, transport)
    enter(peer, "/a", refuse="1")
    assert said(peer) == [REFUSED[generation]]
    assert closed() == ["/a"]
    peer.emit("ask", id=1)
    assert said(peer) == ["431[0]"]


def test_what_an_endpoint_sends_while_it_refuses_is_not_sent(clock: Clock, generation: Generation) -> None:
    class Rude(SocketConnection):
        def on_open(self, request: Any) -> Any:
            self.send("never")
            return False

    class Home(Chat):
        __endpoints__ = {"/a": Rude}  # noqa: RUF012

    peer = client(routed(clock, Home), generation)
    enter(peer, "/a")
    assert said(peer) == [REFUSED[generation]]


def test_an_endpoint_may_think_before_it_lets_in(clock: Clock, generation: Generation) -> None:
    class Slow(Chat):
        async def on_open(self, request: Any) -> Any:
            self.send("hello")
            return request.get_argument("answer") != "no"

    class Home(Chat):
        __endpoints__ = {"/a": Slow}  # noqa: RUF012

    peer = client(routed(clock, Home), generation)
    enter(peer, "/a", answer="no")
    assert said(peer) == [REFUSED[generation]]
    enter(peer, "/a", answer="yes")
    assert said(peer) == ["40/a,", '42/a,["message","hello"]']


def test_a_main_connection_that_thinks_and_refuses_ends_the_session(clock: Clock, generation: Generation) -> None:
    class Slow(Chat):
        async def on_open(self, request: Any) -> Any:
            return False

    router = routed(clock, Slow)
    peer = Peer(router.engine, generation=generation)
    assert router.stats.dump()["active_sessions"] == 0
    assert peer.closed is not None


def test_auth_of_the_main_connection_joins_the_arguments_of_the_handshake(router: TornadioRouter) -> None:
    peer = Peer(router.engine, query="a=1")
    peer.connect(auth={"token": "secret", "a": "2", "number": 5})
    arguments = session_of(router, peer).info.arguments
    assert (arguments["token"], arguments["a"], "number" in arguments) == (["secret"], ["1", "2"], False)


@pytest.mark.parametrize(("size", "code"), [(65_533, None), (65_534, 1000)])  # beside the name and two signs
def test_the_auth_of_an_endpoint_has_no_more_text_than_a_query(
    router: TornadioRouter, size: int, code: int | None
) -> None:
    peer = client(router, ENGINEIO_4)
    peer.connect("/a", auth={"a": "b" * size})
    assert peer.closed == code


def test_a_client_that_asks_for_no_namespace_is_not_waited_for_ever(router: TornadioRouter, clock: Clock) -> None:
    peer = Peer(router.engine)
    clock.advance(10)
    assert peer.closed is not None
    assert closed() == [None]


def test_a_client_in_an_endpoint_alone_stays(router: TornadioRouter, clock: Clock) -> None:
    peer = Peer(router.engine)
    peer.connect("/a")
    clock.advance(11)
    assert peer.closed is None
    assert said(peer)[1:] == ["40/a,", '42/a,["hi",{"name":null}]']


@pytest.mark.parametrize("namespace", ["/", "/a"])
def test_t2_b1_a_failure_closes_all_endpoints_in_order_then_the_session(
    router: TornadioRouter, generation: Generation, transport: str, namespace: str
) -> None:
    peer = client(router, generation, transport)
    enter(peer, "/b")
    enter(peer, "/a")
    said(peer)
    peer.emit("fail", namespace=namespace)
    assert said(peer)[:3] == ["41/b,", "41/a,", "41"]
    assert closed() == ["/b", "/a", None]
    assert peer.closed is not None


def test_t2_7_on_close_runs_once_when_the_client_goes(
    router: TornadioRouter, clock: Clock, generation: Generation, transport: str
) -> None:
    peer = client(router, generation, transport)
    enter(peer, "/a")
    peer.close()
    clock.advance(100)
    assert closed() == ["/a", None]
    assert router.engine.sessions == {}
    assert router.stats.dump()["active_sessions"] == router.stats.dump()["active_connections"] == 0


def test_t2_7_on_close_runs_once_when_the_client_is_silent(
    router: TornadioRouter, clock: Clock, generation: Generation, transport: str
) -> None:
    client(router, generation, transport)
    clock.advance(100)
    assert closed() == [None]
    assert router.engine.sessions == {}


def test_who_leaves_the_main_connection_with_endpoints_open_stays_in_these(
    router: TornadioRouter, generation: Generation
) -> None:
    peer = client(router, generation)
    enter(peer, "/a")
    said(peer)
    peer.leave()
    session_of(router, peer).conn.send("not heard")
    peer.emit("ask", id=1, namespace="/a")
    assert said(peer) == ["43/a,1[0]"]
    assert closed() == []
    if generation is ENGINEIO_4:
        peer.connect()
        session_of(router, peer).conn.send("heard")
        assert said(peer) == ["40", '42["message","heard"]']


def test_who_leaves_the_main_connection_alone_leaves(router: TornadioRouter, generation: Generation) -> None:
    peer = client(router, generation)
    peer.leave()
    assert closed() == [None]
    assert peer.closed is not None


def test_a_transport_may_change_meanwhile(router: TornadioRouter, generation: Generation) -> None:
    peer = client(router, generation, "polling")
    peer.upgrade()
    session_of(router, peer).conn.emit("hello", 1)
    assert '42["hello",1]' in said(peer)


def test_numbers_are_numbers_for_all(clock: Clock, generation: Generation) -> None:
    class Prices(Chat):
        @event
        def price(self) -> Any:
            self.emit("price", Decimal("1.5"), [{"deep": Decimal(2)}])
            self.send({"price": Decimal("1.5")})
            return Decimal("0.5")

    router = routed(clock, Prices)
    peer = client(router, generation)
    peer.emit("price", id=1)
    assert said(peer) == ['42["price",1.5,[{"deep":2.0}]]', '42["message",{"price":1.5}]', "431[0.5]"]
    old = Peer(router.engine, generation=SOCKETIO_1)
    old.take()
    old.emit("price", id=1)
    assert old.take()[0] == '5:::{"args": [1.5, [{"deep": 2.0}]], "name": "price"}'


def test_json_of_the_users_own_is_for_all(
    clock: Clock, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = proto.json_dumps

    class Sets(Chat):
        @event
        def members(self) -> Any:
            return {"one"}

    monkeypatch.setattr(proto, "json_dumps", lambda value: dumps(_lists(value)))
    peer = client(routed(clock, Sets), generation)
    peer.emit("members", id=1)
    assert said(peer) == ['431[["the set",1]]']


def _lists(value: Any) -> Any:
    if isinstance(value, set):
        return ["the set", len(value)]
    return [_lists(one) for one in value] if isinstance(value, list) else value


def test_packets_that_users_write_themselves_reach_all(router: TornadioRouter, generation: Generation) -> None:
    peer = client(router, generation)
    session = session_of(router, peer)
    session.send_message("3:::by hand")
    session.send_message(proto.event(None, "x", None, 1))
    session.send_message(proto.heartbeat())
    session.send_message(proto.message(None, '{"a":1}', force_json=True))
    assert said(peer) == ['42["message","by hand"]', '42["x",1]', '42["message",{"a":1}]']


def test_all_generations_at_once(router: TornadioRouter) -> None:
    members = [Peer(router.engine, generation=row) for row in (SOCKETIO_1, ENGINEIO_3, ENGINEIO_4)]
    members[2].connect()
    for member in members:
        member.take()
    for member in members:
        router.get_session(member.sid).conn.emit("news", {"a": [1]})
    assert [member.take() for member in members] == [
        ['5:::{"args": [{"a": [1]}], "name": "news"}'],
        ['42["news",{"a":[1]}]'],
        ['42["news",{"a":[1]}]'],
    ]
