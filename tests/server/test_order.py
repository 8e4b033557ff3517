"""Ordered and threaded events: the next begins when the one before it has ended."""

import asyncio
import functools
import re
import threading
from typing import Any

import msgspec
import pytest

from server.clients import vanish
from server.later import Handler, LateClock
from turns import packets, turn, until
from waterspout import EventRefused, Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.engine import Session
from waterspout.testing import Clock, Pair, Peer
from waterspout.wire.generations import Generation


@pytest.fixture
def pair(generation: Generation) -> Pair:
    return Pair(Server(driver=LateClock()), generation=generation)


def calls(pair: Pair) -> int:
    return pair.socket._member.session._calls


def test_the_next_begins_when_the_one_before_has_ended(pair: Pair) -> None:
    handler = Handler()
    pair.server.on("say", ordered=True)(handler)
    for number in range(3):
        pair.peer.emit("say", number, id=number)
    assert handler.heard == [(0,)]
    assert calls(pair) == 3
    handler.answer("a")
    assert handler.heard == [(0,), (1,)]
    handler.answer("b")
    handler.answer("c")
    assert pair.peer.acks() == {0: "a", 1: "b", 2: "c"}
    assert calls(pair) == 0


def test_unordered_events_overtake_and_other_clients_do_not_wait(pair: Pair) -> None:
    handler, heard = Handler(), list[str]()
    pair.server.on("slow", ordered=True)(handler)
    pair.server.on("fast")(lambda socket: heard.append("fast"))
    other = Pair(pair.server)
    pair.peer.emit("slow", 1)
    pair.peer.emit("fast")
    other.peer.emit("slow", 2)
    assert heard == ["fast"]
    assert handler.heard == [(1,), (2,)]


def test_all_ordered_events_of_a_client_are_one_queue(pair: Pair) -> None:
    one, two = Handler(), Handler()
    pair.server.on("one", ordered=True)(one)
    pair.server.on("two", ordered=True)(two)
    pair.peer.emit("one")
    pair.peer.emit("two")
    assert (len(one.heard), len(two.heard)) == (1, 0)
    one.answer()
    assert len(two.heard) == 1


@pytest.mark.parametrize("error", [KeyError(), EventRefused("no"), asyncio.CancelledError()])
def test_errors_do_not_wedge_the_queue(pair: Pair, error: BaseException) -> None:
    handler = Handler()

    @pair.server.on("say", ordered=True)
    def say(socket: Socket, number: int) -> Any:
        if number == 2:
            raise error
        return handler(socket, number)

    for number in (1, 2, 3, 2, "x", 4):
        pair.peer.emit("say", number)
    handler.fail(error)
    assert handler.heard == [(1,), (3,)]
    handler.answer()
    assert handler.heard == [(1,), (3,), (4,)]
    handler.answer()
    assert calls(pair) == 0


class Odd(BaseException):
    """What no `except Exception` catches."""


def test_an_argument_whose_type_raises_something_odd_does_not_wedge_it_either(pair: Pair) -> None:
    class Strange(msgspec.Struct):
        text: str

        def __post_init__(self) -> None:
            if self.text == "odd":
                raise Odd

    def say(socket: Socket, what: Strange) -> str:
        return what.text

    pair.server.on("say", ordered=True)(say)
    pair.server.on("free")(say)
    pair.peer.emit("say", {"text": "odd"}, id=1)
    pair.peer.emit("free", {"text": "odd"}, id=2)
    pair.peer.emit("say", {"text": "ok"}, id=3)
    assert pair.peer.acks() == {3: "ok"}
    assert calls(pair) == 0


class Ending(msgspec.Struct):
    """What ends the process while it is made, or while it is sent."""

    where: str

    def __post_init__(self) -> None:
        if self.where == "making":
            raise KeyboardInterrupt


class Last(str):
    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("where", ["making", "sending"])
def test_what_ends_the_process_in_an_argument_or_an_answer_is_told_and_goes_on(
    pair: Pair, where: str, ordered: bool
) -> None:
    def say(socket: Socket, what: Ending) -> str:
        return Last("x")

    pair.server.on("say", ordered=ordered)(say)
    with pytest.raises(KeyboardInterrupt):
        pair.peer.emit("say", {"where": where}, id=1)
    assert len(pair.clock.reports) == 1


