"""The official conformance suites for Engine.IO 3, Engine.IO 4 and the Engine.IO part of Socket.IO 5, in memory.

Each test looks at what the official test of its line in tests/official.py looks at, with the same interval
of 300 ms and timeout of 200 ms. Where a suite has no such test, its server is asked nevertheless.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.applications import Recorder
from waterspout import Server
from waterspout.engine import Answer, Engine, Open, Policy, Refuse, Response, Resume
from waterspout.testing import Clock, admit, client_frame, server_frames
from waterspout.types import Request
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

UPGRADE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


class Fetch:
    """A request over HTTP and its answer, which may come later."""

    def __init__(self, engine: Engine, target: str, method: str, headers: Sequence[tuple[str, str]]) -> None:
        self.engine = engine
        self.request = Request(method, target, headers)
        self.decision = admit(engine, self.request)
        self.response: Response | None = None

    def send(self, body: bytes) -> "Fetch":
        if isinstance(self.decision, Refuse | Answer):
            self.respond(self.decision.response)
        else:
            self.engine.respond(self.decision, self, body)
        return self

    def respond(self, response: Response, written: object = None) -> None:
        self.response = response

    def take_back(self) -> bool:
        return False

    @property
    def status(self) -> int:
        assert self.response is not None, "there is no answer"
        return self.response.status

    @property
    def body(self) -> bytes:
        assert self.response is not None, "there is no answer"
        return self.response.body


class Socket:
    """A WebSocket, open unless it was refused."""

    def __init__(self, engine: Engine, target: str) -> None:
        self.messages: list[Any] = []
        self.closed = False
        request = Request("GET", target, UPGRADE)
        decision = admit(engine, request)
        if isinstance(decision, Open | Resume):
            self.transport = engine.connect(decision, request, self)
        else:
            self.closed = True

    def write(self, data: bytes) -> bool:
        self.messages += [data.decode() if opcode == 1 else data for opcode, data in server_frames(data)]
        return True

    @property
    def unsent_bytes(self) -> int:
        return 0

    def close(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def finish(self, data: bytes) -> None:
        self.closed = True

    def send(self, data: str | bytes) -> None:
        opcode, payload = (1, data.encode()) if isinstance(data, str) else (2, data)
        self.transport.receive(client_frame(opcode, payload))

    def next(self) -> Any:
        return self.messages.pop(0)


class Suite:
    """A server as a suite wants it."""

    def __init__(self, generation: Generation, *, socketio: bool) -> None:
        self.generation, self.clock = generation, Clock()
        if socketio:
            self.engine = Server(ping_interval=0.3, ping_timeout=0.2, cors_origins="*", driver=self.clock).engine
        else:
            policy = Policy(ping_interval=0.3, ping_timeout=0.2, cors_origins="*")
            self.engine = Engine(Recorder(echoes=True), policy=policy, driver=self.clock)

    def fetch(self, query: str, method: str = "GET", body: bytes = b"", *headers: tuple[str, str]) -> Fetch:
        return Fetch(self.engine, f"{self.engine.path}/?{query}", method, headers).send(body)

    def websocket(self, query: str) -> Socket:
        return Socket(self.engine, f"{self.engine.path}/?{query}")

    @property
    def polling(self) -> str:
        return f"EIO={self.generation.revision}&transport=polling"

    @property
    def websockets(self) -> str:
        return f"EIO={self.generation.revision}&transport=websocket"

    def begin(self, more: str = "") -> str:
        """Begin a session over polling; returns its query."""
        (packet,) = self.generation.engineio.decode_payload(self.fetch(self.polling + more).body)
        return f"{self.polling}&sid={json.decode(packet[1:])['sid']}"

    def spell(self, *packets: str) -> bytes:
        """Spell packets in ASCII."""
        if self.generation is ENGINEIO_4:
            return "\x1e".join(packets).encode()
        return "".join(f"{len(packet)}:{packet}" for packet in packets).encode()


SUITES = {
    "Engine.IO 3": (ENGINEIO_3, False),
    "Engine.IO 4": (ENGINEIO_4, False),
    "Socket.IO 5": (ENGINEIO_4, True),
}


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> Suite:
    generation, socketio = SUITES[request.param]
    return Suite(generation, socketio=socketio)


@pytest.fixture(params=["Engine.IO 3", "Engine.IO 4"])
def echo(request: pytest.FixtureRequest) -> Suite:
    """The suites that have an echo."""
    generation, socketio = SUITES[request.param]
    return Suite(generation, socketio=socketio)


def assert_handshake(packet: str, upgrades: list[str]) -> None:
    assert packet[0] == "0"
    handshake = json.decode(packet[1:])
    assert set(handshake) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert isinstance(handshake["sid"], str)
    assert handshake["upgrades"] == upgrades
    assert (handshake["pingInterval"], handshake["pingTimeout"]) == (300, 200)
    assert handshake["maxPayload"] == 1_000_000


# Handshake


def test_polling_opens_a_session(suite: Suite) -> None:
    answer = suite.fetch(suite.polling)
    assert answer.status == 200
    text = answer.body.decode()
    if suite.generation is ENGINEIO_3:
        length, _, text = text.partition(":")
        assert length == str(len(text))
    assert_handshake(text, ["websocket"])


@pytest.mark.parametrize("query", ["transport=polling", "EIO=abc&transport=polling"])
def test_polling_without_a_known_revision_is_refused(suite: Suite, query: str) -> None:
    assert suite.fetch(query).status == 400


@pytest.mark.parametrize("more", ["", "&transport=abc"])
def test_a_request_without_a_known_transport_is_refused(suite: Suite, more: str) -> None:
    assert suite.fetch(f"EIO={suite.generation.revision}{more}").status == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_session_does_not_begin_with_another_method(suite: Suite, method: str) -> None:
    assert suite.fetch(suite.polling, method).status == 400


def test_a_websocket_opens_a_session(suite: Suite) -> None:
    assert_handshake(suite.websocket(suite.websockets).next(), [])


@pytest.mark.parametrize("query", ["transport=websocket", "EIO=abc&transport=websocket"])
def test_a_websocket_without_a_known_revision_is_refused(suite: Suite, query: str) -> None:
    assert suite.websocket(query).closed


@pytest.mark.parametrize("more", ["", "&transport=abc"])
def test_a_websocket_without_a_known_transport_is_refused(suite: Suite, more: str) -> None:
    assert suite.websocket(f"EIO={suite.generation.revision}{more}").closed


# Messages


def exchange(suite: Suite, query: str, body: bytes) -> bytes:
    posted = suite.fetch(query, "POST", body)
    assert (posted.status, posted.body) == (200, b"ok")
    polled = suite.fetch(query)
    assert polled.status == 200
    return polled.body


def test_polling_echoes_a_text(echo: Suite) -> None:
    body = {ENGINEIO_3: b"6:4hello", ENGINEIO_4: b"4hello"}[echo.generation]
    assert exchange(echo, echo.begin(), body) == body


def test_polling_echoes_several_texts(echo: Suite) -> None:
    body = {ENGINEIO_3: b"6:4test16:4test26:4test3", ENGINEIO_4: b"4test1\x1e4test2\x1e4test3"}[echo.generation]
    assert exchange(echo, echo.begin(), body) == body


def test_polling_echoes_text_and_base64(echo: Suite) -> None:
    body = {ENGINEIO_3: b"6:4hello10:b4AQIDBA==", ENGINEIO_4: b"4hello\x1ebAQIDBA=="}[echo.generation]
    assert exchange(echo, echo.begin("&b64=1"), body) == body


def test_polling_echoes_text_and_octets() -> None:
    suite = Suite(ENGINEIO_3, socketio=False)
    octets = bytes((0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4))
    assert exchange(suite, suite.begin(), b"6:4hello10:b4AQIDBA==") == octets


def test_polling_ends_with_a_broken_packet(echo: Suite) -> None:
    query = echo.begin()
    assert echo.fetch(query, "POST", b"abc").status == 400
    assert echo.fetch(query).status == 400


def test_polling_ends_with_two_polls_at_once(echo: Suite) -> None:
    query = echo.begin()
    older, newer = echo.fetch(query), echo.fetch(f"{query}&t=burst")
    assert (older.status, older.body) == (200, {ENGINEIO_3: b"1:1", ENGINEIO_4: b"1"}[echo.generation])
    assert newer.status == 400
    assert echo.fetch(query).status == 400


def test_polling_ends_with_a_poll_that_is_given_up(echo: Suite) -> None:
    query = echo.begin()
    parked = echo.fetch(query)
    assert isinstance(parked.decision, Resume)
    echo.engine.abort(parked.decision)
    assert echo.fetch(query).status == 400


def test_a_websocket_echoes_text(echo: Suite) -> None:
    socket = echo.websocket(echo.websockets)
    socket.next()
    socket.send("4hello")
    assert socket.next() == "4hello"


def test_a_websocket_echoes_binary(echo: Suite) -> None:
    socket = echo.websocket(echo.websockets)
    socket.next()
    message = {ENGINEIO_3: b"\4\1\2\3\4", ENGINEIO_4: b"\1\2\3\4"}[echo.generation]
    socket.send(message)
    assert socket.next() == message


def test_a_websocket_ends_with_a_broken_packet(echo: Suite) -> None:
    socket = echo.websocket(echo.websockets)
    socket.send("abc")
    assert socket.closed


# Heartbeat


def test_polling_exchanges_heartbeats(suite: Suite) -> None:
    query = suite.begin()
    for _ in range(3):
        if suite.generation is ENGINEIO_3:
            assert suite.fetch(query, "POST", b"1:2").status == 200
            assert suite.fetch(query).body == b"1:3"
        else:
            parked = suite.fetch(query)
            suite.clock.advance(0.3)
            assert (parked.status, parked.body) == (200, b"2")
            assert suite.fetch(query, "POST", b"3").status == 200


def test_polling_ends_without_heartbeats(suite: Suite) -> None:
    query = suite.begin()
    suite.clock.time += 0.5  # no timer has gone off
    if suite.generation is ENGINEIO_3:
        assert suite.fetch(query, "POST", b"1:2").status == 400
    else:
        assert suite.fetch(query).status == 400


def test_a_websocket_exchanges_heartbeats(suite: Suite) -> None:
    socket = suite.websocket(suite.websockets)
    socket.next()
    for _ in range(3):
        if suite.generation is ENGINEIO_3:
            socket.send("2")
            assert socket.next() == "3"
        else:
            suite.clock.advance(0.3)
            assert socket.next() == "2"
            socket.send("3")
    assert not socket.closed


def test_a_websocket_ends_without_heartbeats(suite: Suite) -> None:
    socket = suite.websocket(suite.websockets)
    suite.clock.advance(0.499)
    assert not socket.closed
    suite.clock.advance(0.001)
    assert socket.closed


# Close


def test_polling_ends_with_a_close_packet(suite: Suite) -> None:
    query = suite.begin()
    parked = suite.fetch(query)
    suite.fetch(query, "POST", suite.spell("1"))
    assert (parked.status, parked.body) == (200, suite.spell("6"))
    assert suite.fetch(query).status == 400


def test_a_websocket_ends_with_a_close_packet(suite: Suite) -> None:
    socket = suite.websocket(suite.websockets)
    socket.send("1")
    assert socket.closed


# Upgrade


def upgrade(suite: Suite) -> tuple[str, Socket]:
    """Go from polling to a WebSocket; returns the session's query, and the socket."""
    query = suite.begin()
    socket = suite.websocket(query.replace("polling", "websocket"))
    socket.send("2probe")
    assert socket.next() == "3probe"
    parked = suite.fetch(query)
    suite.clock.advance(0.1)
    assert (parked.status, parked.body) == (200, suite.spell("6"))
    socket.send("5")
    return query, socket


def assert_talking(suite: Suite, socket: Socket) -> None:
    assert not socket.closed
    if isinstance(suite.engine.application, Recorder):
        socket.send("4hello")
        assert socket.next() == "4hello"
    else:
        socket.send("40")
        assert socket.next().startswith('40{"sid":')


def test_a_session_goes_from_polling_to_a_websocket(suite: Suite) -> None:
    _, socket = upgrade(suite)
    assert_talking(suite, socket)


def test_polling_is_refused_after_the_upgrade(suite: Suite) -> None:
    query, socket = upgrade(suite)
    assert suite.fetch(query).status == 400
    assert_talking(suite, socket)


def test_a_second_websocket_is_closed_after_the_upgrade(suite: Suite) -> None:
    query, socket = upgrade(suite)
    assert suite.websocket(query.replace("polling", "websocket")).closed
    assert_talking(suite, socket)
