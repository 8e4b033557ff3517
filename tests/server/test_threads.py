"""The verbs of a server from several threads at once: each message arrives once, and in its thread's order."""

import asyncio
import re
import threading
from base64 import b64decode
from typing import Any

import pytest

from threads import FEW, MODERN, OLD, SIZES, THREADS, Client, Pace, by_thread, in_threads, wakes
from turns import until
from waterspout import Reason, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.wire.packets import Event


class Chat:
    """A server on the running loop with one client, which answers what it is asked with what it was asked."""

    def __init__(self, kind: str) -> None:
        self.server = Server(max_outbox_bytes=1 << 28)
        self.server.engine.bind(AsyncioDriver())
        self.client = Client(self.server, kind)
        (self.socket,) = self.server.sockets()
        self.events: list[Event] = []

    async def arrived(self, count: int) -> list[Event]:
        """Let the loop turn until so many events have come, and return them."""

        def enough() -> bool:
            came = self.client.events()
            for event in came:
                if event.id is not None:
                    self.client.peer.acknowledge(event.id, *event.args)
            self.events += came
            return len(self.events) >= count

        await until(enough)
        return self.events


@pytest.mark.parametrize("kind", MODERN + OLD)
@pytest.mark.parametrize("count", SIZES)
def test_what_threads_emit_arrives_once_and_in_their_order(kind: str, count: int) -> None:
    async def main() -> None:
        chat = Chat(kind)
        chat.socket.join("room")
        pace = Pace(chat.server.engine)

        def work(thread: int) -> None:
            for number in range(count):
                value: list[Any] = [number]
                match number % 4:
                    case 0:
                        chat.socket.emit("x", thread, number, value)
                    case 1:
                        chat.server.emit("x", thread, number, value)
                    case 2:
                        chat.server.emit("x", thread, number, value, to="room")
                    case 3:
                        chat.server.emit("x", thread, number, value, to=chat.socket.id)
                value.append("too late")
                pace.keep(number)

        await in_threads(work)
        assert by_thread(await chat.arrived(count * THREADS), count) == [[[n, [n]] for n in range(count)]] * THREADS

    asyncio.run(main())


@pytest.mark.parametrize("kind", [*MODERN, "websocket", "xhr-polling"])
def test_attachments_stay_with_their_events(kind: str) -> None:
    async def main() -> None:
        chat = Chat(kind)

        def work(thread: int) -> None:
            for number in range(50):
                content = bytearray(b"%d" % number)
                chat.socket.emit("x", thread, content)
                content[:] = b"too late"

        await in_threads(work)
        contents = by_thread(await chat.arrived(50 * THREADS), 50)
        read: Any = bytes if kind in MODERN else b64decode
        assert [[read(value) for (value,) in one] for one in contents] == [[b"%d" % n for n in range(50)]] * THREADS

    asyncio.run(main())


@pytest.mark.parametrize("kind", MODERN + OLD)
def test_rooms_are_entered_and_left_between_two_messages_of_a_thread(kind: str) -> None:
    async def main() -> None:
        chat = Chat(kind)

        def work(thread: int) -> None:
            for number in range(FEW // 4):
                room = f"{thread}-{number}"
                chat.socket.join(room)
                chat.server.emit("x", thread, number, to=room)
                chat.socket.leave(room)
                chat.server.emit("x", thread, "has left", to=room)
                chat.server.join(room)
                chat.server.emit("x", thread, number, to=room)
                chat.server.close_room(room)
                chat.server.emit("x", thread, "has left", to=room)

        await in_threads(work)
        count = FEW // 4 * 2
        expected = [[number] for number in range(FEW // 4) for _ in range(2)]
        assert by_thread(await chat.arrived(count * THREADS), count) == [expected] * THREADS
        assert chat.socket.rooms == frozenset()

    asyncio.run(main())


@pytest.mark.parametrize("kind", MODERN + OLD)
def test_each_call_of_a_thread_gets_its_own_answer(kind: str) -> None:
    async def main() -> None:
        chat = Chat(kind)
        answers: list[tuple[int, Any, Any]] = []

        def work(thread: int) -> None:
            pending = [(n, (chat.socket.call if n % 2 else chat.server.call)("q", thread, n)) for n in range(25)]
            answers.extend((thread, number, one.wait(60)) for number, one in pending)

        asking = asyncio.create_task(in_threads(work))
        events = await asyncio.wait_for(_all(chat, 25 * THREADS), 60)
        assert by_thread(events, 25) == [[[n] for n in range(25)]] * THREADS
        await asking
        assert len(answers) == 25 * THREADS
        for thread, number, answer in answers:
            assert (answer if number % 2 else answer.answers[chat.socket.id]) == (thread, number)

    asyncio.run(main())


async def _all(chat: Chat, count: int) -> list[Event]:
    """Wait for events while threads ask and wait; the loop rests in between."""
    while len(chat.events) < count:
        await chat.arrived(0)
        await asyncio.sleep(0.001)
    return chat.events


@pytest.mark.parametrize("kind", MODERN + OLD)
def test_nothing_comes_behind_a_disconnect(kind: str) -> None:
    async def main() -> None:
        chat = Chat(kind)
        left: list[tuple[Socket, Reason]] = []
        chat.server.on_disconnect(lambda socket, reason: left.append((socket, reason)))
        enough = threading.Barrier(THREADS)

        def work(thread: int) -> None:
            for number in range(50):
                chat.socket.emit("x", thread, number)
            enough.wait()
            chat.socket.disconnect()
            chat.socket.emit("x", thread, "too late")
            chat.server.emit("x", thread, "too late")

        await in_threads(work)
        await until(lambda: left)
        assert by_thread(await chat.arrived(50 * THREADS), 50) == [[[n] for n in range(50)]] * THREADS
        assert left == [(chat.socket, Reason.SERVER_DISCONNECT)]

    asyncio.run(main())


def test_a_loop_that_sleeps_is_woken() -> None:
    async def main() -> None:
        chat = Chat("4-websocket")
        assert await wakes(chat.client, chat.socket.emit, 20)  # the heartbeat is the next timer, after 25 s

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/named", "/family"])
def test_a_namespace_that_threads_ask_for_at_once_is_one(path: str) -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        server.of(re.compile(r"/family/\d+"))
        found: list[list[Any]] = [[] for _ in range(THREADS)]
        start = threading.Barrier(THREADS)

        def work(thread: int) -> None:
            for number in range(100):
                start.wait()
                found[thread].append(server.of(f"{path}/{number}"))

        await in_threads(work)
        assert all(len(set(map(id, several))) == 1 for several in zip(*found, strict=True))

    asyncio.run(main())


def test_a_server_that_threads_close_at_once_is_closed_once() -> None:
    async def main() -> None:
        servers = [Server() for _ in range(50)]
        for server in servers:
            server.engine.bind(AsyncioDriver())
        closing: list[list[Any]] = [[] for _ in range(THREADS)]
        start = threading.Barrier(THREADS)

        def work(thread: int) -> None:
            for server in servers:
                start.wait()
                closing[thread].append(server.close())

        await in_threads(work)
        assert all(len(set(map(id, several))) == 1 for several in zip(*closing, strict=True))
        for done in closing[0]:
            await done

    asyncio.run(main())
