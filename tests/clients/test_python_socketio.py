"""python-socketio's client, an independent implementation, over its three transports."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import socketio

WATCHDOG_SECONDS = 10
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
REACHED = {"polling": "polling", "websocket": "websocket", "upgrade": "websocket"}
TEXT = ("héllo 🌊 👩‍👩‍👧‍👦", {"ключ 🔑": ["日本語", {"deep": [[["ÿ\u2028\x1e"]]]}]}, None, -0.5)
BINARY = (
    {"name": "ÿ 🌊", "parts": [b"\x00\xff\x04\x1e", {"last": "\x1e🌊".encode()}, b""]},
    bytes(range(256)),
    "after",
)
REFUSAL = {"message": "No entry 🚧", "data": {"code": 42, "why": ["full", "🌊"]}}


NAMESPACES = (
    *("/", "/chat", "/guarded", "/closed", "/nowhere", "/strict", "/many", "/typed"),
    *("/room-1", "/room-2", "/room-x", "/party-1", "/party-2"),
)
EVENTS = ("echo", "welcome", "said", "said to all", "reached", "refused", "heard", "disconnect", "connect_error")


class Peer:
    """A client whose events wait to be received, each as (namespace, event, *args)."""

    def __init__(self, port: int, transport: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.transport = transport
        self.client = socketio.AsyncClient(reconnection=False)
        self.receive = self._inbox().get

    async def connect(self, *namespaces: str, auth: object = None, path: str = "socket.io") -> None:
        await self.client.connect(
            self.url,
            auth=auth,
            transports=TRANSPORTS[self.transport],
            namespaces=namespaces,
            socketio_path=path,
            wait_timeout=WATCHDOG_SECONDS,
        )
        assert self.client.transport() == REACHED[self.transport]

    def _inbox(self) -> asyncio.Queue[tuple[object, ...]]:
        inbox: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

        def keep(namespace: str, event: str) -> Callable[..., None]:
            return lambda *args: inbox.put_nowait((namespace, event, *args))

        for namespace in NAMESPACES:
            for event in EVENTS:
                self.client.on(event, keep(namespace, event), namespace=namespace)
        return inbox


Play = Callable[[Callable[[Peer], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=TRANSPORTS)
def play(request: pytest.FixtureRequest, port: int) -> Play:
    """Run a scene with one client on one transport."""

    def run(scene: Callable[[Peer], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            peer = Peer(port, request.param)
            try:
                await asyncio.wait_for(scene(peer), WATCHDOG_SECONDS)
            finally:
                await peer.client.disconnect()

        asyncio.run(main())

    return run


def test_text_with_emoji_goes_both_ways(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/")
        await peer.client.emit("echo", TEXT)
        assert await peer.receive() == ("/", "echo", *TEXT)
        assert await peer.client.call("code points", "é🌊") == [0xE9, 0x1F30A]
        assert await peer.client.call("text", [0xE9, 0x1F30A]) == "é🌊"

    play(scene)


def test_nested_binary_with_several_attachments_goes_both_ways(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/")
        await peer.client.emit("echo", BINARY)
        assert await peer.receive() == ("/", "echo", *BINARY)

    play(scene)


def test_a_hundred_events_at_once_arrive_at_a_client_that_reads_sixteen_packets_of_an_answer(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/", path="sixteen")
        assert await peer.client.call("burst", 100) == 100
        for number in range(100):
            assert await peer.receive() == ("/", "said", number, *[b"x"] * (number % 3))

    play(scene)


def test_the_server_acknowledges(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/")
        assert await peer.client.call("nothing") is None
        assert await peer.client.call("ack", "🌊") == "🌊"
        assert await peer.client.call("ack", TEXT) == TEXT
        assert await peer.client.call("ack", BINARY) == BINARY

    play(scene)


def test_the_client_acknowledges(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        peer.client.on("question", lambda *args: args)
        await peer.connect("/")
        assert await peer.client.call("ask", "🌊") == "🌊"
        assert await peer.client.call("ask", TEXT) == TEXT
        assert await peer.client.call("ask", BINARY) == BINARY

    play(scene)


def test_namespaces_share_a_connection(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/", "/chat", auth={"token": "🌊 token"})
        assert await peer.receive() == ("/chat", "welcome", {"token": "🌊 token"})
        await peer.client.emit("say", {"bytes": b"\x00\xff"}, namespace="/chat")
        assert await peer.receive() == ("/chat", "said", {"bytes": b"\x00\xff"})
        await peer.client.emit("kick", namespace="/chat")
        assert await peer.receive() == ("/chat", "disconnect", peer.client.reason.SERVER_DISCONNECT)
        assert await peer.client.call("ack", "still here") == "still here"

    play(scene)


@pytest.mark.parametrize(
    ("namespace", "refusal"),
    [
        ("/guarded", REFUSAL),
        ("/closed", {"message": "Not authorized"}),
        ("/nowhere", {"message": "Invalid namespace"}),
        ("/room-x", {"message": "Invalid namespace"}),
        ("/party-1", {"message": "Invalid namespace"}),
        ("/strict", {"message": "No badge", "data": {"missing": "badge"}}),
    ],
)
def test_a_refusal_says_why(play: Play, namespace: str, refusal: dict[str, object]) -> None:
    async def scene(peer: Peer) -> None:
        with pytest.raises(socketio.exceptions.ConnectionError, match=f"{namespace}$"):
            await peer.connect("/", namespace)
        assert await peer.receive() == (namespace, "connect_error", refusal)

    play(scene)


def test_dynamic_namespaces_keep_to_themselves(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/room-1", "/room-2", "/party-2", auth={"token": "/party-2"})
        for namespace in ("/party-2", "/room-2", "/room-1"):
            assert await peer.client.call("say", ("🌊", b"\xff"), namespace=namespace) == namespace
            assert await peer.receive() == (namespace, "said", namespace, "🌊", b"\xff")
        assert await peer.client.call("say to all", "hello", namespace="/room-1") == ["/room-1", "/room-2"]
        heard = {await peer.receive(), await peer.receive()}
        assert heard == {("/room-1", "said to all", "hello"), ("/room-2", "said to all", "hello")}

    play(scene)


def test_typed_events_reach_their_handler_or_the_acknowledgement(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/typed")
        tea = {"article": "tea", "price": 2, "count": 3}
        order = {"customer": "Zoë 🌊", "lines": [tea]}
        answer = await peer.client.call("order", (order, True, "note"), namespace="/typed")
        assert answer == ("Zoë 🌊", [6], True, ["note"])
        assert await peer.receive() == ("/typed", "reached", "Order")
        assert await peer.client.call("picture", (b"\xff", "2020-02-29"), namespace="/typed") == (
            "bytes",
            b"\xff",
            2020,
        )
        assert await peer.receive() == ("/typed", "reached", "picture")

        wrong = {"customer": "Zoë", "lines": [tea, {"article": 5, "price": 2}]}
        report = await peer.client.call("order", wrong, namespace="/typed")
        message = report["error"].pop("message")
        assert message.startswith("the event 'order' does not take this as 'order': ")
        assert message.endswith(", at $.lines[1].article")
        assert report == {"error": {"event": "order", "argument": "order", "place": "$.lines[1].article"}}
        assert await peer.receive() == ("/typed", "refused", "order", "order", "$.lines[1].article")

    play(scene)


def test_a_step_refuses_an_event(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        await peer.connect("/strict", auth={"badge": "gold"})
        assert await peer.client.call("say", "HELLO", namespace="/strict") == "hello"
        assert await peer.receive() == ("/strict", "heard", "hello")
        error = {"message": "Say it politely 🌊", "word": "OI", "badge": "gold"}
        assert await peer.client.call("rude", "OI", namespace="/strict") == {"error": error}

    play(scene)


def test_a_room_is_asked_and_who_leaves_without_an_answer_is_missing(play: Play) -> None:
    async def scene(peer: Peer) -> None:
        room = f"python {id(peer)}"
        second, silent = (Peer(int(peer.url.rpartition(":")[2]), transport) for transport in ("websocket", "polling"))
        peers = {"first": peer, "second": second, "silent": silent}
        asked = asyncio.Event()

        async def say_nothing(*args: object) -> None:
            asked.set()
            await silenced.wait()

        async def leave_unanswered() -> None:
            await asked.wait()
            await silent.client.disconnect()

        silenced = asyncio.Event()
        peer.client.on("question", lambda *args: ("first", *args), namespace="/many")
        second.client.on("question", lambda *args: ("second", *args), namespace="/many")
        silent.client.on("question", say_nothing, namespace="/many")
        try:
            for name, each in peers.items():
                await each.connect("/many")
                await each.client.call("enter", (room, name), namespace="/many")
            found = await peer.client.call("fetch", room, namespace="/many")
            assert {name: each[1] for name, each in found.items()} == {
                name: REACHED[each.transport] for name, each in peers.items()
            }
            question = ("question", room, WATCHDOG_SECONDS, "🌊", b"x")
            (answers, missing), _ = await asyncio.gather(
                peer.client.call("ask", question, namespace="/many", timeout=WATCHDOG_SECONDS), leave_unanswered()
            )
            assert answers == {"first": ["first", "🌊", b"x"], "second": ["second", "🌊", b"x"]}
            assert missing == ["silent"]
        finally:
            silenced.set()
            await second.client.disconnect()

    play(scene)
