"""What one client may cost: namespaces, questions, events in a second, calls that are unanswered."""

from typing import Any

import pytest

from server.clients import vanish
from server.later import Handler, LateClock, note
from waterspout import AckTimeout, Reason, Server, Socket, SocketClosed
from waterspout.errors import EventRefused, RateLimited, TooManyCalls
from waterspout.server.limits import Limits, MeteredSockets
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer, PollingCarrier, Refused, WebSocketCarrier, client_frame
from waterspout.testing.links import respond
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4
from waterspout.wire.packets import Event

# Namespaces


def enter(pair: Pair, *names: str) -> list[bool]:
    """Knock at namespaces, and tell of each answer whether the client is in."""
    for name in names:
        pair.server.of(name)
        pair.peer.connect(name)
    return [str(packet)[:2] in ("40", "1:") for packet in pair.peer.take()]


def test_a_hundred_namespaces_are_allowed_and_the_next_is_refused_with_a_sentence(
    server: Server, client: dict[str, Any]
) -> None:
    pair = Pair(server, **client)
    assert enter(pair, *(f"/{number}" for number in range(99))) == [True] * 99
    server.of("/more")
    pair.peer.connect("/more")
    (packet,) = pair.peer.take()
    sentence = "Too many namespaces: 100 are allowed on one connection"
    quoted = f'"{sentence}"' if client["generation"] is ENGINEIO_3 else f'{{"message":"{sentence}"}}'
    assert packet == ("7::/more:2" if client["generation"] is SOCKETIO_1 else f"44/more,{quoted}")
    assert pair.socket.connected
    pair.peer.leave("/5")
    assert enter(pair, "/more") == [True]


def test_who_has_left_may_enter_again_and_again(client: dict[str, Any]) -> None:
    server = Server(max_namespaces=3)
    pair = Pair(server, **client)
    for number in range(50):
        assert enter(pair, f"/{number}") == [True]
        pair.peer.leave(f"/{number}")
    data = pair.socket._member.session.data
    assert len(data) == 3
    pair.peer.emit("late", namespace="/49")  # it crossed with the end of its socket
    assert pair.socket.connected


def test_what_was_left_first_is_forgotten_first() -> None:
    pair = Pair(Server(max_namespaces=3))
    enter(pair, "/a", "/b")
    pair.peer.leave("/a")
    pair.peer.leave("/b")
    enter(pair, "/c")
    pair.peer.emit("late", namespace="/b")
    assert pair.socket.connected
    pair.peer.emit("late", namespace="/a")
    assert pair.peer.closed == 1002


def test_refused_ones_do_not_count(client: dict[str, Any]) -> None:
    server = Server(max_namespaces=2)
    server.of("/no").on_connect(lambda socket, auth: False)
    pair = Pair(server, **client)
    for _ in range(10):
        pair.peer.connect("/no")
        pair.peer.connect("/invalid")
    assert enter(pair, "/yes")[-1]


# Questions


def test_a_client_that_owes_too_many_answers_is_asked_nothing_more(client: dict[str, Any]) -> None:
    server = Server(max_pending_acks=3)
    pair = Pair(server, **client)
    asked = [pair.socket.call("q", number) for number in range(4)]
    assert len(pair.peer.take()) == 3
    assert [one.done for one in asked] == [False, False, False, True]
    with pytest.raises(TooManyCalls, match="'q' was not sent: the client has not answered 3 calls, which is max_pend"):
        asked[3].result()
    pair.peer.acknowledge(2, "ok")
    assert asked[1].result() == "ok"
    assert not pair.socket.call("q").done


def test_a_room_counts_who_owes_too_much_among_the_missing(generation: Any) -> None:
    server = Server(max_pending_acks=1)
    one, two = Pair(server, generation=generation), Pair(server, generation=generation)
    one.socket.call("q")
    replies = server.call("who", timeout=5)
    assert [len(pair.peer.take()) for pair in (one, two)] == [1, 1]
    two.peer.acknowledge(2, "me")
    assert replies.result().answers == {two.socket.id: "me"}
    assert replies.result().missing == (one.socket.id,)


