"""Plain WebSockets: clients of an exposed namespace, and subscribers of exposed channels (docs/websocket.md)."""

import asyncio
import json
from typing import Any

import pytest

from server.plainhouse import House, entered, heard
from waterspout import ConnectRefused, EventRefused, HandshakeRefused, Server
from waterspout.engine import ANSWERED
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, EVENTS, SOCKETIO_1, Pair, Refused, admit
from waterspout.testing.frames import client_frame
from waterspout.testing.links import HANDSHAKE
from waterspout.types import Request


@pytest.fixture
def house() -> House:
    return House()


# A client of a namespace: how it enters


def test_where_nobody_asks_a_client_is_in_at_once_and_may_say_so_once(house: House) -> None:
    client = house.come()
    [message] = heard(client)
    [socket] = house.chat.sockets()
    assert message == {"connect": {"sid": socket.id}}
    assert socket.id != client.sid  # which is a secret
    client.send('{"connect":{}}')
    assert heard(client) == []
    client.send('{"connect":{}}')
    assert client.closed == 4429


def test_a_query_is_the_auth(house: House) -> None:
    auths = []

    @house.chat.on_connect
    def connect(socket: Any, auth: Any) -> None:
        auths.append(auth)

    assert entered(house.come(query="token=5&t=x&name=%C3%A9"))
    assert auths == [{"token": "5", "t": "x", "name": "é"}]


def test_a_query_is_converted_where_types_are_asked_for(house: House) -> None:
    ages = []

    @house.chat.on_connect
    def connect(socket: Any, auth: dict[str, int]) -> None:
        ages.append(auth["age"])

    assert entered(house.come(query="age=7"))
    assert ages == [7]


def test_without_a_query_the_first_message_has_the_auth(house: House) -> None:
    auths = []

    @house.chat.on_connect
    def connect(socket: Any, auth: Any) -> None:
        auths.append(auth)

    client = house.come()
    client.send("{}")
    assert heard(client) == [{}]
    client.send('{"connect":{"token":5}}')
    assert entered(client)
    assert auths == [{"token": 5}]
    client.send('{"connect":{"token":6}}')
    assert client.closed == 4429
    assert auths == [{"token": 5}]


def test_who_sends_an_event_first_enters_without_auth(house: House) -> None:
    auths, events = [], []

    @house.chat.on_connect
    def connect(socket: Any, auth: Any) -> None:
        auths.append(auth)

    @house.chat.on("say")
    def say(socket: Any, text: str) -> str:
        events.append(text)
        return text

    client = house.come()
    client.send('{"event":"say","data":"hi","id":1}')
    assert heard(client)[1:] == [{"id": 1, "data": "hi"}]
    assert (auths, events) == ([{}], ["hi"])


def test_who_says_nothing_where_somebody_asks_is_closed(house: House) -> None:
    house.chat.on_connect(lambda socket, auth: None)
    client = house.come()
    house.clock.advance(9.9)
    assert client.closed is None
    house.clock.advance(0.2)
    assert client.closed == 4401


@pytest.mark.parametrize("query", ["token=bad", ""])
def test_who_is_refused_hears_why_and_is_closed(house: House, query: str) -> None:
    @house.chat.on_connect
    def connect(socket: Any, auth: Any) -> None:
        raise ConnectRefused("no seat", data={"left": 0})

    client = house.come(query=query)
    if not query:
        client.send('{"connect":{"token":"bad"}}')
    assert heard(client) == [{"error": {"message": "no seat", "data": {"left": 0}}}]
    assert client.closed == 4401
    assert house.server.engine.sessions == {}


def test_who_cannot_be_asked_about_is_told_to_come_later(house: House) -> None:
    @house.chat.on_connect
    def connect(socket: Any, auth: Any) -> None:
        raise KeyError

    client = house.come(query="a=1")
    assert heard(client) == [{"error": {"message": "Internal error"}}]
    assert client.closed == 1011


