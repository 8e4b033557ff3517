"""Clients that attack an application of TornadIO2, in memory: what they reach, what they cost, and what is left."""

import asyncio
import gc
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from faces.tornadio2.applications import OLD_TRANSPORTS, Chat, closed, routed
from faces.tornadio2.dummies import later
from waterspout import Reason
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, gen
from waterspout.faces.tornadio2.conn import MAX_ACKS
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, MemoryExchange, Peer, Refused
from waterspout.wire.generations import Generation

called: list[Any] = []


class Guarded(SocketConnection):
    """Notes whatever of it is called by an event."""

    def on_message(self, message: Any) -> None:
        called.append(("on_message", message))

    @event
    def hello(self, *args: Any, **kwargs: Any) -> Any:
        called.append(("hello", args, kwargs))
        return "hello"

    def close(self) -> None:
        called.append("close")
        super().close()

    def emit(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        called.append("emit")
        super().emit(name, *args, **kwargs)


class Spread(Guarded):
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return super().on_event(name, *args, **kwargs)


class Documented(Guarded):
    def on_event(self, name: str, args: Any = (), kwargs: Any = None) -> Any:
        return super().on_event(name, args, kwargs)


class Thinking(SocketConnection):
    """Takes a second to decide, and lets in who has a ticket."""

    async def on_open(self, request: Any) -> Any:
        await asyncio.sleep(1)
        return request.get_argument("ticket") is not None

    def on_message(self, message: Any) -> None:
        called.append(message)


class Home(Chat):
    __endpoints__ = {"/a": Thinking}  # noqa: RUF012


class Everywhere(Chat):
    """Has whatever endpoint a client asks for."""

    def on_open(self, request: Any) -> None:
        self.info = request

    def get_endpoint(self, endpoint: str) -> Any:
        return type(self)


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    called.clear()
    closed()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
def generation(request: pytest.FixtureRequest) -> Generation:
    row: Generation = request.param
    return row


def modern(router: TornadioRouter, generation: Generation = ENGINEIO_4) -> Peer:
    """Return a client that is in the main connection."""
    peer = Peer(router.engine, generation=generation)
    if not generation.implicit_connect:
        peer.connect()
    peer.take()
    return peer


def nothing_is_left(router: TornadioRouter, kind: type[SocketConnection]) -> None:
    gc.collect()
    assert router.engine.sessions == {}
    numbers = router.stats.dump()
    assert (numbers["active_sessions"], numbers["active_connections"]) == (0, 0)
    assert [one for one in gc.get_objects() if isinstance(one, kind)] == []


# What a name reaches


NAMES = """
    close emit send on_open on_close on_message on_event on_disconnect get_endpoint queue_ack deque_ack session endpoint
    is_closed ack_queue conn __init__ __class__ __dict__ __init_subclass__ __endpoints__ _events _complain _call_queue
    __getattribute__ mro name self
"""


@pytest.mark.parametrize("kind", [Guarded, Spread, Documented])
@pytest.mark.parametrize("name", [*NAMES.split(), "", "\0", "\ud800", "hell\u043e", "x" * 100_000])
def test_what_is_not_marked_is_no_event(clock: Clock, kind: type[SocketConnection], name: str) -> None:
    router = routed(clock, kind)
    old, new = Peer(router.engine, generation=SOCKETIO_1), modern(router)
    for args in ([], [1], [{"self": 1}], [{"args": [1], "kwargs": {}}], [[1], {"a": 1}]):
        old.send(f"5:1+::{json.dumps({'name': name, 'args': args})}")
        new.send(f"421{json.dumps([name, *args])}")
    assert called == []
    assert old.take()[1:] == ["6:::1"] * 5
    assert new.take() == ["431[]"] * 5
    old.send('5:2+::{"name":"hello"}')
    assert old.take() == ['6:::2+["hello"]']


@pytest.mark.parametrize("kind", [Guarded, Spread, Documented])
@pytest.mark.parametrize("name", ["name", "args", "kwargs", "__class__", "", "/", "endpoint", "function", "\udfff"])
def test_an_argument_may_have_any_name_but_self(clock: Clock, kind: type[SocketConnection], name: str) -> None:
    router = routed(clock, kind)
    old, new = Peer(router.engine, generation=SOCKETIO_1), modern(router)
    old.send(f"5:::{json.dumps({'name': 'hello', 'args': [{name: 1}]})}")
    new.send(f"42{json.dumps(['hello', {name: 1}])}")
    assert called == [("hello", (), {name.encode(errors="replace").decode().replace("?", "\ufffd"): 1})] * 2
    for peer, text in ((old, '5:::{"name":"hello","args":[{"self":1}]}'), (new, '42["hello",{"self":1}]')):
        peer.send(text)
        assert peer.closed is not None
    assert len(called) == 2


# What comes before on_open has ended


@pytest.mark.parametrize("ticket", ["", "?ticket=1"])
def test_nothing_reaches_an_endpoint_before_its_on_open_has_accepted(clock: Clock, ticket: str) -> None:
    peer = Peer(routed(clock, Home).engine, generation=SOCKETIO_1)
    peer.send(f"1::/a{ticket}", "3::/a:early", '4::/a:"b"')
    assert called == []
    clock.advance(1)
    assert called == (["early", "b"] if ticket else [])
    assert peer.take()[2:] == (["1::/a"] if ticket else ["1::/a", "0::/a"])


@pytest.mark.parametrize("ticket", ["", "ticket=1"])
def test_nothing_reaches_anybody_before_the_main_connection_has_accepted(
    clock: Clock, generation: Generation, ticket: str
) -> None:
    class Main(Thinking):
        __endpoints__ = {"/b": Guarded}  # noqa: RUF012

    router = routed(clock, Main)
    old, new = (
        Peer(router.engine, generation=SOCKETIO_1, query=ticket),
        Peer(router.engine, generation=generation, query=ticket),
    )
    new.connect()
    old.send("1::/b", "3::/b:old", "3:::old")
    new.connect("/b")
    new.emit("message", "new", namespace="/b")
    new.emit("message", "new")
    assert called == []
    clock.advance(1)
    assert called == ([("on_message", "old"), "old", ("on_message", "new"), "new"] if ticket else [])
    if not ticket:
        assert None not in (old.closed, new.closed)
        assert router.engine.sessions == {}


@pytest.mark.parametrize("ticket", ["", "?ticket=1"])
def test_what_has_waited_for_the_main_connection_waits_for_its_endpoint_too(clock: Clock, ticket: str) -> None:
    class Main(Thinking):
        __endpoints__ = {"/a": Thinking}  # noqa: RUF012

    peer = Peer(routed(clock, Main).engine, generation=SOCKETIO_1, query="ticket=1")
    peer.send(f"1::/a{ticket}", "3::/a:early", "3:::main")
    clock.advance(1)
    assert called == ["main"]
    clock.advance(1)
    assert called == (["main", "early"] if ticket else ["main"])
    assert peer.closed is None


def test_the_answer_for_one_visit_does_not_let_the_next_one_in(clock: Clock) -> None:
    peer = modern(routed(clock, Home))
    peer.connect("/a", {"ticket": "1"})
    clock.advance(0.9)
    peer.leave("/a")
    peer.connect("/a")
    peer.emit("message", "x", namespace="/a")
    clock.advance(0.2)
    refused = '44/a,{"message":"Not authorized"}'
    assert peer.take() == [refused]
    clock.advance(1)
    assert (peer.take(), called) == ([refused], [])


def test_who_opens_an_endpoint_twice_waits_for_both_answers(clock: Clock) -> None:
    router = routed(clock, Home)
    peer = modern(router)
    peer.connect("/a", {"ticket": "1"})
    router.get_session(peer.sid).endpoints["/a"].send("held")
    clock.advance(0.5)
    peer.connect("/a", {"ticket": "2"})
    clock.advance(0.5)
    assert peer.take() == []
    clock.advance(0.5)
    assert str(peer.take()).count("40/a,") == 1
    assert peer.closed is None


def test_what_is_held_for_an_endpoint_is_not_lost_when_it_is_asked_for_again(clock: Clock) -> None:
    router = routed(clock, Home)
    peer = modern(router)
    peer.connect("/a", {"ticket": "1"})
    router.get_session(peer.sid).endpoints["/a"].send("held")
    peer.connect("/a", {"ticket": "1"})
    clock.advance(1)
    assert peer.take()[1:] == ['42/a,["message","held"]']


def test_an_on_open_may_wait_for_an_acknowledgement(clock: Clock) -> None:
    class Asking(SocketConnection):
        async def on_open(self, request: Any) -> None:
            answer = asyncio.get_running_loop().create_future()
            self.emit_ack(lambda message, data: answer.set_result(data), "who")
            called.append(await answer)

        def on_message(self, message: Any) -> None:
            called.append(message)

    peer = Peer(routed(clock, Asking).engine, generation=SOCKETIO_1)
    peer.send("3:::early", '6:::1+["me"]')
    assert called == [["me"], "early"]


def test_a_decorated_on_open_keeps_nobody_waiting(clock: Clock) -> None:
    """As in the original, where one could go on for as long as its client was there."""

    class Feeding(Guarded):
        @gen.engine
        def on_open(self, request: Any) -> Any:
            yield gen.Task(lambda callback: None)

    peer = Peer(routed(clock, Feeding).engine, generation=SOCKETIO_1)
    peer.send("3:::x")
    assert called == [("on_message", "x")]


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])
def test_who_sends_more_before_on_open_has_ended_than_anybody_needs_is_closed(clock: Clock, transport: str) -> None:
    router = routed(clock, Thinking)
    peer = Peer(router.engine, generation=SOCKETIO_1, query="ticket=1", transport=transport)
    peer.send(*["3:::x"] * 100)
    assert peer.closed is None
    neighbour = Peer(router.engine, generation=SOCKETIO_1, query="ticket=1")
    peer.send("3:::x")
    clock.advance(1)
    assert (peer.take()[-1], called) == ("0::", [])
    neighbour.send("3:::y")
    assert called == ["y"]


