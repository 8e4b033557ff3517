"""Acknowledgements, of the client's events and of the server's."""

import asyncio
import re
from typing import Any

import pytest

from server.clients import vanish
from turns import packets, turn, until
from waterspout import AckTimeout, Pending, Server, Socket, SocketClosed
from waterspout.drivers import AsyncioDriver
from waterspout.server.acks import Acks
from waterspout.testing import SOCKETIO_1, Pair, Peer
from waterspout.wire.packets import Ack, Event

# The client asks

ANSWERS = [
    (None, []),
    ("ok", ["ok"]),
    (0, [0]),
    (False, [False]),
    ([1, 2], [[1, 2]]),
    ({"a": None}, [{"a": None}]),
    ((), []),
    (("a",), ["a"]),
    ((1, [2], None), [1, [2], None]),
    ((None,), [None]),
]


@pytest.mark.parametrize(("returned", "args"), ANSWERS)
def test_what_a_handler_returns_is_the_acknowledgement(
    server: Server, client: dict[str, Any], returned: object, args: list[Any]
) -> None:
    server.on("ask")(lambda socket: returned)
    pair = Pair(server, **client)
    pair.peer.emit("ask", id=12)
    assert pair.peer.pick(Ack, "/") == [Ack("/", 12, args)]
    assert pair.peer.take() == []


def test_an_event_without_an_id_is_not_acknowledged(server: Server, client: dict[str, Any]) -> None:
    server.on("ask")(lambda socket: "ok")
    pair = Pair(server, **client)
    pair.peer.emit("ask")
    assert pair.peer.take() == []


def test_binary_is_acknowledged_with_attachments(server: Server, client: dict[str, Any]) -> None:
    server.on("ask")(lambda socket, data: (data, {"twice": data * 2}))
    pair = Pair(server, **client)
    pair.peer.emit("ask", b"\x01", id=0)
    old = ("AQ==", {"twice": "AQ==AQ=="})  # whose binary is text in base64
    assert pair.peer.acks() == {0: old if client["generation"] is SOCKETIO_1 else (b"\x01", {"twice": b"\x01\x01"})}


def test_a_handler_may_speak_before_it_answers(server: Server, client: dict[str, Any]) -> None:
    @server.on("ask")
    def ask(socket: Socket) -> str:
        socket.emit("first")
        return "second"

    pair = Pair(server, **client)
    pair.peer.emit("ask", id=1)
    assert ["first" in str(packet) for packet in pair.peer.take()] == [True, False]


@pytest.mark.parametrize(("value", "word"), [(object(), "object"), ({1j: 2}, "complex")])
def test_an_answer_that_cannot_be_sent_is_an_error_of_its_handler(
    server: Server, client: dict[str, Any], value: object, word: str
) -> None:
    server.on("ask")(lambda socket: value)
    server.on("echo")(lambda socket: "here")
    pair = Pair(server, **client)
    pair.peer.emit("ask", id=1)
    ((text, error),) = pair.clock.reports
    assert text == "the handler of 'ask' in / failed"
    assert isinstance(error, TypeError)
    assert "the answer to 'ask' cannot be sent" in str(error)
    assert word in str(error)
    pair.peer.emit("echo", id=2)
    assert pair.peer.acks() == {2: "here"}


def test_a_handler_may_answer_with_what_another_client_answers(server: Server) -> None:
    async def main() -> None:
        server.engine.bind(AsyncioDriver())
        asked, asker = Peer(server), Peer(server)
        asked.connect()
        asker.connect()
        oracle = server.sockets()[0]
        server.on("ask")(lambda socket: oracle.call("question"))
        asked.take()
        asker.take()
        asker.emit("ask", id=3)
        assert asked.take() == ['421["question"]']
        asked.acknowledge(1, 42)
        assert await packets(asker, 1) == ["433[42]"]

    asyncio.run(main())


# The server asks

MIRROR = [
    ((), None),
    (("ok",), "ok"),
    ((None,), None),
    ((1, 2), (1, 2)),
    (([1, 2],), [1, 2]),
    ((b"\x01", {"a": b"\x02"}), (b"\x01", {"a": b"\x02"})),
]


