"""Programs without a server that emit and ask, in front of a real Redis and of a toy."""

import asyncio
import gc
import io
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from redisserver import RedisServer
from waterspout import AsyncEmitter, Emitter, Server
from waterspout.adapters import asyncemitterlink, emitterlink
from waterspout.cli import main
from waterspout.drivers import AsyncioDriver
from waterspout.errors import AdapterError
from waterspout.server import Headcount, Replies, Text
from waterspout.server.cluster import BroadcastHere, decode, survey
from waterspout.server.cluster.messages import decode_word
from waterspout.testing import Peer
from waterspout.wire.packets import Event

from .toyredis import ToyRedis

WATCHDOG = 60.0  # s
PAUSE = 0.002  # s between two looks at what has come
NOWHERE = "unix:///nowhere/redis.sock"

_paths = count(1)


class Program:
    """An emitter of either kind, whose calls are awaited."""

    def __init__(self, kind: type[Emitter] | type[AsyncEmitter], url: str, **options: Any) -> None:
        self.emitter = kind(url, **options)

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        function = getattr(self.emitter, verb)
        if isinstance(self.emitter, AsyncEmitter):
            call: Callable[..., Awaitable[Any]] = function
            return call
        return lambda *args, **options: asyncio.to_thread(function, *args, **options)


Make = Callable[..., Program]
FORMS: dict[str, type[Emitter] | type[AsyncEmitter]] = {"blocking": Emitter, "async": AsyncEmitter}


@pytest.fixture(params=FORMS)
def make(request: pytest.FixtureRequest) -> Make:
    return lambda url, **options: Program(FORMS[request.param], url, **options)


class Nodes:
    """Servers that share a Redis, with a client each in "/" and in "/chat"; a cluster of their own, by its path."""

    def __init__(self, url: str, number: int = 2) -> None:
        self.url, self.path = url, f"/path{next(_paths)}"
        self.servers = [Server(adapter=url, path=self.path) for _ in range(number)]
        self.peers: list[Peer] = []

    async def __aenter__(self) -> "Nodes":
        for server in self.servers:
            server.of("/chat")
            server.engine.bind(AsyncioDriver())
        await until(lambda: all(server.is_ready for server in self.servers))
        for server in self.servers:
            peer = Peer(server)
            for namespace in ("/", "/chat"):
                peer.connect(namespace)
            peer.skip(2)
            self.peers.append(peer)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self.servers:
            await server.close()

    @property
    def ids(self) -> list[str]:
        return [server.sockets()[0].id for server in self.servers]

    @property
    def names(self) -> set[str]:
        return {node.name for node in self.servers[0].nodes()}

    async def events(self, number: int, namespace: str = "/") -> list[list[tuple[Any, ...]]]:
        """Wait for so many events, and return those of each client."""
        found: list[list[tuple[Any, ...]]] = [[] for _ in self.peers]

        def are_there() -> bool:
            for peer, events in zip(self.peers, found, strict=True):
                events.extend(peer.events(namespace))
            return sum(map(len, found)) >= number

        await until(are_there)
        return found

    async def answer(self, peer: Peer, *values: Any) -> None:
        """Wait for a question to a client, and answer it."""
        asked: list[Event] = []
        while not asked:
            await asyncio.sleep(PAUSE)
            asked += peer.pick(Event, "/")
        number = asked[0].id
        assert number is not None
        peer.acknowledge(number, *values)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(PAUSE)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, WATCHDOG))


# What they do


def test_what_a_program_emits_reaches_the_clients_of_all_nodes_in_order(redis: RedisServer, make: Make) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes:
            program = make(nodes.url, path=nodes.path)
            assert await program.emit("news", 1, {"a": b"\x01"}) == 2
            assert await program.join("red", to=nodes.ids[1]) == 2
            await program.emit("news", 2, to="red")
            await program.emit("news", 3, except_=["red"], volatile=True, compress=False)
            await program.emit("news", 4, to="red", namespace="/chat")
            await program.leave("red", to="red")
            await program.emit("news", 5, to="red")
            await program.join("blue")
            await program.close_room("blue")
            await program.emit("news", 6, to="blue")
            await program.emit("last", latest="price")
            first, second = await nodes.events(6)
            assert first == [("news", 1, {"a": b"\x01"}), ("news", 3), ("last",)]
            assert second == [("news", 1, {"a": b"\x01"}), ("news", 2), ("last",)]
            await program.disconnect(to=nodes.ids[0], close=True)
            await until(lambda: nodes.peers[0].closed is not None)
            assert len(nodes.servers[1].sockets()) == 1
            await program.close()

    run(test())