# Rate


def test_a_bucket_fills_with_the_clock() -> None:
    bucket = MeteredSockets()
    assert bucket.spend(2.0, 100.0), "the first is free"
    assert [bucket.spend(2.0, 100.0) for _ in range(4)] == [True, True, False, False]
    assert [bucket.spend(2.0, 100.5) for _ in range(2)] == [True, False]
    assert [bucket.spend(2.0, 200.0) for _ in range(3)] == [True, True, False]
    slow = MeteredSockets()
    assert slow.spend(0.5, 0.0)
    assert [slow.spend(0.5, now) for now in (0.0, 1.0, 2.0, 3.0, 4.0)] == [True, False, True, False, True]


def test_events_beyond_the_rate_are_dropped_and_told(client: dict[str, Any]) -> None:
    server, heard, errors = Server(max_events_per_second=3), list[int](), list[Any]()
    server.on("say")(lambda socket, number: note(heard, number, number))
    server.on_error(lambda socket, event, error: errors.append((event, type(error))))
    pair = Pair(server, **client)
    for number in range(5):
        pair.peer.emit("say", number, id=number)
    text = "the event 'say' is dropped: a client may send 3 in a second (max_events_per_second)"
    refusal = {"error": {"message": text}}
    assert pair.peer.acks() == {0: 0, 1: 1, 2: 2, 3: refusal, 4: refusal}
    assert heard == [0, 1, 2]
    assert errors == [("say", RateLimited)] * 2
    assert pair.clock.reports == []
    pair.clock.advance(0.34)
    pair.peer.emit("say", 9)
    pair.peer.emit("say", 10)
    assert heard == [0, 1, 2, 9]


def test_each_connection_has_its_own_rate_and_unknown_events_count() -> None:
    server, heard = Server(max_events_per_second=2), list[str]()
    server.on("say")(lambda socket: heard.append(socket.transport))
    one, two = Pair(server), Pair(server, transport="polling")
    for event in ("say", "nothing", "say"):
        one.peer.emit(event)
    two.peer.emit("say")
    assert heard == ["websocket", "polling"]


def test_all_namespaces_of_a_connection_share_a_rate_in_which_their_connects_count(client: dict[str, Any]) -> None:
    server, heard = Server(max_events_per_second=4), list[str]()
    for name in ("/", "/x", "/y"):
        server.of(name).on("say")(lambda socket: heard.append(socket.namespace))
    pair = Pair(server, **client)
    for name in ("/x", "/y"):
        pair.peer.connect(name)
        pair.peer.emit("say", namespace=name)
    pair.peer.emit("say")
    assert heard == ["/x", "/y"]


def test_whoever_leaves_and_enters_again_has_what_was_left_of_its_rate(engineio_client: dict[str, Any]) -> None:
    server, calls = Server(max_events_per_second=5), list[str]()
    server.on_connect(lambda socket, auth: calls.append("connect"))
    server.on("say")(lambda socket: calls.append("say"))
    pair = Pair(server, **engineio_client)
    for _ in range(50):
        pair.peer.emit("say")
        pair.peer.leave("/")
        pair.peer.connect("/")
    assert len(calls) == 1 + 5
    pair.clock.advance(1)
    pair.peer.connect("/")
    pair.peer.emit("say")
    assert calls[6:] == ["connect", "say"]