def test_more_than_ten_events_before_the_verdict_are_too_many(house: House) -> None:
    @house.chat.on_connect
    async def connect(socket: Any, auth: Any) -> None:
        await asyncio.sleep(5)

    client = house.come(query="a=1")
    for _ in range(10):
        client.send('{"event":"a"}')
    assert client.closed is None
    client.send('{"event":"a"}')
    assert client.closed == 4429


def test_an_answer_to_nothing_does_not_ask_to_enter(house: House) -> None:
    house.chat.on_connect(lambda socket, auth: None)
    client = house.come()
    client.send('{"id":1,"data":2}')
    assert heard(client) == []
    client.send('{"connect":{}}')
    assert entered(client)


def test_whom_a_connect_handler_disconnects_is_told_to_stay_away(house: House) -> None:
    house.chat.on_connect(lambda socket, auth: socket.disconnect(close=auth["how"] == "close"))
    assert house.come(query="how=close").closed == 4401
    assert house.come(query="how=leave").closed == 4403


# Events and their answers


def test_an_event_with_an_id_is_answered(house: House) -> None:
    @house.chat.on("add")
    def add(socket: Any, *numbers: int) -> int:
        return sum(numbers)

    @house.chat.on("two")
    def two(socket: Any) -> tuple[int, int]:
        return 1, 2

    client = house.come()
    heard(client)
    client.send('{"event":"add","data":1,"id":1}', '{"event":"add","args":[1,2],"id":"b"}', '{"event":"add","data":3}')
    client.send('{"event":"two","id":3}')
    assert heard(client) == [{"id": 1, "data": 1}, {"id": "b", "data": 3}, {"id": 3, "args": [1, 2]}]


def test_an_event_that_is_not_handled_is_answered_with_an_error_and_nobody_is_closed(house: House) -> None:
    class Strange:
        pass

    def refuse(socket: Any) -> None:
        raise EventRefused("not now", after=3)

    house.chat.on("fails")(lambda socket: 1 / 0)
    house.chat.on("refuses")(refuse)
    house.chat.on("strange")(lambda socket: Strange())
    house.chat.on("dropped")(lambda socket: 1)
    house.chat.use_event(lambda socket, event, args: event != "dropped")
    client = house.come()
    heard(client)
    names = ["unknown", "disconnect", "fails", "refuses", "strange", "dropped"]
    for number, name in enumerate(names):
        client.send(json.dumps({"event": name, "id": number}), json.dumps({"event": name}))
    house.clock.settle()
    assert heard(client) == [
        {"id": 0, "error": {"message": "Unknown event"}},
        {"id": 1, "error": {"message": "Unknown event"}},
        {"id": 2, "error": {"message": "Internal error"}},
        {"id": 3, "error": {"message": "not now", "after": 3}},
        {"id": 4, "error": {"message": "Internal error"}},
        {"id": 5, "error": {"message": "Refused"}},
    ]
    assert client.closed is None


def test_a_handler_of_any_event_that_fails_leaves_the_answer_to_the_handler_of_the_event(house: House) -> None:
    house.chat.on_any(lambda socket, event, *args: 1 / 0)
    house.chat.on("known")(lambda socket: "fine")
    client = house.come()
    client.send('{"event":"known","id":1}', '{"event":"unknown","id":2}')
    assert heard(client)[1:] == [{"id": 1, "data": "fine"}, {"id": 2, "error": {"message": "Internal error"}}]


def test_a_name_of_the_library_reaches_no_handler_of_any_event(house: House) -> None:
    names = []

    @house.chat.on_any
    def any_event(socket: Any, event: str, *args: Any) -> None:
        names.append(event)

    client = house.come()
    client.send('{"event":"disconnect"}', '{"event":"connect","id":1}', '{"event":"a","id":2}')
    assert names == ["a"]
    assert heard(client)[1:] == [{"id": n, "error": {"message": "Unknown event"}} for n in (1, 2)]