def test_a_namespace_has_an_emitter_that_shares_the_connections(redis: RedisServer, make: Make) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes:
            program = make(nodes.url, path=nodes.path)
            chat = Program.__new__(Program)
            chat.emitter = program.emitter.of("/chat")
            await program.emit("one", namespace="/chat")
            assert await chat.emit("two") == 2
            await chat.emit("elsewhere", namespace="/")
            assert await nodes.events(4, "/chat") == [[("one",), ("two",)]] * 2
            assert await nodes.events(2) == [[("elsewhere",)]] * 2
            assert chat.emitter._link is program.emitter._link
            await chat.close()

    run(test())


def test_a_program_asks_the_clients_and_the_nodes(redis: RedisServer, make: Make) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes:
            program = make(nodes.url, path=nodes.path)
            one, two = nodes.ids
            asked = asyncio.ensure_future(program.call("ask", 1, timeout=30))
            await nodes.answer(nodes.peers[0], "yes", 1)
            await nodes.answer(nodes.peers[1])
            assert await asked == Replies({one: ("yes", 1), two: None}, ())
            assert await program.call("ask", to=two, timeout=0.01) == Replies({}, (two,))
            found = await program.fetch_sockets(to=[one, "nobody"])
            assert [each.id for each in found.sockets] == [one]
            assert await program.fetch_count(namespace="/chat") == Headcount(2)
            many = await asyncio.gather(*(program.fetch_count() for _ in range(8)))
            assert many == [Headcount(2)] * 8
            await program.close()
            assert await program.fetch_count() == Headcount(2)
            await program.close()

    run(test())


def test_what_a_program_publishes_to_a_channel_has_an_id_among_those_of_the_servers(
    redis: RedisServer, make: Make
) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes:
            program = make(nodes.url, path=nodes.path)
            redis.client.script_flush()
            first = await program.publish("prices", {"ACME": 12.5})
            one, two = (server.channel("prices", history=3) for server in nodes.servers)
            second = await one.publish("two", "named")
            third = await program.publish("prices", Text("three"), "named")
            assert [each.rpartition("-")[2] for each in (first, second, third)] == ["1", "2", "3"]
            assert len({each.rpartition("-")[0] for each in (first, second, third)}) == 1
            stream = aiter(two.stream(first))
            found = [await anext(stream) for _ in range(2)]
            assert [(each.id, each.data, each.event) for each in found] == [
                (second, "two", "named"),
                (third, "three", "named"),
            ]
            await one.end()
            with pytest.raises(ValueError, match="the channel 'prices' has ended"):
                await program.publish("prices", 4)
            await program.close()

    run(test())


def test_where_no_node_listens_nobody_is_waited_for(redis: RedisServer, make: Make) -> None:
    async def test() -> None:
        program = make(redis.url, path="/nobody")
        assert await program.emit("news") == 0
        assert await program.call("ask") == Replies({}, ())
        assert await program.fetch_count() == Headcount(0)
        await program.close()

    run(test())


def test_a_node_that_does_not_answer_is_named(redis: RedisServer, make: Make) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes:
            topic = f"waterspout{nodes.path}"
            frozen = redis.client.pubsub()
            frozen.subscribe(topic, f"{topic}/node/frozen")
            await until(lambda: redis.client.pubsub_numsub(topic)[0][1] == 3)
            program = make(nodes.url, path=nodes.path)
            assert await program.fetch_count(timeout=0.1) == Headcount(2, ("frozen",))
            replies = await program.call("ask", to="nobody", timeout=0.01)
            assert replies == Replies({}, (), ("frozen",))
            frozen.close()
            await program.close()

    run(test())


