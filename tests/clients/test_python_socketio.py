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


class Peer:
    """A client whose events wait to be received, each as (namespace, event, *args)."""

    def __init__(self, port: int, transport: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.transport = transport
        self.client = socketio.AsyncClient(reconnection=False)
        self.receive = self._inbox().get

    async def connect(self, *namespaces: str, auth: object = None) -> None:
        transports = TRANSPORTS[self.transport]
        await self.client.connect(
            self.url, auth=auth, transports=transports, namespaces=namespaces, wait_timeout=WATCHDOG_SECONDS
        )
        assert self.client.transport() == REACHED[self.transport]

    def _inbox(self) -> asyncio.Queue[tuple[object, ...]]:
        inbox: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

        def keep(namespace: str, event: str) -> Callable[..., None]:
            return lambda *args: inbox.put_nowait((namespace, event, *args))

        for namespace in ("/", "/chat", "/guarded", "/closed", "/nowhere"):
            for event in ("echo", "welcome", "said", "disconnect", "connect_error"):
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
    ],
)
def test_a_refusal_says_why(play: Play, namespace: str, refusal: dict[str, object]) -> None:
    async def scene(peer: Peer) -> None:
        with pytest.raises(socketio.exceptions.ConnectionError, match=f"failed to connect: {namespace}$"):
            await peer.connect("/", namespace)
        assert await peer.receive() == (namespace, "connect_error", refusal)

    play(scene)
