"""The application hears of a client before its handshake is answered, and may refuse it with a status."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.applications import Packets, Recorder, TurningClock, link_of
from waterspout import HandshakeRefused
from waterspout.engine import Engine, Policy, Prepared, Refuse, Session
from waterspout.testing import Clock, MemoryExchange, Peer, Refused, admit
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_3, SOCKETIO_1, Generation

Opening = Callable[[Session], object]
STREAMING = ("websocket", "flashsocket", "htmlfile", "xhr-multipart")
OLD = (*STREAMING, "xhr-polling", "jsonp-polling")


class Porter(Recorder):
    """An application of bare Engine.IO that does something with each client that comes."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.opening = opening

    def open(self, session: Session, request: Request) -> None:
        super().open(session, request)
        self.opening(session)


class OldPorter(Packets):
    """The same, of Socket.IO."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.opening = opening

    def open(self, session: Session, request: Request) -> None:
        super().open(session, request)
        self.opening(session)


def refuse(session: Session) -> None:
    session.send("never heard")
    raise HandshakeRefused(401, "who are you?", [("WWW-Authenticate", "Basic")])


def farewell(session: Session) -> None:
    session.send("sorry")
    session.close()


def welcome(session: Session) -> None:
    session.send("a")
    session.send(b"b")


def overburden(session: Session) -> None:
    for _ in range(1000):
        session.begin_call()


def closed_and_refused(session: Session) -> None:
    session.close()
    refuse(session)


def make(opening: Opening, clock: Clock | None = None) -> Engine:
    return Engine(Porter(opening), driver=clock or Clock())


def make_old(opening: Opening, **policy: Any) -> Engine:
    options = {"generations": (SOCKETIO_1,), **policy}
    return Engine(OldPorter(opening), driver=Clock(), path="/socket.io", policy=Policy(**options))


def nothing_is_left(engine: Engine) -> bool:
    return not engine.sessions and len(engine.deadlines) == 0


# Engine.IO 3 and 4


@pytest.mark.parametrize("opening", [refuse, closed_and_refused])
def test_a_refused_client_gets_the_status_and_leaves_nothing(
    opening: Opening, generation: Generation, transport: str
) -> None:
    engine = make(opening)
    with pytest.raises(Refused) as caught:
        Peer(engine, generation=generation, transport=transport)
    response = caught.value.response
    assert response.status == 401
    assert response.body == b'{"code":4,"message":"Forbidden","detail":"who are you?"}'
    assert ("WWW-Authenticate", "Basic") in response.headers
    assert nothing_is_left(engine)
    assert (engine.traffic.refused, engine.traffic.opened, engine.traffic.closed) == (1, 0, {})
    assert engine.application.closed == []  # type: ignore[union-attr]


def test_a_refusal_of_jsonp_has_its_status_which_a_script_element_sees() -> None:
    peer_fields = [("Referer", "http://localhost/")]
    with pytest.raises(Refused) as caught:
        Peer(make(refuse), generation=ENGINEIO_3, transport="polling", query="j=0", headers=peer_fields)
    assert caught.value.response.status == 401


def test_a_refusal_carries_the_headers_that_let_a_page_read_it() -> None:
    engine = Engine(Porter(refuse), driver=Clock(), policy=Policy(cors_origins="http://page.example"))
    with pytest.raises(Refused) as caught:
        Peer(engine, transport="polling", headers=[("Origin", "http://page.example")])
    assert ("Access-Control-Allow-Origin", "http://page.example") in caught.value.response.headers


def test_what_is_said_at_the_opening_comes_behind_the_open_packet(generation: Generation, transport: str) -> None:
    peer = Peer(make(welcome), generation=generation, transport=transport)
    first, *rest = peer.take()
    assert str(first)[0] == "0"
    assert rest == ["4a", b"b"]


def handshake() -> list[tuple[str, str]]:
    return [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]


def knock(engine: Engine, generation: Generation) -> Any:
    """Ask for a WebSocket; return what was decided."""
    target = f"/engine.io/?EIO={generation.revision}&transport=websocket"
    request = Request("GET", target, [("Host", "localhost"), *handshake()])
    return request, admit(engine, request)


def test_the_application_is_asked_before_a_websocket_is_greeted(generation: Generation) -> None:
    engine = make(welcome)
    _, decision = knock(engine, generation)
    assert decision.greeting.key == "dGhlIHNhbXBsZSBub25jZQ=="
    assert len(engine.application.sessions) == len(engine.sessions) == 1  # type: ignore[union-attr]


def test_a_client_that_goes_before_it_is_greeted_has_been_there(generation: Generation) -> None:
    engine = make(welcome)
    _, decision = knock(engine, generation)
    engine.abort(decision)
    assert engine.application.closed == [Reason.TRANSPORT_CLOSE]  # type: ignore[union-attr]
    assert nothing_is_left(engine)
    engine.abort(decision)
    assert engine.application.closed == [Reason.TRANSPORT_CLOSE]  # type: ignore[union-attr]


class Unanswerable(MemoryExchange):
    """An exchange whose answer cannot be written."""

    def respond(self, response: Any, written: object = None) -> None: ...


def test_a_handshake_that_could_not_be_answered_leaves_no_session(generation: Generation) -> None:
    engine = make(welcome)
    request = Request("GET", f"/engine.io/?EIO={generation.revision}&transport=polling", [("Host", "localhost")])
    decision: Any = admit(engine, request)
    engine.respond(decision, Unanswerable(request))
    assert len(engine.sessions) == 1
    for _ in range(2):
        engine.abort(decision)
        assert engine.application.closed == [Reason.TRANSPORT_CLOSE]  # type: ignore[union-attr]
        assert nothing_is_left(engine)


def test_a_handshake_of_0_9_that_could_not_be_answered_leaves_none_either() -> None:
    application = OldPorter(lambda session: None)
    engine = Engine(application, path="/socket.io", policy=Policy(generations=(SOCKETIO_1,)))
    engine.bind(Clock())
    request = Request("GET", "/socket.io/1/", [("Host", "localhost")])
    decision: Any = admit(engine, request)
    engine.respond(decision, Unanswerable(request))
    assert len(engine.sessions) == 1
    for _ in range(2):
        engine.abort(decision)
        assert application.closed == [Reason.TRANSPORT_CLOSE]
        assert nothing_is_left(engine)


def test_a_websocket_that_is_given_up_before_its_upgrade_leaves_the_polling_alone(generation: Generation) -> None:
    engine = make(lambda session: None)
    peer = Peer(engine, generation=generation, transport="polling")
    decision = admit(engine, peer.request(transport="websocket", headers=handshake()))
    engine.abort(decision)  # type: ignore[arg-type]
    engine.application.session.send("on")  # type: ignore[union-attr]
    assert peer.take()[1:] == ["4on"]


def test_an_application_may_close_at_the_opening_and_the_client_hears_its_last_words(
    generation: Generation, transport: str
) -> None:
    engine = make(farewell)
    peer = Peer(engine, generation=generation, transport=transport)
    assert peer.take()[1] == "4sorry"
    assert peer.closed is not None
    assert engine.application.closed == [Reason.FORCED_CLOSE]  # type: ignore[union-attr]
    assert nothing_is_left(engine)


def test_the_turn_may_end_between_the_101_and_the_link(generation: Generation) -> None:
    clock = TurningClock()
    engine = make(farewell, clock)
    request, decision = knock(engine, generation)
    clock.turn()
    assert engine.application.closed == [Reason.FORCED_CLOSE]  # type: ignore[union-attr]
    link = Kept()
    engine.connect(decision, request, link)
    assert b"4sorry" in link.data
    assert link.data.endswith(b"\x88\x02\x03\xe8")
    clock.turn()
    assert nothing_is_left(engine)


def test_a_session_that_ended_between_the_101_and_the_link_is_closed(generation: Generation) -> None:
    engine = make(lambda session: None)
    request, decision = knock(engine, generation)
    engine.application.session.drop(Reason.SHUTDOWN)  # type: ignore[union-attr]
    link = Kept()
    engine.connect(decision, request, link).receive(b"")
    assert link.data == b"\x88\x02\x03\xe8"
    assert nothing_is_left(engine)


class Kept:
    """A link that keeps what is written."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> bool:
        self.data += data
        return True

    def finish(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


def test_a_client_that_is_read_no_further_at_the_opening_is_not_read_on_its_websocket(generation: Generation) -> None:
    engine = make(overburden)
    peer = Peer(engine, generation=generation)
    assert link_of(peer).paused
    peer.send("4later")
    assert engine.application.heard == []  # type: ignore[union-attr]
    engine.application.session.end_call()  # type: ignore[union-attr]
    assert engine.application.heard == ["later"]  # type: ignore[union-attr]


# Socket.IO 0.7 to 0.9


def greet(session: Session) -> None:
    session.push(Prepared(b"3:::welcome"))


@pytest.mark.parametrize("transport", OLD)
def test_what_an_application_says_at_the_handshake_goes_over_the_first_transport(transport: str) -> None:
    engine = make_old(greet)
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    assert len(engine.application.sessions) == 1  # type: ignore[union-attr]
    engine.application.session.push(Prepared(b"3:::and more"))  # type: ignore[union-attr]
    peer.switch(transport)
    assert peer.take() == ["3:::welcome", "3:::and more", "1::"]  # the application's answer to the client's Connect
    assert len(engine.application.sessions) == 1  # type: ignore[union-attr]


def test_a_handshake_that_nobody_comes_to_ends_and_the_application_hears_it() -> None:
    engine = make_old(greet)
    Peer(engine, generation=SOCKETIO_1, transport=None)
    engine.driver.advance(30.1)  # type: ignore[attr-defined]
    assert engine.application.closed == [Reason.TRANSPORT_CLOSE]  # type: ignore[union-attr]
    assert nothing_is_left(engine)


@pytest.mark.parametrize("opening", [refuse, closed_and_refused])
def test_a_refused_handshake_has_the_status_and_leaves_nothing(opening: Opening) -> None:
    engine = make_old(opening)
    with pytest.raises(Refused) as caught:
        Peer(engine, generation=SOCKETIO_1)
    response = caught.value.response
    assert (response.status, response.body) == (401, b"who are you?")
    assert ("WWW-Authenticate", "Basic") in response.headers
    assert ("Content-Type", "text/plain; charset=UTF-8") in response.headers
    assert nothing_is_left(engine)
    assert (engine.traffic.refused, engine.traffic.opened, engine.traffic.closed) == (1, 0, {})
    assert engine.application.closed == []  # type: ignore[union-attr]


def test_a_refused_script_hears_an_error_because_it_sees_no_status() -> None:
    engine = make_old(refuse)
    fields = [("Host", "localhost"), ("Referer", "http://localhost/")]
    refusal = admit(engine, Request("GET", "/socket.io/1/?jsonp=3", fields))
    assert isinstance(refusal, Refuse)
    assert refusal.response.status == 200
    assert refusal.response.body == b'/**/io.j[3](new Error("who are you?"));'
    assert nothing_is_left(engine)


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_a_session_that_was_closed_at_its_handshake_is_drained_by_the_first_poll(transport: str) -> None:
    def leave(session: Session) -> None:
        session.push(Prepared(b"0::"))
        session.close()

    engine = make_old(leave)
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    assert peer.take() == ["0::"]
    assert engine.application.closed == [Reason.FORCED_CLOSE]  # type: ignore[union-attr]
    assert nothing_is_left(engine)


# What can be said


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "Unauthorized"), (402, "Payment Required"), (503, "Service Unavailable"), (499, "Refused")],
)
def test_a_refusal_without_a_text_has_that_of_its_status(status: int, text: str) -> None:
    assert HandshakeRefused(status).text == str(HandshakeRefused(status)) == text


@pytest.mark.parametrize("status", [0, 101, 200, 205, 600, -1, "401", None])
def test_a_refusal_has_a_status_that_refuses(status: Any) -> None:
    with pytest.raises(ValueError, match="refuse with one of 300 to 599"):
        HandshakeRefused(status)


@pytest.mark.parametrize(
    "field", [("a b", ""), ("", "x"), ("X:", "y"), ("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "\u20ac")]
)
def test_a_refusal_has_header_fields_of_one_line(field: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="is no header field"):
        HandshakeRefused(401, "", [field])