def test_arguments_that_do_not_fit_are_named(house: House) -> None:
    @house.chat.on("move")
    def move(socket: Any, x: int) -> None: ...

    client = house.come()
    heard(client)
    client.send('{"event":"move","data":"five","id":1}')
    [answer] = heard(client)
    assert answer["id"] == 1
    assert answer["error"]["argument"] == "x"


def test_the_rate_limit_is_answered() -> None:
    house = House(max_events_per_second=3)
    house.chat.on("a")(lambda socket: 1)
    client = house.come()
    client.send(*(f'{{"event":"a","id":{n}}}' for n in range(4)))
    assert "max_events_per_second" in heard(client)[-1]["error"]["message"]
    assert client.closed is None


def test_the_server_asks_and_the_client_answers(house: House) -> None:
    client = house.come()
    [socket] = house.chat.sockets()
    heard(client)
    first, second = socket.call("sum", 1, 2), socket.call("sum", 3)
    [one, two] = heard(client)
    assert one == {"event": "sum", "args": [1, 2], "id": one["id"]}
    client.send(json.dumps({"id": two["id"], "error": {"message": "no"}}), json.dumps({"id": one["id"], "data": 3}))
    client.send('{"id":"none of yours","data":1}')
    assert first.result() == 3
    assert second.result() == {"error": {"message": "no"}}


def test_it_leaves_by_closing_and_is_closed_by_disconnect(house: House) -> None:
    reasons = []
    house.chat.on_disconnect(lambda socket, reason: reasons.append(str(reason)))
    client = house.come()
    client.close()
    assert client.closed == 1000
    client = house.come()
    [socket] = house.chat.sockets()
    socket.disconnect()
    house.clock.settle()
    assert client.closed == 4403
    assert reasons == ["transport close", "server namespace disconnect"]
    client = house.come()
    house.server.close()
    house.clock.settle()
    assert client.closed == 1001


@pytest.mark.parametrize("text", ["", "[]", "hello", '{"data":1}'])
def test_what_is_no_message_ends_the_connection_and_no_other(house: House, text: str) -> None:
    client, other = house.come(), house.come()
    client.send(text)
    assert client.closed == 4400
    other.send("{}")
    assert heard(other)[1:] == [{}]


def test_a_binary_message_ends_the_connection(house: House) -> None:
    client = house.come()
    client.send(b"abc")
    assert client.closed == 1003


def test_a_message_that_crosses_the_end_changes_nothing(house: House) -> None:
    client = house.come()
    client.carrier.blocked = True  # type: ignore[union-attr]
    house.chat.emit("last")
    house.chat.disconnect()
    client.send(b"abc", "nonsense")
    client.carrier.unblock()  # type: ignore[union-attr]
    assert heard(client)[1:] == [{"event": "last"}]
    assert client.closed == 4403


# With others


def test_all_generations_are_in_the_same_rooms(server: Server) -> None:
    server.expose("/ws", server.of("/"))
    plain = Pair(server, generation=EVENTS, path="/ws")
    others = [Pair(server, generation=generation) for generation in (SOCKETIO_1, ENGINEIO_3, ENGINEIO_4)]
    for pair in (plain, *others):
        pair.socket.join("room")
    server.emit("news", {"n": 1}, b"abc", to="room")
    plain.socket.broadcast("hi", 1)
    for pair in others:
        assert [event[:2] for event in pair.peer.events()] == [("news", {"n": 1}), ("hi", 1)]
    assert plain.peer.events() == [("news", {"n": 1}, "YWJj")]
    replies = server.of("/").call("who")
    [asked] = heard(plain.peer)
    for pair in (plain, *others):
        pair.peer.acknowledge(asked["id"], "me")
    assert sorted(replies.result().answers.values()) == ["me"] * 4


def test_a_handler_may_subscribe_it_to_channels(house: House) -> None:
    client = house.come()
    [socket] = house.chat.sockets()
    heard(client)
    socket.subscribe(house.channel)
    [id] = house.publish(5)
    assert heard(client) == [{"event": "prices", "args": [5, id]}]


