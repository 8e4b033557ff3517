"""How an event of a client finds its handler, and what becomes of a handler's exceptions."""

import asyncio
import gc
import logging
from typing import Any

import pytest

from turns import packets, until
from waterspout import ConnectRefused, EventRefused, Reason, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer
from waterspout.wire.generations import ENGINEIO_4, Generation
from waterspout.wire.json import decode, encode
from waterspout.wire.socketio import RESERVED

# Dispatch


@pytest.mark.parametrize(
    "args",
    [(), (1,), ("a", 2.5, None, True), ({"a": [1, {"b": "é😀"}]},), ([],), (b"\x00\xff",), ({"x": [b"1", b"2"]}, 3)],
)
def test_a_handler_gets_the_socket_and_the_arguments(
    server: Server, client: dict[str, Any], args: tuple[Any, ...]
) -> None:
    heard: list[tuple[Any, ...]] = []
    server.on("say")(lambda *everything: heard.append(everything))
    pair = Pair(server, **client)
    pair.peer.emit("say", *args)
    if client["generation"] is SOCKETIO_1:
        args = tuple(decode(encode(args).decode()))  # binary is text in base64
    assert heard == [(pair.socket, *args)]
    assert pair.peer.take() == []


def test_events_are_heard_in_the_order_in_which_they_were_sent(server: Server, client: dict[str, Any]) -> None:
    heard: list[int] = []
    server.on("a")(lambda socket, number: heard.append(number))
    server.on("b")(lambda socket, number: heard.append(number))
    pair = Pair(server, **client)
    for number, name in enumerate("aba"):
        pair.peer.emit(name, number)
    assert heard == [0, 1, 2]


def test_an_event_without_a_handler_is_ignored(server: Server, client: dict[str, Any]) -> None:
    server.on("say")(lambda socket: "ok")
    pair = Pair(server, **client)
    pair.peer.emit("shout", 1, id=4)
    assert pair.peer.take() == []
    pair.peer.emit("say", id=5)
    assert pair.peer.acks() == {5: "ok"}
    assert pair.clock.reports == []


def test_an_event_may_be_called_error(server: Server, client: dict[str, Any]) -> None:
    raised: list[object] = []
    server.on_error(lambda *args: raised.append(args))
    server.on("error")(lambda socket, code: f"noted {code}")
    pair = Pair(server, **client)
    pair.peer.emit("error", 5, id=1)
    pair.socket.emit("error", "down")
    assert pair.peer.events() == [("error", "down")]
    assert pair.peer.acks() == {1: "noted 5"}
    assert raised == []


PRIVATE = ["*", "error", "__init__", "__class__", "_x", "trigger_event", "emit", "close_room", "join", "on_connect", ""]


@pytest.mark.parametrize("name", PRIVATE)
def test_what_a_client_names_reaches_only_what_was_registered_for_that_name(
    server: Server, generation: Generation, name: str
) -> None:
    heard: list[object] = []
    server.on("say")(lambda socket: heard.append("say"))
    server.on_error(lambda *everything: heard.append("error"))
    server.on_disconnect(lambda *everything: heard.append("disconnect"))
    pair = Pair(server, generation=generation)
    server.on_connect(lambda *everything: heard.append("connect"))
    pair.peer.emit(name, pair.socket.id, id=1)
    assert heard == []
    assert pair.peer.take() == []
    assert pair.socket.rooms == set()
    assert pair.socket.connected
    pair.peer.emit("say")
    assert heard == ["say"]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_calls_nothing_and_ends_the_connection_of_who_cannot_have_sent_it(
    server: Server, generation: Generation, name: str
) -> None:
    reasons: list[str] = []
    server.on_disconnect(lambda socket, reason: reasons.append(reason))
    server.on_any(lambda socket, event, *args: reasons.append(event))
    pair = Pair(server, generation=generation)
    server.on_connect(lambda *everything: reasons.append("connect"))
    pair.peer.emit(name, {})
    if generation is ENGINEIO_4:  # whose clients refuse to send it
        assert (reasons, pair.peer.closed) == ([Reason.PARSE_ERROR], 1002)
    else:
        assert (reasons, pair.peer.closed) == ([], None)