@pytest.mark.parametrize("end", ["leave", "vanish", "disconnect", "close"])
def test_the_end_drops_what_is_queued_and_the_answer_of_what_runs(pair: Pair, end: str) -> None:
    handler, session = Handler(), pair.socket._member.session
    pair.server.on("say", ordered=True)(handler)
    for number in range(5):
        pair.peer.emit("say", number, id=number)
    if end == "leave":
        pair.peer.leave()
    elif end == "vanish":
        vanish(pair)
    else:
        pair.socket.disconnect(close=end == "close")
    pair.peer.take()
    assert session._calls == 1
    handler.answer("late")
    assert handler.heard == [(0,)]
    assert session._calls == 0
    assert pair.peer.take() == []


def test_the_end_between_two_events_drops_the_second(pair: Pair) -> None:
    handler = Handler()
    pair.server.on("say", ordered=True)(handler)
    pair.peer.emit("say", 1)
    pair.peer.emit("say", 2)
    with pair.server.engine.turn:
        handler.answer()
        pair.socket.disconnect()
    assert handler.heard == [(1,)]
    assert calls(pair) == 0


def test_a_client_that_comes_back_has_a_queue_of_its_own(pair: Pair) -> None:
    handler = Handler()
    chat = pair.server.of("/chat")
    chat.on("say", ordered=True)(handler)
    for number in range(2):
        pair.peer.connect("/chat")
        pair.peer.emit("say", number, namespace="/chat", id=number)
        if number == 0:
            pair.peer.leave("/chat")
    pair.peer.take()
    assert handler.heard == [(0,), (1,)]
    handler.answer("old")
    handler.answer("new")
    assert pair.peer.acks("/chat") == {1: "new"}
    assert calls(pair) == 0


def test_a_namespace_may_be_ordered_as_a_whole(pair: Pair) -> None:
    handler, some = Handler(), Handler()
    chat = pair.server.of("/chat", ordered=True)
    chat.on("say")(handler)
    chat.on_any(lambda socket, event, *args: some(socket, event) if event == "else" else None)
    pair.peer.connect("/chat")
    for name in ("say", "else", "say"):
        pair.peer.emit(name, namespace="/chat")
    assert (len(handler.heard), len(some.heard)) == (1, 0)
    handler.answer()
    assert (len(handler.heard), len(some.heard)) == (1, 1)
    some.answer()
    assert len(handler.heard) == 2


def test_steps_of_ordered_events_are_ordered_too(pair: Pair) -> None:
    step, heard = Handler(), list[int]()
    pair.server.use_event(step)
    pair.server.on("say", ordered=True)(lambda socket, number: heard.append(number))
    pair.peer.emit("say", 1)
    pair.peer.emit("say", 2)
    assert len(step.heard) == 1
    step.answer()
    assert (heard, len(step.heard)) == ([1], 2)
    step.answer(False)
    assert heard == [1]
    assert calls(pair) == 0


def test_ten_thousand_ordered_events_do_not_nest() -> None:
    pair, heard = Pair(Server(driver=LateClock())), list[int]()
    gate = Handler()
    pair.server.on("wait", ordered=True)(gate)
    pair.server.on("say", ordered=True)(lambda socket, number: heard.append(number))
    pair.peer.emit("wait")
    for number in range(900):
        pair.peer.emit("say", number)
    gate.answer()
    for number in range(900, 10_000):
        pair.peer.emit("say", number)
    assert heard == list(range(10_000))


def test_async_handlers_are_ordered_on_a_loop() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        running = 0

        @server.on("say", ordered=True)
        async def say(socket: Socket, turns: int) -> int:
            nonlocal running
            running += 1
            assert running == 1
            for _ in range(turns):
                await asyncio.sleep(0)
            running -= 1
            return turns

        peer = Peer(server)
        peer.connect()
        peer.take()
        for turns in (9, 0, 5, 1):
            peer.emit("say", turns, id=turns)
        assert await packets(peer, 4) == ["439[9]", "430[0]", "435[5]", "431[1]"]

    asyncio.run(main())