def test_a_context_closes_the_connections(redis: RedisServer) -> None:
    def connections() -> list[Any]:
        return [one for one in redis.client.client_list() if one["cmd"] in ("publish", "subscribe")]

    with Emitter(redis.url, path="/context") as emitter:
        emitter.fetch_count()
        assert len(connections()) == 2
    assert connections() == []

    async def test() -> None:
        async with AsyncEmitter(redis.url, path="/context") as emitter:
            await emitter.fetch_count()
            assert len(connections()) == 2
        await until(lambda: connections() == [])

    run(test())


def test_threads_share_an_emitter(redis: RedisServer) -> None:
    async def test() -> None:
        async with Nodes(redis.url, 1) as nodes:
            emitter = Emitter(nodes.url, path=nodes.path)

            def work(thread: int) -> None:
                for number in range(40):
                    emitter.emit("news", thread, number)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            (events,) = await nodes.events(320)
            for number in range(8):
                assert [n for _, thread, n in events if thread == number] == list(range(40))
            emitter.close()

    run(test())


def test_tasks_share_an_emitter(redis: RedisServer) -> None:
    async def test() -> None:
        async with Nodes(redis.url, 1) as nodes, AsyncEmitter(nodes.url, path=nodes.path) as emitter:
            await asyncio.gather(*(emitter.emit("news", number) for number in range(20)))
            assert await nodes.events(20) == [[("news", number) for number in range(20)]]
            cancelled = asyncio.ensure_future(emitter.emit("perhaps"))
            await asyncio.sleep(0)
            cancelled.cancel()
            assert await emitter.emit("more") == 1
            received: list[Any] = []
            while received[-1:] != [("more",)]:
                await asyncio.sleep(PAUSE)
                received += nodes.peers[0].events()

    run(test())


def names_on_two_loops(url: str) -> set[str]:
    emitter = AsyncEmitter(url, path="/nobody")

    async def test() -> str:
        assert await emitter.emit("news") == 0
        assert await emitter.fetch_count() == Headcount(0)
        return emitter._link._counter.name

    names = {asyncio.run(test()), asyncio.run(test())}
    asyncio.run(emitter.close())  # of a third loop, which has nothing to close
    return names