def test_a_packet_for_a_namespace_that_was_not_entered_is_ignored_or_ends_the_connection(
    server: Server, generation: Generation
) -> None:
    server.of("/chat").on("say")(lambda socket, *args: "said")
    for say in (
        lambda peer: peer.emit("say", id=1, namespace="/chat"),
        lambda peer: peer.acknowledge(1, "x", namespace="/chat"),
        lambda peer: peer.leave("/chat"),
        lambda peer: peer.emit("say", b"x", id=1, namespace="/chat"),
    ):
        pair = Pair(server, generation=generation)
        say(pair.peer)
        if generation is ENGINEIO_4:  # as in the JavaScript servers of each
            assert pair.peer.closed == 1002
        else:
            assert pair.peer.take() == []
            assert pair.socket.connected
    assert len(server.engine.sessions) == (0 if generation is ENGINEIO_4 else 4)


def speak_in_chat(peer: Peer) -> None:
    peer.emit("say", id=1, namespace="/chat")
    peer.acknowledge(1, "x", namespace="/chat")
    peer.leave("/chat")


def test_what_comes_for_a_namespace_that_has_refused_its_client_is_ignored(
    server: Server, client: dict[str, Any]
) -> None:
    server.of("/chat").on_connect(lambda socket, auth: False)
    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    pair.peer.take()
    speak_in_chat(pair.peer)
    assert pair.peer.take() == []
    assert pair.socket.connected


def test_an_event_that_is_named_by_a_number_has_it_as_its_name(server: Server, client: dict[str, Any]) -> None:
    names: list[Any] = [1, "1", 1.0]
    heard: list[Any] = []
    server.on_any(lambda socket, event, *args: heard.append((event, [*args])))
    server.on("1")(lambda socket, *args: [*args])
    pair = Pair(server, **client)
    for number, argument in enumerate("xyz"):
        pair.peer.emit(names[number], argument, id=number)
    pair.peer.emit(2)  # type: ignore[arg-type]
    assert pair.peer.acks() == {0: ["x"], 1: ["y"], 2: ["z"]}
    assert heard == [("1", ["x"]), ("1", ["y"]), ("1", ["z"]), ("2", [])]


def test_a_handler_for_a_number_is_told_to_be_one_for_its_text(server: Server) -> None:
    number: Any = 1
    with pytest.raises(TypeError, match=r"the event's name is 1: give '1', which a client's emit\(1"):
        server.on(number)


def test_an_acknowledgement_without_data_has_no_arguments_and_one_without_an_id_is_ignored(
    server: Server, engineio_client: dict[str, Any]
) -> None:
    pair = Pair(server, **engineio_client)
    answers: list[Any] = []
    asked = pair.socket.call("ask")
    asked.add_done_callback(lambda pending: answers.append(pending.result()))
    (question,) = pair.peer.take()
    assert isinstance(question, str)
    id = question[2 : question.index("[")]
    pair.peer.send("43", "43[]", '43["x"]', "42", "421", "43999999")
    assert answers == []
    pair.peer.send(f"43{id}")
    assert len(answers) == 1
    assert pair.socket.connected


def test_a_packet_that_crossed_with_the_end_of_its_socket_is_ignored(server: Server, client: dict[str, Any]) -> None:
    server.of("/chat").on("say")(lambda socket: "ok")
    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    (socket,) = server.of("/chat").sockets()
    socket.disconnect()
    pair.peer.take()
    speak_in_chat(pair.peer)
    assert pair.peer.take() == []
    assert pair.socket.connected


def test_a_server_without_a_loop_cannot_run_async_handlers_and_says_so(server: Server) -> None:
    @server.on("say")
    async def say(socket: Socket) -> None: ...

    errors: list[BaseException] = []
    server.on_error(lambda socket, event, error: errors.append(error))
    peer = Peer(server)
    peer.connect()
    peer.emit("say", id=1)
    assert "is asynchronous: run it on a host with an event loop, or write a plain function" in str(errors[0])
    assert peer.acks() == {}


# Errors


class Odd(BaseException):
    """What is no Exception."""