def test_who_goes_before_on_open_has_ended_leaves_nothing(clock: Clock) -> None:
    router = routed(clock, Thinking)

    def come_and_go() -> None:
        old, new = Peer(router.engine, generation=SOCKETIO_1, query="ticket=1"), Peer(router.engine, query="ticket=1")
        new.connect()
        old.send("3:::x", "0::")
        new.send('42["message",1]', "41")
        old.lose()
        new.lose()

    for _ in range(20):
        come_and_go()
    clock.advance(60)
    assert called == []
    nothing_is_left(router, Thinking)


# What one client may cost


def test_what_is_held_for_a_client_that_never_enters_the_main_connection_is_bounded(clock: Clock) -> None:
    router = routed(clock, Everywhere)
    peer = Peer(router.engine)
    peer.connect("/a")
    main = router.get_session(peer.sid).conn
    for number in range(3000):
        main.send(f"{number} " + "x" * 1000)
    assert router.engine.traffic.dropped > 900
    peer.take()
    peer.emit("message", "x", namespace="/a")
    assert peer.take() == ['42/a,["message","x"]']
    peer.connect()
    main.send("now")
    assert [str(one)[:3] for one in peer.take()] == ["40{", "42["]


def test_a_client_is_cut_for_which_an_endpoint_holds_too_much(clock: Clock) -> None:
    class Talking(Thinking):
        async def on_open(self, request: Any) -> Any:
            for _ in range(2000):
                self.send("x" * 1000)
            return await super().on_open(request)

    class Main(Chat):
        __endpoints__ = {"/a": Talking}  # noqa: RUF012

    router = routed(clock, Main)
    peer, neighbour = modern(router), modern(router)
    peer.connect("/a", {"ticket": "1"})
    assert peer.closed == 1008
    assert router.engine.traffic.closed[Reason.SLOW_CONSUMER] == 1
    neighbour.emit("message", "x")
    assert neighbour.take() == ['42["message","x"]']