def test_an_emitter_goes_on_on_another_loop_under_another_name(redis: RedisServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of loops that have left connections open
        assert len(names_on_two_loops(redis.url)) == 2
        gc.collect()


FORKS = """
import os, sys
if sys.argv[3] == "gevent":
    from gevent import monkey; monkey.patch_all()
from waterspout import Emitter

emitter = Emitter(sys.argv[1], path=sys.argv[2])
emitter.fetch_count(timeout=0.01), emitter.emit("news", 1)
emitter._link._lock.acquire()  # as by a thread that publishes
child = os.fork()
if not child:
    emitter.emit("news", 2), emitter.fetch_count(timeout=0.01)
    os._exit(0)
emitter._link._lock.release()
assert os.waitpid(child, 0)[1] == 0
emitter.emit("news", 3), emitter.fetch_count(timeout=0.01)
"""


@pytest.mark.parametrize("kind", ["plain", pytest.param("gevent", marks=pytest.mark.hosts)])
def test_a_fork_takes_no_connection_along_and_no_name(redis: RedisServer, kind: str) -> None:
    path = f"/path{next(_paths)}"
    listener = redis.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(f"waterspout{path}")
    listener.get_message(timeout=WATCHDOG)
    command = [sys.executable, "-W", "error", "-c", FORKS, redis.url, path, kind]
    subprocess.run(command, check=True, timeout=WATCHDOG)
    words = [decode_word(listener.get_message(timeout=WATCHDOG)["data"]) for _ in range(6)]
    listener.close()
    events = [word for word in words if b"news" in word.message]
    assert [event.n for event in events] == [1, 1, 2]
    assert events[0].node == events[2].node != events[1].node
    questions = [word for word in words if b"news" not in word.message]
    assert [question.n for question in questions] == [1, 1, 2]
    assert questions[0].node == questions[2].node != questions[1].node


# What fails


def test_what_cannot_be_sent_is_refused_before_anything_is_connected(make: Make) -> None:
    async def test() -> None:
        program = make(NOWHERE)
        for call, error, text in (
            (program.emit("news", object()), TypeError, "the event 'news' cannot be sent"),
            (program.emit("news", to=1.5), TypeError, "to is 1.5"),
            (program.emit("connect"), ValueError, "reserved"),
            (program.emit("news", latest=5), TypeError, "latest is 5"),
            (program.emit("news", "x" * 4_000_000), AdapterError, "the adapter carries"),
            (program.emit("news", namespace="chat"), ValueError, "begin it with a slash"),
            (program.join(["red"]), TypeError, "is not a room"),
            (program.call("ask", timeout=0), ValueError, "timeout is 0"),
            (program.fetch_sockets(timeout="1"), TypeError, "timeout is '1'"),
            (program.fetch_count(timeout=-1), ValueError, "timeout is -1"),
            (program.publish("prices", object()), TypeError, "the channel 'prices' cannot publish this"),
            (program.publish("prices", b"x"), TypeError, "bytes are not JSON"),
            (program.publish("prices", "x" * 4_000_000), AdapterError, "for the channel 'prices' has 4000002 bytes"),
            (program.publish("", 1), ValueError, "the name of a channel is ''"),
            (program.publish("prices", 1, "stream-x"), ValueError, "event is 'stream-x'"),
        ):
            with pytest.raises(error, match=text):
                await call

    run(test())


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        ("http://localhost", {}, ValueError),
        ("redis://localhost?nothing=1", {}, ValueError),
        ("redis://localhost", {"path": "?"}, ValueError),
        ("redis://localhost", {"largest_word": 10}, ValueError),
    ],
)
def test_wrong_options_are_refused(make: Make, url: str, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make(url, **options)


def test_a_redis_that_is_not_there_is_named_with_the_remedy_and_found_when_it_is(tmp_path: Path, make: Make) -> None:
    async def test() -> None:
        server = RedisServer(tmp_path)
        program = make(f"{server.url}?password=secret")
        for call in (program.emit("news"), program.fetch_count()):
            with pytest.raises(
                AdapterError, match=f"the Redis at {server.socket} is not reached.*connects again"
            ) as told:
                await call
            assert "secret" not in str(told.value)
        await asyncio.to_thread(server.start)
        try:
            with pytest.raises(AdapterError, match="AUTH"):
                await program.emit("news")
            program = make(server.url)
            assert await program.emit("news") == 0
            assert await program.fetch_count() == Headcount(0)
        finally:
            server.stop()
        for call in (program.emit("news"), program.fetch_count()):
            with pytest.raises(AdapterError, match="is not reached"):
                await call

    run(test())


def test_a_connection_that_was_killed_while_idle_is_opened_again_unnoticed(redis: RedisServer, make: Make) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes:
            program = make(nodes.url, path=nodes.path)
            await program.fetch_count()
            emitters = [one for one in redis.client.client_list() if one["cmd"] in ("publish", "subscribe")]
            own = sorted(emitters, key=lambda one: int(one["id"]))[-2:]
            for each in own:
                redis.client.client_kill_filter(_id=each["id"])
            assert await program.emit("news", 1) == 2
            assert await program.fetch_count() == Headcount(2)
            assert await nodes.events(2) == [[("news", 1)]] * 2
            await program.close()

    run(test())


class CuttingProxy:
    """Forwards connections to a Redis; once it is told to `cut`, it closes one instead of forwarding an answer."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.url = f"unix://{folder / 'proxy.sock'}"
        self.cut = False
        self._path, self._redis = folder / "proxy.sock", redis.socket

    async def __aenter__(self) -> "CuttingProxy":
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_unix_connection(self._redis)
        forward = asyncio.create_task(self._forward(reader, on))
        while (data := await back.read(65536)) and not self.cut:
            writer.write(data)
        self.cut = False
        writer.close()
        on.close()
        await forward

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


def test_what_redis_did_before_the_connection_was_lost_is_not_done_twice(
    redis: RedisServer, make: Make, tmp_path: Path
) -> None:
    async def test() -> None:
        async with Nodes(redis.url) as nodes, CuttingProxy(tmp_path, redis) as proxy:
            program = make(proxy.url, path=nodes.path)
            first = await program.publish("prices", 1)
            await program.emit("news", 1)
            proxy.cut = True
            second = await program.publish("prices", 2)
            proxy.cut = True
            await program.emit("news", 2)
            third = await program.publish("prices", 3)
            assert not proxy.cut
            assert [each.rpartition("-")[2] for each in (first, second, third)] == ["1", "2", "3"]
            await program.emit("news", 3)
            assert await nodes.events(6) == [[("news", number) for number in (1, 2, 3)]] * 2
            await program.close()

    run(test())


class Losing(ToyRedis):
    """Closes the connection instead of an answer to PUBLISH, as often as `losses` says."""

    losses = 0

    def _answer(self, writer: asyncio.StreamWriter, command: list[Any]) -> bytes:
        answer = super()._answer(writer, command)
        if command[0] == b"PUBLISH" and self.losses:
            self.losses -= 1
            writer.close()
            return b""
        return answer

    @property
    def published(self) -> list[bytes]:
        return [command[2] for command in self.commands if command[0] == b"PUBLISH"]


async def losing(folder: Path) -> Losing:
    toy = Losing(folder)
    await toy.start()
    return toy


def test_what_may_have_been_published_is_published_again_with_the_same_number(tmp_path: Path, make: Make) -> None:
    async def test() -> None:
        toy = await losing(tmp_path)
        program = make(toy.url)
        await program.emit("news", 1)
        toy.losses = 1
        await program.emit("news", 2)
        first, second, again = map(decode_word, toy.published)
        assert (first.n, second.n) == (1, 2)
        assert again == second
        toy.losses = 2
        with pytest.raises(AdapterError, match="was lost"):
            await program.emit("news", 3)
        toy.losses = 1
        with pytest.raises(AdapterError, match="was lost"):  # on a new connection nothing is repeated
            await program.emit("news", 4)
        assert len(toy.published) == 6
        await program.close()
        await toy.stop()

    run(test())


def test_a_redis_that_does_not_answer_is_given_up_and_nothing_is_repeated(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        toy = await losing(tmp_path)
        program = make(toy.url)
        monkeypatch.setattr(emitterlink, "ANSWER_WITHIN", 0.1)
        monkeypatch.setattr(asyncemitterlink, "ANSWER_WITHIN", 0.1)
        await program.emit("news", 1)
        toy.silent = True
        with pytest.raises(AdapterError, match="is not reached, or was lost"):
            await program.emit("news", 2)
        toy.silent = False
        await program.emit("news", 3)
        assert [decode_word(word).n for word in toy.published] == [1, 2, 3]
        await program.close()
        await toy.stop()

    run(test())


class TimeLimit(BaseException):
    """As Celery, gevent and Ctrl+C raise one, anywhere."""


def test_a_call_that_is_interrupted_leaves_no_answer_behind(redis: RedisServer) -> None:
    def interrupt(*_: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, interrupt)
    with Emitter(redis.url, path="/nobody") as emitter:
        emitter.emit("news")
        redis.client.client_pause(60_000, all=False)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(TimeLimit):
                emitter.emit("news")
        finally:
            signal.signal(signal.SIGALRM, before)
            redis.client.client_unpause()
        names, count = emitter._link._names(), emitter.emit("news")
    assert (names, count) == ([], 0)


def test_what_redis_refuses_is_told(tmp_path: Path, make: Make) -> None:
    async def test() -> None:
        toy = await losing(tmp_path)
        toy.refused[b"PUBLISH"] = b"NOPERM no permissions"
        program = make(toy.url)
        for call in (program.emit("news"), program.fetch_count()):
            with pytest.raises(AdapterError, match=r"toy.sock refuses this: .*no permissions"):
                await call
        toy.refused.clear()
        assert await program.emit("news") == 0
        toy.role = b"slave"
        replica = make(toy.url)
        with pytest.raises(AdapterError, match="it is a replica"):
            await replica.emit("news")
        for one in (program, replica):
            await one.close()
        await toy.stop()

    run(test())


def test_a_silent_node_whose_name_redis_does_not_tell_is_a_question_mark(tmp_path: Path, make: Make) -> None:
    async def test() -> None:
        toy = await losing(tmp_path)
        toy.refused[b"PUBSUB"] = b"NOPERM no permissions"
        other = ToyNode(toy)
        await other.subscribe()
        program = make(toy.url)
        assert await program.fetch_count(timeout=0.05) == Headcount(0, ("?",))
        await program.close()
        other.writer.close()
        await toy.stop()

    run(test())


class ToyNode:
    """A connection that has subscribed to the topic of the nodes, and answers nothing."""

    def __init__(self, toy: ToyRedis) -> None:
        self._toy = toy

    async def subscribe(self) -> None:
        self.reader, self.writer = await asyncio.open_unix_connection(self._toy.path)
        self.writer.write(b"*2\r\n$9\r\nSUBSCRIBE\r\n$20\r\nwaterspout/socket.io\r\n")
        await self.reader.readuntil(b"waterspout/socket.io\r\n")


def test_in_a_cluster_the_nodes_that_are_there_are_asked_for(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "ROLL_SECONDS", 0.2)

    async def test() -> None:
        toy = await losing(tmp_path)
        toy.mode = b"cluster"
        async with Nodes(toy.url) as nodes:
            program = make(nodes.url, path=nodes.path)
            assert await program.emit("news") is None
            assert await program.fetch_count() == Headcount(2)
            replies = await program.call("ask", to=nodes.ids[0], timeout=0.3)
            assert replies == Replies({}, (nodes.ids[0],))
            await program.close()
        await toy.stop()

    run(test())


# `waterspout emit --adapter`


def test_the_command_emits_to_all_nodes_and_prints_how_many(
    redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    path = f"/path{next(_paths)}"
    listener = redis.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(f"waterspout{path}")
    listener.get_message(timeout=WATCHDOG)
    command = ["emit", "news", '{"a":1}', "--to", "red", "--namespace", "/chat", "--adapter", redis.url]
    assert main([*command, "--path", path]) == 0
    assert capsys.readouterr() == ("1\n", "")
    message = decode(decode_word(listener.get_message(timeout=WATCHDOG)["data"]).message)
    assert isinstance(message, BroadcastHere)
    assert (message.event, message.read_args(), message.namespace) == ("news", [{"a": 1}], "/chat")
    assert message.to == ("red",)
    listener.close()
    assert main([*command, "--path", "/nobody"]) == 0
    assert capsys.readouterr() == ("0\n", "")


def test_the_command_publishes_to_a_channel_of_all_nodes_and_prints_each_id(
    redis: RedisServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a":1}\n[2]\n')))
    command = ["publish", "prices", "-", "--lines", "--adapter", redis.url, "--path", f"/path{next(_paths)}"]
    assert main(command) == 0
    output, told = capsys.readouterr()
    assert [each.rpartition("-")[2] for each in output.split()] == ["1", "2"]
    assert told == ""
    assert main([*command[:2], "a text", "--text", "--event", "named", *command[4:]]) == 0
    assert capsys.readouterr().out.rstrip().endswith("-3")
    assert main([*command[:2], "no JSON", *command[4:]]) == 2
    assert "'no JSON' is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["news", "--adapter", NOWHERE], 1, "the Redis at /nowhere/redis.sock is not reached"),
        (["news", "--adapter", "http://localhost"], 2, "'http://localhost' is no URL of a Redis"),
        (["connect", "--adapter", NOWHERE], 2, "'connect' is reserved by Socket.IO"),
        (["news", "no JSON", "--adapter", NOWHERE], 2, "'no JSON' is not JSON"),
        (["news", "--adapter", NOWHERE, "--entry", "e"], 2, "one server or all? Give --entry e or --adapter"),
    ],
)
def test_what_the_command_cannot_do_is_a_sentence(
    arguments: list[str], status: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["emit", *arguments]) == status
    output, told = capsys.readouterr()
    assert (output, told.count("\n")) == ("", 1)
    assert told.startswith(f"waterspout: {sentence}")


WITHOUT = """
import sys
sys.modules["redis"] = None
import waterspout
for kind in (waterspout.Emitter, waterspout.AsyncEmitter):
    try:
        kind("redis://localhost")
    except ImportError as error:
        print(error)
"""


def test_without_the_package_the_extra_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout == "the package redis is missing: pip install 'waterspout[redis]'\n" * 2
