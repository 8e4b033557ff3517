"""The tools for tests, tested: a clock that moves when told, clients in memory, the bytes of both."""

import pytest

from waterspout import Engine, Pending, Server, Socket, testing
from waterspout.errors import PayloadTooLarge
from waterspout.testing import Clock, Pair, Peer, PollingCarrier, Refused, WebSocketCarrier, client_frame, server_frames
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation
from waterspout.wire.websocket import Reader, binary_frame, close_frame, text_frame

GENERATIONS = pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Echo:
    """Bare Engine.IO that says everything again."""

    def open(self, session, request): ...

    def message(self, session, data):
        session.send(data)

    def close(self, session, reason): ...


# The example of the documentation


def test_the_example_at_the_top_of_the_module_works() -> None:
    server = Server()

    @server.on("say")
    def say(socket: Socket, text: str) -> str:
        return "ok"

    assert testing.__doc__
    example = "\n".join(line[4:] for line in testing.__doc__.splitlines() if line.startswith("    "))
    exec(example, {"Pair": Pair, "server": server})
    assert "assert" in example


# Clock


def test_time_stands_still_until_it_is_told_to_pass() -> None:
    clock = Clock(5)
    assert clock.now() == clock.now() == 5
    clock.advance(2.5)
    assert clock.now() == 7.5
    assert clock.wall() == 1_700_000_007.5


def test_every_alarm_on_the_way_rings_at_its_own_moment() -> None:
    clock = Clock(0)
    rung: list[float] = []

    def ring() -> None:
        rung.append(clock.now())
        clock.alarm(clock.now() + 2, ring)

    clock.alarm(1, ring)
    clock.advance(6)
    assert rung == [1, 3, 5]
    assert clock.now() == 6


def test_a_new_alarm_replaces_the_one_before() -> None:
    clock = Clock(0)
    rung: list[str] = []
    clock.alarm(1, lambda: rung.append("first"))
    clock.alarm(2, lambda: rung.append("second"))
    clock.advance(10)
    assert rung == ["second"]


def test_an_alarm_of_the_past_rings_without_turning_the_clock_back() -> None:
    clock = Clock(10)
    clock.alarm(3, lambda: None)
    clock.advance(0)
    assert clock.now() == 10


def test_waiting_lets_time_pass_until_there_is_a_result() -> None:
    clock = Clock(0)
    pending: Pending[str] = Pending(clock)
    clock.alarm(3, lambda: pending.resolve("here"))
    assert pending.wait(10) == "here"
    assert clock.now() == 3


def test_waiting_ends_with_its_timeout_or_when_nothing_will_ring_any_more() -> None:
    clock = Clock(0)
    pending: Pending[str] = Pending(clock)
    clock.alarm(3, lambda: pending.resolve("late"))
    with pytest.raises(TimeoutError):
        pending.wait(2)
    hopeless: Pending[str] = Pending(Clock())
    with pytest.raises(TimeoutError):
        hopeless.wait()


def test_tokens_count_and_reports_are_kept() -> None:
    clock = Clock()
    error = LookupError()
    assert [clock.token() for _ in range(2)] == ["token-0000000000000001", "token-0000000000000002"]
    clock.report("it failed", error)
    clock.report("again")
    assert clock.reports == [("it failed", error), ("again", None)]


# Pair and Peer


@GENERATIONS
@TRANSPORTS
def test_a_pair_is_a_client_that_has_entered(generation: Generation, transport: str) -> None:
    server = Server()
    pair = Pair(server, generation=generation, transport=transport)
    assert pair.server is server
    assert server.sockets() == [pair.socket]
    assert pair.peer.transport == pair.socket.transport == transport
    assert pair.peer.take() == []
    assert pair.peer.sid == pair.socket._session.id
    assert pair.peer.closed is None


def test_several_pairs_share_the_clock_of_their_server() -> None:
    server = Server()
    assert Pair(server).clock is Pair(server).clock


def test_a_pair_may_bring_auth() -> None:
    server = Server()
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    Pair(server, auth={"name": "Ada"})
    assert seen == [{"name": "Ada"}]


@GENERATIONS
@TRANSPORTS
def test_a_client_of_bare_engineio_hears_what_it_said(generation: Generation, transport: str) -> None:
    engine = Engine(Echo())
    engine.bind(Clock())
    peer = Peer(engine, generation=generation, transport=transport)
    assert peer.handshake["sid"] == peer.sid
    peer.take()
    peer.send("4hello", b"\x00\xff", "4é😀")
    assert peer.take() == ["4hello", b"\x00\xff", "4é😀"]


@GENERATIONS
@TRANSPORTS
def test_what_a_client_takes_is_taken_once(generation: Generation, transport: str) -> None:
    pair = Pair(Server(), generation=generation, transport=transport)
    pair.socket.emit("x", b"\x01")
    assert pair.peer.take() == ['451-["x",{"_placeholder":true,"num":0}]', b"\x01"]
    assert pair.peer.take() == []


