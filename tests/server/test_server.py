"""The server as a whole: its options, its loop, its end."""

import asyncio
import threading
from typing import Any

import pytest

from turns import packets, until
from waterspout import Reason, Server, Socket
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.testing import Clock, Pair, Peer, Refused

# Options


@pytest.mark.parametrize(
    "options",
    [
        {"ping_interval": 0},
        {"ping_timeout": -1},
        {"connect_timeout": 0},
        {"upgrade_timeout": float("nan")},
        {"shutdown_timeout": -1},
        {"shutdown_timeout": float("inf")},
        {"max_payload_bytes": 0},
        {"max_outbox_bytes": 0},
        {"max_attachments": 0},
        {"transports": ()},
        {"transports": ("flash",)},
        {"cors_origins": "*", "cors_credentials": True},
        {"cors_origins": ["*"]},
    ],
    ids=str,
)
def test_an_option_out_of_range_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)).split("_cred")[0]):
        Server(**options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ping_interval": 25_000}, "ping_interval is 25000: give seconds, not milliseconds, and at most 3600"),
        ({"shutdown_timeout": "5"}, "shutdown_timeout is '5': give a number of seconds, 0 or more"),
        ({"max_namespaces": 1.5}, "max_namespaces is 1.5: give a whole number"),
        ({"max_pending_acks": 0}, "max_pending_acks is 0: give a number of at least 1"),
        ({"max_events_per_second": "9"}, "max_events_per_second is '9': give a number above 0, or None for no limit"),
        ({"max_events_per_second": 0}, "max_events_per_second is 0: give a number above 0, or None for no limit"),
        ({"transports": "websocket"}, "transports is the string 'websocket': give a tuple, ('websocket',)"),
        ({"cookie": True}, "cookie is True: give the cookie's name, 'io', or a waterspout.engine.Cookie"),
        ({"path": ""}, "path is '': give a path such as '/socket.io', without a query ('/' is the root)"),
        ({"path": "/a?b"}, "path is '/a?b': give a path such as '/socket.io', without a query ('/' is the root)"),
        ({"path": 5}, "path is 5: give a string, such as '/socket.io'"),
        (
            {"adapter": 6379},
            "adapter is 6379: give a URL, as in 'redis://localhost', or an object, such as "
            "waterspout.adapters.MemoryAdapter(bus)",
        ),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_meant_is_refused_with_its_remedy(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        Server(**options)
    assert str(error.value) == sentence


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'pingInterval'"):
        Server(pingInterval=1)  # type: ignore[call-arg]


def test_a_client_is_greeted_with_the_options() -> None:
    server = Server(ping_interval=3, ping_timeout=2, max_payload_bytes=500)
    peer = Pair(server, transport="polling").peer
    assert peer.handshake == {
        "sid": peer.sid,
        "upgrades": ["websocket"],
        "pingInterval": 3000,
        "pingTimeout": 2000,
        "maxPayload": 500,
    }


def test_a_cookie_may_be_given_by_its_name() -> None:
    peer = Pair(Server(cookie="io"), transport="polling").peer
    cookies = [value for name, value in peer.carrier.responses[0].headers if name == "Set-Cookie"]  # type: ignore[union-attr]
    assert cookies == [f"io={peer.sid}; Path=/; HttpOnly; SameSite=Lax"]


def test_the_path_needs_no_slashes() -> None:
    assert Server(path="chat/").engine.path == "/chat"


def test_more_attachments_than_allowed_end_the_connection() -> None:
    pair = Pair(Server(max_attachments=1))
    pair.peer.emit("say", b"1", b"2")
    assert pair.peer.closed == 1008


# The loop


def test_a_server_runs_on_one_loop_and_refuses_a_second_with_a_sentence() -> None:
    server = Server()

    async def bind() -> None:
        server.engine.bind(AsyncioDriver())

    async def main() -> None:
        await bind()
        with pytest.raises(RuntimeError, match="make one server for each loop, or end the other first"):
            await asyncio.to_thread(asyncio.run, bind())

    asyncio.run(main())


def test_the_driver_of_its_own_loop_may_be_bound_again(server: Server) -> None:
    clock = Clock()
    server.engine.bind(clock)
    server.engine.bind(clock)
    assert server.engine.driver is clock


def test_what_was_made_before_there_was_a_loop_is_used_on_it() -> None:
    server = Server()

    @server.on("say")
    async def say(socket: Socket, text: str) -> str:
        return text

    async def main() -> None:
        server.engine.bind(AsyncioDriver())
        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("say", "hello", id=1)
        assert await packets(peer, 1) == ['431["hello"]']

    asyncio.run(main())


# The end


def test_close_tells_all_clients_and_all_handlers(server: Server, client: dict[str, Any]) -> None:
    reasons: list[tuple[str, str]] = []
    server.on_disconnect(lambda socket, reason: reasons.append(("/", reason)))
    server.of("/chat").on_disconnect(lambda socket, reason: reasons.append(("/chat", reason)))
    pairs = [Pair(server, **client) for _ in range(2)]
    pairs[0].peer.connect("/chat")
    pairs[0].peer.take()
    pairs[0].socket.emit("last")
    done = server.close()
    assert done.done
    assert reasons == [("/", Reason.SHUTDOWN), ("/chat", Reason.SHUTDOWN), ("/", Reason.SHUTDOWN)]
    assert pairs[0].peer.events() == [("last",)]
    assert [pair.peer.closed for pair in pairs] == [1001 if client["transport"] == "websocket" else 0] * 2


def test_close_is_done_at_once_where_nobody_is(server: Server) -> None:
    assert server.close().done


def test_closing_twice_is_closing_once(server: Server, generation: Any) -> None:
    reasons: list[str] = []
    server.on_disconnect(lambda socket, reason: reasons.append(reason))
    Pair(server, generation=generation)
    assert server.close().done
    assert server.close().done
    assert reasons == [Reason.SHUTDOWN]


def test_a_server_that_closes_admits_nobody(server: Server) -> None:
    Pair(server)
    server.close()
    with pytest.raises(Refused) as refused:
        Peer(server)
    assert refused.value.response.status == 503
    assert b"the server is shutting down: connect again later" in refused.value.response.body


def test_who_does_not_come_for_its_goodbye_is_not_waited_for(server: Server) -> None:
    pair = Pair(server, transport="polling")
    pair.peer.polls = False
    pair.socket.emit("x")
    done = server.close()
    assert not done.done
    pair.clock.advance(1.1)
    assert done.done
    assert not server.engine.sessions


def test_open_questions_are_over_when_the_server_closes(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    pending = pair.socket.call("question")
    server.close()
    assert pending.done


class Work:
    """A server with a handler that works until it is let go."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(**options)
        self.server.engine.bind(AsyncioDriver())
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gate = asyncio.Event()
        self.ends: list[str] = []

        @self.server.on("work")
        async def work(socket: Socket) -> None:
            self.started.set_result(None)
            try:
                await self.gate.wait()
                self.ends.append("ended")
            except asyncio.CancelledError:
                self.ends.append("cancelled")
                raise

    async def begin(self) -> None:
        peer = Peer(self.server)
        peer.connect()
        peer.emit("work", id=1)
        await self.started


def test_close_waits_for_running_handlers() -> None:
    async def main() -> None:
        work = Work()
        await work.begin()
        closing = work.server.close()
        await until(lambda: not work.server.engine.sessions)
        assert not closing.done
        work.gate.set()
        await closing
        assert work.ends == ["ended"]

    asyncio.run(main())


def test_handlers_that_need_longer_than_the_shutdown_timeout_are_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        work = Work(shutdown_timeout=0)
        await work.begin()
        await work.server.close()
        assert work.ends == ["cancelled"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert [record.message for record in caplog.records] == ["the handler of 'work' in / failed"]


def test_close_waits_for_the_last_farewells() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        gate = asyncio.Event()
        said: list[str] = []

        @server.on_disconnect
        async def gone(socket: Socket, reason: str) -> None:
            await gate.wait()
            said.append(reason)

        for _ in range(2):
            Peer(server).connect()
        closing = server.close()
        await until(lambda: not server.engine.sessions)
        assert not closing.done
        gate.set()
        await closing
        assert said == [Reason.SHUTDOWN] * 2

    asyncio.run(main())


# Other threads


class Elsewhere:
    """A server on a loop with one client, and a function that runs in another thread."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(**options)
        self.server.engine.bind(AsyncioDriver())
        self.peer = Peer(self.server)
        self.peer.connect()
        (self.socket,) = self.server.sockets()
        self.peer.take()


def test_every_verb_may_be_called_from_another_thread() -> None:
    async def main() -> None:
        it = Elsewhere()
        chat = it.server.of("/chat")
        it.peer.connect("/chat")
        it.peer.take()
        core = threading.get_ident()
        threads: list[int] = []
        it.server.on_disconnect(lambda socket, reason: threads.append(threading.get_ident()))

        def elsewhere() -> None:
            it.socket.emit("one", 1)
            it.socket.join("lobby", "attic")
            it.socket.leave("attic")
            it.server.emit("two", to="lobby")
            it.server.emit("never", to="attic")
            chat.emit("three")
            it.socket.broadcast("others")
            assert [socket.namespace for socket in it.server.sockets()] == ["/"]
            it.socket.disconnect()
            it.socket.emit("never")

        await asyncio.to_thread(elsewhere)
        assert await packets(it.peer, 4) == ['42["one",1]', '42["two"]', '42/chat,["three"]', "41"]
        await until(lambda: threads)
        assert threads == [core]

    asyncio.run(main())


def test_a_thread_asks_a_client_and_waits() -> None:
    async def main() -> None:
        it = Elsewhere()
        asking = asyncio.ensure_future(asyncio.to_thread(lambda: it.socket.call("question").wait(60)))
        assert await packets(it.peer, 1) == ['421["question"]']
        it.peer.acknowledge(1, "a", "b")
        assert await asking == ("a", "b")

    asyncio.run(main())


def test_a_thread_gets_the_error_of_its_own_call() -> None:
    async def main() -> None:
        it = Elsewhere()

        def elsewhere() -> None:
            with pytest.raises(TypeError, match="the event 'question' cannot be sent"):
                it.socket.call("question", object()).wait(60)
            with pytest.raises(TypeError, match="the event 'say' cannot be sent"):
                it.socket.emit("say", object())
            with pytest.raises(ValueError, match=r"is reserved by Socket.IO"):
                it.server.emit("connect")
            with pytest.raises(ValueError, match="timeout is 0"):
                it.socket.call("question", timeout=0)

        await asyncio.to_thread(elsewhere)
        assert it.peer.take() == []

    asyncio.run(main())


def test_a_callback_given_by_a_thread_is_called_on_the_loops_own() -> None:
    async def main() -> None:
        it = Elsewhere()
        threads: list[int] = []
        pending = it.socket.call("question")
        await asyncio.to_thread(pending.add_done_callback, lambda pending: threads.append(threading.get_ident()))
        it.peer.acknowledge(1)
        await until(lambda: threads)
        await asyncio.to_thread(pending.add_done_callback, lambda pending: threads.append(threading.get_ident()))
        await until(lambda: len(threads) == 2)
        assert threads == [threading.get_ident()] * 2

    asyncio.run(main())


def test_a_wait_for_less_than_it_takes_ends_with_a_timeout_in_a_thread_and_a_refusal_on_the_loop() -> None:
    async def main() -> None:
        it = Elsewhere()
        pending = it.socket.call("question")
        with pytest.raises(RuntimeError, match=r"wait\(\) would block the event loop: await this instead"):
            pending.wait(1)
        with pytest.raises(TimeoutError, match="no result within 0 s"):
            await asyncio.to_thread(pending.wait, 0)

    asyncio.run(main())


def test_a_thread_closes_the_server() -> None:
    threads: list[int] = []

    class Adapter(MemoryAdapter):
        def unsubscribe(self, topic: str) -> None:
            threads.append(threading.get_ident())
            super().unsubscribe(topic)

    async def main() -> None:
        it = Elsewhere(adapter=Adapter(MemoryBus()))
        await asyncio.to_thread(lambda: it.server.close().wait(60))
        assert it.peer.closed == 1001
        assert not it.server.engine.sessions
        assert threads == [threading.get_ident()]

    asyncio.run(main())