# Its life


def test_pings_are_those_of_websockets(house: House) -> None:
    client = house.come()
    house.clock.advance(25.1)
    assert client.frames[-1] == (9, b"")
    client.beat()
    house.clock.advance(25.1)
    assert client.frames[-1] == (9, b"")
    assert client.closed is None
    house.clock.advance(20.1)
    assert client.closed == 1001  # it was asleep: it should come back
    assert house.server.engine.sessions == {}


def test_a_pong_that_nobody_awaits_changes_nothing_for_clients_of_socket_io(server: Server) -> None:
    pair = Pair(server)
    pair.clock.advance(25.1)
    pair.peer.carrier.feed(client_frame(10, b""))  # type: ignore[union-attr]
    pair.clock.advance(20.1)
    assert server.engine.sessions == {}


def test_it_may_be_compressed() -> None:
    house = House(per_message_deflate=True)
    house.chat.on("echo")(lambda socket, text: text)
    client = house.come(extensions="permessage-deflate; client_max_window_bits")
    client.send(json.dumps({"event": "echo", "data": "a" * 5000, "id": 1}))
    house.clock.advance(25.1)
    opcodes = [opcode for opcode, _ in client.frames]
    assert opcodes[-1] == 9
    assert client.take()[-1] == json.dumps({"id": 1, "data": "a" * 5000}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (None, None),
        ("waterspout.json.v1", "waterspout.json.v1"),
        ("token.abc, waterspout.json.v1", "waterspout.json.v1"),
        ("graphql-transport-ws", "graphql-transport-ws"),
    ],
)
def test_the_subprotocol_is_ours_if_it_is_offered(house: House, offer: str | None, answer: str | None) -> None:
    fields = [("Host", "here"), *HANDSHAKE, *([("Sec-WebSocket-Protocol", offer)] if offer else [])]
    decision = admit(house.server.engine, Request("GET", "/ws", fields, remote_address="192.0.2.1"))
    assert not isinstance(decision, ANSWERED)
    assert decision.greeting.subprotocol == answer  # type: ignore[union-attr]


def test_a_foreign_origin_is_refused(house: House) -> None:
    with pytest.raises(Refused) as raised:
        house.come(headers=[("Origin", "https://evil.example")])
    assert raised.value.response.status == 403


def test_a_request_that_is_no_websocket_is_told_so(house: House) -> None:
    decision = admit(house.server.engine, Request("GET", "/ws", [("Host", "here")], remote_address="192.0.2.1"))
    assert isinstance(decision, ANSWERED)
    assert decision.response.status == 426
    assert ("Upgrade", "websocket") in decision.response.headers


def test_a_handshake_of_which_a_proxy_has_dropped_a_part_is_named(house: House) -> None:
    fields = [("Host", "here"), *HANDSHAKE[2:]]
    for path in ("/ws", "/prices"):
        decision = admit(house.server.engine, Request("GET", path, fields, remote_address="192.0.2.1"))
        assert isinstance(decision, ANSWERED)
        assert decision.response.status == 400
        assert b"proxy" in decision.response.body


def test_the_function_of_a_path_may_return_a_namespace(house: House) -> None:
    @house.server.expose("/rooms/{name}")
    def enter(request: Any, name: str) -> Any:
        if name == "secret":
            raise HandshakeRefused(404)
        return house.server.of(f"/room-{name}")

    client = house.come("/rooms/a", query="x=1")
    assert entered(client)
    house.server.of("/room-a").emit("hi", 1)
    assert heard(client) == [{"event": "hi", "data": 1}]
    with pytest.raises(Refused) as raised:
        house.come("/rooms/secret")
    assert raised.value.response.status == 404
    decision = admit(house.server.engine, Request("GET", "/rooms/a", [("Host", "here")], remote_address="192.0.2.1"))
    assert isinstance(decision, ANSWERED)
    assert decision.response.status == 426


