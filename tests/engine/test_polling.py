"""Long-polling: requests in and answers out, literally, and what ends a session."""

from collections.abc import Callable, Sequence

import pytest

from engine.applications import Recorder, TurningClock
from waterspout.engine import Ending, Engine, Open, Policy, Prepared, Refuse, Response, Resume
from waterspout.testing import Clock, Peer, Refused, admit
from waterspout.types import Reason, Request
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

TEXT = ("Content-Type", "text/plain; charset=UTF-8")
BINARY = ("Content-Type", "application/octet-stream")
PRIVATE = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class Ask:
    """A request of a client, its answer in `body` and `status` once there is one."""

    def __init__(self, peer: Peer, method: str = "GET", headers: Sequence[tuple[str, str]] = ()) -> None:
        self.engine = peer.engine
        self.request = peer.request(method, "polling", headers)
        self.decision = admit(self.engine, self.request)
        self.responses: list[Response] = []
        if isinstance(self.decision, Refuse):
            self.respond(self.decision.response)

    def respond(self, response: Response, written: object = None) -> None:
        self.responses.append(response)

    def take_back(self) -> bool:
        return False

    def send(self, body: bytes = b"") -> "Ask":
        """Send the rest of the request: the body of a POST, nothing of a GET."""
        assert isinstance(self.decision, Resume)
        self.engine.respond(self.decision, self, body)
        return self

    def give_up(self) -> None:
        assert isinstance(self.decision, Resume)
        self.engine.abort(self.decision)

    @property
    def body(self) -> bytes | None:
        assert len(self.responses) <= 1
        return self.responses[0].body if self.responses else None

    @property
    def status(self) -> int:
        return self.responses[0].status

    @property
    def detail(self) -> str:
        return str(json.decode(self.responses[0].body)["detail"])


def get(peer: Peer) -> Ask:
    return Ask(peer).send()