def test_who_comes_and_goes_leaves_no_arguments_behind(clock: Clock) -> None:
    router = routed(clock, Everywhere)
    peer = Peer(router.engine, query="a=0")
    peer.connect("/a")
    for number in range(100):
        peer.connect("/", {"a": str(number), f"b{number}": "x"})
        peer.leave()
    info = router.get_session(peer.sid).info
    assert (info.arguments["a"], info.arguments["b99"], "b98" in info.arguments) == (["0", "99"], ["x"], False)


@pytest.mark.parametrize(("settings", "most"), [({}, 100), ({"max_endpoints": 3}, 3)])
def test_there_are_only_so_many_endpoints_for_a_client(clock: Clock, settings: dict[str, Any], most: int) -> None:
    class Here(Everywhere):
        """Of this test alone: objects of others may live a little longer."""

    router = routed(clock, Here, **settings)
    old, new = Peer(router.engine, generation=SOCKETIO_1), modern(router)
    for number in range(1000):
        new.connect(f"/{number}")
        old.send(f"1::/{number}")
    assert len(router.get_session(old.sid).endpoints) == len(router.get_session(new.sid).endpoints) == most
    assert len(old.take()) == most + 1
    told = f'44/999,{{"message":"Too many namespaces: {most} are allowed on one connection"}}'
    assert new.take()[-1] == told
    new.leave("/0")
    new.connect("/again")
    assert str(new.take()[-1]).startswith("40/again,")
    for peer in (old, new):
        peer.lose()
    clock.advance(60)
    del peer, old, new
    nothing_is_left(router, Here)