def test_a_namespace_of_another_server_cannot_be_exposed(house: House) -> None:
    with pytest.raises(ValueError, match="another server"):
        house.server.expose("/other", Server().of("/chat"))


# A subscriber of channels


def test_without_fields_a_subscriber_gets_the_data_alone(house: House) -> None:
    client = house.come("/prices")
    house.publish({"a": 1}, "text")
    assert heard(client) == [{"data": {"a": 1}}, {"data": "text"}]


def test_with_fields_it_gets_ids_and_resumes(house: House) -> None:
    [first] = house.publish(1)
    client = house.come("/prices", "fields=id,event,data")
    assert heard(client) == [{"id": first, "event": "stream-open", "data": {"channels": ["prices"]}}]
    house.channel.publish(2, "tick")
    [_] = house.publish(3)
    messages = heard(client)
    assert [(m["event"], m["data"]) for m in messages] == [("tick", 2), ("message", 3)]
    client.lose()
    house.publish(4)
    client = house.come("/prices", f"fields=id,data&last_event_id={messages[0]['id']}")
    assert [m["data"] for m in heard(client)[1:]] == [3, 4]


def test_who_missed_too_much_is_told(house: House) -> None:
    client = house.come("/prices", "fields=id,event,data&last_event_id=nonsense")
    opened, reset = heard(client)
    assert "id" not in opened
    assert (reset["event"], reset["data"]["reason"]) == ("stream-reset", "unknown")


def test_of_several_channels_each_message_has_its_name(house: House) -> None:
    client = house.come("/both", "fields=id,data")
    heard(client)
    house.news.publish("n")
    house.publish("p")
    messages = heard(client)
    assert [(m["channel"], m["data"]) for m in messages] == [("news", "n"), ("prices", "p")]
    client = house.come("/both", f"fields=id,data&last_event_id={messages[0]['id']}")
    assert [m["data"] for m in heard(client)[1:]] == ["p"]


def test_the_end_of_a_channel_ends_the_connection_and_once_more_for_who_comes_back(house: House) -> None:
    client = house.come("/prices", "fields=id,data")
    house.publish(1)
    house.channel.end("bye")
    house.clock.settle()
    end = heard(client)[-1]
    assert (end["event"], end["data"]["data"]) == ("stream-end", "bye")
    assert client.closed == 1000
    client = house.come("/prices", f"fields=id&last_event_id={end['id']}")
    house.clock.settle()
    assert (client.closed, heard(client)) == (1000, [])


def test_a_subscriber_sends_pings_and_nothing_else(house: House) -> None:
    client = house.come("/prices")
    client.send("{}")
    assert heard(client) == [{}]
    client.send('{"event":"a"}')
    assert client.closed == 4400


def test_an_unknown_field_is_refused(house: House) -> None:
    with pytest.raises(Refused) as raised:
        house.come("/prices", "fields=id,dta")
    assert raised.value.response.status == 400
    assert b"fields has 'dta': choose from id, event, data" in raised.value.response.body


def test_permission_ends_with_a_code(house: House) -> None:
    exposure = house.server.expose("/mine", house.channel, max_age=20)
    subscribers: list[Any] = []
    exposure.on_subscribe(subscribers.append)
    clients = [house.come("/mine") for _ in range(3)]
    house.clock.settle()
    subscribers[0].close()
    subscribers[1].until = house.clock.wall() + 10
    house.clock.advance(10.1)
    assert [client.closed for client in clients] == [4403, 4401, None]
    house.clock.advance(10)
    assert clients[2].closed == 1001


def test_a_slow_subscriber_is_dropped_and_frees_everything() -> None:
    house = House(max_outbox_bytes=10_000)
    client = house.come("/prices")
    client.carrier.blocked = True  # type: ignore[union-attr]
    for _ in range(50):
        house.publish("x" * 1000)
    assert client.closed == 1008
    assert house.channel.count <= 1
    house.clock.advance(60)
    assert house.channel.count == 0
    assert house.server.engine.sessions == {}