@TRANSPORTS
def test_the_verbs_of_a_client_are_packets(transport: str) -> None:
    pair = Pair(Server(), transport=transport)
    sent: list[object] = []
    pair.peer.carrier.send = sent.extend  # type: ignore[method-assign, assignment]
    pair.peer.connect()
    pair.peer.connect("/chat", {"a": 1})
    pair.peer.emit("say", 1, b"\x02", id=3, namespace="/chat")
    pair.peer.acknowledge(4, "x")
    pair.peer.leave("/chat")
    pair.peer.beat()
    assert sent == [
        "40",
        '40/chat,{"a":1}',
        '451-/chat,3["say",1,{"_placeholder":true,"num":0}]',
        b"\x02",
        '434["x"]',
        "41/chat,",
        "3",
    ]


@GENERATIONS
def test_a_client_that_beats_stays(generation: Generation) -> None:
    pair = Pair(Server(ping_interval=10, ping_timeout=5), generation=generation)
    for _ in range(10):
        pair.clock.advance(10)
        pair.peer.beat()
    assert pair.socket.connected
    pair.clock.advance(16)
    assert not pair.socket.connected


@GENERATIONS
def test_a_client_upgrades_with_all_the_steps(generation: Generation) -> None:
    pair = Pair(Server(), generation=generation, transport="polling")
    pair.socket.emit("before")
    pair.peer.upgrade()
    pair.socket.emit("after")
    assert [packet for packet in pair.peer.take() if packet != "6"] == ['42["before"]', "3probe", '42["after"]']
    assert pair.peer.transport == "websocket"


def test_a_refusal_shows_the_answer() -> None:
    with pytest.raises(Refused, match=r'403 .*"message":"Forbidden"') as refused:
        Peer(Engine(Echo()), headers=[("Origin", "http://evil.example")])
    assert refused.value.response.status == 403


def test_the_query_and_the_headers_go_with_every_request() -> None:
    pair = Pair(Server(), query="a=b", headers=[("X-Name", "Ada")])
    assert pair.socket.request.target == "/socket.io/?EIO=4&transport=websocket&a=b"
    assert pair.socket.request.header("x-name") == "Ada"
    request = pair.peer.request("POST", "polling", [("Y", "z")])
    assert (request.method, request.header("x-name"), request.header("y")) == ("POST", "Ada", "z")
    assert request.target == f"/socket.io/?EIO=4&transport=polling&sid={pair.peer.sid}&a=b"


def test_a_websocket_that_is_blocked_takes_nothing_until_it_reads_again() -> None:
    pair = Pair(Server())
    carrier = pair.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    carrier.blocked = True
    pair.socket.emit("x", 1)
    pair.socket.emit("x", 2)
    assert pair.peer.take() == []
    carrier.unblock()
    assert pair.peer.take() == ['42["x",1]', '42["x",2]']


def test_a_client_that_does_not_poll_gets_nothing_until_it_does() -> None:
    pair = Pair(Server(), transport="polling")
    carrier = pair.peer.carrier
    assert isinstance(carrier, PollingCarrier)
    pair.peer.polls = False
    pair.socket.emit("x", 1)  # answers the poll that is parked
    pair.socket.emit("x", 2)
    assert pair.peer.take() == ['42["x",1]']
    carrier.poll()
    assert pair.peer.take() == ['42["x",2]']
    assert carrier.responses[-1].body == b'42["x",2]'


def test_the_code_of_the_close_frame_is_kept() -> None:
    server = Server()
    pairs = [Pair(server), Pair(server, transport="polling")]
    server.close()
    assert [pair.peer.closed for pair in pairs] == [1001, 0]


def test_all_frames_of_the_server_are_kept() -> None:
    pair = Pair(Server())
    carrier = pair.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    carrier.feed(client_frame(9, b"are you there"))
    assert pair.peer.frames[-1] == (10, b"are you there")


# Frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_of_a_client_is_what_the_server_reads(size: int) -> None:
    assert Reader(100_000).receive(client_frame(1, b"x" * size)) == ["x" * size]
    fragments = client_frame(2, b"x" * size, final=False) + client_frame(0, b"y")
    assert Reader(100_000).receive(fragments) == [b"x" * size + b"y"]


def test_a_frame_of_a_client_keeps_to_the_limit_of_the_server() -> None:
    reader = Reader(10)
    with pytest.raises(PayloadTooLarge):
        reader.receive(client_frame(1, b"x" * 11))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_the_server_are_cut_apart(size: int) -> None:
    data = text_frame(b"x" * size) + binary_frame(b"y" * size) + close_frame(1000, "bye")
    assert server_frames(data) == [(1, b"x" * size), (2, b"y" * size), (8, b"\x03\xe8bye")]
