"""The verbs of connections and sessions from several threads: each message arrives once, and in its thread's order."""

import asyncio
import threading
from typing import Any

import pytest

from faces.tornadio2.applications import OLD_TRANSPORTS
from faces.tornadio2.dummies import DummyHandler, DummyRequest
from threads import MODERN, SIZES, THREADS, Client, Pace, by_thread, impatient, in_threads, wakes
from turns import turn, until
from waterspout.drivers import AsyncioDriver
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, gen
from waterspout.faces.tornadio2.session import Session
from waterspout.testing import SOCKETIO_1, Peer
from waterspout.wire.packets import Event

KINDS = [*MODERN, *OLD_TRANSPORTS]


class Quiet(SocketConnection):
    """Says nothing by itself, and remembers on which thread it was closed."""

    closed: list[int]

    def on_open(self, request: Any) -> Any:
        self.closed = []

    def on_message(self, message: Any) -> Any:
        self.emit("echo", message)

    def on_close(self) -> Any:
        self.closed.append(threading.get_ident())


class Main(Quiet):
    __endpoints__ = {"/a": Quiet}  # noqa: RUF012


class Chat:
    """A router on the running loop with one client in its endpoint `/a`; it answers what asks for an answer."""

    def __init__(self, kind: str, connection: type[SocketConnection] = Main) -> None:
        self.router = TornadioRouter(connection, {"max_outbox_bytes": 1 << 28})
        self.router.engine.bind(AsyncioDriver())
        self.client = Client(self.router.engine, kind)
        self.session: Session = self.router.get_session(self.client.sid)
        self.client.peer.connect("/a")
        self.client.peer.take()
        self.events: list[Event] = []

    def come(self) -> list[Event]:
        """Return the events that have come so far, and answer the new ones."""
        for one in self.client.events():
            if one.id is not None:
                self.client.peer.acknowledge(one.id, *one.args, namespace=one.namespace)
            self.events.append(one)
        return self.events

    async def arrived(self, count: int) -> list[Event]:
        """Let the loop turn until so many events have come, and return them."""
        await until(lambda: len(self.come()) >= count)
        return self.events


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", SIZES)
def test_what_threads_emit_arrives_once_and_in_their_order(kind: str, count: int) -> None:
    async def main() -> None:
        chat = Chat(kind)
        connections = chat.session.conn, chat.session.endpoints["/a"]
        pace = Pace(chat.router.engine)

        def work(thread: int) -> None:
            for number in range(count):
                value: list[Any] = [number]
                connections[thread % 2].emit("x", thread, number, value)
                value.append("too late")
                pace.keep(number)

        await in_threads(work)
        events = await chat.arrived(count * THREADS)
        assert by_thread(events, count) == [[[n, [n]] for n in range(count)]] * THREADS
        assert {(event.namespace, event.args[0] % 2) for event in events} == {("/", 0), ("/a", 1)}

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_each_acknowledgement_reaches_its_own_callback(kind: str) -> None:
    async def main() -> None:
        chat = Chat(kind)
        connection = chat.session.endpoints["/a"]
        answers: list[tuple[int, Any, Any]] = []

        def work(thread: int) -> None:
            for number in range(50):
                connection.emit_ack(
                    lambda message, data: answers.append((threading.get_ident(), message[1], tuple(data))),
                    "q",
                    thread,
                    number,
                )

        await in_threads(work)
        assert by_thread(await chat.arrived(50 * THREADS), 50) == [[[n] for n in range(50)]] * THREADS
        await until(lambda: len(answers) == 50 * THREADS)
        assert {thread for thread, _, _ in answers} == {threading.get_ident()}
        assert all(asked == answered for _, asked, answered in answers)
        assert connection.ack_queue == {}
        assert connection.ack_id == 1 + 50 * THREADS

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_messages_and_packets_of_ones_own_keep_the_order_too(kind: str) -> None:
    async def main() -> None:
        chat = Chat(kind)

        def work(thread: int) -> None:
            for number in range(50):
                chat.session.raw_message(f'4:::["{thread}",{number}]')
                chat.session.send_message('5:::{"name":"x","args":[%d,%d]}' % (thread, number))  # noqa: UP031

        await in_threads(work)
        events = await chat.arrived(100 * THREADS)
        packets = [event for event in events if event.name == "x"]
        assert by_thread(packets, 50) == [[[n] for n in range(50)]] * THREADS
        echoes = [event.args[0] for event in events if event.name == "echo"]
        assert [[n for thread, n in echoes if thread == str(one)] for one in range(THREADS)] == [[*range(50)]] * THREADS

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endpoint", ["", "/a"])
def test_nothing_comes_behind_a_close_and_on_close_runs_once_on_the_loop(kind: str, endpoint: str) -> None:
    async def main() -> None:
        chat = Chat(kind)
        connection = chat.session.get_connection(endpoint)
        enough = threading.Barrier(THREADS)

        def work(thread: int) -> None:
            for number in range(20):
                connection.emit("x", thread, number)
            enough.wait()
            connection.close()
            connection.emit("x", thread, "too late")

        await in_threads(work)
        await until(lambda: connection.closed)
        assert by_thread(await chat.arrived(20 * THREADS), 20) == [[[n] for n in range(20)]] * THREADS
        assert connection.closed == [threading.get_ident()]
        assert chat.session.is_closed is not bool(endpoint)

    asyncio.run(main())