@pytest.mark.parametrize(("sent", "result"), MIRROR)
def test_the_result_mirrors_what_a_handler_would_return(
    server: Server, client: dict[str, Any], sent: tuple[Any, ...], result: object
) -> None:
    pair = Pair(server, **client)
    pending = pair.socket.call("question", 42)
    assert not pending.done
    (question,) = pair.peer.pick(Event, "/")
    assert question == Event("/", "question", [42], 1)
    pair.peer.acknowledge(1, *sent)
    assert pending.done
    if client["generation"] is SOCKETIO_1 and b"\x01" in sent:
        result = ("AQ==", {"a": "Ag=="})  # whose binary is text
    assert pending.result() == result


def test_a_question_may_carry_attachments(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pending = pair.socket.call("question", b"\xff")
    assert pair.peer.events() == [("question", "/w==" if client["generation"] is SOCKETIO_1 else b"\xff")]
    pair.peer.acknowledge(1)
    assert pending.result() is None


def test_questions_in_another_namespace_are_answered_there(server: Server, client: dict[str, Any]) -> None:
    chat = server.of("/chat")
    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    pair.peer.take()
    pending = chat.sockets()[0].call("question")
    assert pair.peer.events("/chat") == [("question",)]
    pair.peer.acknowledge(1, "wrong namespace")
    assert not pending.done
    pair.peer.acknowledge(1, "right", namespace="/chat")
    assert pending.result() == "right"


def test_answers_may_come_in_any_order(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pendings = [pair.socket.call("question", number) for number in range(3)]
    for number in (3, 1, 2):
        pair.peer.acknowledge(number, number)
    assert [pending.result() for pending in pendings] == [1, 2, 3]


@pytest.mark.parametrize("timeout", ["5", None, True])
def test_a_timeout_is_a_number(server: Server, timeout: Any) -> None:
    pair = Pair(server)
    for call in pair.socket.call, server.call:
        with pytest.raises(TypeError, match=re.escape(f"timeout is {timeout!r}: give a number of seconds above 0")):
            call("question", timeout=timeout)


def test_an_answer_that_was_not_awaited_is_told_to_be(server: Server, generation: Any) -> None:
    @server.on("ask")
    async def ask(socket: Socket) -> Any:
        return {"answer": [socket.call("question")]}

    pair = Pair(server, generation=generation)
    pair.peer.emit("ask", id=1)
    ((_, error),) = pair.clock.reports
    assert str(error) == (
        "the answer to 'ask' cannot be sent: TypeError: Pending cannot be sent as JSON: "
        "await it, or call its wait(), and send the result (result['answer'][0])"
    )


def test_a_client_that_does_not_answer_in_time_is_given_up(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pending = pair.socket.call("question", timeout=5)
    pair.clock.advance(4.9)
    assert not pending.done
    pair.clock.advance(0.2)
    with pytest.raises(AckTimeout, match="the client has not acknowledged 'question' within 5 s"):
        pending.result()
    assert issubclass(AckTimeout, TimeoutError)
    assert pair.socket.connected


def test_an_answer_that_comes_too_late_is_ignored(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pending = pair.socket.call("question", timeout=5)
    pair.clock.advance(6)
    pair.peer.acknowledge(1, "sorry")
    with pytest.raises(AckTimeout):
        pending.result()
    assert pair.peer.closed is None


def test_the_first_of_two_answers_counts(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pending = pair.socket.call("question")
    results: list[object] = []
    pending.add_done_callback(lambda pending: results.append(pending.result()))
    for answer in ("first", "second"):
        pair.peer.acknowledge(1, answer)
    assert results == [pending.result()] == ["first"]
    assert pair.socket.connected


@pytest.mark.parametrize("number", [0, 2, 10**15])
def test_an_answer_to_nothing_is_ignored(server: Server, client: dict[str, Any], number: int) -> None:
    pair = Pair(server, **client)
    pending = pair.socket.call("question")
    pair.peer.acknowledge(number, "what?")
    assert not pending.done
    pair.peer.acknowledge(1, "yes")
    assert pending.result() == "yes"
    assert pair.clock.reports == []


def test_nobody_answers_for_another(server: Server, client: dict[str, Any]) -> None:
    asked, other = Pair(server, **client), Pair(server, **client)
    pending = asked.socket.call("question")
    other.peer.acknowledge(1, "I am it")
    assert not pending.done
    asked.peer.acknowledge(1, "me")
    assert pending.result() == "me"


def test_one_client_is_never_asked_under_the_number_of_another(server: Server, generation: Any) -> None:
    one, two = Pair(server, generation=generation), Pair(server, generation=generation)
    one.socket.call("question")
    two.socket.call("question")
    one.socket.call("question")
    assert [event.id for event in one.peer.pick(Event, "/")] == [1, 3]
    assert [event.id for event in two.peer.pick(Event, "/")] == [2]


@pytest.mark.parametrize("way", [vanish, lambda pair: pair.peer.leave()], ids=["vanish", "leave"])
def test_a_client_that_leaves_will_not_answer(server: Server, client: dict[str, Any], way: Any) -> None:
    pair = Pair(server, **client)
    pendings = [pair.socket.call("question", number) for number in range(3)]
    way(pair)
    for pending in pendings:
        with pytest.raises(SocketClosed, match="the client left before it acknowledged 'question'"):
            pending.result()


def test_a_client_that_has_left_cannot_be_asked(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pair.peer.leave()
    pending = pair.socket.call("question")
    with pytest.raises(SocketClosed, match="the client has left: 'question' was not sent"):
        pending.result()


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_a_number_of_seconds(server: Server, timeout: float) -> None:
    pair = Pair(server)
    with pytest.raises(ValueError, match=r"timeout is .*: give a number of seconds above 0"):
        pair.socket.call("question", timeout=timeout)
    assert pair.peer.take() == []


def test_a_question_that_cannot_be_sent_fails_with_the_event_and_the_type(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pending = pair.socket.call("question", object())
    with pytest.raises(TypeError, match="the event 'question' cannot be sent: object cannot be sent as JSON"):
        pending.result()
    assert pair.peer.take() == []
    assert pair.clock.reports == []


# Waiting


def test_a_result_can_be_waited_for(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pending = pair.socket.call("question", timeout=5)
    with pytest.raises(TimeoutError, match="no result within 1 s"):
        pending.wait(1)
    assert not isinstance(pending, AckTimeout)
    with pytest.raises(AckTimeout):
        pending.wait()


def test_a_result_that_is_there_is_not_waited_for(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pending = pair.socket.call("question")
    pair.peer.acknowledge(1, "yes")
    seen: list[Pending[Any]] = []
    pending.add_done_callback(seen.append)
    assert seen == [pending]
    assert pending.wait(0) == "yes"


def test_there_is_no_result_before_there_is_one(server: Server, generation: Any) -> None:
    pending = Pair(server, generation=generation).socket.call("question")
    with pytest.raises(RuntimeError, match=r"there is no result yet: await this, or call wait\(\)"):
        pending.result()


def test_a_callback_that_fails_is_reported_and_harms_nobody(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    first = pair.socket.call("question", timeout=1)
    second = pair.socket.call("question", timeout=1)
    third = pair.socket.call("question", timeout=2)
    heard: list[str] = []
    first.add_done_callback(lambda pending: 1 / 0)
    first.add_done_callback(lambda pending: heard.append("first"))
    second.add_done_callback(lambda pending: heard.append("second"))
    third.add_done_callback(lambda pending: heard.append("third"))
    pair.clock.advance(3)
    assert heard == ["first", "second", "third"]
    assert [(text, type(error)) for text, error in pair.clock.reports] == [
        ("the callback of a result failed", ZeroDivisionError)
    ]
    assert pair.socket.connected


@pytest.mark.parametrize("many", [False, True], ids=["call", "call to many"])
def test_a_client_whose_answers_make_callbacks_fail_writes_ten_lines_in_a_second(server: Server, many: bool) -> None:
    @server.on("ask")
    def ask(socket: Socket) -> None:
        pending: Pending[Any] = server.call("question") if many else socket.call("question")
        pending.add_done_callback(lambda pending: 1 / 0)

    pair = Pair(server)
    for number in range(1, 31):
        pair.peer.emit("ask")
        pair.peer.acknowledge(number)
    text = "the callback of a result failed"
    assert [text for text, _ in pair.clock.reports] == [text] * 10
    pair.clock.advance(1)
    assert [text for text, _ in pair.clock.reports[10:]] == [f"20 more of these in the last second: {text}"]


def test_a_callback_that_fails_does_not_stop_the_end_of_a_connection(server: Server, generation: Any) -> None:
    gone: list[str] = []
    server.on_disconnect(lambda socket, reason: gone.append(reason))
    pair = Pair(server, generation=generation)
    pair.socket.join("lobby")
    pair.socket.call("question").add_done_callback(lambda pending: 1 / 0)
    last = pair.socket.call("question")
    vanish(pair)
    assert last.done
    assert gone == ["transport close"]
    assert len(server.of("/").rooms) == 0


@pytest.mark.parametrize("way", [vanish, lambda pair: pair.peer.leave()], ids=["vanish", "leave"])
def test_whoever_waited_for_a_client_that_left_hears_of_it_when_all_is_done(
    server: Server, client: dict[str, Any], way: Any
) -> None:
    pair, other = Pair(server, **client), Pair(server, **client)
    pair.socket.join("lobby")
    seen: list[tuple[list[Socket], int]] = []

    def answered(pending: Pending[Any]) -> None:
        seen.append((server.sockets(), len(server.of("/").rooms)))
        server.emit("left")

    pair.socket.call("question").add_done_callback(answered)
    pair.peer.take()
    way(pair)
    assert seen == [([other.socket], 0)]
    assert other.peer.events() == [("left",)]
    assert pair.peer.events() == []


def test_a_coroutine_awaits_an_answer() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        peer = Peer(server)
        peer.connect()
        (socket,) = server.sockets()
        task = asyncio.ensure_future(asyncio.wait_for(socket.call("question"), 60))
        await until(lambda: '421["question"]' in peer.take())
        peer.acknowledge(1, "a", "b")
        assert await task == ("a", "b")
        gone = socket.call("question")
        peer.leave()
        with pytest.raises(SocketClosed):
            await gone

    asyncio.run(main())


def test_whoever_waits_may_be_cancelled_without_harm(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        peer = Peer(server)
        peer.connect()
        (socket,) = server.sockets()
        pending = socket.call("question")
        task = asyncio.ensure_future(pending)
        await turn()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        peer.acknowledge(1, "yes")
        assert await pending == "yes"

    asyncio.run(main())
    assert caplog.records == []


def test_a_handler_asks_back() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())

        @server.on("ask")
        async def ask(socket: Socket) -> str:
            return f"you said {await socket.call('really')}"

        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("ask", id=9)
        assert await packets(peer, 1) == ['421["really"]']
        peer.acknowledge(1, "yes")
        assert await packets(peer, 1) == ['439["you said yes"]']

    asyncio.run(main())


# The table


def test_nothing_of_a_hundred_thousand_questions_is_left_when_their_time_is_over(server: Server) -> None:
    pair = Pair(server)
    clock, session = pair.clock, pair.socket._member.session
    acks, deadlines = Acks(session), server.engine.deadlines
    before = len(deadlines)
    failed: list[Pending[Any]] = []
    for number in range(100_000):
        pending: Pending[Any] = Pending(clock)
        pending.add_done_callback(failed.append)
        acks.expect(number, "question", pending.settle, now=clock.now(), timeout=5 + number % 100 / 100)
    assert len(acks) == len(deadlines) - before == -session._calls == 100_000
    clock.advance(6)
    assert len(acks) == len(deadlines) - before == session._calls == 0
    assert len(failed) == 100_000


def test_the_table_is_empty_after_answers_timeouts_and_the_end(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    session, clock, deadlines = pair.socket._member.session, pair.clock, server.engine.deadlines
    acks = Acks(session)
    before = len(deadlines)
    for number in range(3):
        acks.expect(number, "question", Pending(clock).settle, now=clock.now(), timeout=number + 1)
    acks.answer(2, [])
    acks.answer(2, [])
    assert len(acks) == len(deadlines) - before == -session._calls == 2
    deadlines.advance(clock.now() + 1)
    assert len(acks) == len(deadlines) - before == -session._calls == 1
    acks.close()
    assert len(acks) == len(deadlines) - before == session._calls == 0


def test_a_socket_that_was_asked_has_no_deadline_left_after_the_answer(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    before = len(server.engine.deadlines)
    for number in range(1, 101):
        pair.socket.call("question")
        assert len(server.engine.deadlines) == before + 1
        pair.peer.acknowledge(number)
        assert len(server.engine.deadlines) == before
