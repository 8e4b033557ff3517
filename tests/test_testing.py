"""The tools for tests, tested: a clock that moves when told, clients in memory, the bytes of both."""

import asyncio
import gc
import os
import socket as real_sockets
import weakref
from typing import Any

import pytest

from waterspout import AckTimeout, ConnectRefused, Engine, Pending, Server, Socket, testing
from waterspout.errors import PayloadTooLarge
from waterspout.testing import (
    ENGINEIO_3,
    ENGINEIO_4,
    SOCKETIO_1,
    ClientRefused,
    Clock,
    Pair,
    Peer,
    PollingCarrier,
    Poster,
    Refused,
    WebSocketCarrier,
    client_frame,
    server_frames,
)
from waterspout.wire.generations import Generation, with_parser
from waterspout.wire.websocket import Reader, binary_frame, close_frame, text_frame

GENERATIONS = pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])
OLD_TRANSPORTS = ["websocket", "flashsocket", "hixie", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart"]
CLIENTS = pytest.mark.parametrize(
    ("generation", "transport"),
    [(row, name) for row in (ENGINEIO_3, ENGINEIO_4) for name in ("polling", "websocket")]
    + [(SOCKETIO_1, name) for name in OLD_TRANSPORTS],
    ids=lambda value: value if isinstance(value, str) else value.revision,
)


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


@CLIENTS
def test_a_pair_is_a_client_that_has_entered(generation: Generation, transport: str) -> None:
    server = Server()
    pair = Pair(server, generation=generation, transport=transport)
    assert pair.server is server
    assert server.sockets() == [pair.socket]
    assert pair.peer.transport == pair.socket.transport == ("flashsocket" if transport == "hixie" else transport)
    assert pair.peer.take() == []
    assert pair.peer.sid == pair.socket._member.session.id
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


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4, SOCKETIO_1], ids=["3", "4", "1"])
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


@pytest.mark.parametrize("transport", OLD_TRANSPORTS)
def test_a_client_of_0_9_goes_on_over_another_transport(transport: str) -> None:
    pair = Pair(Server(), generation=SOCKETIO_1, transport=transport)
    pair.peer.lose()
    pair.socket.emit("meanwhile")
    pair.peer.switch("hixie")
    pair.socket.emit("after")
    assert pair.peer.events() == [("meanwhile",), ("after",)]


def test_each_client_goes_on_in_the_way_of_its_generation() -> None:
    server = Server()
    with pytest.raises(RuntimeError, match=r"0.7 to 0.9 has no upgrade: go on over another transport with switch\(\)"):
        Peer(server, generation=SOCKETIO_1, transport="xhr-polling").upgrade()
    with pytest.raises(
        RuntimeError, match=r"3.x and 4.x leaves polling with upgrade\(\), and has no other change of transport"
    ):
        Peer(server, transport="polling").switch("websocket")


def test_a_client_of_0_9_may_stay_at_its_handshake() -> None:
    server = Server(driver=Clock())
    peer = Peer(server, generation=SOCKETIO_1, transport=None)
    assert peer.handshake.split(":")[0] == peer.sid
    assert list(server.engine.sessions) == [peer.sid]
    assert (peer.take(), server.sockets()) == ([], [])


@pytest.mark.parametrize("transport", [name for name in OLD_TRANSPORTS if "socket" not in name] + ["hixie"])
def test_a_client_of_0_9_has_no_binary_messages(transport: str) -> None:
    with pytest.raises(TypeError, match=r"b'x' is not text"):
        Pair(Server(), generation=SOCKETIO_1, transport=transport).peer.send(b"x")


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


# Asynchronous functions


@CLIENTS
def test_an_async_handler_has_answered_when_the_peer_has_spoken(generation: Generation, transport: str) -> None:
    server = Server()

    @server.on("say")
    async def say(socket: Socket, text: str) -> str:
        await asyncio.sleep(0)
        socket.emit("said", text)
        return text.upper()

    pair = Pair(server, generation=generation, transport=transport)
    pair.peer.emit("say", "hello", id=1)
    assert pair.peer.events() == [("said", "hello")]
    assert pair.peer.acks() == {1: "HELLO"}


def test_what_an_async_handler_waits_for_comes_with_the_time_of_the_clock() -> None:
    server = Server()
    woken: list[float] = []

    @server.on("nap")
    async def nap(socket: Socket) -> str:
        for _ in range(3):
            await asyncio.sleep(5)
            woken.append(pair.clock.now())
        try:
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        except TimeoutError:
            return "rested"
        return "woken"

    pair = Pair(server)
    start = pair.clock.now()
    pair.peer.emit("nap", id=1)
    pair.clock.advance(16.9)
    assert [at - start for at in woken] == [5, 10, 15]
    assert pair.peer.acks() == {}
    pair.clock.advance(0.1)
    assert pair.peer.acks() == {1: "rested"}


