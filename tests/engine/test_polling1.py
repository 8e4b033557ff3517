"""Polling as clients of Socket.IO 0.7 to 0.9 do it: by XMLHttpRequest, or by scripts and forms."""

from urllib.parse import quote_plus

import pytest

from engine.applications import Packets, TurningClock
from waterspout.engine import Engine, Policy, PollResponse, Prepared
from waterspout.testing import Clock, MemoryExchange, Peer, PollingCarrier
from waterspout.types import Reason
from waterspout.wire.generations import SOCKETIO_1

POLLINGS = ("xhr-polling", "jsonp-polling")
HOSTILE = ["'single' \"double\" \\ back", "line\nfeed", "\u2028\u2029", "</script><script>alert(1)</script><!--", "é😀"]


def engine_of(clock: Clock | None = None) -> Engine:
    driver = Clock() if clock is None else clock
    return Engine(Packets(), driver=driver, path="/socket.io", policy=Policy(generations=(SOCKETIO_1,)))


@pytest.fixture(params=POLLINGS)
def peer(request: pytest.FixtureRequest) -> Peer:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport=request.param, polls=False)
    assert peer.take() == ["1::"]
    return peer


def polling(peer: Peer) -> PollingCarrier:
    assert isinstance(peer.carrier, PollingCarrier)
    return peer.carrier


def application(peer: Peer) -> Packets:
    assert isinstance(peer.engine.application, Packets)
    return peer.engine.application


def clock(peer: Peer) -> Clock:
    assert isinstance(peer.engine.driver, Clock)
    return peer.engine.driver


def tell(peer: Peer, *words: str) -> None:
    for word in words:
        application(peer).session.push(Prepared(b"3:::" + word.encode()))


def test_what_is_queued_comes_at_once_and_in_one_answer(peer: Peer) -> None:
    tell(peer, "a", "😀1", "")
    polling(peer).poll()
    assert not polling(peer).is_parked
    assert peer.take() == ["3:::a", "3:::😀1", "3:::"]


def test_one_packet_is_bare_and_several_are_framed_in_utf_16_units() -> None:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport="xhr-polling", polls=False)
    assert polling(peer).responses[-1].body == b"1::"
    tell(peer, "😀1", "x")
    polling(peer).poll()
    assert polling(peer).responses[-1].body == "\ufffd7\ufffd3:::😀1\ufffd5\ufffd3:::x".encode()


def test_an_answer_knows_its_packets_and_can_carry_others(peer: Peer) -> None:
    tell(peer, "a", "b")
    polling(peer).poll()
    answer = polling(peer).responses[-1]
    assert isinstance(answer, PollResponse)
    assert (answer.packets, answer.is_last) == ([b"3:::a", b"3:::b"], False)
    tell(peer, "c", "d")
    polling(peer).poll()
    assert polling(peer).responses[-1] == answer.carrying([b"3:::c", b"3:::d"])


def test_the_last_answer_of_a_session_says_so(peer: Peer) -> None:
    application(peer).session.close()
    polling(peer).poll()
    answer = polling(peer).responses[-1]
    assert isinstance(answer, PollResponse)
    assert answer.is_last


def test_a_get_is_parked_until_there_is_something_to_say(peer: Peer) -> None:
    polling(peer).poll()
    assert polling(peer).is_parked
    tell(peer, "a")
    assert peer.take() == ["3:::a"]


def test_a_get_is_held_so_long_and_no_longer(peer: Peer) -> None:
    polling(peer).poll()
    clock(peer).advance(19.9)
    assert polling(peer).is_parked
    clock(peer).advance(0.2)
    assert peer.take() == ["8::"]


class Stuck(MemoryExchange):
    """A GET whose answer leaves in part, or not at all."""

    def take_back(self) -> bool:
        return True


@pytest.mark.parametrize("other", [*POLLINGS, "websocket", "htmlfile"])
@pytest.mark.parametrize("name", POLLINGS)
@pytest.mark.parametrize("first", [False, True])
def test_an_answer_that_has_not_left_comes_once_more(name: str, other: str, first: bool) -> None:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport=None if first else name, polls=False)
    expected = ["1::", "3:::a", "3:::b"] if first else ["3:::a", "3:::b"]
    if not first:
        assert peer.take() == ["1::"]
        tell(peer, "a", "b")
    stuck = Stuck(peer.request("GET", name))
    peer.engine.respond(peer.admit(stuck.request), stuck)
    assert stuck.response is not None
    if first:
        tell(peer, "a", "b")
    clock(peer).advance(2)
    peer.switch(other)
    assert peer.take() == expected
    tell(peer, "c")
    if isinstance(peer.carrier, PollingCarrier):
        peer.carrier.poll()
    assert peer.take() == ["3:::c"]


def test_of_two_gets_the_older_is_let_go(peer: Peer) -> None:
    older = MemoryExchange(polling(peer).request)
    peer.engine.respond(peer.admit(older.request), older)
    polling(peer).poll()
    assert older.response is not None
    assert b"8::" in older.response.body
    tell(peer, "a")
    assert peer.take() == ["3:::a"]
    clock(peer).advance(20)
    assert application(peer).closed == []