def post(peer: Peer, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Ask:
    return Ask(peer, "POST", headers).send(body)


@pytest.fixture
def peer(engine: Engine, generation: Generation) -> Peer:
    """A client that has read its handshake, and has no poll parked."""
    return Peer(engine, generation=generation, transport="polling", polls=False)


def spelled(generation: Generation, *packets: str) -> bytes:
    """Spell packets in ASCII as a payload."""
    if generation is ENGINEIO_4:
        return "\x1e".join(packets).encode()
    return "".join(f"{len(packet)}:{packet}" for packet in packets).encode()


# Messages


def test_a_post_is_answered_with_ok_in_lower_case(peer: Peer, application: Recorder) -> None:
    answer = post(peer, spelled(peer.generation, "4hello"))
    assert answer.responses == [Response(200, (("Content-Type", "text/html"), *PRIVATE), b"ok")]
    assert application.heard == ["hello"]


def test_a_poll_waits_until_there_is_something_to_say(peer: Peer, application: Recorder, clock: Clock) -> None:
    parked = get(peer)
    clock.advance(24)
    assert parked.body is None
    application.session.send("hello")
    assert parked.responses == [Response(200, (TEXT, *PRIVATE), spelled(peer.generation, "4hello"))]


def test_what_is_said_between_two_polls_leaves_with_the_next(peer: Peer, application: Recorder) -> None:
    for text in ("a", "b", "c"):
        application.session.send(text)
    assert get(peer).body == spelled(peer.generation, "4a", "4b", "4c")
    assert get(peer).body is None


def test_what_is_said_in_one_turn_leaves_in_one_answer(generation: Generation) -> None:
    clock, application = TurningClock(), Recorder()
    peer = Peer(Engine(application, driver=clock), generation=generation, transport="polling", polls=False)
    parked = get(peer)
    for text in ("a", "b", "c"):
        application.session.send(text)
    assert parked.body is None
    clock.turn()
    assert parked.body == spelled(generation, "4a", "4b", "4c")


def polling(generation: Generation, application: Recorder, max_packets_per_poll: int) -> Peer:
    engine = Engine(application, policy=Policy(max_packets_per_poll=max_packets_per_poll), driver=Clock())
    return Peer(engine, generation=generation, transport="polling", polls=False)


def test_an_answer_has_no_more_packets_than_the_policy_says_and_the_rest_leaves_with_the_next(
    generation: Generation, application: Recorder
) -> None:
    peer = polling(generation, application, 3)
    parked = get(peer)
    for text in "abcdefgh":
        application.session.send(text)
    assert parked.body == spelled(generation, "4a")
    assert get(peer).body == spelled(generation, "4b", "4c", "4d")
    assert get(peer).body == spelled(generation, "4e", "4f", "4g")
    assert application.session.outbox_bytes == 2
    assert get(peer).body == spelled(generation, "4h")
    assert application.session.outbox_bytes == 0
    parked = get(peer)
    assert parked.body is None
    application.session.send("i")
    assert parked.body == spelled(generation, "4i")


def test_attachments_leave_with_their_event_and_count(application: Recorder) -> None:
    peer = polling(ENGINEIO_4, application, 3)
    for message in (
        Prepared(b"4a", (b"1",)),
        Prepared(b"4b", (b"1",)),
        Prepared(b"4c"),
        Prepared(b"4d", (b"1", b"2", b"3", b"4")),
        Prepared(b"4e"),
        Prepared(b"", (b"1",)),
    ):
        application.session.push(message)
    bodies = [get(peer).body for _ in range(5)]
    assert bodies == [
        spelled(ENGINEIO_4, "4a", "bMQ=="),
        spelled(ENGINEIO_4, "4b", "bMQ==", "4c"),
        spelled(ENGINEIO_4, "4d", "bMQ==", "bMg==", "bMw==", "bNA=="),
        spelled(ENGINEIO_4, "4e", "bMQ=="),
        None,
    ]


def test_what_is_left_for_the_next_poll_may_still_be_replaced_by_its_latest(
    generation: Generation, application: Recorder
) -> None:
    peer = polling(generation, application, 1)
    for text in (b"4a1", b"4b1"):
        application.session.push(Prepared(text, key=text[1:2]))
    assert get(peer).body == spelled(generation, "4a1")
    for text in (b"4a2", b"4b2"):
        application.session.push(Prepared(text, key=text[1:2]))
    application.session.push(Prepared(b"4c", volatile=True))
    assert [get(peer).body for _ in range(3)] == [spelled(generation, "4b2"), spelled(generation, "4a2"), None]


def test_the_goodbye_comes_behind_all_that_is_left(generation: Generation, application: Recorder) -> None:
    peer = polling(generation, application, 2)
    for text in "abc":
        application.session.send(text)
    application.session.close()
    bodies = [get(peer).body for _ in range(3)]
    assert bodies == [spelled(generation, "4a", "4b"), spelled(generation, "4c"), spelled(generation, "1")]
    assert peer.engine.sessions == {}


def test_what_is_left_leaves_over_the_websocket_that_takes_over(generation: Generation, application: Recorder) -> None:
    engine = Engine(application, policy=Policy(max_packets_per_poll=1), driver=Clock())
    peer = Peer(engine, generation=generation, transport="polling")
    peer.take()
    with engine.turn:
        for text in "abc":
            application.session.send(text)
        assert peer.take() == []
    peer.upgrade()
    assert [packet for packet in peer.take() if packet[:1] == "4"] == ["4a", "4b", "4c"]


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "16", True])
def test_the_packets_of_an_answer_are_a_number_or_none(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError), match=f"max_packets_per_poll is {wrong!r}: give a "):
        Policy(max_packets_per_poll=wrong)  # type: ignore[arg-type]


def test_several_packets_of_a_post_are_heard_in_their_order(peer: Peer, application: Recorder) -> None:
    post(peer, spelled(peer.generation, "4a", "6", "4", "4b"))
    assert application.heard == ["a", "", "b"]


def test_text_beyond_ascii_and_binary_arrive_as_they_were_sent(
    peer: Peer, application: Recorder, generation: Generation
) -> None:
    application.echoes = True
    peer.send("4å €😀\n\0", b"\x00\xff", "4", b"")
    assert application.heard == ["å €😀\n\0", b"\x00\xff", "", b""]
    answer = get(peer).responses[0]
    packets = generation.engineio.decode_payload(answer.body, binary=BINARY in answer.headers)
    assert list(packets) == ["4å €😀\n\0", b"\x00\xff", "4", b""]


def test_a_lone_surrogate_leaves_as_the_replacement_character(peer: Peer, application: Recorder) -> None:
    application.session.send("half \ud83d, whole \ud83d\ude00")
    body = get(peer).body
    assert body is not None
    assert body.endswith("4half \ufffd, whole 😀".encode())


def test_lengths_of_engineio_3_count_utf_16_units(engine: Engine, application: Recorder) -> None:
    application.echoes = True
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling", query="b64=1", polls=False)
    assert post(peer, "3:4😀2:4å".encode()).body == b"ok"
    assert application.heard == ["😀", "å"]
    assert get(peer).body == "3:4😀2:4å".encode()