def test_a_client_that_is_refused_asks_no_more_often_than_it_may_send(engineio_client: dict[str, Any]) -> None:
    server, asked = Server(max_events_per_second=3), list[str]()

    @server.of("/x").use
    def refuse(socket: Socket, auth: Any) -> bool:
        asked.append("/x")
        return False

    server.of(lambda name, auth: asked.append(name))
    pair = Pair(server, **engineio_client)
    pair.peer.take()
    for _ in range(50):
        pair.peer.connect("/x")
        pair.peer.connect("/nobody")
    assert asked == ["/x", "/nobody", "/x"]
    told = pair.peer.take()
    assert len(told) == 100  # each is answered
    sentence = "Too many events: a client may send 3 in a second (max_events_per_second), and this counts too"
    quoted = f'"{sentence}"' if engineio_client["generation"] is ENGINEIO_3 else f'{{"message":"{sentence}"}}'
    assert told[-1] == f"44/nobody,{quoted}"


def test_the_first_connect_is_free(client: dict[str, Any]) -> None:
    server, heard = Server(max_events_per_second=0.5), list[int]()
    server.on("say")(lambda socket, number: heard.append(number))
    pair = Pair(server, **client)
    pair.peer.emit("say", 1)
    pair.peer.emit("say", 2)
    assert heard == [1]


def test_acknowledgements_are_no_events(generation: Any) -> None:
    server = Server(max_events_per_second=1)
    pair = Pair(server, generation=generation)
    asked = [pair.socket.call("q") for _ in range(10)]
    for number in range(1, 11):
        pair.peer.acknowledge(number, number)
    assert [one.result() for one in asked] == list(range(1, 11))


def test_a_long_name_is_cut_in_what_the_client_is_told(generation: Any) -> None:
    server = Server(max_events_per_second=1)
    server.on_any(print)
    pair = Pair(server, generation=generation)
    pair.peer.emit("nothing")
    pair.peer.emit("x" * 100_000, id=1)
    (told,) = pair.peer.take()
    assert len(told) < 300


OUT_OF_RANGE = [
    {"max_namespaces": 0}, {"max_pending_acks": 0}, {"max_events_per_second": 0}, {"max_events_per_second": -1},
    {"max_events_per_second": float("inf")}, {"max_calls": 0}, {"max_events_per_second": float("nan")},
]  # fmt: skip


@pytest.mark.parametrize("options", OUT_OF_RANGE)
def test_a_limit_out_of_range_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Server(**options)
    if "max_calls" not in options:
        with pytest.raises(ValueError, match="give a number"):
            Limits(**options)


# Reports


def test_each_kind_of_error_is_reported_by_itself(server: Server, client: dict[str, Any]) -> None:
    @server.on("a")
    def fail(socket: Socket, number: int) -> None:
        raise KeyError if number % 2 else ValueError

    server.on("b")(lambda socket: 1 / 0)
    pair = Pair(server, **client)
    for number in range(50):
        pair.peer.emit("a", number)
        pair.peer.emit("b")
    kinds = [type(error).__name__ for _, error in pair.clock.reports]
    assert {kind: kinds.count(kind) for kind in kinds} == {"KeyError": 10, "ValueError": 10, "ZeroDivisionError": 10}
    assert server.stats().errors == 100


# Calls: a client is read no further


def work(peer: Peer, number: int) -> str:
    """The event of a number as this client writes it."""
    return peer.generation.socketio.encode_event("/", "work", [number], number)[0].decode()


class Busy:
    """A client whose handlers take their time, three at most."""

    def __init__(self, options: dict[str, Any], most: int = 3, **server: Any) -> None:
        self.handler = Handler()
        self.server = Server(max_calls=most, driver=LateClock(), **server)
        self.server.on("work")(self.handler)
        self.reasons: list[str] = []
        self.server.on_disconnect(lambda socket, reason: self.reasons.append(str(reason)))
        self.pair = Pair(self.server, **options)
        self.peer, self.session, self.clock = self.pair.peer, self.pair.socket._member.session, self.pair.clock

    def work(self, *numbers: int) -> None:
        """Send so many events at once: by polling in one POST."""
        self.peer.send(*(work(self.peer, number) for number in numbers))

    @property
    def heard(self) -> list[int]:
        return [number for (number,) in self.handler.heard]

    def answer_all(self) -> None:
        while self.handler.open:
            self.handler.answer()