def test_a_get_that_is_given_up_costs_nothing(peer: Peer) -> None:
    polling(peer).poll()
    peer.lose()
    tell(peer, "a", "b")
    polling(peer).poll()
    assert peer.take() == ["3:::a", "3:::b"]


def test_a_post_that_is_given_up_leaves_the_get_alone(peer: Peer) -> None:
    polling(peer).poll()
    peer.engine.abort(peer.admit(peer.request("POST")))
    peer.engine.abort(peer.admit(polling(peer).request))  # a GET that was given up before its own body came
    tell(peer, "a")
    assert peer.take() == ["3:::a"]


def test_a_client_is_away_from_its_last_get_on(peer: Peer) -> None:
    polling(peer).poll()
    clock(peer).advance(15)
    tell(peer, "a")
    clock(peer).advance(29.9)
    assert application(peer).closed == []
    clock(peer).advance(0.2)
    assert application(peer).closed == [Reason.TRANSPORT_CLOSE]


def test_if_none_match_changes_nothing(peer: Peer) -> None:
    peer.headers = (("If-None-Match", "*"), ("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"))
    for _ in range(2):
        tell(peer, "same")
        polling(peer).poll()
        assert peer.take() == ["3:::same"]
    fields = dict(polling(peer).responses[-1].headers)
    assert fields["Cache-Control"] == "no-store"
    assert not {"ETag", "Etag", "Last-Modified"} & fields.keys()


def test_an_answer_waits_for_the_end_of_the_turn() -> None:
    turning = TurningClock()
    peer = Peer(engine_of(turning), generation=SOCKETIO_1, transport="xhr-polling")
    turning.turn()
    peer.take()
    tell(peer, "a", "b")
    assert peer.take() == []
    turning.turn()
    assert peer.take() == ["3:::a", "3:::b"]
    assert len(polling(peer).responses) == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_a_script_is_ascii_that_nothing_in_it_can_end(text: str) -> None:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport="jsonp-polling", polls=False)
    tell(peer, text)
    polling(peer).poll()
    answer = polling(peer).responses[-1]
    assert answer.body.startswith(b'/**/io.j[0]("')
    assert answer.body.isascii()
    assert b"<" not in answer.body
    assert b"\n" not in answer.body
    fields = dict(answer.headers)
    assert fields["Content-Type"] == "text/javascript; charset=UTF-8"
    assert fields["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_comes_to_the_server_as_it_was(peer: Peer, text: str) -> None:
    peer.send(f"3:::{text}")
    assert application(peer).words() == [text]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ('"3:::plain"', ["plain"]),
        ("3:::raw a\nb", ["raw a\nb"]),
        ("3:::raw a\r\nb", ["raw a\nb"]),
        ('"3:::a\\nb\\u2028"', ["a\nb\u2028"]),
        ("\\ufffd5\\ufffd3:::1\\ufffd5\\ufffd3:::2", ["1", "2"]),
    ],
)
def test_a_form_has_a_json_string_or_the_payload_itself(field: str, words: list[str]) -> None:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport="jsonp-polling")
    answer = peer.ask("POST", f"/jsonp-polling/{peer.sid}?i=0", b"d=" + quote_plus(field).encode())
    assert (answer.status, answer.body) == (200, b"1")
    assert ("Content-Type", "text/plain; charset=UTF-8") in answer.headers
    assert application(peer).words() == words


@pytest.mark.parametrize("body", [b"", b"x=3:::a", b"3:::a", b"d=%zz", b"d=%22unended", b"d=3:::a&e=1", b'd="a" "b"'])
def test_a_form_that_is_none_ends_the_session(body: bytes) -> None:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport="jsonp-polling")
    assert peer.ask("POST", f"/jsonp-polling/{peer.sid}?i=0", body).status == 400
    assert not peer.engine.sessions


def test_of_many_posts_at_once_no_more_wait_than_ten() -> None:
    peer = Peer(engine_of(), generation=SOCKETIO_1, transport="xhr-polling")
    session = application(peer).session
    for _ in range(1000):
        session.begin_call()
    exchanges = []
    for number in range(11):
        exchanges.append(MemoryExchange(peer.request("POST")))
        peer.engine.respond(peer.admit(exchanges[-1].request), exchanges[-1], b"3:::%d" % number)
    statuses = [exchange.response.status for exchange in exchanges if exchange.response is not None]
    assert statuses == [200] * 10 + [400]
    assert application(peer).closed == [Reason.PARSE_ERROR]
    assert application(peer).words() == []


def test_traffic_is_counted(peer: Peer) -> None:
    traffic = peer.engine.traffic
    before = (traffic.messages_in, traffic.messages_out, traffic.bytes_in)
    peer.say("abc")
    tell(peer, "a", "b")
    polling(peer).poll()
    assert traffic.messages_in == before[0] + 1
    assert traffic.messages_out == before[1] + 2
    assert traffic.bytes_in >= before[2] + 7
