"""An application that refuses clients before their handshake is answered, over real connections."""

import asyncio
from collections.abc import Callable

import pytest

from hosts.client import Wire, opening, request, target
from hosts.host import Host
from waterspout import Engine, HandshakeRefused, Policy, Reason, Request, Server
from waterspout.engine import Session
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from waterspout.wire.packets import Packet

HANDSHAKES: dict[str, Callable[[str], bytes]] = {
    "a WebSocket of Engine.IO 4": lambda more: opening(more=more),
    "a WebSocket of Engine.IO 3": lambda more: opening(eio=3, more=more),
    "polling of Engine.IO 4": lambda more: request("GET", target("polling", more=more)),
    "polling of Engine.IO 3": lambda more: request("GET", target("polling", eio=3, more=more)),
    "Socket.IO 0.9": lambda more: request("GET", f"/socket.io/1/?t=1{more}"),
}


class Guard:
    """An application that lets nobody in without a name; `engine` serves it."""

    def __init__(self) -> None:
        policy = Policy(generations=(ENGINEIO_3, ENGINEIO_4, SOCKETIO_1))
        self.engine = Engine(self, path="/socket.io", policy=policy)
        self.closed: list[Reason] = []

    def open(self, session: Session, request: Request) -> None:
        if request.param("name") is None:
            raise HandshakeRefused(401, "who are you?", [("WWW-Authenticate", "Basic")])

    def packet(self, session: Session, packet: Packet) -> None: ...

    def announced(self, session: Session, namespace: str) -> None: ...

    def close(self, session: Session, reason: Reason) -> None:
        self.closed.append(reason)


@pytest.mark.usefixtures("quiet")
class Refusing:
    """A host's tests of handshakes that an application refuses."""

    @pytest.mark.parametrize("client", HANDSHAKES)
    async def test_a_refused_client_has_its_answer_and_may_come_again(self, host: Host, client: str) -> None:
        guard = Guard()
        await host.serve(guard.engine)
        wire = await host.connect()
        for _ in range(2):
            wire.send(HANDSHAKES[client](""))
            answer = await wire.answer()
            assert answer.status == 401
            assert b"who are you?" in answer.body
            assert answer.field("www-authenticate") == "Basic"
            assert not guard.engine.sessions
            assert not len(guard.engine.deadlines)
        wire.send(HANDSHAKES[client]("&name=Ann"))
        assert (await wire.answer()).status in (101, 200)
        assert len(guard.engine.sessions) == 1
        assert guard.closed == []

    async def test_a_client_that_goes_while_it_is_greeted_has_been_there(self, host: Host) -> None:
        guard = Guard()
        await host.serve(guard.engine)
        for client in ("a WebSocket of Engine.IO 4", "a WebSocket of Engine.IO 3"):
            wire: Wire = await host.connect()
            wire.send(HANDSHAKES[client]("&name=Ann"))
            await host.until(lambda: len(guard.engine.sessions) == 1)
            wire.abort()
            await host.until(lambda: not guard.engine.sessions)
        assert guard.closed == [Reason.TRANSPORT_CLOSE] * 2


class Slow(Guard):
    """The same, but it takes until `decided` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.decided = asyncio.Event()
        self.session: Session | None = None

    async def open(self, session: Session, request: Request) -> dict[str, str]:  # type: ignore[override]
        self.session = session
        self.asked.set()
        await self.decided.wait()
        Guard.open(self, session, request)
        return {"X-Node": "a"}


@pytest.mark.usefixtures("quiet")
class Deciding:
    """A host's tests of handshakes whose application takes its time."""

    @pytest.mark.parametrize("more", ["", "&name=Ann"])
    @pytest.mark.parametrize("client", HANDSHAKES)
    async def test_a_handshake_waits_for_a_decision_and_nobody_else_does(
        self, host: Host, client: str, more: str
    ) -> None:
        slow = Slow()
        await host.serve(slow.engine)
        wire, other = await host.connect(), await host.connect()
        wire.send(HANDSHAKES[client](more))
        await slow.asked.wait()
        other.send(request("GET", target("polling", sid="unknown")))
        assert (await other.answer()).status == 400
        slow.decided.set()
        answer = await wire.answer()
        assert answer.status == (401 if not more else 101 if "WebSocket" in client else 200)
        assert answer.field("x-node") == ("a" if more else None)
        assert len(slow.engine.sessions) == bool(more)

    @pytest.mark.parametrize("more", ["", "&name=Ann"])
    @pytest.mark.parametrize("client", HANDSHAKES)
    async def test_a_client_that_goes_meanwhile_is_forgotten(self, host: Host, client: str, more: str) -> None:
        slow = Slow()
        await host.serve(slow.engine)
        wire = await host.connect()
        wire.send(HANDSHAKES[client](more))
        await slow.asked.wait()
        before = host.connections()
        wire.reset()
        await host.until(lambda: host.connections() < before)
        await host.noticed()
        slow.decided.set()
        await host.until(lambda: not slow.engine.sessions and slow.closed == [Reason.TRANSPORT_CLOSE] * bool(more))
        assert not len(slow.engine.deadlines)

    async def test_a_post_and_its_body_wait_until_its_origin_is_decided_about(self, host: Host) -> None:
        decided = asyncio.Event()

        async def allow(origin: str) -> bool:
            await decided.wait()
            return origin == "https://there.example"

        heard: list[str] = []
        server = Server(cors_origins=allow)
        server.on("say")(lambda socket, words: heard.append(words))
        await host.serve(server)
        session = await host.session()
        wire = await host.connect()
        for origin, status in (("https://there.example", 200), ("https://evil.example", 403)):
            whole = request("POST", session.target(), ("Origin", origin), body=b'42["say","a"]')
            wire.send(whole[:-2])
            decided.set()
            wire.send(whole[-2:])
            answer = await wire.answer()
            assert answer.status == status
            assert answer.field("access-control-allow-origin") == (origin if status == 200 else None)
        assert heard == ["a"]
