"""A WebSocket of draft 76 for a session of Socket.IO 0.7 to 0.9: its handshake, its frames, its end (WP-20)."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.applications import Packets, make
from vectors import load, text_of
from waterspout.engine import Engine, OldRequest, Prepared, Refuse, Upgrade
from waterspout.testing import Clock, HixieCarrier, MemoryLink, Peer, admit
from waterspout.testing.carriers1 import HIXIE_HANDSHAKE, HIXIE_KEY3
from waterspout.types import Reason, Request
from waterspout.wire.generations import SOCKETIO_1
from waterspout.wire.protocol1.hixie import CLOSING, text_frame

PAGE = "http://page.example"
DIGEST = b"8jKS'y:G*Co,Wxa-"
NAMES = pytest.mark.parametrize("name", ["websocket", "flashsocket"])


def application(engine: Engine) -> Packets:
    assert isinstance(engine.application, Packets)
    return engine.application


def advance(engine: Engine, seconds: float) -> None:
    assert isinstance(engine.driver, Clock)
    engine.driver.advance(seconds)


class Begun(MemoryLink):
    """A link whose handshake has been admitted, and nothing has come of it behind its head."""

    def __init__(self, peer: Peer, name: str = "flashsocket") -> None:
        super().__init__(peer, name)
        self.written = b""
        request = peer.request("GET", name, HIXIE_HANDSHAKE)
        self.transport = peer.engine.connect(peer.admit(request), request, self)

    def arrive(self, data: bytes) -> None:
        self.written += data


@pytest.fixture
def engine() -> Engine:
    return make()


def ask(
    engine: Engine, sid: str, fields: Sequence[tuple[str, str]], *, secure: bool | None = None
) -> Refuse | OldRequest:
    """Ask for the WebSocket of a session, with these fields and no others."""
    decision = admit(engine, Request("GET", f"/socket.io/1/flashsocket/{sid}?t=1", fields, secure=secure))
    assert isinstance(decision, Refuse | OldRequest)
    return decision


# The handshake


@pytest.mark.parametrize(
    ("secure", "origin", "scheme"),
    [
        (None, PAGE, "ws"),
        (True, PAGE, "wss"),
        (False, PAGE, "ws"),
        (None, "https://localhost:81", "wss"),
        (None, "https://other.example", "ws"),
        (None, None, "ws"),
    ],
)
def test_the_answer_repeats_where_the_client_comes_from_and_what_it_asks_for(
    secure: bool | None, origin: str | None, scheme: str
) -> None:
    engine = make(cors_origins=[PAGE, "https://other.example"])
    sid = Peer(engine, generation=SOCKETIO_1, transport=None).sid
    fields = [("Host", "localhost:81"), *HIXIE_HANDSHAKE, *([] if origin is None else [("Origin", origin)])]
    decision = ask(engine, sid, fields, secure=secure)
    assert isinstance(decision, OldRequest)
    assert isinstance(decision.greeting, Upgrade)
    answered = dict(decision.greeting.handshake)
    assert answered.get("Sec-WebSocket-Origin") == origin
    assert answered["Sec-WebSocket-Location"] == f"{scheme}://localhost:81/socket.io/1/flashsocket/{sid}?t=1"
    assert decision.greeting.key is None


@NAMES
def test_a_client_that_has_completed_it_is_connected(engine: Engine, name: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    peer.carrier = HixieCarrier(peer, name)
    peer.carrier.open()
    assert peer.carrier.digest == DIGEST
    assert peer.take() == ["1::"]
    assert application(engine).session.transport.name == name
    peer.send("3:::hé 😀", "3:::\0")
    assert application(engine).words() == ["hé 😀", "\0"]
    application(engine).session.push(Prepared("3:::né 😀".encode()))
    assert peer.take() == ["3:::né 😀"]


@pytest.mark.parametrize("behind", [b"", text_frame(b"3:::a"), text_frame(b"3:::a") + b"\x003"])
@pytest.mark.parametrize("step", [1, 3, 100])
def test_what_comes_behind_its_head_may_be_cut_anywhere(visitor: Peer, step: int, behind: bytes) -> None:
    link, data = Begun(visitor), HIXIE_KEY3 + behind
    for at in range(0, len(data), step):
        link.transport.receive(data[at : at + step])
    assert link.written == DIGEST + text_frame(b"1::")
    assert application(visitor.engine).words() == (["a"] if behind else [])
    assert len(visitor.engine.deadlines) == 1  # of the heartbeat


@pytest.mark.parametrize("row", load("hixie")["refused"], ids=lambda row: str(row["name"]))
@pytest.mark.parametrize("name", ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"])
def test_a_key_that_hides_no_number_is_refused_and_the_session_goes_on(visitor: Peer, row: Any, name: str) -> None:
    key = [] if row["key1"] is None else [(name, text_of(row["key1"]))]
    others = [(field, value) for field, value in HIXIE_HANDSHAKE if field != name]
    decision = ask(visitor.engine, visitor.sid, [("Host", "localhost"), *others, *key])
    assert isinstance(decision, Refuse)
    assert decision.response.status == 400
    assert decision.detail.isprintable()
    visitor.switch("xhr-polling")
    assert visitor.take() == ["1::"]


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ((("Host", "localhost\x7f"),), "x"),
        ((("Host", "local host"),), "x"),
        ((("Host", "lokalhöst"),), "x"),
        ((), "x"),
        ((("Host", "localhost"), ("Origin", "http://page.example\r\nSet-Cookie: a=b")), "x"),
        ((("Host", "localhost"), ("Origin", "")), "x"),
        ((("Host", "localhost"),), "x\r\nSet-Cookie:a=b"),
        ((("Host", "localhost"),), "é"),
    ],
)
def test_what_could_not_be_repeated_is_refused(fields: tuple[tuple[str, str], ...], target: str) -> None:
    engine = make(cors_origins="*")
    sid = Peer(engine, generation=SOCKETIO_1, transport=None).sid
    request = Request("GET", f"/socket.io/1/flashsocket/{sid}?{target}", [*fields, *HIXIE_HANDSHAKE])
    decision = admit(engine, request)
    assert isinstance(decision, Refuse)
    assert decision.response.status == 400
    assert decision.detail.isprintable()
    assert not [name for name, _ in decision.response.headers if name.startswith("Sec-WebSocket")]


def test_pages_and_hosts_are_held_to_the_policy_as_with_the_standard() -> None:
    engine = make(cors_origins=PAGE, allowed_hosts="localhost")
    sid = Peer(engine, generation=SOCKETIO_1, transport=None).sid
    for host, origin, status in (
        ("localhost", PAGE, 101),
        ("localhost", "http://localhost", 101),
        ("localhost", "http://evil.example", 403),
        ("evil.example", "http://evil.example", 403),
    ):
        decision = ask(engine, sid, [("Host", host), ("Origin", origin), *HIXIE_HANDSHAKE])
        assert (decision.response.status if isinstance(decision, Refuse) else 101) == status


def test_an_unknown_session_is_refused_as_with_the_standard(visitor: Peer) -> None:
    decision = ask(visitor.engine, "gone", [("Host", "localhost"), *HIXIE_HANDSHAKE])
    assert isinstance(decision, Refuse)
    assert (decision.response.status, decision.response.body) == (400, b"7:::1+0")


def test_a_later_client_does_not_get_it(engine: Engine) -> None:
    fields = [("Host", "localhost"), *HIXIE_HANDSHAKE]
    decision = admit(engine, Request("GET", "/socket.io/?EIO=4&transport=websocket", fields))
    assert isinstance(decision, Refuse)
    assert decision.response.status == 426


# What never completes


@pytest.mark.parametrize("come", [b"", HIXIE_KEY3[:7]])
def test_what_does_not_complete_the_handshake_in_time_is_cut_and_the_session_goes_on(
    visitor: Peer, come: bytes
) -> None:
    link = Begun(visitor)
    link.transport.receive(come)
    advance(visitor.engine, 9.999)
    assert not link.finished
    advance(visitor.engine, 0.001)
    assert link.finished
    assert link.written == b""
    assert application(visitor.engine).heard == []
    visitor.switch("xhr-polling")
    assert visitor.take() == ["1::"]


def test_who_goes_during_the_handshake_leaves_no_deadline(visitor: Peer) -> None:
    link = Begun(visitor)
    assert len(visitor.engine.deadlines) == 2  # the other is of the session, which waits for a transport
    link.lose()
    assert len(visitor.engine.deadlines) == 1


@pytest.mark.parametrize("how", ["by a request", "by the server"])
def test_a_handshake_ends_with_its_session(visitor: Peer, how: str) -> None:
    link = Begun(visitor)
    if how == "by a request":
        visitor.ask("GET", f"//{visitor.sid}/?disconnect=1")
    else:
        closing = visitor.engine.close()
        visitor.engine.driver.advance(1)  # type: ignore[attr-defined]
        assert closing.done
    assert link.finished
    link.transport.receive(HIXIE_KEY3 + text_frame(b"3:::late"))
    assert application(visitor.engine).heard == []
    assert len(visitor.engine.deadlines) == 0


def test_a_handshake_whose_session_has_ended_before_it_goes_on_ends_at_once(visitor: Peer) -> None:
    request = visitor.request("GET", "flashsocket", HIXIE_HANDSHAKE)
    decision, link = visitor.admit(request), MemoryLink(visitor, "flashsocket")
    visitor.ask("GET", f"//{visitor.sid}/?disconnect=1")
    visitor.engine.connect(decision, request, link)
    assert link.finished
    assert len(visitor.engine.deadlines) == 0


def test_a_session_that_has_gone_on_elsewhere_keeps_what_it_has_until_the_handshake_is_complete(
    visitor: Peer,
) -> None:
    link = Begun(visitor)
    visitor.switch("xhr-polling")
    assert visitor.take() == ["1::"]
    application(visitor.engine).session.push(Prepared(b"3:::a"))
    assert visitor.take() == ["3:::a"]
    link.transport.receive(HIXIE_KEY3)
    application(visitor.engine).session.push(Prepared(b"3:::b"))
    assert link.written.endswith(text_frame(b"3:::b"))


# Frames, and the end


@pytest.mark.parametrize(
    "frame",
    [
        b"\x80\x05binar",
        b"\xff\x05",
        b"\x01text\xff",
        b"\x81\x85\x00\x00\x00\x00hello",
        b"\x00\x80\xff",
        b"\x00garbage\xff",
        b"\x003:::" + b"x" * 100,
        b"\x003:::" + b"x" * 100 + b"\xff",
    ],
)
def test_a_broken_frame_ends_its_session_and_no_other(frame: bytes) -> None:
    engine = make(max_payload_bytes=100)
    neighbour, peer = (Peer(engine, generation=SOCKETIO_1, transport="hixie") for _ in range(2))
    peer.carrier.transport.receive(text_frame(b"3:::first") + frame + text_frame(b"3:::behind"))  # type: ignore[union-attr]
    assert peer.closed == 0
    assert application(engine).words() == ["first"]
    assert application(engine).closed == [Reason.PARSE_ERROR]
    neighbour.say("still here")
    assert application(engine).words() == ["first", "still here"]


def test_the_closing_frame_of_the_client_is_answered_and_its_session_waits_for_the_next_transport(
    engine: Engine,
) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="hixie")
    peer.carrier.transport.receive(CLOSING + text_frame(b"3:::behind"))  # type: ignore[union-attr]
    assert peer.closed == 0
    assert application(engine).words() == application(engine).closed == []
    application(engine).session.push(Prepared(b"3:::meanwhile"))
    peer.take()
    peer.switch("websocket")
    assert peer.take() == ["3:::meanwhile"]


def test_heartbeats_are_those_of_all_websockets(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="hixie")
    peer.take()
    advance(engine, 25)
    assert peer.take() == ["2::"]
    peer.beat()
    advance(engine, 25)
    assert peer.take() == ["2::"]
    advance(engine, 20)
    assert peer.closed == 0
    assert application(engine).closed == [Reason.PING_TIMEOUT]


def test_a_message_for_all_is_framed_for_each_in_its_way(engine: Engine) -> None:
    flash = Peer(engine, generation=SOCKETIO_1, transport="hixie")
    standard = Peer(engine, generation=SOCKETIO_1, transport="websocket")
    prepared = Prepared(b"3:::all")
    for session in application(engine).sessions:
        session.push(prepared)
    assert [flash.take()[-1], standard.take()[-1]] == ["3:::all", "3:::all"]
    assert prepared.frames is not None
    assert prepared.frames.startswith(b"\x81")


def test_of_what_lies_in_the_link_what_has_left_it_does_not_come_again(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="hixie")
    peer.take()
    link = peer.carrier
    assert isinstance(link, HixieCarrier)
    link.held = True
    for word in (b"first", b"second", b"third"):
        application(engine).session.push(Prepared(b"3:::" + word))
    link._leave(link._waiting.pop(0))
    assert peer.take() == ["3:::first"]
    peer.lose()
    peer.switch("websocket")
    assert peer.take() == ["3:::second", "3:::third"]