# What nobody has said, the driver says


def ordering_clock() -> Clock:
    """Return a clock that orders events, as a driver of threads or greenlets does."""
    clock = LateClock()
    clock.orders = True
    return clock


def described(server: Server) -> dict[tuple[str, str], bool]:
    """Return whether events are ordered, by namespace and event."""
    return {(place, one["event"]): one["ordered"] for place, events in server.describe().items() for one in events}


class Plain(Socket):
    @event("silent")
    def silent(self, number: int) -> None: ...

    @event("always", ordered=True)
    def always(self, number: int) -> None: ...

    @event("never", ordered=False)
    def never(self, number: int) -> None: ...


@pytest.mark.parametrize("orders", [True, False])
@pytest.mark.parametrize("said", [True, False, None])
def test_an_event_is_ordered_as_its_handler_its_namespace_or_else_its_driver_says(
    orders: bool, said: bool | None
) -> None:
    server = Server(driver=ordering_clock() if orders else LateClock())
    pattern = re.compile("/dynamic/.*")
    for place in (server.of("/decorated", ordered=said), server.of(pattern, ordered=said)):
        place.on("silent")(Plain.silent)
        place.on("always", ordered=True)(Plain.always)
        place.on("never", ordered=False)(Plain.never)
    server.register("/class", Plain, ordered=said)
    found = described(server)
    for name in ("/decorated", pattern.pattern, "/class"):
        of = {event: found[name, event] for event in ("silent", "always", "never")}
        assert of == {"silent": orders if said is None else said, "always": True, "never": False}


@pytest.mark.parametrize("orders", [True, False])
def test_events_follow_the_driver_that_orders(orders: bool) -> None:
    handler, other = Handler(), Handler()
    pair = Pair(Server(driver=ordering_clock() if orders else LateClock()))
    pair.server.on("say")(handler)
    pair.server.on_any(lambda socket, event, *args: other(socket, event) if event == "unknown" else None)
    pair.server.on("free", ordered=False)(handler)
    for name in ("say", "unknown", "free"):
        pair.peer.emit(name, name)
    assert handler.heard == [("say",), ("free",)]
    assert other.heard == ([] if orders else [("unknown",)])


def test_what_was_registered_before_the_driver_came_follows_it() -> None:
    server = Server()
    server.on("say")(lambda socket: None)
    server.on("free", ordered=False)(lambda socket: None)
    games = server.of(re.compile("/game/.*"))
    games.on("move")(lambda socket: None)
    assert set(described(server).values()) == {False}
    server.engine.bind(ordering_clock())
    expected = {("/", "say"): True, ("/", "free"): False, (games.match.pattern, "move"): True}  # type: ignore[union-attr]
    assert described(server) == expected


def test_threaded_events_are_ordered_unless_somebody_says_that_they_are_not(server: Server) -> None:
    server.on("silent", threaded=True)(lambda socket: None)
    server.on("never", threaded=True, ordered=False)(lambda socket: None)
    server.of("/free", ordered=False).on("silent", threaded=True)(lambda socket: None)
    assert described(server) == {("/", "silent"): True, ("/", "never"): False, ("/free", "silent"): False}


def test_the_order_of_a_namespace_may_be_said_later_but_not_otherwise(server: Server) -> None:
    server.on("say")(lambda socket: None)
    server.of("/", ordered=True)
    server.of("/", ordered=True)
    assert described(server) == {("/", "say"): True}
    with pytest.raises(ValueError, match="/ exists already, and is ordered: say ordered=False at its first mention"):
        server.of("/", ordered=False)
    server.of("/free", ordered=False)
    with pytest.raises(ValueError, match="/free exists already, and is not ordered"):
        server.register("/free", Plain, ordered=True)
    server.of(re.compile("/game/.*"))
    with pytest.raises(ValueError, match="shares the handlers of"):
        server.of("/game/1", ordered=True)


# threaded


async def idle(*sessions: Session) -> None:
    """Wait until the last call has ended, which a thread brings to the loop."""
    async with asyncio.timeout(20):
        while any(session._calls for session in sessions):
            await turn()