def test_time_passes_for_async_handlers_however_late_the_clock_is() -> None:
    clock = Clock(4e9)  # where a nanosecond is less than a float can tell
    server = Server(driver=clock)

    @server.on("nap")
    async def nap(socket: Socket) -> None:
        await asyncio.sleep(0.001)

    pair = Pair(server)
    assert pair.clock is clock
    pair.peer.emit("nap", id=1)
    pair.clock.advance(0.01)
    assert pair.peer.acks() == {1: None}


def test_an_async_handler_asks_the_client_and_goes_on_when_it_has_answered() -> None:
    server = Server()

    @server.on("buy")
    async def buy(socket: Socket) -> Any:
        try:
            return await socket.call("sure?", timeout=3)
        except AckTimeout:
            return "too late"

    pair = Pair(server)
    pair.peer.emit("buy", id=7)
    assert pair.peer.take() == ['421["sure?"]']
    assert pair.peer.acks() == {}
    pair.peer.acknowledge(1, "yes")
    assert pair.peer.acks() == {7: "yes"}
    pair.peer.emit("buy", id=8)
    pair.clock.advance(3)
    assert pair.peer.acks() == {8: "too late"}


def test_a_plain_test_waits_for_a_client_that_has_answered() -> None:
    pair = Pair(Server())
    pending = pair.socket.call("sure?")
    pair.peer.acknowledge(1, "yes")
    assert pending.wait() == "yes"


def test_what_the_test_itself_does_for_an_async_handler_counts_when_it_settles() -> None:
    server = Server()
    event = asyncio.Event()

    @server.on("wait")
    async def wait(socket: Socket) -> None:
        await event.wait()

    pair = Pair(server)
    pair.peer.emit("wait", id=1)
    event.set()
    pair.clock.settle()
    assert pair.peer.acks() == {1: None}


def test_what_an_async_handler_gives_to_a_thread_is_done_in_place() -> None:
    server = Server()

    @server.on("divide")
    async def divide(socket: Socket, number: int) -> Any:
        try:
            return await asyncio.to_thread(lambda: 100 // number)
        except ZeroDivisionError as error:
            return str(error)

    pair = Pair(server)
    pair.peer.emit("divide", 5, id=1)
    pair.peer.emit("divide", 0, id=2)
    assert pair.peer.acks() == {1: 20, 2: "integer division or modulo by zero"}


def test_what_an_async_handler_raises_is_reported_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    error = LookupError("nobody")

    @server.on("find")
    async def find(socket: Socket) -> None:
        raise error

    pair = Pair(server)
    pair.peer.emit("find", id=1)
    assert pair.clock.reports == [("the handler of 'find' in / failed", error)]
    assert [record.getMessage() for record in caplog.records] == ["the handler of 'find' in / failed"]
    assert pair.peer.acks() == {}


def test_an_async_handler_that_blocks_is_refused_as_by_a_pool_of_threads() -> None:
    server = Server()

    async def later() -> None: ...

    @server.on("say", threaded=True)
    def say(socket: Socket) -> Any:
        return later()

    pair = Pair(server)
    pair.peer.emit("say", id=1)
    refusal = str(pair.clock.reports[0][1])
    assert "is asynchronous, and a thread has no event loop: write a plain function, or register it without" in refusal


def test_a_server_that_closes_waits_for_async_handlers_and_cancels_the_slow() -> None:
    server = Server(shutdown_timeout=5)
    ends: list[str] = []

    @server.on("work")
    async def work(socket: Socket, seconds: int) -> None:
        try:
            await asyncio.sleep(seconds)
            ends.append(f"{seconds} done")
        except asyncio.CancelledError:
            ends.append(f"{seconds} cancelled")
            raise

    pair = Pair(server)
    pair.peer.emit("work", 2)
    pair.peer.emit("work", 9)
    closed = server.close()
    pair.clock.advance(4.9)
    assert (ends, closed.done) == (["2 done"], False)
    pair.clock.advance(0.1)
    assert (ends, closed.done) == (["2 done", "9 cancelled"], True)


def test_a_test_may_be_a_coroutine_on_a_loop_of_its_own_which_notices_nothing() -> None:
    server, loops = Server(), []

    @server.on("say")
    async def say(socket: Socket) -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(5)
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    async def test() -> None:
        own = asyncio.current_task()
        pair = Pair(server)
        pair.peer.emit("say", id=1)
        assert asyncio.current_task() is own
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        pair.clock.advance(5)
        assert pair.peer.acks() == {1: "the handler of 'say' in /"}
        async with asyncio.timeout(5):  # needs to know its task
            assert await asyncio.to_thread(lambda: 7) == 7

    asyncio.run(test())
    assert len(set(loops)) == 2


def test_a_clock_that_is_forgotten_leaves_no_loop_behind() -> None:
    server = Server()
    loops: list[weakref.ref[Any]] = []

    @server.on("say")
    async def say(socket: Socket) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))

    Pair(server).peer.emit("say")
    assert loops[0]() is not None
    del server, say
    gc.collect()
    assert loops[0]() is None