def test_an_exception_is_reported_once_with_the_event_and_the_connection_lives(
    server: Server, client: dict[str, Any]
) -> None:
    @server.on("say")
    def say(socket: Socket, text: str) -> str:
        if text == "bad":
            raise LookupError(text)
        return text

    pair = Pair(server, **client)
    other = Pair(server, **client)
    pair.peer.emit("say", "bad", id=1)
    pair.peer.emit("say", "good", id=2)
    assert [(text, repr(error)) for text, error in pair.clock.reports] == [
        ("the handler of 'say' in / failed", "LookupError('bad')")
    ]
    assert pair.peer.acks() == {2: "good"}
    assert pair.socket.connected
    assert other.socket.connected


def test_a_wrong_number_of_arguments_is_told_to_the_client_and_not_to_the_log(
    server: Server, client: dict[str, Any]
) -> None:
    refused: list[str] = []
    server.on_error(lambda socket, event, error: refused.append(str(error)))
    server.on("say")(lambda socket, text: text)
    pair = Pair(server, **client)
    pair.peer.emit("say", id=1)
    pair.peer.emit("say", 1, 2, id=2)
    pair.peer.emit("say")
    first, second = (answer["error"] for answer in pair.peer.acks().values())
    assert (first["message"], second["message"]) == tuple(refused[:2])
    assert first == {"event": "say", "argument": "text", "place": "", "message": refused[0]}
    assert len(refused) == 3
    assert pair.clock.reports == []


def test_the_error_handler_sees_the_socket_the_event_and_the_error(server: Server, client: dict[str, Any]) -> None:
    seen: list[tuple[Socket, str, str]] = []
    server.on_error(lambda socket, event, error: seen.append((socket, event, repr(error))))
    server.of("/chat").on_error(lambda *everything: seen.clear())
    server.on("say")(lambda socket: 1 / 0)
    pair = Pair(server, **client)
    pair.peer.emit("say")
    assert seen == [(pair.socket, "say", "ZeroDivisionError('division by zero')")]
    assert len(pair.clock.reports) == 1


def test_the_error_handler_may_speak_to_the_client(server: Server, client: dict[str, Any]) -> None:
    server.on_error(lambda socket, event, error: socket.emit("failed", event))
    server.on("say")(lambda socket: 1 / 0)
    pair = Pair(server, **client)
    pair.peer.emit("say", id=1)
    assert pair.peer.events() == [("failed", "say")]


def test_an_error_handler_that_fails_is_reported_and_not_asked_about_itself(server: Server, generation: Any) -> None:
    calls: list[str] = []

    @server.on_error
    def error(socket: Socket, event: str, error: BaseException) -> None:
        calls.append(event)
        raise LookupError("again")

    server.on("say")(lambda socket: 1 / 0)
    pair = Pair(server, generation=generation)
    pair.peer.emit("say")
    assert calls == ["say"]
    assert [text for text, _ in pair.clock.reports] == [
        "the handler of 'say' in / failed",
        "the on_error handler in / failed",
    ]


def test_an_exception_of_the_disconnect_handler_is_reported_and_seen_too(server: Server) -> None:
    seen: list[str] = []
    server.on_error(lambda socket, event, error: seen.append(event))
    server.on_disconnect(lambda socket, reason: 1 / 0)
    pair = Pair(server)
    pair.peer.leave()
    assert seen == ["disconnect"]
    assert [text for text, _ in pair.clock.reports] == ["the handler of 'disconnect' in / failed"]
    assert server.sockets() == []
    assert pair.peer.closed is None