@pytest.fixture
def busy(client: dict[str, Any]) -> Busy:
    return Busy(client)


def test_a_client_with_too_many_calls_is_read_no_further(busy: Busy) -> None:
    busy.work(*range(10))
    assert busy.heard == [0, 1, 2]
    busy.handler.answer()
    assert busy.heard == [0, 1, 2, 3]
    busy.answer_all()
    assert busy.heard == list(range(10))
    assert busy.peer.acks() == dict.fromkeys(range(10))
    assert busy.session._calls == 0


def test_the_link_of_a_websocket_pauses_and_reads_on(generation: Any) -> None:
    busy = Busy({"generation": generation})
    carrier = busy.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    busy.work(0, 1)
    assert not carrier.paused
    busy.work(2)
    assert carrier.paused
    busy.work(3, 4, 5)  # what had been read already
    busy.handler.answer()
    assert busy.heard == [0, 1, 2, 3]
    assert carrier.paused
    busy.answer_all()
    assert busy.heard == list(range(6))
    assert not carrier.paused


def test_messages_of_one_read_and_parts_of_frames_come_in_order(generation: Any) -> None:
    busy = Busy({"generation": generation})
    carrier = busy.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    frames = b"".join(client_frame(1, work(busy.peer, number).encode()) for number in range(20))
    carrier.feed(frames[:150])
    for at in range(150, len(frames), 7):
        carrier.feed(frames[at : at + 7])
    busy.answer_all()
    assert busy.heard == list(range(20))


def test_a_broken_frame_behind_a_pause_ends_the_connection_when_it_is_reached(generation: Any) -> None:
    busy = Busy({"generation": generation})
    carrier = busy.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    good = b"".join(client_frame(1, work(busy.peer, number).encode()) for number in range(4))
    carrier.feed(good + b"\xff\xff\xff\xff")
    assert busy.heard == [0, 1, 2]
    assert busy.reasons == []
    busy.handler.answer()
    busy.answer_all()
    assert busy.heard == [0, 1, 2, 3]
    assert busy.reasons == [Reason.PARSE_ERROR]


def test_a_goodbye_behind_a_pause_is_heard_behind_what_came_before_it(busy: Busy) -> None:
    old = busy.peer.generation is SOCKETIO_1
    busy.peer.send(*(work(busy.peer, number) for number in range(4)), "0::" if old else "1")
    assert busy.reasons == []
    busy.answer_all()
    assert busy.heard == [0, 1, 2, 3]
    assert busy.reasons == [Reason.CLIENT_DISCONNECT if old else Reason.TRANSPORT_CLOSE]