def test_a_handler_that_is_destroyed_with_its_loop_has_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    reports: list[Any] = []
    server.on_error(lambda *args: reports.append(args))

    @server.on("say")
    async def say(socket: Socket) -> None:
        await asyncio.get_running_loop().create_future()

    pair = Pair(server)
    pair.peer.emit("say")
    log = pair.clock.reports
    del server, say, pair
    gc.collect()
    assert reports == log == []
    assert caplog.records == []


def test_the_loop_of_a_clock_owns_no_descriptor() -> None:
    """One that owned some, and was left in a cycle, would be closed in any order, with warnings."""
    server = Server()
    refused: list[NotImplementedError] = []

    @server.on("say")
    async def say(socket: Socket) -> None:
        ours, _theirs = ends
        try:
            await asyncio.get_running_loop().sock_recv(ours, 1)
        except NotImplementedError as error:
            refused.append(error)

    ends = real_sockets.socketpair()
    before = os.listdir("/dev/fd")
    Pair(server).peer.emit("say")
    assert os.listdir("/dev/fd") == before
    assert len(refused) == 1
    for end in ends:
        end.close()


# Clients that are not let in


@CLIENTS
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_client_that_is_refused_makes_no_pair(generation: Generation, transport: str, asynchronous: bool) -> None:
    server = Server()
    refusal = ConnectRefused({"code": 4}, message="Who are you?")
    other = Pair(server)

    def connect(socket: Socket, auth: object) -> None:
        raise refusal

    async def connect_later(socket: Socket, auth: object) -> None:
        raise refusal

    server.on_connect(connect_later if asynchronous else connect)
    with pytest.raises(ClientRefused, match=r"^the server refused the client: 'Who are you\?'$") as refused:
        Pair(server, generation=generation, transport=transport)
    assert refused.value.__cause__ is refusal
    assert refused.value.data == {"code": 4}
    assert list(server.engine.sessions) == [other.peer.sid]


def test_a_connect_handler_that_fails_makes_no_pair() -> None:
    server = Server()

    @server.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        auth["name"]

    with pytest.raises(ClientRefused, match="because a handler failed: KeyError\\('name'\\)") as refused:
        Pair(server, auth={})
    assert isinstance(refused.value.__cause__, KeyError)


def test_a_connect_handler_that_returns_false_makes_no_pair() -> None:
    server = Server()
    server.on_connect(lambda socket, auth: False)
    with pytest.raises(ClientRefused, match=r"did not accept the client, and sent .*Not authorized"):
        Pair(server)


def test_what_cannot_be_a_namespace_makes_no_pair() -> None:
    with pytest.raises(ValueError, match="'chat' cannot be a namespace: begin it with a slash"):
        Pair(Server(), namespace="chat")


def test_a_client_whose_connect_handler_waits_enters_when_it_has_ended() -> None:
    server = Server()

    @server.on_connect
    async def connect(socket: Socket, auth: Any) -> None:
        await asyncio.sleep(2)

    pair = Pair(server)
    assert not pair.socket.connected
    pair.clock.advance(2)
    assert pair.socket.connected
    assert server.sockets() == [pair.socket]


@CLIENTS
@pytest.mark.parametrize("later", [False, True])
def test_a_plain_handler_that_waits_is_answered_by_a_client_that_answers_by_itself(
    generation: Generation, transport: str, later: bool
) -> None:
    server = Server(driver=Clock(later=later))
    server.on("buy")(lambda socket: socket.call("sure?", 2, timeout=5).wait())
    pair = Pair(server, generation=generation, transport=transport)
    pair.peer.on("sure?", lambda number: number * 2)
    before = pair.clock.now()
    for id in (7, 8):
        pair.peer.emit("buy", id=id)
    if not later and isinstance(pair.peer.carrier, Poster):
        assert "a client sends one POST at a time: give the server Clock(later=True)" in str(pair.clock.reports)
        return
    assert pair.peer.acks() == {7: 4, 8: 4}
    assert pair.clock.now() == before
    assert pair.peer.events() == [("sure?", 2)] * 2