@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError, Odd])
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_whatever_a_handler_raises_on_a_loop_ends_its_call_and_nothing_else(
    kind: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def plain(socket: Socket) -> None:
        raise error

    async def asynchronous(socket: Socket) -> None:
        raise error

    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        seen: list[str] = []
        server.on_error(lambda socket, event, error: seen.append(event))
        server.on("say")(plain if kind == "plain" else asynchronous)
        server.on("echo")(lambda socket, text: text)
        peer = Peer(server)
        peer.connect()
        peer.emit("say", id=1)
        await until(lambda: seen)
        peer.take()
        peer.emit("echo", "still here", id=2)
        assert peer.acks() == {2: "still here"}
        assert seen == ["say"]

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [(record.name, record.message) for record in caplog.records] == [
        ("waterspout.server", "the handler of 'say' in / failed")
    ]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[0] is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_ends_the_process_is_told_and_not_held_up(kind: str, error: type[BaseException]) -> None:
    seen: list[str] = []

    def plain(socket: Socket) -> None:
        raise error

    async def asynchronous(socket: Socket) -> None:
        raise error

    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        server.on_error(lambda socket, event, error: seen.append(event))
        server.on("say")(plain if kind == "plain" else asynchronous)
        peer = Peer(server)
        peer.connect()
        peer.emit("say")
        await asyncio.get_running_loop().create_future()

    with pytest.raises(error):
        asyncio.run(main())
    assert seen == ["say"]
    gc.collect()  # asyncio complains of the task here, and not in the middle of another test


def test_a_handler_that_never_returns_keeps_nobody_else_waiting() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())

        @server.on("wait")
        async def wait(socket: Socket) -> None:
            await asyncio.get_running_loop().create_future()

        server.on("echo")(lambda socket, text: text)
        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("wait", id=1)
        peer.emit("echo", "hello", id=2)
        assert peer.acks() == {2: "hello"}

    asyncio.run(main())


def test_async_handlers_of_one_client_run_side_by_side_and_answer_as_they_end() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        gates = {name: asyncio.Event() for name in "ab"}

        @server.on("wait")
        async def wait(socket: Socket, name: str) -> str:
            await gates[name].wait()
            return name

        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("wait", "a", id=1)
        peer.emit("wait", "b", id=2)
        gates["b"].set()
        assert await packets(peer, 1) == ['432["b"]']
        gates["a"].set()
        assert await packets(peer, 1) == ['431["a"]']

    asyncio.run(main())


def test_a_disconnect_does_not_cancel_a_running_handler_and_its_answer_is_dropped() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        gate = asyncio.Event()
        ended: list[bool] = []

        @server.on("wait")
        async def wait(socket: Socket) -> str:
            await gate.wait()
            ended.append(socket.connected)
            return "too late"

        peer = Peer(server)
        peer.connect()
        peer.emit("wait", id=1)
        peer.leave()
        peer.take()
        gate.set()
        await until(lambda: ended)
        await until(lambda: not asyncio.all_tasks() - {asyncio.current_task()})
        assert ended == [False]
        assert peer.take() == []

    asyncio.run(main())


def test_what_the_handler_of_any_event_refuses_is_acknowledged_once_and_not_handled(
    server: Server, client: dict[str, Any]
) -> None:
    heard: list[str] = []
    server.on("say")(lambda socket: heard.append("say"))

    @server.on_any
    def refuse(socket: Socket, event: str, *args: object) -> None:
        raise EventRefused("not now")

    pair = Pair(server, **client)
    pair.peer.emit("say", id=1)
    assert pair.peer.acks() == {1: {"error": {"message": "not now"}}}
    assert heard == []


def test_a_refusal_to_enter_that_an_event_raises_is_told_where_it_belongs(server: Server, generation: Any) -> None:
    refusal = ConnectRefused("no")

    @server.on("say")
    def say(socket: Socket) -> None:
        raise refusal

    pair = Pair(server, generation=generation)
    for _ in range(2):
        pair.peer.emit("say", id=1)
    assert refusal.__notes__ == ["ConnectRefused is for connect handlers: raise EventRefused to refuse an event"]
    assert [error for _, error in pair.clock.reports] == [refusal, refusal]
    assert pair.peer.acks() == {}


@pytest.mark.parametrize("verb", ["emit", "broadcast"])
def test_the_report_of_a_handler_that_awaits_nothing_says_so(verb: str, generation: Any) -> None:
    server = Server(driver=Clock())

    @server.on("say")
    async def say(socket: Socket) -> None:
        await getattr(socket, verb)("lobby")

    with Pair(server, generation=generation) as pair:
        pair.peer.emit("say")
        ((_, error),) = pair.clock.reports
    note = "".join(getattr(error, "__notes__", ()))
    assert "emit, broadcast and disconnect return None" in note
    assert "call them without `await`" in note


def test_no_other_type_error_is_explained(generation: Any) -> None:
    server = Server(driver=Clock())

    @server.on("say")
    def say(socket: Socket) -> None:
        raise TypeError("no")

    with Pair(server, generation=generation) as pair:
        pair.peer.emit("say")
        ((_, error),) = pair.clock.reports
    assert not hasattr(error, "__notes__")
