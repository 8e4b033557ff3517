"""What comes before handlers: steps before connect and before events, and the handler of any event."""

import asyncio
from typing import Any

import pytest

from server.clients import is_told
from server.later import Handler, LateClock, note
from turns import packets
from waterspout import ConnectRefused, EventRefused, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer
from waterspout.wire.generations import Generation

# use


def test_steps_come_before_the_connect_handler_in_their_order(server: Server, client: dict[str, Any]) -> None:
    heard: list[str] = []
    server.on_connect(lambda socket, auth: heard.append("connect"))
    server.use(lambda socket, auth: heard.append("one"))
    server.use(lambda socket, auth: heard.append("two"))
    Pair(server, **client)
    assert heard == ["one", "two", "connect"]


@pytest.mark.parametrize("refusal", [False, ConnectRefused("no"), ConnectRefused({"code": 7}), KeyError("secret")])
def test_a_step_refuses_and_nothing_behind_it_is_asked(
    server: Server, generation: Generation, refusal: bool | Exception
) -> None:
    heard: list[str] = []

    @server.use
    def step(socket: Socket, auth: Any) -> Any:
        if isinstance(refusal, Exception):
            raise refusal
        return refusal

    server.use(lambda socket, auth: heard.append("step"))
    server.on_connect(lambda socket, auth: heard.append("connect"))
    server.on_disconnect(lambda socket, reason: heard.append("disconnect"))
    server.engine.bind(Clock())
    peer = Peer(server, generation=generation)
    if not generation.implicit_connect:
        peer.connect()
    message, data = {
        "False": ("Not authorized", None),
        "no": ("no", None),
        "Not authorized": ("Not authorized", {"code": 7}),
        "'secret'": ("Internal error", None),
    }[str(refusal)]
    assert is_told(peer, message, data)
    assert heard == []
    assert server.sockets() == []


def test_a_step_may_take_its_time_and_what_is_emitted_waits() -> None:
    server, step, heard = Server(driver=LateClock()), Handler(), list[str]()
    server.use(step)
    server.on_connect(lambda socket, auth: socket.emit("hello"))
    server.on("say")(lambda socket: heard.append("say"))
    peer = Peer(server)
    peer.connect(auth={"a": 1})
    peer.emit("say")
    assert step.heard == [({"a": 1},)]
    assert heard == []
    peer.take()
    step.answer()
    assert [str(packet)[:2] for packet in peer.take()] == ["40", "42"]
    assert heard == ["say"]
    assert server.engine.sessions[peer.sid]._calls == 0


def test_steps_are_not_asked_on_when_the_client_has_gone() -> None:
    server, step, heard = Server(driver=LateClock()), Handler(), list[str]()
    server.use(step)
    server.use(lambda socket, auth: heard.append("second"))
    for end in ("leave", "lose"):
        peer = Peer(server)
        peer.connect()
        getattr(peer, end)()
        step.answer()
        assert peer.take()[1:] == []
    assert heard == []


def test_a_step_that_cannot_be_called_is_refused(server: Server) -> None:
    with pytest.raises(TypeError, match=r"a step of `use` is called with \(socket, auth\), but takes \(socket\)"):
        server.use(lambda socket: None)
    with pytest.raises(TypeError, match=r"called with \(socket, event, args\), but takes \(socket, event\)"):
        server.use_event(lambda socket, event: None)
    with pytest.raises(TypeError, match=r"the disconnect handler of / is called with \(socket, reason\)"):
        server.on_disconnect(lambda socket: None)
    for handler in (lambda socket: None, lambda socket, event: None, lambda socket, event, text: None):
        with pytest.raises(TypeError, match="the handler of any event of / is called with"):
            server.on_any(handler)
    server.use(print)  # a builtin that takes anything


# use_event


def test_event_steps_come_in_their_order_before_the_handler(server: Server, client: dict[str, Any]) -> None:
    heard: list[Any] = []
    server.on("say")(lambda socket, text: heard.append(("handler", text)))
    server.use_event(lambda socket, event, args: heard.append((1, event, list(args))))
    server.use_event(lambda socket, event, args: heard.append((2, event, list(args))))
    pair = Pair(server, **client)
    pair.peer.emit("say", "a")
    assert heard == [(1, "say", ["a"]), (2, "say", ["a"]), ("handler", "a")]


def test_a_step_drops_an_event(server: Server, client: dict[str, Any]) -> None:
    heard: list[str] = []
    server.on("say")(lambda socket, text: note(heard, text, "ok"))
    server.use_event(lambda socket, event, args: args[0] != "bad")
    pair = Pair(server, **client)
    pair.peer.emit("say", "bad", id=1)
    pair.peer.emit("say", "good", id=2)
    assert heard == ["good"]
    assert pair.peer.acks() == {2: "ok"}
    assert pair.clock.reports == []