def test_what_a_clock_was_told_to_expect_is_reported_no_more() -> None:
    server = Server()
    server.on("divide")(lambda socket, number: 1 / number)
    pair = Pair(server)
    with pair.clock.expect(ZeroDivisionError, "by zero") as errors:
        pair.peer.emit("divide", 0)
        pair.peer.emit("divide", 0)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2
    assert pair.clock.take_reports() == []
    with (
        pytest.raises(AssertionError, match="no handler failed with ValueError with 'x'; reported was: the handler of"),
        pair.clock.expect(ValueError, "x"),
    ):
        pair.peer.emit("divide", 0)
    assert len(pair.clock.take_reports()) == 1


def test_a_clock_that_is_closed_tells_what_it_has_left_and_gives_its_servers_to_another() -> None:
    server, ended = Server(), []

    @server.on_start
    async def tick() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("tick")

    @server.on("leave")
    async def leave(socket: Socket) -> None:
        socket.data["task"] = asyncio.get_running_loop().create_task(asyncio.sleep(60))
        await asyncio.sleep(3)

    pair = Pair(server)
    pair.peer.emit("leave")
    assert pair.clock.running() == ["the handler of 'leave' in /"]
    pair.clock.advance(3)
    assert pair.clock.running() == []
    server.close().wait(10)
    assert ended == ["tick"]
    (left,) = pair.clock.close()
    assert left.startswith("the task of sleep, tasks.py:")
    assert pair.clock.close() == []
    again = Pair(server)
    assert again.clock is not pair.clock
    assert server.sockets() == [again.socket]


def test_a_pair_enters_the_namespace_that_it_is_given() -> None:
    server = Server()
    server.of("/chat").on("echo")(lambda socket, text: text)
    with pytest.raises(ClientRefused):
        Pair(server, namespace="/nowhere")
    pair = Pair(server, namespace="/chat")
    assert (server.sockets(), server.of("/chat").sockets()) == ([], [pair.socket])
    pair.peer.emit("echo", "hello", id=1)
    assert pair.peer.acks() == {1: "hello"}


# What a pair takes, and how it ends


@pytest.mark.parametrize("generation", [ENGINEIO_3, SOCKETIO_1], ids=["3", "1"])
def test_a_client_of_0_7_to_2_x_brings_its_auth_as_its_query(generation: Generation) -> None:
    server = Server()
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    pair = Pair(server, generation=generation, auth={"name": "Ada & Bob"}, query="a=b")
    assert seen == [{"a": "b", "name": "Ada & Bob"}]
    server.of("/chat").on_connect(lambda socket, auth: seen.append(auth))
    pair.peer.connect("/chat", auth={"as": "a guest"})
    assert seen[1:] == [{"as": "a guest"}]
    with pytest.raises(TypeError, match=r"auth has age=36: clients of 0.7 to 2.x send their query, so give a string"):
        Pair(server, generation=generation, auth={"age": 36})


@CLIENTS
def test_what_a_connect_handler_says_is_kept(generation: Generation, transport: str) -> None:
    server = Server()
    server.on_connect(lambda socket, auth: socket.emit("welcome", 1))
    assert Pair(server, generation=generation, transport=transport).peer.events() == [("welcome", 1)]