def test_threads_keep_the_order_of_a_client_and_let_two_clients_run_at_once() -> None:
    async def main() -> None:
        server = Server()
        driver = AsyncioDriver()
        driver.slow_handler = None
        server.engine.bind(driver)
        both, threads = threading.Barrier(2, timeout=10), set[int]()
        heard: dict[str, list[int]] = {}
        begun = asyncio.Semaphore(0)

        @server.on("work", threaded=True)
        def work(socket: Socket, number: int) -> int:
            threads.add(threading.get_ident())
            if number == 0:
                both.wait()  # passes only when the other client's runs, too
            heard.setdefault(socket.id, []).append(number)
            socket.emit("done", number)
            driver.soon(begun.release)
            return number

        peers = [Peer(server) for _ in range(2)]
        for peer in peers:
            peer.connect()
            peer.take()
            for number in range(5):
                peer.emit("work", number, id=number)
        for _ in range(10):
            await begun.acquire()
        await idle(*(peer.engine.sessions[peer.sid] for peer in peers))
        assert list(heard.values()) == [list(range(5))] * 2
        assert threading.get_ident() not in threads
        for peer in peers:
            expected = [text for n in range(5) for text in (f'42["done",{n}]', f"43{n}[{n}]")]
            assert peer.take() == expected

    asyncio.run(main())


async def sleepy(socket: Socket) -> None: ...


class Sleepy:
    async def __call__(self, socket: Socket) -> None: ...


@functools.wraps(sleepy)
def plain_around_async(socket: Socket) -> Any:
    return sleepy(socket)


@functools.wraps(print)
async def async_around_plain(socket: Socket) -> None: ...


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (sleepy, "sleepy"),
        (functools.partial(sleepy), "sleepy"),
        (functools.partial(plain_around_async), "sleepy"),
        (plain_around_async, "sleepy"),
        (async_around_plain, "print"),
        (Sleepy(), "Sleepy.__call__"),
    ],
    ids=["async", "partial", "partial of wrapped", "wrapped", "wrapping", "callable"],
)
def test_a_handler_that_is_seen_to_be_async_cannot_be_threaded(server: Server, function: Any, name: str) -> None:
    sentence = f"{name}, the handler of 'work', is async and cannot run in a thread: write a plain `def`"
    with pytest.raises(TypeError, match=re.escape(sentence)):
        server.on("work", threaded=True)(function)
    assert server.describe()["/"] == []
    server.on("work")(function)


def test_a_method_that_is_async_cannot_be_threaded(server: Server) -> None:
    class Chat(Socket):
        @event("work", threaded=True)
        async def work(self) -> None: ...

    with pytest.raises(TypeError, match=r"Chat\.work, the handler of 'work', is async"):
        server.register("/", Chat)


def test_a_threaded_handler_that_turns_out_to_be_async_says_so(pair: Pair) -> None:
    async def main() -> None:
        server = Server()
        driver = AsyncioDriver()
        server.engine.bind(driver)
        errors: list[str] = []
        server.on_error(lambda socket, event, error: errors.append(str(error)))

        async def later() -> None: ...

        @server.on("work", threaded=True)
        def work(socket: Socket) -> Any:
            return later()

        peer = Peer(server)
        peer.connect()
        peer.emit("work")
        await idle(server.engine.sessions[peer.sid])
        await until(lambda: errors)
        assert "write a plain function, or register it without threaded=True" in errors[0]

    asyncio.run(main())


def test_an_answer_from_a_thread_after_the_end_is_dropped() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        gate, heard = threading.Event(), list[int]()

        @server.on("work", threaded=True)
        def work(socket: Socket, number: int) -> str:
            heard.append(number)
            gate.wait(10)
            return "late"

        peer = Peer(server)
        peer.connect()
        session = server.engine.sessions[peer.sid]
        peer.emit("work", 1, id=1)
        peer.emit("work", 2, id=2)
        peer.take()
        peer.lose()
        gate.set()
        await idle(session)
        assert heard == [1]
        assert peer.take() == []

    asyncio.run(main())