def test_a_step_refuses_an_event_and_the_client_hears_why(server: Server, client: dict[str, Any]) -> None:
    errors: list[Any] = []
    server.on("say")(lambda socket: errors.append("handler"))
    server.on_error(lambda socket, event, error: errors.append((event, str(error))))

    @server.use_event
    def step(socket: Socket, event: str, args: list[Any]) -> None:
        raise EventRefused("not now", retry=5)

    pair = Pair(server, **client)
    pair.peer.emit("say", id=1)
    pair.peer.emit("say")
    assert pair.peer.acks() == {1: {"error": {"retry": 5, "message": "not now"}}}
    assert errors == [("say", "not now")] * 2
    assert pair.clock.reports == []


def test_a_step_may_change_the_arguments(server: Server, client: dict[str, Any]) -> None:
    @server.use_event
    def step(socket: Socket, event: str, args: list[Any]) -> None:
        args[:] = [*args, 2]

    @server.on("add")
    def add(socket: Socket, one: int, two: int) -> int:
        return one + two

    server.on("none")(lambda socket: "ok")
    pair = Pair(server, **client)
    pair.peer.emit("add", 1, id=1)
    pair.peer.emit("none", id=2)  # takes no arguments, and has one now
    first, second = pair.peer.acks().values()
    assert first == 3
    assert "takes 0 arguments, 1 came" in str(second)


def test_a_step_that_fails_ends_its_event_only(server: Server, client: dict[str, Any]) -> None:
    server.on("say")(lambda socket, ok: "ok")
    server.use_event(lambda socket, event, args: 1 / args[0])
    pair = Pair(server, **client)
    pair.peer.emit("say", 0, id=1)
    pair.peer.emit("say", 1, id=2)
    assert pair.peer.acks() == {2: "ok"}
    assert [text for text, _ in pair.clock.reports] == ["the handler of 'say' in / failed"]


@pytest.mark.parametrize("outcome", [None, False, EventRefused("no"), KeyError()])
def test_a_step_may_take_its_time(outcome: Any, generation: Any) -> None:
    server, step = Server(driver=LateClock()), Handler()
    server.use_event(step)
    server.on("say")(lambda socket: "ok")
    pair = Pair(server, generation=generation)
    pair.peer.emit("say", id=1)
    session = server.engine.sessions[pair.peer.sid]
    assert session._calls == 1
    if isinstance(outcome, Exception):
        step.fail(outcome)
    else:
        step.answer(outcome)
    answers: dict[str, dict[int, Any]] = {"None": {1: "ok"}, "no": {1: {"error": {"message": "no"}}}}
    assert pair.peer.acks() == answers.get(str(outcome), {})
    assert session._calls == 0


def test_a_handler_is_not_called_when_its_client_left_during_a_step(generation: Any) -> None:
    server, step, heard = Server(driver=LateClock()), Handler(), list[str]()
    server.use_event(step)
    server.on("say")(lambda socket: heard.append("say"))
    pair = Pair(server, generation=generation)
    pair.peer.emit("say", id=1)
    pair.socket.disconnect()
    step.answer()
    assert heard == []


class Broken(EventRefused):
    @property
    def report(self) -> dict[str, object]:
        raise KeyError("report")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise KeyError("str")


class Text(str):
    def __str__(self) -> str:
        raise Unspeakable


@pytest.mark.parametrize("odd", [Broken("x"), EventRefused("x", data=object()), EventRefused("x", data=Text("t"))])
def test_a_refusal_that_cannot_be_told_is_an_error(server: Server, client: dict[str, Any], odd: Exception) -> None:
    def raising(socket: Socket) -> None:
        raise odd

    server.on("say")(raising)
    server.on("echo")(lambda socket: 1)
    pair = Pair(server, **client)
    pair.peer.emit("say", id=1)
    pair.peer.emit("echo", id=2)
    assert pair.peer.acks() == {2: 1}
    assert len(pair.clock.reports) == 1


def test_an_answer_whose_own_words_fail_is_an_error_of_its_handler(server: Server, client: dict[str, Any]) -> None:
    server.on("say")(lambda socket: Text("t"))
    server.on("enter", namespace="/x")(lambda socket: 1)

    @server.of("/x").on_connect
    def connect(socket: Socket, auth: Any) -> None:
        raise ConnectRefused({"text": Text("t")})

    pair = Pair(server, **client)
    pair.peer.emit("say", id=1)
    assert pair.peer.take() == []
    pair.peer.connect("/x")
    old = client["generation"] is SOCKETIO_1  # whose refusals have no words
    assert ("7::/x:2" if old else "Internal error") in str(pair.peer.take())
    assert len(pair.clock.reports) == 2 - old
    assert pair.socket.connected


# on_any


