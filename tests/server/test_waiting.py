"""What `join`, `leave` and `close_room` return: it may be awaited, costs nothing where it need not, fails loudly."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from turns import CountingLoop
from waterspout import Pending, Server, Socket
from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.drivers import AsyncioDriver
from waterspout.testing import Clock, Pair, Peer


@pytest.fixture
def pair(server: Server) -> Pair:
    return Pair(server)


VERBS: list[Callable[[Pair], Pending[None]]] = [
    lambda pair: pair.socket.join("red", "blue"),
    lambda pair: pair.socket.leave("red"),
    lambda pair: pair.server.join("red"),
    lambda pair: pair.server.leave("red"),
    lambda pair: pair.server.close_room("red"),
    lambda pair: pair.server.of("/chat").join("red"),
    lambda pair: pair.server.of("/chat").leave("red"),
    lambda pair: pair.server.of("/chat").close_room("red"),
]
IDS = ["join", "leave", "server.join", "server.leave", "close_room", "of.join", "of.leave", "of.close_room"]
verbs = pytest.mark.parametrize("verb", VERBS, ids=IDS)


@verbs
def test_alone_it_is_done_at_once_and_one_object_is_shared(pair: Pair, verb: Callable[[Pair], Pending[None]]) -> None:
    returned = verb(pair)
    assert returned.done
    assert returned.wait(0) is None
    assert verb(pair) is returned
    pair.socket.disconnect()
    assert verb(pair) is returned


def test_a_handler_may_await_it_or_return_it(pair: Pair) -> None:
    @pair.server.on("await")
    async def join(socket: Socket, room: str) -> list[str]:
        await socket.join(room)
        return sorted(map(str, socket.rooms))

    pair.server.on("return")(lambda socket, room: socket.join(room))
    pair.server.on("thread", threaded=True)(lambda socket, room: socket.join(room))
    pair.server.use_event(lambda socket, event, args: socket.join("all"))
    for number, event in enumerate(("await", "return", "thread")):
        pair.peer.emit(event, event, id=number)
    assert pair.peer.take() == ['430[["all","await"]]', "431[]", "432[]"]
    assert pair.socket.rooms == {"await", "return", "thread", "all"}


def test_a_connect_handler_may_await_it_or_return_it() -> None:
    for awaits in (True, False):
        server = Server()

        async def enter(socket: Socket, auth: Any) -> None:
            await socket.join("lobby")

        server.on_connect(enter if awaits else lambda socket, auth: socket.join("lobby"))
        with Pair(server) as pair:
            assert pair.server.sockets(to="lobby") == [pair.socket]


def test_a_handler_that_returns_it_makes_no_task_on_a_loop() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        server.on("join")(lambda socket, room: socket.join(room))
        peer = Peer(server)
        peer.connect()
        peer.take()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        loop.made.clear()
        peer.emit("join", "red", id=1)
        assert peer.take() == ["431[]"]
        assert not loop.made

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(main())


def test_a_result_that_is_an_error_already_is_the_failure_of_the_handler_that_returns_it(pair: Pair) -> None:
    def broken(socket: Socket) -> Pending[None]:
        pending: Pending[None] = Pending(pair.clock)
        pending.reject(LookupError("gone"))
        return pending

    pair.server.on("plain")(broken)
    pair.server.on("thread", threaded=True)(broken)
    pair.peer.emit("plain")
    pair.peer.emit("thread")
    assert [str(error) for _, error in pair.clock.reports] == ["gone", "gone"]


def test_another_thread_waits_until_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "asyncio")

    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        peers = [Peer(server) for _ in range(2)]
        for peer in peers:
            peer.connect()
        one, two = server.sockets()

        def elsewhere() -> None:
            one.join("red").wait(30)
            assert one.rooms == {"red"}
            server.join("blue", to=two).wait(30)
            assert two.rooms == {"blue"}
            server.close_room("blue").wait(30)
            assert two.rooms == frozenset()
            with pytest.raises(ValueError, match="is the id of another socket"):
                one.join(two.id).wait(30)

        await asyncio.to_thread(elsewhere)

    asyncio.run(main())
    assert len([record for record in caplog.records if record.name == "asyncio"]) == 1  # perhaps nobody waits


# Several nodes


class SlowAdapter(MemoryAdapter):
    """An adapter that subscribes when the test says so."""

    def __init__(self, bus: MemoryBus, clock: Clock) -> None:
        super().__init__(bus)
        self.subscribed: Pending[None] = Pending(clock)

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Any:
        super().subscribe(topic, callback)
        return self.subscribed


class Slow:
    """A node that waits for its adapter, with its client; and another node."""

    def __init__(self) -> None:
        bus, self.clock = MemoryBus(), Clock()
        self.other = Pair(Server(adapter=MemoryAdapter(bus), driver=self.clock))
        self.adapter = SlowAdapter(bus, self.clock)
        self.pair = Pair(Server(adapter=self.adapter, driver=self.clock))


def test_a_socket_has_joined_when_its_node_hears_the_others() -> None:
    slow = Slow()
    joined = slow.pair.socket.join("red")
    assert slow.pair.socket.rooms == {"red"}
    assert not joined.done
    assert slow.pair.socket.leave("red").done
    slow.adapter.subscribed.resolve(None)
    assert joined.done
    assert slow.pair.socket.join("red") is joined


def test_many_have_joined_when_the_others_have_confirmed_it() -> None:
    slow = Slow()
    joined = slow.pair.server.join("red")
    assert (joined.done, slow.other.socket.rooms) == (False, frozenset())
    slow.adapter.subscribed.resolve(None)
    assert joined.done
    assert slow.other.socket.rooms == {"red"}


def test_whoever_awaits_it_gets_the_failure_of_the_adapter() -> None:
    slow = Slow()
    before = slow.pair.server.join("red")
    slow.adapter.subscribed.reject(ConnectionError("no broker"))
    for joined in (before, slow.pair.server.join("red")):
        with pytest.raises(ConnectionError):
            joined.result()
    assert len(slow.clock.reports) == 1
    assert not slow.pair.server.is_ready