def test_a_close_from_a_thread_ends_no_endpoint_that_was_opened_after_it() -> None:
    async def main() -> None:
        chat = Chat("websocket")
        first = chat.session.endpoints["/a"]
        threading_end = asyncio.to_thread(first.close)
        first.close()
        chat.client.peer.connect("/a")
        second = chat.session.endpoints["/a"]
        await threading_end
        second.emit("x")
        assert [event.name for event in await chat.arrived(1)] == ["x"]
        assert second is not first
        assert not second.is_closed

    asyncio.run(main())


def test_endpoints_are_opened_and_closed_from_threads() -> None:
    async def main() -> None:
        chat = Chat("websocket")

        def work() -> None:
            chat.session.disconnect_endpoint("/a")
            chat.session.connect_endpoint("/a?x=1")
            chat.session.close("/a")
            chat.session.connect_endpoint("/unknown")

        await asyncio.to_thread(work)
        assert chat.client.peer.take() == ["0::/a", "1::/a", "0::/a"]

    asyncio.run(main())


def test_a_packet_that_fails_in_a_thread_closes_the_session(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        chat = Chat("websocket", Failing)
        with pytest.raises(ValueError, match="garbage"):
            await asyncio.to_thread(chat.session.raw_message, "garbage")
        assert not chat.session.is_closed
        await asyncio.to_thread(chat.session.raw_message, "3:::x")
        assert chat.session.is_closed
        assert "Failing.on_message has failed" in caplog.text

    asyncio.run(main())


class Failing(SocketConnection):
    def on_message(self, message: Any) -> Any:
        raise ZeroDivisionError


def test_a_thread_that_on_open_starts_is_heard_behind_what_on_open_says() -> None:
    class Starter(Quiet):
        def on_open(self, request: Any) -> Any:
            super().on_open(request)
            thread = threading.Thread(target=self.emit, args=("from the thread",))
            thread.start()
            thread.join()
            self.emit("from on_open")

    async def main() -> None:
        router = TornadioRouter(Starter)
        router.engine.bind(AsyncioDriver())
        peer = Peer(router.engine, generation=SOCKETIO_1)
        said = ["1::", '5:::{"args": [{}], "name": "from on_open"}', '5:::{"args": [{}], "name": "from the thread"}']
        got: list[str | bytes] = []
        for _ in range(10):
            await turn()
            got += peer.take()
        assert got == said

    asyncio.run(main())


def test_a_loop_that_sleeps_is_woken() -> None:
    async def main() -> None:
        chat = Chat("4-websocket")
        assert await wakes(chat.client, chat.session.conn.emit, 10)  # the heartbeat is the next timer, after 12 s

    asyncio.run(main())


def test_a_session_that_is_driven_by_hand_is_sent_to_at_once() -> None:
    router = TornadioRouter(Quiet)
    session = router.create_session(DummyRequest())
    handler = DummyHandler()
    session.set_handler(handler)
    thread = threading.Thread(target=session.conn.emit, args=("x",))
    thread.start()
    thread.join()
    assert handler.take() == ["1::", '5:::{"args": [{}], "name": "x"}'], "without a loop there is nothing to wait for"


def test_a_generator_goes_on_on_its_loop_when_a_thread_calls_back() -> None:
    seen: list[Any] = []

    def call_later(value: Any, callback: Any) -> None:
        """Call back from a thread, once the generator waits."""
        waits = threading.Event()
        threading.Thread(target=lambda: callback(value) if waits.wait(60) else None).start()
        asyncio.get_running_loop().call_soon(waits.set)

    class Waiting(Quiet):
        @event
        @gen.sync_engine
        def ask(self, number: int) -> Any:
            answer = yield gen.Task(call_later, number)
            seen.append((threading.get_ident(), answer))
            call_later("by key", (yield gen.Callback("key")))
            answer = yield gen.Wait("key")
            seen.append((threading.get_ident(), answer))

    async def main() -> None:
        chat = Chat("websocket", Waiting)
        with impatient():
            for number in range(5):
                chat.client.peer.emit("ask", number)
            async with asyncio.timeout(20):
                while len(seen) < 10:
                    await asyncio.sleep(0.001)
        assert seen == [(threading.get_ident(), answer) for number in range(5) for answer in (number, "by key")]

    asyncio.run(main())