@CLIENTS
def test_a_client_leaves_at_the_end_of_its_block(generation: Generation, transport: str) -> None:
    server = Server()
    left: list[object] = []
    server.on_disconnect(lambda socket, reason: left.append(reason.value))
    with Pair(server, generation=generation, transport=transport) as pair:
        assert server.sockets() == [pair.socket]
    expected = ["client namespace disconnect" if generation is SOCKETIO_1 else "transport close"]
    assert (server.sockets(), left) == ([], expected)
    assert server.engine.sessions == {}
    pair.close()
    assert left == expected


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Pair(5), "5 is not a server: give a waterspout.Server (a Peer takes an Engine, too)"),  # type: ignore[arg-type]
        (lambda: Peer("x"), "'x' is not a server: give a waterspout.Server or a waterspout.Engine"),  # type: ignore[arg-type]
        (
            lambda: Pair(Server(), generation=3),  # type: ignore[arg-type]
            "generation is 3: give ENGINEIO_3, ENGINEIO_4, SOCKETIO_1 or EVENTS of waterspout.testing",
        ),
        (
            lambda: Pair(Server(), transport="websockets"),
            "transport is 'websockets': choose from polling, websocket",
        ),
        (lambda: Peer(Server(), transport=None), "transport is None: choose from polling, websocket"),
        (
            lambda: Pair(Server(), generation=SOCKETIO_1, transport="polling"),
            "transport is 'polling': choose from websocket, flashsocket, hixie, xhr-polling, jsonp-polling, htmlfile,"
            " xhr-multipart",
        ),
    ],
)
def test_what_can_make_no_client_is_refused(make: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        make()
    assert str(error.value) == sentence


# Events and acknowledgements, read


@GENERATIONS
@TRANSPORTS
@pytest.mark.parametrize("parser", ["json", "msgpack"])
def test_a_peer_reads_events_and_acknowledgements(generation: Generation, transport: str, parser: str) -> None:
    server = Server(parser=parser)
    server.on("none")(lambda socket: None)
    server.on("one")(lambda socket: {"a": [b"x"]})
    server.on("two")(lambda socket: (1, b"y"))
    pair = Pair(server, generation=with_parser(generation, parser), transport=transport)
    pair.socket.emit("file", b"\x00", {"deep": b"\x01"})
    for number, name in enumerate(["none", "one", "two"]):
        pair.peer.emit(name, id=number)
    pair.socket.emit("last")
    assert pair.peer.acks() == {0: None, 1: {"a": [b"x"]}, 2: (1, b"y")}
    assert pair.peer.events() == [("file", b"\x00", {"deep": b"\x01"}), ("last",)]
    assert pair.peer.events() == []
    assert pair.peer.acks() == {}
    assert pair.peer.take() == []


@pytest.mark.parametrize("transport", OLD_TRANSPORTS)
def test_a_peer_of_0_9_reads_messages_without_a_name_as_well(transport: str) -> None:
    server = Server()
    server.on("none")(lambda socket: None)
    server.on("one")(lambda socket: {"a": 1})
    server.on("two")(lambda socket: (1, [2]))
    server.on("message")(lambda socket, data: socket.emit("echo", data))
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    pair.socket.emit("file", b"\x00", {"deep": b"\x01"})
    for number, name in enumerate(["none", "one", "two"]):
        pair.peer.emit(name, id=number)
    pair.peer.say("text with\nlines, é😀")
    pair.peer.say({"deep": [None]}, is_json=True)
    pair.peer.say("noted", id=9, receipt=True)
    assert pair.peer.acks() == {0: None, 1: {"a": 1}, 2: (1, [2]), 9: None}
    assert pair.peer.events() == [
        ("file", "AA==", {"deep": "AQ=="}),
        ("echo", "text with\nlines, é😀"),
        ("echo", {"deep": [None]}),
        ("echo", "noted"),
    ]
    assert pair.peer.events() == []
    assert set(pair.peer.take()) <= {"8::"}
    pair.peer.receive("3:::hello")  # as a server of these clients may say it
    pair.peer.receive('4::/chat:{"a":1}')
    assert pair.peer.events() == [("message", "hello")]
    assert pair.peer.events("/chat") == [("message", {"a": 1})]


def test_a_peer_reads_one_namespace_and_leaves_the_others() -> None:
    server = Server()
    chat = server.of("/chat")
    pair = Pair(server)
    pair.peer.connect("/chat")
    server.emit("x", b"1")
    chat.emit("x", b"2")
    assert pair.peer.events("/chat") == [("x", b"2")]
    entered, event, attachment = pair.peer.take()
    assert str(entered).startswith("40/chat,")
    assert (event, attachment) == ('451-["x",{"_placeholder":true,"num":0}]', b"1")


def test_an_event_whose_attachments_have_not_come_is_left() -> None:
    pair = Pair(Server())
    pair.peer.receive('451-["x",{"_placeholder":true,"num":0}]')
    assert pair.peer.events() == []
    assert len(pair.peer.take()) == 1


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


def test_header_fields_are_pairs_and_no_dictionary() -> None:
    with pytest.raises(
        TypeError, match=r"headers is .*: give pairs of a name and a value, as in \[\('Cookie', 'a=1'\)\]"
    ):
        Pair(Server(), headers={"Cookie": "a=1"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="give pairs of a name and a value"):
        Pair(Server(), headers=("Cookie", "a=1"))  # type: ignore[arg-type]