def test_text_that_1x_has_encoded_twice_is_decoded_twice(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling", polls=False)
    twice = "å😀".encode().decode("latin-1")
    assert post(peer, f"{1 + len(twice)}:4{twice}".encode()).body == b"ok"
    assert application.heard == ["å😀"]


def test_text_beyond_ascii_leaves_as_octets_which_1x_and_2x_read_alike(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling", polls=False)
    application.session.send("å😀")
    assert get(peer).responses == [Response(200, (BINARY, *PRIVATE), b"\x00\x07\xff4" + "å😀".encode())]


def test_base64_is_asked_for_in_the_handshake_and_for_all_of_the_polling(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling", query="b64=1", polls=False)
    peer.query = ""
    application.session.send(b"\1\2")
    assert get(peer).body == b"6:b4AQI="


def test_binary_of_engineio_3_comes_in_either_form(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling", polls=False)
    assert post(peer, b"10:b4AQIDBA==").body == b"ok"
    assert post(peer, b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", (BINARY,)).body == b"ok"
    charset = ("Content-Type", "application/octet-stream; charset=x")
    assert post(peer, b"\x00\x02\xff42", (charset,)).body == b"ok"
    assert application.heard == [b"\1\2\3\4", "hello", b"\1\2\3\4", "2"]


@pytest.mark.parametrize(
    ("query", "kind", "body"),
    [
        ("", BINARY, b"\x00\x06\xff4hello\x01\x03\xff\x04\x01\x02"),
        ("b64=", BINARY, b"\x00\x06\xff4hello\x01\x03\xff\x04\x01\x02"),
        ("b64=1", TEXT, b"6:4hello6:b4AQI="),
        ("b64=true", TEXT, b"6:4hello6:b4AQI="),
        ("b64=0", TEXT, b"6:4hello6:b4AQI="),
    ],
    ids=["octets", "base64 that is empty", "base64 was asked for", "in a word", "as in JavaScript, 0 is a text"],
)
def test_binary_leaves_for_engineio_3_as_it_was_asked_for(
    engine: Engine, application: Recorder, query: str, kind: tuple[str, str], body: bytes
) -> None:
    peer = Peer(engine, generation=ENGINEIO_3, transport="polling", query=query, polls=False)
    application.session.send("hello")
    application.session.send(b"\1\2")
    assert get(peer).responses == [Response(200, (kind, *PRIVATE), body)]
    application.session.send("text")
    assert get(peer).responses == [Response(200, (TEXT, *PRIVATE), b"5:4text")]


def test_binary_leaves_for_engineio_4_in_base64(engine: Engine, application: Recorder) -> None:
    peer = Peer(engine, generation=ENGINEIO_4, transport="polling", polls=False)
    application.session.send("hello")
    application.session.send(b"\1\2")
    assert get(peer).responses == [Response(200, (TEXT, *PRIVATE), b"4hello\x1ebAQI=")]


# What is too much, or broken, and ends the session


def assert_over(peer: Peer, application: Recorder, reason: Reason) -> None:
    assert application.closed == [reason]
    assert peer.engine.sessions == {}
    assert len(peer.engine.deadlines) == 0
    for method in ("GET", "POST"):
        refused = Ask(peer, method)
        assert (refused.status, refused.detail) == (400, "the session is over, or another server has it")


def test_ten_thousand_packets_in_a_post_are_heard(peer: Peer, application: Recorder) -> None:
    assert post(peer, spelled(peer.generation, *["4x"] * 10_000)).body == b"ok"
    assert application.heard == ["x"] * 10_000


def test_one_packet_more_ends_the_session_after_those_that_are_allowed(peer: Peer, application: Recorder) -> None:
    answer = post(peer, spelled(peer.generation, *["4x"] * 10_001))
    assert (answer.status, answer.detail) == (400, "more than 10000 packets in one payload")
    assert application.heard == ["x"] * 10_000
    assert_over(peer, application, Reason.PARSE_ERROR)


BROKEN: list[tuple[Generation, bytes, str]] = [
    (ENGINEIO_3, b"", "text/plain"),
    (ENGINEIO_3, b"abc", "text/plain"),
    (ENGINEIO_3, b"0:", "text/plain"),
    (ENGINEIO_3, b"6:4hell", "text/plain"),
    (ENGINEIO_3, b"99999999:4", "text/plain"),
    (ENGINEIO_3, "2:4😀".encode(), "text/plain"),
    (ENGINEIO_3, b"2:4\xff", "text/plain"),
    (ENGINEIO_3, b"6:4hello", "application/octet-stream"),
    (ENGINEIO_3, b"\x00\xff4", "application/octet-stream"),
    (ENGINEIO_3, b"", "application/octet-stream"),
    (ENGINEIO_4, b"", "text/plain"),
    (ENGINEIO_4, b"abc", "text/plain"),
    (ENGINEIO_4, b"\x1e" * 1_000_000, "text/plain"),
    (ENGINEIO_4, b"4\xff", "text/plain"),
    (ENGINEIO_4, b"bAQI", "text/plain"),
    (ENGINEIO_4, b"\x82\x01a", "text/plain"),
    (ENGINEIO_4, b"4hello", "application/octet-stream"),
    (ENGINEIO_4, b"", "application/octet-stream"),
    (
        ENGINEIO_4,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n4\r\n--x--',
        "multipart/form-data; boundary=x",
    ),
]


@pytest.mark.parametrize(("generation", "body", "kind"), BROKEN, ids=lambda value: str(value)[:24])
def test_a_broken_payload_ends_the_session(
    engine: Engine, application: Recorder, generation: Generation, body: bytes, kind: str
) -> None:
    peer = Peer(engine, generation=generation, transport="polling", polls=False)
    parked = get(peer)
    assert post(peer, body, (("Content-Type", kind),)).status == 400
    assert (parked.status, parked.body) == (200, spelled(generation, "1"))
    assert application.heard == []
    assert_over(peer, application, Reason.PARSE_ERROR)


def test_the_packets_before_a_broken_one_are_heard(peer: Peer, application: Recorder) -> None:
    assert post(peer, spelled(peer.generation, "4a", "9", "4b")).status == 400
    assert application.heard == ["a"]
    assert_over(peer, application, Reason.PARSE_ERROR)


def test_of_two_polls_at_once_the_older_is_closed_and_the_newer_refused(peer: Peer, application: Recorder) -> None:
    older, newer = get(peer), get(peer)
    assert (older.status, older.body) == (200, spelled(peer.generation, "1"))
    assert (newer.status, newer.detail) == (400, "two polls at once: wait for the answer to the first")
    assert_over(peer, application, Reason.TRANSPORT_ERROR)


def test_two_posts_at_once_end_the_session_and_the_parked_poll_hears_it(peer: Peer, application: Recorder) -> None:
    parked, first = get(peer), Ask(peer, "POST")
    second = Ask(peer, "POST")
    assert (second.status, second.detail) == (400, "two POSTs at once: wait for the answer to the first")
    assert (parked.status, parked.body) == (200, spelled(peer.generation, "1"))
    assert first.send(spelled(peer.generation, "4late")).body == b"ok"
    assert application.heard == []
    assert_over(peer, application, Reason.TRANSPORT_ERROR)


def test_one_post_after_the_other_is_as_it_should_be(peer: Peer, application: Recorder) -> None:
    for _ in range(3):
        assert post(peer, spelled(peer.generation, "4a")).body == b"ok"
    assert application.heard == ["a", "a", "a"]


def test_a_poll_that_is_given_up_ends_the_session(peer: Peer, application: Recorder) -> None:
    parked = get(peer)
    parked.give_up()
    assert_over(peer, application, Reason.TRANSPORT_ERROR)


def test_a_post_that_is_given_up_ends_the_session_and_the_parked_poll_hears_it(
    peer: Peer, application: Recorder
) -> None:
    parked = get(peer)
    Ask(peer, "POST").give_up()
    assert parked.body == spelled(peer.generation, "1")
    assert_over(peer, application, Reason.TRANSPORT_ERROR)


def test_a_handshake_that_is_given_up_ends(engine: Engine, application: Recorder, generation: Generation) -> None:
    request = Request("GET", f"/engine.io/?EIO={generation.revision}&transport=polling")
    decision = admit(engine, request)
    assert isinstance(decision, Open)
    engine.abort(decision)
    assert application.closed == [Reason.TRANSPORT_CLOSE]
    assert (engine.sessions, len(engine.deadlines)) == ({}, 0)


def test_a_body_that_the_host_refuses_leaves_the_session_alone(peer: Peer, application: Recorder) -> None:
    parked, large = get(peer), Ask(peer, "POST")
    assert isinstance(large.decision, Resume)
    answer = peer.engine.refuse_body(large.decision)
    assert answer.status == 413
    assert post(peer, spelled(peer.generation, "4a")).body == b"ok"
    assert application.heard == ["a"]
    assert parked.body is None


# The end


def test_a_client_that_posts_a_close_packet_has_its_poll_answered_with_a_noop(
    peer: Peer, application: Recorder
) -> None:
    parked = get(peer)
    assert post(peer, spelled(peer.generation, "4last", "1")).body == b"ok"
    assert parked.body == spelled(peer.generation, "6")
    assert application.heard == ["last"]
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


def test_a_session_that_the_application_closes_says_so_after_what_is_queued(peer: Peer, application: Recorder) -> None:
    application.session.send("last")
    application.session.close()
    assert get(peer).body == spelled(peer.generation, "4last")
    assert get(peer).body == spelled(peer.generation, "1")
    assert_over(peer, application, Reason.FORCED_CLOSE)


def test_a_session_that_closes_does_not_hear_what_is_still_posted(peer: Peer, application: Recorder) -> None:
    application.session.close()
    peer.send("4late", b"late")
    assert application.heard == []
    assert post(peer, spelled(peer.generation, "1")).body == b"ok"
    assert_over(peer, application, Reason.FORCED_CLOSE)


def test_a_client_that_does_not_come_for_the_goodbye_is_forgotten(
    peer: Peer, application: Recorder, clock: Clock
) -> None:
    application.session.close()
    clock.advance(9.999)
    assert len(peer.engine.sessions) == 1
    clock.advance(0.001)
    assert_over(peer, application, Reason.FORCED_CLOSE)


ENDINGS: dict[str, Callable[[Peer, Recorder, Clock], object]] = {
    "the application closes": lambda peer, application, clock: application.session.close(),
    "the application closes without what is queued": (
        lambda peer, application, clock: application.session.close(Ending(flush=False))
    ),
    "the server shuts down": lambda peer, application, clock: peer.engine.close(),
    "the client is silent": lambda peer, application, clock: clock.advance(100),
    "the client closes": lambda peer, application, clock: post(peer, spelled(peer.generation, "1")),
    "the client posts garbage": lambda peer, application, clock: post(peer, b"garbage"),
    "the client polls twice": lambda peer, application, clock: get(peer),
    "the client posts twice": lambda peer, application, clock: [Ask(peer, "POST"), Ask(peer, "POST")],
    "the client gives up a POST": lambda peer, application, clock: Ask(peer, "POST").give_up(),
    "the client upgrades": lambda peer, application, clock: peer.upgrade(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_parked_poll_is_answered_once_however_polling_ends(
    peer: Peer, application: Recorder, clock: Clock, ending: str
) -> None:
    parked = get(peer)
    ENDINGS[ending](peer, application, clock)
    assert parked.body in [spelled(peer.generation, packet) for packet in ("1", "6", "2")]
    clock.advance(100)
    assert len(parked.responses) == 1


def test_a_poll_that_is_late_for_an_upgrade_is_refused_and_the_session_lives(peer: Peer, application: Recorder) -> None:
    polled = Ask(peer)
    peer.upgrade()
    assert (polled.send().status, polled.detail) == (400, "the session does not poll any more")
    peer.send("4hello")
    assert application.heard == ["hello"]


def test_an_upgrade_that_does_not_wait_for_a_post_is_abandoned_and_nothing_is_lost(
    peer: Peer, application: Recorder
) -> None:
    posted = Ask(peer, "POST")
    websocket = peer.probe()
    websocket.send(["2probe", "5"])
    assert websocket.finished
    assert posted.send(spelled(peer.generation, "4posted")).status == 200
    peer.upgrade()
    peer.send("4hello")
    assert application.heard == ["posted", "hello"]


@pytest.mark.parametrize("admitted", [True, False], ids=["admitted before", "admitted after"])
def test_a_poll_that_crosses_the_clients_goodbye_is_answered_with_a_noop(
    peer: Peer, application: Recorder, clock: Clock, admitted: bool
) -> None:
    polled = Ask(peer) if admitted else None
    post(peer, spelled(peer.generation, "1"))
    assert application.closed == [Reason.TRANSPORT_CLOSE]
    clock.advance(0.499)
    polled = polled or Ask(peer)
    assert polled.send().body == spelled(peer.generation, "6")
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


def test_no_poll_comes_half_a_second_after_the_clients_goodbye(peer: Peer, application: Recorder, clock: Clock) -> None:
    post(peer, spelled(peer.generation, "1"))
    assert post(peer, spelled(peer.generation, "4late")).body == b"ok"
    assert application.heard == []
    clock.advance(0.5)
    assert_over(peer, application, Reason.TRANSPORT_CLOSE)


def test_the_number_of_packets_is_a_matter_of_policy(application: Recorder, clock: Clock) -> None:
    engine = Engine(application, policy=Policy(max_packets=2), driver=clock)
    peer = Peer(engine, transport="polling", polls=False)
    peer.send("4a", "4b")
    with pytest.raises(Refused, match="more than 2 packets in one payload"):
        peer.send("4a", "4b", "4c")
    assert application.heard == ["a", "b", "a", "b"]