@pytest.mark.parametrize("row", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def test_a_post_is_answered_when_the_last_of_it_is_read(row: Any) -> None:
    busy = Busy({"generation": row, "transport": "polling"})
    polling = busy.session.transport
    busy.work(0, 1, 2, 3)
    assert polling.http is not None
    assert not polling.http.begin_post()  # no answer yet
    with pytest.raises(Refused, match="two POSTs at once"):
        busy.work(9)
    assert busy.reasons == [Reason.TRANSPORT_ERROR]
    other = Busy({"generation": row, "transport": "polling"})
    other.work(0, 1, 2, 3)
    other.handler.answer()
    assert other.heard == [0, 1, 2, 3]
    other.answer_all()
    other.work(4)
    assert other.heard == [0, 1, 2, 3, 4]


def test_polls_are_served_during_a_pause(engineio: Any) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"})
    busy.work(0, 1, 2, 3)
    busy.pair.socket.emit("news")
    assert busy.peer.events() == [("news",)]


@pytest.mark.parametrize("size_bytes", [1, 2000])
def test_a_poll_leaves_with_a_late_answer_before_the_client_is_read_on(engineio: Any, size_bytes: int) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"}, most=1)

    @busy.server.on("simply called")
    def hear(socket: Socket, text: Any) -> Any:  # of any other type, it would be converted first
        return busy.handler(socket, text)

    busy.server.on("next")(lambda socket: None)
    carrier = busy.peer.carrier
    assert isinstance(carrier, PollingCarrier)
    for end in (busy.handler.answer, lambda: busy.handler.fail(EventRefused("no"))):
        busy.peer.send(f'420["simply called","{"x" * size_bytes}"]', '421["next"]')
        end()
        packets = [list(busy.peer.generation.engineio.decode_payload(r.body, binary=False)) for r in carrier.responses]
        assert [[str(packet)[:3] for packet in each] for each in packets[-2:]] == [["430"], ["431"]]
    assert (busy.session._calls, busy.session._pending_bytes) == (0, 0)


class Parked:
    """An exchange whose answer is looked at."""

    def __init__(self, peer: Peer, *packets: bytes) -> None:
        self.request = peer.request("POST", "polling")
        self.statuses: list[int] = []
        packets = packets or tuple(f'42{number}["work",{number}]'.encode() for number in range(5))
        body, _ = peer.generation.engineio.encode_payload([(packet, ()) for packet in packets])
        respond(peer.engine, peer.admit(self.request), self, body)

    def respond(self, response: Any, written: object = None) -> None:
        self.statuses.append(response.status)

    def take_back(self) -> bool:
        return False


@pytest.mark.parametrize("end", ["close", "disconnect", "shutdown", "abort", "timeout", "two polls"])
def test_the_end_of_a_session_during_a_pause_answers_its_post(engineio: Any, end: str) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"})
    parked = Parked(busy.peer)
    assert parked.statuses == []
    match end:
        case "close":
            busy.session.close()
        case "disconnect":
            busy.pair.socket.disconnect(close=True)
        case "shutdown":
            busy.server.close()
        case "abort":
            busy.peer.lose()
        case "timeout":
            busy.session.drop(Reason.PING_TIMEOUT)
        case "two polls":
            carrier = busy.peer.carrier
            assert isinstance(carrier, PollingCarrier)
            busy.peer.polls = False
            carrier.poll()
    assert parked.statuses == [200]
    busy.clock.advance(2)
    busy.answer_all()
    assert busy.heard == [0, 1, 2]
    assert len(busy.reasons) == 1
    assert busy.session._calls == 0
    assert not busy.server.engine.sessions
    assert len(busy.server.engine.deadlines) == 0


def test_a_handler_that_ends_the_connection_on_the_last_allowed_call_leaves_no_post_open(engineio: Any) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"})
    inner = busy.handler

    def work(socket: Socket, number: int) -> Any:
        if number == 2:
            socket.disconnect(close=True)
        return inner(socket, number)

    busy.server._handlers.events["work"].function = work
    assert Parked(busy.peer).statuses == [200]
    assert not busy.server.engine.sessions


@pytest.mark.parametrize("way", ["vanish", "disconnect", "shutdown"])
def test_the_end_of_a_websocket_during_a_pause_leaves_nothing(generation: Any, way: str) -> None:
    busy = Busy({"generation": generation})
    busy.work(*range(10))
    if way == "vanish":
        vanish(busy.pair)
    elif way == "disconnect":
        busy.pair.socket.disconnect(close=True)
    else:
        busy.server.close()
    busy.answer_all()
    assert busy.heard == [0, 1, 2]
    assert busy.session._calls == 0
    assert not busy.server.engine.sessions
    assert len(busy.server.engine.deadlines) == 0


def test_an_upgrade_that_does_not_wait_for_its_post_is_abandoned(engineio: Any) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"})
    parked = Parked(busy.peer)
    websocket = busy.peer.probe()
    websocket.send(["2probe", "5", '42["work",9]'])
    assert websocket.finished
    assert busy.pair.socket.transport == "polling"
    assert busy.heard == [0, 1, 2]
    busy.answer_all()
    assert busy.heard == [0, 1, 2, 3, 4]
    assert parked.statuses == [200]
    busy.peer.upgrade()
    busy.work(5)
    busy.answer_all()
    assert busy.heard == [0, 1, 2, 3, 4, 5]
    assert busy.session._calls == 0


def test_a_websocket_that_takes_over_is_paused_too(engineio: Any) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"}, most=1)
    busy.session.begin_call()  # of a hook
    busy.peer.upgrade()
    carrier = busy.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    assert carrier.paused
    busy.work(0)
    assert busy.heard == []
    busy.session.end_call()
    busy.answer_all()
    assert busy.heard == [0]
    assert not carrier.paused


def test_what_is_broken_behind_a_pause_ends_the_session_whatever_was_to_take_over(engineio: Any) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"})
    parked = Parked(busy.peer, *[b'42["work",0]'] * 3, b"9")
    busy.peer.probe().send(["2probe", "5"])
    assert busy.reasons == []
    busy.answer_all()
    assert busy.reasons == [Reason.PARSE_ERROR]
    assert parked.statuses == [400]


def test_a_post_with_a_goodbye_and_a_pause_behind_it_is_answered(engineio: Any) -> None:
    busy = Busy({"generation": engineio, "transport": "polling"})
    work = b'42["work",0]'
    with busy.server.engine.turn:
        parked = Parked(busy.peer, work, work, b"1", work, work)
        assert busy.session.is_paused
        assert parked.statuses == []
    assert parked.statuses == [200]
    assert busy.reasons == [Reason.TRANSPORT_CLOSE]
    busy.answer_all()
    assert busy.heard == [0, 0, 0]


# Large events: a client is read no further


@pytest.mark.parametrize("kind", ["plain", "ordered", "stepped", "early", "with attachments"])
def test_a_client_is_read_no_further_while_much_of_it_waits(client: dict[str, Any], kind: str) -> None:
    server, handler, connect = Server(max_payload_bytes=10_000, driver=LateClock()), Handler(), Handler()
    server.on("work", ordered=kind == "ordered")(handler)
    if kind == "stepped":
        server.use_event(lambda socket, event, args: None)
    pair = Pair(server, **client)
    session = pair.socket._member.session
    if kind == "early":
        server.of("/x").on_connect(connect)
        server.of("/x").on("work", ordered=True)(handler)
        pair.peer.connect("/x")
    size = 3000 if client["generation"] is SOCKETIO_1 else 4000  # of which base64 makes 4000
    argument: Any = bytes(size) if kind == "with attachments" else "x" * 4000
    for _ in range(3):
        assert not session.is_paused
        pair.peer.emit("work", argument, namespace="/x" if kind == "early" else "/")
    assert session.is_paused
    if kind == "early":
        connect.answer()
        assert session.is_paused  # they wait for the handler now
    handler.answer()
    assert not session.is_paused
    while handler.open:
        handler.answer()
    assert len(handler.heard) == 3
    assert (session._calls, session._pending_bytes) == (0, 0)


def test_a_large_event_whose_handler_asks_its_client_does_not_keep_the_answer_out(
    engineio_client: dict[str, Any],
) -> None:
    server = Server(max_payload_bytes=10_000)

    @server.on("work")
    async def work(socket: Socket, *parts: bytes) -> Any:
        return await socket.call("question", timeout=5)

    pair = Pair(server, **engineio_client)
    pair.peer.send("454-" + '0["work"' + "".join(f',{{"_placeholder":true,"num":{n}}}' for n in range(4)) + "]")
    for _ in range(4):
        pair.peer.send(bytes(4000))
    assert not pair.socket._member.session.is_paused
    pair.peer.acknowledge(1, "answer")
    assert pair.peer.acks() == {0: "answer"}


def test_early_events_stay_in_front_of_what_a_pause_has_kept_out(client: dict[str, Any]) -> None:
    server, connect, heard = Server(max_payload_bytes=10_000, driver=LateClock()), Handler(), list[int]()
    server.of("/x").on_connect(connect)
    server.of("/x").on("work")(lambda socket, number, filling: heard.append(number))
    pair = Pair(server, **client)
    pair.peer.connect("/x")
    filling = "x" * 6000
    count = 4 if client["transport"] == "websocket" else 2  # a third POST would come before the answer to the second
    for number in range(count):
        pair.peer.emit("work", number, filling, namespace="/x")
    connect.answer()
    assert heard == list(range(count))
    assert pair.socket._member.session._pending_bytes == 0


def test_who_leaves_before_it_has_entered_leaves_nothing_that_waits(generation: Any) -> None:
    server, connect = Server(max_payload_bytes=10_000, driver=LateClock()), Handler()
    server.of("/x").on_connect(connect)
    pair = Pair(server, generation=generation)
    pair.peer.connect("/x")
    pair.peer.emit("work", "x" * 4000, namespace="/x")
    pair.peer.leave("/x")
    connect.answer()
    assert (pair.socket._member.session._calls, pair.socket._member.session._pending_bytes) == (0, 0)


# Handlers that wait for their own client


class Asking:
    """A client whose handlers ask it something before they answer, three at most."""

    def __init__(self, options: dict[str, Any], **limits: Any) -> None:
        self.server = Server(max_calls=3, **limits)
        self.failed: list[Exception] = []
        self.server.on("work")(self.work)
        self.pair = Pair(self.server, **options)
        self.peer, self.session = self.pair.peer, self.pair.socket._member.session

    async def work(self, socket: Socket, number: int) -> Any:
        try:
            return await socket.call("question", number)
        except (AckTimeout, SocketClosed, TooManyCalls) as error:
            self.failed.append(error)
            return "failed"

    def send(self, count: int) -> None:
        self.peer.send(*(work(self.peer, number) for number in range(count)))

    def asked(self) -> list[int]:
        """The ids of the questions that have come."""
        return [event.id for event in self.peer.pick(Event, "/") if event.id is not None]


def test_who_sends_many_events_that_each_ask_it_something_is_heard(client: dict[str, Any]) -> None:
    asking = Asking(client)
    asking.send(20)
    ids = asking.asked()
    assert len(ids) == 20
    for number in ids:
        asking.peer.acknowledge(number, "answer")
    assert asking.peer.acks() == dict.fromkeys(range(20), "answer")
    assert (asking.session._calls, asking.session.is_paused, asking.failed) == (0, False, [])


def test_questions_that_are_never_answered_bound_what_waits(client: dict[str, Any]) -> None:
    asking = Asking(client, max_pending_acks=5)
    asking.send(20)
    assert len(asking.asked()) == 5
    assert len(asking.failed) == 15
    asking.pair.clock.advance(61)
    assert len(asking.failed) == 20
    assert (asking.session._calls, asking.session.is_paused) == (0, False)


def test_handlers_that_go_on_after_an_answer_count_again(generation: Any) -> None:
    busy = Busy({"generation": generation})
    carrier = busy.peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    pending = busy.pair.socket.call("question")
    busy.work(0, 1, 2)
    assert not carrier.paused
    busy.peer.acknowledge(1)
    assert pending.done
    assert carrier.paused
    busy.pair.socket.call("another")
    assert not carrier.paused
    vanish(busy.pair)
    busy.answer_all()
    assert busy.session._calls == 0


# The heartbeat of a client that is not read


def test_the_heartbeat_does_not_end_who_is_not_read(client: dict[str, Any]) -> None:
    busy = Busy(client)
    busy.work(*range(3))
    busy.clock.advance(500)
    assert busy.reasons == []
    busy.answer_all()
    busy.work(3)
    assert busy.heard == [0, 1, 2, 3]


def test_who_is_not_read_hears_that_the_server_lives(engineio_client: dict[str, Any]) -> None:
    """A client of Engine.IO 4 waits 45 s for a ping; one of 3 waits 20 s, from its ping on, for any packet."""
    busy = Busy(engineio_client)
    busy.work(*range(3))
    word, patience = ("6", 20) if engineio_client["generation"] is ENGINEIO_3 else ("2", 45)
    for _ in range(10):
        busy.clock.advance(patience)
        assert word in busy.peer.take()


def test_a_silent_client_that_is_read_again_is_ended_in_time(client: dict[str, Any]) -> None:
    busy = Busy(client)
    busy.work(*range(3))
    busy.clock.advance(30)
    busy.answer_all()
    busy.peer.polls = False
    busy.clock.advance(200)
    away = client["transport"] == "xhr-polling"  # whose GETs are its only heartbeats
    assert busy.reasons == [Reason.TRANSPORT_CLOSE if away else Reason.PING_TIMEOUT]
    assert len(busy.server.engine.deadlines) == 0


def test_a_pause_shortens_nobodys_patience() -> None:
    busy = Busy({"generation": ENGINEIO_3})
    busy.peer.beat()
    busy.work(*range(3))
    busy.answer_all()
    busy.clock.advance(44)
    assert busy.reasons == []
    busy.clock.advance(30)
    assert busy.reasons == [Reason.PING_TIMEOUT]


def test_a_heartbeat_that_lay_unread_counts_when_it_is_read() -> None:
    busy = Busy({"generation": ENGINEIO_4})
    busy.clock.advance(25)  # the ping
    busy.work(*range(3))
    busy.clock.advance(19.9)
    busy.handler.answer()  # and in the next moment its pong will be read
    busy.clock.advance(0.2)
    assert busy.reasons == []
    busy.peer.beat()
    busy.clock.advance(25)
    assert busy.reasons == []


# What else is counted


def test_connect_handlers_that_take_their_time_are_counted(generation: Any) -> None:
    server, handler = Server(max_calls=5, driver=LateClock()), Handler()
    server.of("/x").on_connect(handler)
    pair = Pair(server, generation=generation)
    for _ in range(1000):
        pair.peer.connect("/x")
        pair.peer.leave("/x")
    assert len(handler.open) == 5
    while handler.open:
        handler.answer()
    assert len(handler.heard) == 1000
    assert pair.socket._member.session._calls == 0


@pytest.mark.parametrize("hook", ["on_disconnect", "on_error"])
def test_hooks_that_take_their_time_are_counted(hook: str, generation: Any) -> None:
    server, handler = Server(max_calls=5, driver=LateClock()), Handler()
    chat = server.of("/x")
    if hook == "on_disconnect":
        chat.on_disconnect(handler)
    else:
        chat.on_error(lambda socket, event, error: handler(socket, event))
    chat.on("fail")(lambda socket: 1 / 0)
    pair = Pair(server, generation=generation)
    for _ in range(100):
        pair.peer.connect("/x")
        pair.peer.emit("fail", namespace="/x")
        pair.peer.leave("/x")
    assert 5 <= len(handler.open) <= 6
    while handler.open:
        handler.answer()
    assert len(handler.heard) == 100
    assert pair.socket._member.session._calls == 0


def test_a_hook_that_fails_later_is_reported_and_counted_down(generation: Any) -> None:
    server, handler = Server(driver=LateClock()), Handler()
    server.on_disconnect(handler)
    pair = Pair(server, generation=generation)
    session = pair.socket._member.session
    vanish(pair)
    assert session._calls == 1
    handler.fail(KeyError("later"))
    assert session._calls == 0
    assert [text for text, _ in pair.clock.reports] == ["the handler of 'disconnect' in / failed"]


def test_timeouts_and_ends_leave_no_deadline(client: dict[str, Any]) -> None:
    server = Server(driver=Clock())
    pair = Pair(server, **client)
    before = len(server.engine.deadlines)
    short, long = pair.socket.call("q", timeout=1), pair.socket.call("q", timeout=100)
    pair.clock.advance(2)
    with pytest.raises(AckTimeout):
        short.result()
    vanish(pair)
    with pytest.raises(SocketClosed):
        long.result()
    assert len(server.engine.deadlines) <= before