def test_an_endpoint_that_is_opened_again_and_again_is_one(clock: Clock, generation: Generation) -> None:
    router = routed(clock, Everywhere)
    peer = modern(router, generation)
    for _ in range(1000):
        peer.connect("/a")
    assert list(router.get_session(peer.sid).endpoints) == ["/a"]
    peer.leave("/a")
    assert router.get_session(peer.sid).endpoints == {}
    peer.lose()
    assert len(closed()) == 2


def test_who_names_no_endpoint_that_exists_has_ten_seconds(clock: Clock) -> None:
    router = routed(clock, Home)
    peer = Peer(router.engine)
    for _ in range(9):
        peer.connect("/none")
        clock.advance(1)
    assert peer.closed is None
    clock.advance(1)
    assert peer.closed is not None


def test_callbacks_that_are_never_called_are_forgotten(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    router = routed(clock, Everywhere)
    peer = Peer(router.engine, generation=SOCKETIO_1)
    main = router.get_session(peer.sid).conn
    for number in range(MAX_ACKS + 100):
        main.send("x", lambda message, data, number=number: called.append(number))
    assert len(main.ack_queue) == MAX_ACKS
    for number in (1, 100, 101, MAX_ACKS + 100, MAX_ACKS + 101):
        peer.send(f"6:::{number}", f"6:::{number}+[1]")
    assert called == [100, MAX_ACKS + 99]
    assert "a client acknowledges nothing" in caplog.text


class Stuck(SocketConnection):
    """Begins with each message when the one before has ended, and never ends one."""

    @gen.sync_engine
    def on_message(self, message: Any) -> Any:
        yield gen.Task(lambda callback: None)


@pytest.mark.parametrize(("message", "most"), [("3:::x", 1000), ("3:::" + "x" * 300_000, 4)], ids=["many", "large"])
@pytest.mark.parametrize("transport", OLD_TRANSPORTS)
def test_what_waits_behind_a_generator_that_never_ends_is_bounded(
    clock: Clock, transport: str, message: str, most: int
) -> None:
    router = routed(clock, Stuck)
    peer = Peer(router.engine, generation=SOCKETIO_1, transport=transport)
    session = router.engine.sessions[peer.sid]
    for _ in range(most - 1):
        peer.send(message)
    assert not session.is_paused
    if transport in ("websocket", "flashsocket"):
        peer.send(message)
    else:
        body = b"d=" + quote(json.dumps(message)).encode() if transport == "jsonp-polling" else message.encode()
        post = MemoryExchange(peer.request("POST", transport))
        router.engine.respond(peer.admit(post.request), post, body)
        assert post.response is None
    assert session.is_paused
    peer.lose()
    clock.advance(60)
    del peer, session
    nothing_is_left(router, Stuck)


def test_thousands_of_handshakes_that_never_connect_are_forgotten(clock: Clock, many: int) -> None:
    router = routed(clock, Guarded)
    for _ in range(many // 2):
        Peer(router.engine, generation=SOCKETIO_1, transport=None)
        Peer(router.engine, transport="polling", polls=False)
    assert router.stats.dump()["active_sessions"] == many
    clock.advance(31)
    nothing_is_left(router, Guarded)


# What the log has to bear


ERRORS: dict[str, str] = {
    "5:::" + json.dumps({"name": "no" * 10_000}): "there is no handler for the event",
    "1::/no" + "o" * 10_000: "has no endpoint",
    "0::/no" + "o" * 10_000: "so it cannot be closed",
    "3::/no" + "o" * 10_000 + ":x": "which is not open",
    "6:::7": "an acknowledgement came for 7",
}


@pytest.mark.parametrize("packet", ERRORS)
def test_nobody_fills_the_log(clock: Clock, packet: str, caplog: pytest.LogCaptureFixture) -> None:
    router = routed(clock, Guarded)
    peers = [Peer(router.engine, generation=SOCKETIO_1) for _ in range(10)]
    for _ in range(100):
        for peer in peers:
            peer.send(packet)
    assert len(caplog.records) == 10
    assert all(ERRORS[packet] in record.getMessage() and len(record.getMessage()) < 250 for record in caplog.records)
    clock.advance(1)
    assert [record.getMessage().partition(": ")[0] for record in caplog.records[10:]] == [
        "990 more of these in the last second"
    ]
    peers[0].send(packet)
    assert len(caplog.records) == 12


def test_a_handler_that_fails_for_everybody_does_not_fill_it_either(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    router = routed(clock, Chat)
    for _ in range(50):
        Peer(router.engine, generation=SOCKETIO_1).send('5:::{"name":"fail"}')
    assert len(caplog.records) == 10
    assert all(record.exc_info and record.name == "tornadio2.session" for record in caplog.records)
    assert router.engine.traffic.closed == {Reason.FORCED_CLOSE: 50}


class Refusing(Chat):
    def on_open(self, request: Any) -> bool:
        return False


def test_who_is_refused_does_not_fill_it_and_is_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    router = routed(clock, Refusing)
    caplog.set_level(logging.INFO, "tornadio2.session")
    for _ in range(50):
        with pytest.raises(Refused):
            Peer(router.engine, generation=SOCKETIO_1)
    clock.advance(1)
    said = [record.getMessage() for record in caplog.records if record.name == "tornadio2.session"]
    assert len(said) == 11
    assert said[-1] == "40 more of these in the last second: ....on_open has refused a client of ..."


@pytest.mark.parametrize(
    "packet", ["1::/{}", "0::/{}", "3::/{}:x", '5:::{{"name":"{}"}}', '5::/{}:{{"name":"x"}}', "{}"]
)
def test_nothing_in_it_is_obeyed_by_a_terminal(clock: Clock, packet: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    router = routed(clock, Guarded)
    evil = "\x7f\x80\x85\x9b\x9f\u200e\u2028\u2029\u202a\u202e\u2066\u2069"
    Peer(router.engine, generation=SOCKETIO_1).send(packet.format(evil))
    Peer(router.engine, generation=SOCKETIO_1).send(packet.format("\x1b[2J\r\n"))
    lines = "".join(record.getMessage() for record in caplog.records)
    assert "broke the protocol" in lines or "7f" in lines  # of what breaks the protocol nothing is quoted
    assert not re.search("[\0-\x1f\x7f-\x9f\u200e\u2028-\u202e\u2066-\u2069]", lines)


# What users raise and close, wherever that is


def failing(*_: Any, **__: Any) -> None:
    raise ValueError("it fails")


@pytest.mark.parametrize("name", ["on_open", "on_message", "on_event", "on_close", "get_endpoint", "__init__"])
@pytest.mark.parametrize("is_late", [False, True])
def test_whatever_fails_ends_its_client_and_no_other(
    clock: Clock, name: str, is_late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_late(self: Any, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        failing()

    is_plain = name in ("__init__", "get_endpoint")
    kind = type("Failing", (Chat,), {name: fail_late if is_late and not is_plain else failing})
    main = kind if name == "get_endpoint" else type("Main", (Chat,), {"__endpoints__": {"/a": kind, "/b": Chat}})
    router = routed(clock, main)
    neighbour, peer = Peer(router.engine, generation=SOCKETIO_1), Peer(router.engine, generation=SOCKETIO_1)
    peer.send("1::/b")
    for packet in ("1::/a", "3::/a:x", '5::/a:{"name":"x"}', "0::/a"):
        peer.send(packet)
        peer.send("2::")
    if name == "on_close":
        assert peer.closed is None
        peer.send("0::")
    assert peer.take()[-1] == "0::"
    assert router.get_session(peer.sid) is None
    neighbour.send("3:::x")
    assert neighbour.take()[-1] == "3:::x"
    assert router.stats.dump()["active_sessions"] == 1
    assert "it fails" in caplog.text


def closes(where: str) -> type[SocketConnection]:
    """Make a connection that closes everything in one of its methods."""

    def close(self: Any, *args: Any, **kwargs: Any) -> None:
        self.close()
        self.session.close()
        self.session.close(self.endpoint)
        self.send("behind the end")

    def ask(self: Any, *args: Any, **kwargs: Any) -> None:
        self.send("x", lambda message, data: close(self))

    methods: dict[str, Callable[..., Any]] = {where: close} if where != "callback" else {"on_message": ask}
    return type("Closing", (Chat,), methods)


@pytest.mark.parametrize("where", ["on_open", "on_message", "on_event", "on_close", "callback"])
@pytest.mark.parametrize("endpoint", ["", "/a"])
def test_close_may_be_called_anywhere(clock: Clock, where: str, endpoint: str) -> None:
    kind = closes(where)
    main = type("Main", (Chat,), {"__endpoints__": {"/a": kind, "/b": Chat}}) if endpoint else kind
    router = routed(clock, main)
    if where == "on_open" and not endpoint:
        assert Peer(router.engine, generation=SOCKETIO_1, transport=None).handshake
        clock.advance(60)
        nothing_is_left(router, kind)
        return
    peer = Peer(router.engine, generation=SOCKETIO_1)
    peer.send("1::/a", "1::/b")
    for packet in (f"3::{endpoint}:x", f"6::{endpoint}:1", f'5::{endpoint}:{{"name":"x"}}', f"0::{endpoint}"):
        peer.send(packet)
    assert peer.take()[-1] == "0::"
    assert "behind the end" not in str(peer.take())
    peer.lose()
    clock.advance(60)
    del peer
    nothing_is_left(router, kind)


def test_a_generator_may_say_goodbye(clock: Clock) -> None:
    class Parting(SocketConnection):
        def on_message(self, message: Any) -> None: ...

        def on_close(self) -> Any:
            yield gen.Task(later, waiting)
            called.append(self.endpoint)

    waiting: list[Any] = []
    router = routed(clock, type("Main", (Parting,), {"__endpoints__": {"/a": Parting}}))
    peer = Peer(router.engine, generation=SOCKETIO_1)
    peer.send("1::/a", "0::")
    assert called == []
    for callback in waiting:
        callback(None)
    assert called == ["/a", None]