def test_any_event_is_heard_before_its_own_handler(server: Server, client: dict[str, Any]) -> None:
    heard: list[Any] = []
    server.on("say")(lambda socket, text: note(heard, "say", "mine"))
    server.on_any(lambda socket, event, *args: note(heard, (event, args), "any"))
    pair = Pair(server, **client)
    pair.peer.emit("say", "a", id=1)
    pair.peer.emit("shout", "b", b"c", id=2)
    pair.peer.emit("quiet")
    read = "Yw==" if client["generation"] is SOCKETIO_1 else b"c"
    assert heard == [("say", ("a",)), "say", ("shout", ("b", read)), ("quiet", ())]
    assert pair.peer.acks() == {1: "mine", 2: "any"}


def test_that_an_unknown_event_was_heard_does_not_acknowledge_it(server: Server, client: dict[str, Any]) -> None:
    results = {"nothing": None, "empty": (), "no": False, "zero": 0}
    server.on("say")(lambda socket: None)
    server.on_any(lambda socket, event, *args: results.get(event))
    pair = Pair(server, **client)
    for number, name in enumerate(["saay", "say", *results]):
        pair.peer.emit(name, id=number)
    assert pair.peer.acks() == {1: None, 3: None, 4: False, 5: 0}


@pytest.mark.parametrize("ordered", [True, False])
def test_an_async_handler_of_any_event_ends_what_it_does_not_acknowledge(ordered: bool) -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        chat = server.of("/chat", ordered=ordered)

        @chat.on_any
        async def hear(socket: Socket, event: str, *args: Any) -> str | None:
            await asyncio.sleep(0)
            return "heard" if event == "last" else None

        peer = Peer(server)
        peer.connect("/chat")
        peer.take()
        for number, name in enumerate(["first", "second", "last"]):
            peer.emit(name, id=number, namespace="/chat")
        assert await packets(peer, 1) == ['43/chat,2["heard"]']
        assert server.engine.sessions[peer.sid]._calls == 0

    asyncio.run(main())


def test_an_error_of_the_handler_of_any_event_does_not_keep_the_events_own(server: Server, generation: Any) -> None:
    errors: list[Any] = []
    server.on("say")(lambda socket: "ok")
    server.on_any(lambda socket, event, *args: 1 / 0)
    server.on_error(lambda socket, event, error: errors.append((event, type(error))))
    pair = Pair(server, generation=generation)
    pair.peer.emit("say", id=1)
    pair.peer.emit("shout", id=2)
    assert pair.peer.acks() == {1: "ok"}
    assert errors == [("say", ZeroDivisionError), ("shout", ZeroDivisionError)]


def test_there_is_one_handler_of_any_event(server: Server) -> None:
    server.on_any(print)
    with pytest.raises(ValueError, match="/ has an on_any handler already: <built-in function print>"):
        server.on_any(print)


def test_steps_come_before_the_handler_of_any_event_and_for_unknown_events_too(server: Server, generation: Any) -> None:
    heard: list[str] = []
    server.on_any(lambda socket, event, *args: heard.append(f"any {event}"))
    server.use_event(lambda socket, event, args: note(heard, f"step {event}", event != "bad"))
    pair = Pair(server, generation=generation)
    pair.peer.emit("x")
    pair.peer.emit("bad")
    assert heard == ["step x", "any x", "step bad"]


def test_the_handler_waits_until_any_has_ended() -> None:
    async def main() -> None:
        server, heard = Server(), list[str]()
        server.engine.bind(AsyncioDriver())

        @server.on_any
        async def hear(socket: Socket, event: str, *args: Any) -> None:
            await asyncio.sleep(0)
            heard.append("any")

        @server.on("say")
        async def say(socket: Socket) -> list[str]:
            await asyncio.sleep(0)
            return [*heard, "say"]

        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("say", id=1)
        assert await packets(peer, 1) == ['431[["any","say"]]']
        assert server.engine.sessions[peer.sid]._calls == 0

    asyncio.run(main())


def test_names_that_clients_choose_fill_neither_the_log_nor_the_memory(server: Server, generation: Any) -> None:
    server.on_any(lambda socket, event, *args: 1 / 0)
    pair = Pair(server, generation=generation)
    for number in range(1000):
        pair.peer.emit(f"{number}" * 100)
    assert len(pair.clock.reports) == 10
    assert max(len(text) for text, _ in pair.clock.reports) < 150
    pair.clock.advance(1)
    more, error = pair.clock.reports[-1]
    assert more.startswith("990 more of these in the last second: the handler of '10101")
    assert error is None
    pair.peer.emit("again")
    assert pair.clock.reports[-1][0] == "the handler of 'again' in / failed"


def test_a_handler_of_errors_that_fails_does_not_fill_the_log_either(server: Server, generation: Any) -> None:
    server.on("say")(lambda socket: 1 / 0)
    server.on_error(lambda socket, event, error: int("x"))
    pair = Pair(server, generation=generation)
    for _ in range(100):
        pair.peer.emit("say")
    assert [type(error) for _, error in pair.clock.reports].count(ZeroDivisionError) == 10
    assert [type(error) for _, error in pair.clock.reports].count(ValueError) == 10
    assert server.stats().errors == 100
