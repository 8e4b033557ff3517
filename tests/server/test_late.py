"""What is registered while a server runs, and clients are connected: it is served like what was there before."""

import asyncio
import re
from typing import Any

import pytest

from waterspout import Namespace, Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.testing import Pair, Peer

ROOMS = re.compile(r"/room-\d+")


class Chat(Socket):
    def on_connect(self, auth: Any) -> None:
        self.name = "Ada"

    @event
    def say(self) -> str:
        return self.name


@pytest.fixture
def pair(server: Server) -> Pair:
    return Pair(server)


def refused(name: str) -> list[str]:
    return [f'44{name},{{"message":"Invalid namespace"}}']


def entered(pair: Pair, name: str) -> bool:
    """Let the client ask for a namespace; tell whether it is in."""
    pair.peer.connect(name)
    (answer,) = pair.peer.take()
    return str(answer).startswith(f"40{name},")


def test_a_handler_a_hook_and_a_step_serve_who_is_here_already(pair: Pair) -> None:
    seen: list[str] = []
    pair.peer.emit("say", id=1)
    pair.server.on("say")(lambda socket: "said")
    pair.peer.emit("say", id=2)
    pair.server.use_event(lambda socket, event, args: seen.append(f"step {event}"))
    pair.server.on_any(lambda socket, event, *args: seen.append(f"any {event}"))
    pair.server.on_disconnect(lambda socket, reason: seen.append("disconnect"))
    pair.server.on_error(lambda socket, event, error: seen.append("error"))
    pair.server.on("fail")(lambda socket: 1 / 0)
    pair.peer.emit("say", id=3)
    pair.peer.emit("fail")
    pair.peer.lose()
    assert pair.peer.take() == ['432["said"]', '433["said"]']
    assert seen == ["step say", "any say", "step fail", "any fail", "error", "disconnect"]


def test_a_connect_handler_and_a_step_ask_whoever_comes_next(pair: Pair) -> None:
    asked: list[str] = []
    pair.server.use(lambda socket, auth: asked.append("step"))
    pair.server.on_connect(lambda socket, auth: asked.append("connect"))
    Pair(pair.server)
    assert asked == ["step", "connect"]


def test_a_namespace_is_there_from_its_first_mention_on(pair: Pair) -> None:
    assert not entered(pair, "/chat")
    pair.server.of("/chat").on("say")(lambda socket: "said")
    assert entered(pair, "/chat")
    pair.peer.emit("say", namespace="/chat", id=1)
    assert pair.peer.take() == ['43/chat,1["said"]']


@pytest.mark.parametrize("match", [ROOMS, lambda name, auth: name == "/room-1"], ids=["pattern", "function"])
def test_dynamic_namespaces_are_there_from_their_first_mention_on(pair: Pair, match: Any) -> None:
    assert not entered(pair, "/room-1")
    rooms = pair.server.of(match)
    assert entered(pair, "/room-1")
    rooms.on("say")(lambda socket: "said")  # for who is here, too
    pair.peer.emit("say", namespace="/room-1", id=1)
    assert pair.peer.take() == ['43/room-1,1["said"]']


def test_a_class_serves_the_next_clients_of_a_namespace(pair: Pair) -> None:
    chat = pair.server.of("/chat")
    pair.server.register("/chat", Chat)
    assert entered(pair, "/chat")
    pair.peer.emit("say", namespace="/chat", id=1)
    assert pair.peer.take() == ['43/chat,1["Ada"]']
    assert [type(socket) for socket in chat.sockets()] == [Chat]


def test_a_class_serves_namespaces_of_a_pattern_that_somebody_keeps_already(pair: Pair) -> None:
    pair.server.of(ROOMS)
    kept = pair.server.of("/room-1")
    pair.server.register(ROOMS, Chat)
    assert entered(pair, "/room-1")
    pair.peer.emit("say", namespace="/room-1", id=1)
    assert pair.peer.take() == ['43/room-1,1["Ada"]']
    assert [type(socket) for socket in kept.sockets()] == [Chat]


@pytest.mark.parametrize("place", ["/chat", ROOMS], ids=["name", "pattern"])
def test_a_class_is_refused_while_clients_are_there_whose_objects_are_of_another(pair: Pair, place: Any) -> None:
    name = "/chat" if isinstance(place, str) else "/room-1"
    found = pair.server.of(place)
    assert entered(pair, name)
    sentence = re.escape(f"clients are in {found._handlers.name} already, as objects of another class")
    with pytest.raises(ValueError, match=sentence):
        pair.server.register(place, Chat)
    assert pair.server.describe()[found._handlers.name] == []
    namespace = pair.server.of(name)
    assert isinstance(namespace, Namespace)
    namespace.disconnect()
    pair.server.register(place, Chat)
    pair.peer.take()
    assert entered(pair, name)
    assert [type(socket) for socket in namespace.sockets()] == [Chat]


def test_a_class_is_refused_while_a_client_is_on_its_way_in() -> None:
    server = Server()

    @server.of("/chat").use
    async def wait(socket: Socket, auth: Any) -> None:
        await asyncio.sleep(1)

    pair = Pair(server)
    pair.peer.connect("/chat")
    with pytest.raises(ValueError, match="clients are in /chat already"):
        server.register("/chat", Chat)


def test_functions_of_the_start_and_the_end_are_called_as_well(pair: Pair) -> None:
    seen: list[str] = []
    pair.server.on_start(lambda: seen.append("start"))
    pair.server.on_stop(lambda: seen.append("stop"))
    pair.clock.settle()
    assert seen == ["start"]
    pair.server.close()
    pair.clock.settle()
    assert seen == ["start", "stop"]


def test_a_function_of_the_start_that_a_thread_registers_is_called_once() -> None:
    async def main() -> None:
        seen: list[str] = []
        server = Server()
        await asyncio.to_thread(server.on_start, lambda: seen.append("early"))
        server.engine.bind(AsyncioDriver())
        await asyncio.to_thread(server.on_start, lambda: seen.append("late"))
        peer = Peer(server)
        peer.connect()
        await server.close()
        assert seen == ["early", "late"]

    asyncio.run(main())


def test_the_order_of_a_namespace_serves_who_is_here_already(pair: Pair) -> None:
    begun: list[int] = []

    @pair.server.on("say")
    async def say(socket: Socket, number: int) -> None:
        begun.append(number)
        await asyncio.sleep(1)

    pair.server.of("/", ordered=True)
    for number in range(3):
        pair.peer.emit("say", number)
    assert begun == [0]
    pair.clock.advance(1)
    assert begun == [0, 1]
