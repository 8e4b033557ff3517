"""What the requests of Socket.IO 0.7 to 0.9 mean, what is answered, and what is refused (docs/protocol-1.md)."""

import re

import pytest

from engine.applications import make
from waterspout.engine import Cookie, Engine, OldRequest, Protocol1Policy, Upgrade
from waterspout.engine.http.refusals import Refuse
from waterspout.testing import Clock, MemoryExchange, Peer, PollingCarrier, Refused, admit
from waterspout.testing.links import HANDSHAKE, MemoryLink
from waterspout.types import Reason, Request
from waterspout.wire.generations import ENGINEIO_4, SOCKETIO_1
from waterspout.wire.packets import Message

TRANSPORTS = ("websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart")
OVER = b"7:::1+0"
PAGE = "http://page.example"


@pytest.fixture
def engine() -> Engine:
    return make()


# The handshake


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("below", ["", "/", "/?t=123", "?t=123"])
def test_a_handshake_says_id_timeouts_and_transports(visitor: Peer, method: str, below: str) -> None:
    answer = visitor.ask(method, below)
    assert answer.status == 200
    assert dict(answer.headers)["Content-Type"] == "text/plain; charset=UTF-8"
    sid, heartbeat, close, transports = answer.body.decode().split(":")
    assert re.fullmatch("[A-Za-z0-9_-]+", sid)
    assert (heartbeat, close) == ("45", "45")
    assert transports == "websocket,htmlfile,xhr-polling,jsonp-polling"


def test_a_client_is_told_to_be_patient_for_as_long_as_anything_may_be_silent() -> None:
    peer = Peer(
        make(ping_interval=50, ping_timeout=20, protocol1=Protocol1Policy(resume_timeout=10)),
        generation=SOCKETIO_1,
        transport=None,
    )
    assert peer.handshake.split(":")[1:3] == ["70", "70"]
    peer = Peer(
        make(ping_interval=5, ping_timeout=5, protocol1=Protocol1Policy(resume_timeout=90)),
        generation=SOCKETIO_1,
        transport=None,
    )
    assert peer.handshake.split(":")[1:3] == ["10", "90"]


@pytest.mark.parametrize(
    ("transports", "offered"),
    [
        (("websocket",), "websocket"),
        (("polling",), "htmlfile,xhr-polling,jsonp-polling"),
        (("xhr-polling",), "xhr-polling"),
        (("websocket", "flashsocket"), "websocket,flashsocket"),
        (("polling", "xhr-multipart"), "htmlfile,xhr-polling,jsonp-polling,xhr-multipart"),
    ],
)
def test_a_handshake_offers_what_the_policy_has(transports: tuple[str, ...], offered: str) -> None:
    peer = Peer(make(transports=transports), generation=SOCKETIO_1, transport=None)
    assert peer.handshake.split(":")[3] == offered


def test_a_handshake_for_a_script_is_a_script(visitor: Peer) -> None:
    answer = visitor.ask("GET", "/?t=1&jsonp=7")
    assert re.fullmatch(rb'/\*\*/io\.j\[7\]\("[\w-]+:45:45:[\w,-]+"\);', answer.body)
    fields = dict(answer.headers)
    assert fields["Content-Type"] == "application/javascript; charset=UTF-8"
    assert fields["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("index", ["alert(1)", "", "-1", "1;alert(1)", "9999999999", "\u0661", "1%0a"])
def test_what_is_no_index_of_a_callback_is_refused_and_not_repeated(visitor: Peer, index: str) -> None:
    for below in (f"/?jsonp={index}", f"/jsonp-polling/{visitor.sid}?i={index}", f"/jsonp-polling/x?i={index}"):
        answer = visitor.ask("GET", below)
        assert answer.status == 400
        assert b"alert" not in answer.body
        assert ("Content-Type", "text/plain; charset=UTF-8") in answer.headers


def test_a_users_own_parameters_of_these_names_are_nobodys_business(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling", query="i=mine")
    assert peer.take() == ["1::"]
    assert peer.ask("GET", f"/xhr-polling/{peer.sid}?jsonp=mine&disconnect").status == 200


def test_a_parameter_without_a_name_is_no_index_of_a_callback(visitor: Peer) -> None:
    answer = visitor.ask("GET", f"/xhr-polling/{visitor.sid}?=mine")
    assert (answer.status, answer.body) == (200, b"1::")


@pytest.mark.parametrize("fields", [(), (("Referer", "http://evil.example/"),), (("Sec-Fetch-Site", "cross-site"),)])
def test_a_script_of_a_foreign_page_is_refused_in_its_own_words(engine: Engine, fields: tuple[tuple[str, str]]) -> None:
    request = Request("GET", "/socket.io/1/?jsonp=0", [("Host", "localhost"), *fields])
    answer = admit(engine, request).response  # type: ignore[union-attr]
    assert (answer.status, answer.body[:24]) == (200, b'/**/io.j[0](new Error("o')
    assert not engine.sessions


def test_jsonp_can_be_off() -> None:
    peer = Peer(make(jsonp=False), generation=SOCKETIO_1, transport=None)
    assert peer.handshake.split(":")[3] == "websocket,htmlfile,xhr-polling"
    assert b"new Error" in peer.ask("GET", "/?jsonp=0").body
    assert peer.ask("GET", f"/jsonp-polling/{peer.sid}?i=0").status == 403


@pytest.mark.parametrize("below", ["/socket.io/2/", "/socket.io/0", "/socket.io/11/", "/socket.io/1x/websocket/y"])
def test_another_version_is_refused(engine: Engine, below: str) -> None:
    answer = admit(engine, Request("GET", below, [("Host", "localhost")])).response  # type: ignore[union-attr]
    assert (answer.status, answer.body) == (503, b"Protocol version not supported.")


def test_an_engine_without_this_generation_says_so() -> None:
    engine = make(generations=(ENGINEIO_4,))
    with pytest.raises(Refused, match="400 this server does not speak"):
        Peer(engine, generation=SOCKETIO_1)


def test_a_request_of_engineio_for_a_session_of_this_generation_is_refused_and_does_it_no_harm() -> None:
    """Heartbeats are counted here, and have no limit in time."""
    engine = make(generations=(ENGINEIO_4, SOCKETIO_1))
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    target = f"/socket.io/?EIO=4&transport=polling&sid={peer.sid}"
    decision = admit(engine, Request("GET", target, [("Host", "localhost")]))
    assert isinstance(decision, Refuse)
    assert "the session speaks Socket.IO 1" in decision.detail
    assert list(engine.sessions) == [peer.sid]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "post"])
def test_other_methods_are_refused_everywhere(visitor: Peer, method: str) -> None:
    for below in ("/", f"/xhr-polling/{visitor.sid}", f"/websocket/{visitor.sid}"):
        answer = visitor.ask(method, below)
        assert answer.status == 405
        assert ("Allow", "GET, POST, OPTIONS") in answer.headers


@pytest.mark.parametrize("below", ["/websocket", "/websocket/", "/a/b/c", "/xhr-polling/x/y/z"])
def test_there_is_nothing_at_other_paths(visitor: Peer, below: str) -> None:
    assert visitor.ask("GET", below).status == 404


def test_ten_thousand_handshakes_that_never_connect_are_collected(engine: Engine) -> None:
    clock = engine.driver
    assert isinstance(clock, Clock)
    sids = {Peer(engine, generation=SOCKETIO_1, transport=None).sid for _ in range(10_000)}
    assert len(sids) == len(engine.sessions) == 10_000
    clock.advance(30.1)
    assert not engine.sessions
    clock.advance(1.1)  # the log says how much it has left out
    assert len(engine.deadlines) == 0
    assert engine.traffic.closed == {Reason.TRANSPORT_CLOSE: 10_000}
    assert len(engine.application.sessions) == len(engine.application.closed) == 10_000  # type: ignore[union-attr]


def test_no_cookie_is_set(engine: Engine) -> None:
    answer = Peer(make(cookie=Cookie()), generation=SOCKETIO_1, transport=None).ask("GET", "/")
    assert "Set-Cookie" not in dict(answer.headers)


# Origins


def test_a_listed_origin_may_send_credentials_because_these_clients_do() -> None:
    peer = Peer(make(cors_origins=PAGE), generation=SOCKETIO_1, transport="xhr-polling", headers=[("Origin", PAGE)])
    assert isinstance(peer.carrier, PollingCarrier)
    posted = peer.ask("POST", f"/xhr-polling/{peer.sid}", b"3:::hi")
    for answer in (peer.ask("GET", "/"), peer.carrier.responses[0], posted, peer.ask("OPTIONS", "/")):
        fields = dict(answer.headers)
        assert fields["Access-Control-Allow-Origin"] == PAGE
        assert fields["Access-Control-Allow-Credentials"] == "true"
        assert fields["Vary"] == "Origin"


def test_everybody_may_come_but_without_credentials() -> None:
    peer = Peer(make(cors_origins="*"), generation=SOCKETIO_1, transport=None, headers=[("Origin", PAGE)])
    fields = dict(peer.ask("GET", "/").headers)
    assert fields["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in fields


def test_the_modern_clients_of_the_same_server_get_no_credentials_by_that() -> None:
    peer = Peer(make(cors_origins=PAGE), transport="polling", headers=[("Origin", PAGE)])
    assert "Access-Control-Allow-Credentials" not in dict(peer.carrier.responses[0].headers)  # type: ignore[union-attr]


@pytest.mark.parametrize("below", ["/", "/xhr-polling/x", "/websocket/x", "/x/y/z"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_origin_that_is_not_listed_is_refused_and_not_repeated(engine: Engine, method: str, below: str) -> None:
    request = Request(method, f"/socket.io/1{below}", [("Host", "localhost"), ("Origin", "http://evil.example")])
    answer = admit(engine, request).response  # type: ignore[union-attr]
    assert (answer.status, answer.body) == (403, b"handshake bad origin")
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert ("Vary", "Origin") in answer.headers


@pytest.mark.parametrize("path", ["/socket.io/1/", "/socket.io/1/?jsonp=0", "/socket.io/"])
def test_the_log_names_the_origin_that_is_not_listed_whatever_its_client_hears(engine: Engine, path: str) -> None:
    refusal = admit(engine, Request("GET", path, [("Host", "localhost"), ("Origin", "http://evil.example/\x1b" * 9)]))
    assert isinstance(refusal, Refuse)
    shown = ascii(("http://evil.example/\x1b" * 9)[:80])
    assert refusal.detail.startswith(
        f"Origin {shown}... is not allowed for the host 'localhost': add it to cors_origins"
    )


def test_the_host_without_a_scheme_is_the_origin_of_no_page(engine: Engine) -> None:
    assert Peer(engine, generation=SOCKETIO_1, headers=[("Origin", "localhost")]).take() == ["1::"]
    with pytest.raises(Refused, match="403"):
        Peer(engine, generation=SOCKETIO_1, headers=[("Origin", "localhost:81")])


def test_a_preflight_is_answered() -> None:
    peer = Peer(make(cors_origins=PAGE), generation=SOCKETIO_1, transport=None, headers=[("Origin", PAGE)])
    answer = peer.ask("OPTIONS", f"/xhr-polling/{peer.sid}")
    assert answer.status == 204
    assert dict(answer.headers)["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert "Access-Control-Max-Age" in dict(answer.headers)


# Sessions and transports


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_transport_begins_with_the_connect_packet(engine: Engine, transport: str, slash: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    peer.sid += slash
    peer.switch(transport)
    assert peer.take() == ["1::"]
    assert engine.application.session.transport.name == transport  # type: ignore[union-attr]


@pytest.mark.parametrize("transport", ["webtransport", "polling", "__class__", "close", "XHR-POLLING", "none", "%00"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_transport_is_refused_and_the_session_goes_on(engine: Engine, method: str, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    answer = peer.ask(method, f"/{transport}/{peer.sid}")
    assert (answer.status, answer.body) == (404, b"7:::0")
    peer.switch("xhr-polling")
    assert peer.take() == ["1::"]


@pytest.mark.parametrize("transport", ["websocket", "flashsocket", "jsonp-polling", "htmlfile", "xhr-multipart"])
def test_a_transport_that_is_not_enabled_is_refused(transport: str) -> None:
    peer = Peer(make(transports=("xhr-polling",)), generation=SOCKETIO_1, transport=None)
    assert peer.ask("GET", f"/{transport}/{peer.sid}?i=1").status == 404
    peer.switch("xhr-polling")
    assert peer.take() == ["1::"]


@pytest.mark.parametrize("below", ["/", "", "/socket.io.js", "/static/flashsocket/WebSocketMain.swf", "/favicon.ico"])
def test_no_client_is_served_and_asking_for_one_is_an_ordinary_refusal(engine: Engine, below: str) -> None:
    answer = admit(engine, Request("GET", f"/socket.io{below}", [("Host", "localhost")])).response  # type: ignore[union-attr]
    assert (answer.status, b'"code":0' in answer.body) == (400, True)


def test_a_name_of_the_old_clients_is_no_transport_of_the_modern_ones() -> None:
    engine = make(transports=("xhr-polling",))
    request = Request("GET", "/socket.io/?EIO=4&transport=xhr-polling", [("Host", "localhost")])
    answer = admit(engine, request).response  # type: ignore[union-attr]
    assert (answer.status, b'"code":0' in answer.body) == (400, True)


@pytest.mark.parametrize("sid", ["x", "a" * 5000, "__class__", "%2e%2e", "token-0000000000000099"])
def test_an_unknown_session_is_told_to_begin_again_in_the_words_of_its_transport(engine: Engine, sid: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    for method in ("GET", "POST"):
        answer = peer.ask(method, f"/xhr-polling/{sid}")
        assert (answer.status, answer.body) == (200, OVER)
    assert peer.ask("GET", f"/jsonp-polling/{sid}?i=3").body == b'/**/io.j[3]("7:::1+0");'
    page = peer.ask("GET", f"/htmlfile/{sid}")
    assert page.body.startswith(b"<html>")
    assert page.body.endswith(b'<script>_("7:::1+0");</script>')
    assert ("Content-Type", "text/html; charset=UTF-8") in page.headers
    assert b"\r\n\r\n7:::1+0\r\n--socketio" in peer.ask("GET", f"/xhr-multipart/{sid}").body
    for name in ("websocket", "flashsocket"):
        assert (peer.ask("GET", f"/{name}/{sid}").status, peer.ask("GET", f"/{name}/{sid}").body) == (400, OVER)


@pytest.mark.parametrize("below", ["/xhr-polling/gone", "/jsonp-polling/gone?i=3"])
def test_who_asks_on_and_on_for_an_unknown_session_has_a_status_for_an_answer(engine: Engine, below: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    assert [peer.ask("GET", below).status for _ in range(9)] == [200] * 3 + [404] * 6
    assert peer.ask("GET", below).body == b""
    assert [peer.ask("POST", below, b"").status for _ in range(9)] == [200] * 9
    assert [peer.ask("GET", "/xhr-polling/gone?disconnect").status for _ in range(9)] == [200] * 9
    assert peer.ask("GET", below.replace("gone", "another")).status == 200


def test_what_is_kept_of_those_that_ask_on_is_bounded(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    for number in range(3000):
        assert peer.ask("GET", f"/xhr-polling/{number}").status == 200
    assert len(engine._told._times) == 1000


def test_a_session_of_the_modern_clients_is_none_here_and_the_other_way_round(engine: Engine) -> None:
    modern, old = Peer(engine, transport="polling"), Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    assert old.ask("GET", f"/xhr-polling/{modern.sid}").body == OVER
    request = Request("GET", f"/socket.io/?EIO=4&transport=polling&sid={old.sid}", [("Host", "localhost")])
    assert admit(engine, request).response.status == 400  # type: ignore[union-attr]
    assert len(engine.sessions) == 2


@pytest.mark.parametrize("transport", ["websocket", "flashsocket"])
def test_a_websocket_needs_its_handshake(visitor: Peer, transport: str) -> None:
    assert visitor.ask("GET", f"/{transport}/{visitor.sid}").status == 400
    for version in ("", "6", "9", "14", "13, 8", "08"):
        fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", version)]
        answer = visitor.ask("GET", f"/{transport}/{visitor.sid}", headers=fields)
        assert answer.status == 426
        assert ("Sec-WebSocket-Version", "13, 8, 7") in answer.headers


@pytest.mark.parametrize("name", ["Origin", "Sec-WebSocket-Origin"])
@pytest.mark.parametrize(("version", "reads"), [("7", True), ("8", True), (" 8\t", True), ("13", False)])
def test_a_draft_has_its_origin_in_a_field_of_another_name(version: str, reads: bool, name: str) -> None:
    engine = make(cors_origins=PAGE)
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    fields = [(field, version if field == "Sec-WebSocket-Version" else value) for field, value in HANDSHAKE]
    for origin in (PAGE, "http://localhost", "http://evil.example"):
        decision = admit(engine, peer.request("GET", "websocket", [*fields, (name, origin)]))
        if origin == "http://evil.example" and (reads or name == "Origin"):
            assert isinstance(decision, Refuse)
            assert (decision.response.status, decision.response.body) == (403, b"handshake bad origin")
            assert "Origin 'http://evil.example' is not allowed" in decision.detail
        else:
            assert isinstance(decision, OldRequest)
            assert isinstance(decision.greeting, Upgrade)
            assert decision.greeting.key == dict(HANDSHAKE)["Sec-WebSocket-Key"]


def test_a_draft_is_spoken_with_the_oldest_clients_only(engine: Engine) -> None:
    for version, status in (("7", 426), ("8", 426), ("13", None)):
        fields = [(name, version if name == "Sec-WebSocket-Version" else value) for name, value in HANDSHAKE]
        decision = admit(engine, Request("GET", "/socket.io/?EIO=4&transport=websocket", [("Host", "x"), *fields]))
        assert (decision.response.status if isinstance(decision, Refuse) else None) == status


def test_a_callback_without_a_number_is_number_0(visitor: Peer) -> None:
    answer = visitor.ask("GET", f"/jsonp-polling/{visitor.sid}")
    assert (answer.status, answer.body) == (200, b'/**/io.j[0]("1::");')
    assert visitor.ask("GET", "/jsonp-polling/gone").body == b'/**/io.j[0]("7:::1+0");'


@pytest.mark.parametrize("below", ["/jsonp-polling/{}", "/jsonp-polling/{}?i=0"])
def test_a_script_of_a_foreign_page_gets_nothing_with_a_number_or_without(engine: Engine, below: str) -> None:
    sid = Peer(engine, generation=SOCKETIO_1, transport=None).sid
    request = Request("GET", f"/socket.io/1{below.format(sid)}", [("Host", "localhost"), ("Referer", "http://evil/")])
    answer = admit(engine, request).response  # type: ignore[union-attr]
    assert answer.status == 403
    assert Peer(engine, generation=SOCKETIO_1, transport=None).ask("GET", f"/xhr-polling/{sid}").body == b"1::"


@pytest.mark.parametrize("origins", [None, "*", PAGE])
@pytest.mark.parametrize("below", ["/?jsonp=1", "/jsonp-polling/{}?i=1", "/jsonp-polling/{}", "/xhr-polling/{}", "/"])
def test_who_says_no_origin_gets_no_fields_of_cors(origins: str | None, below: str) -> None:
    peer = Peer(make(cors_origins=origins), generation=SOCKETIO_1, transport=None)
    answer = peer.ask("GET", below.format(peer.sid))
    assert answer.status == 200
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


# Leaving by a request


@pytest.mark.parametrize("below", ["/xhr-polling/{}?disconnect", "/websocket/{}/?disconnect=1", "//{}/?disconnect=1",
                                   "/xhr-polling/{}?t=1&disconnect=1&x=y", "/anything/{}/?a&disconnect"])  # fmt: skip
@pytest.mark.parametrize("transport", [*TRANSPORTS, None])
def test_a_request_may_end_the_session(engine: Engine, transport: str | None, below: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=transport)
    answer = peer.ask("GET", below.format(peer.sid))
    assert (answer.status, answer.body) == (200, b"")
    assert not engine.sessions
    assert engine.application.closed == [Reason.CLIENT_DISCONNECT]  # type: ignore[union-attr]
    assert peer.ask("GET", below.format(peer.sid)).body == b""
    assert peer.ask("GET", f"/xhr-polling/{peer.sid}").body == OVER


# POST


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart"])
def test_a_post_may_be_the_first_request_and_is_not_lost(engine: Engine, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    body = b"d=%223%3A%3A%3Afirst%22" if transport == "jsonp-polling" else b"3:::first"
    assert peer.ask("POST", f"/{transport}/{peer.sid}?i=0", body).body == b"1"
    assert engine.application.words() == ["first"]  # type: ignore[union-attr]
    peer.switch(transport)
    assert peer.take() == ["1::"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"3:::a\nb", ["a\nb"]),
        ("\ufffd5\ufffd3:::5\ufffd7\ufffd3:::53d".encode(), ["5", "53d"]),
        ("\ufffd7\ufffd3:::😀1\ufffd5\ufffd3:::x".encode(), ["😀1", "x"]),
        (b"data=3:::ie", ["ie"]),
        (b"", []),
    ],
)
def test_a_post_brings_packets(engine: Engine, body: bytes, words: list[str]) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    answer = peer.ask("POST", f"/xhr-polling/{peer.sid}", body)
    assert (answer.status, answer.body) == (200, b"1")
    assert engine.application.words() == words  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body",
    [b"<script>alert(1)</script>", b"9::", b"\xff\xfe", "\ufffd99\ufffd3:::x".encode(), "\ufffd-1\ufffd".encode(),
     "\ufffd\ufffd3:::x".encode(), b"5:::{", b'5:::{"name":[1]}', b"6:::x", b"3:x::y", b"4:::"],
)  # fmt: skip
@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_a_broken_payload_ends_the_session_and_is_not_repeated(engine: Engine, transport: str, body: bytes) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    if transport == "jsonp-polling":
        body = b"d=" + b"".join(b"%%%02X" % byte for byte in body)
    answer = peer.ask("POST", f"/{transport}/{peer.sid}?i=0", body)
    assert (answer.status, answer.body) == (400, b"this is no payload of Socket.IO 0.7 to 0.9")
    assert engine.application.closed == [Reason.PARSE_ERROR]  # type: ignore[union-attr]
    assert not engine.sessions
    assert len(engine.deadlines) == 0


def test_too_many_packets_in_a_post_end_the_session() -> None:
    engine = make(max_packets=3)
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    peer.send("3:::1", "3:::2", "3:::3")
    with pytest.raises(Refused, match="400"):
        peer.send("3:::1", "3:::2", "3:::3", "3:::4")
    assert not engine.sessions


def test_a_body_over_the_limit_is_refused_and_the_session_knows_nothing_of_it(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport="xhr-polling")
    decision = peer.admit(peer.request("POST"))
    assert engine.refuse_body(decision).status == 413
    peer.say("still here")
    assert engine.application.words() == ["still here"]  # type: ignore[union-attr]


# What ended while its body came


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_whose_session_has_ended_meanwhile_is_told_so(engine: Engine, method: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    exchange = MemoryExchange(peer.request(method, "xhr-polling"))
    decision = peer.admit(exchange.request)
    peer.ask("GET", f"//{peer.sid}/?disconnect=1")
    engine.respond(decision, exchange, b"3:::late")
    assert exchange.response is not None
    assert exchange.response.body == OVER
    assert len(engine.deadlines) == 0
    assert engine.application.heard == []  # type: ignore[union-attr]


@pytest.mark.parametrize("transport", ["websocket", "htmlfile"])
def test_a_transport_whose_session_has_ended_meanwhile_ends(engine: Engine, transport: str) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    stream = MemoryLink(peer, transport)
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
    key = [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    request = peer.request("GET", transport, [*fields, *key])
    decision = peer.admit(request)
    peer.ask("GET", f"//{peer.sid}/?disconnect=1")
    written: list[bytes] = []
    stream.arrive = written.append  # type: ignore[method-assign, assignment]
    engine.connect(decision, request, stream)
    assert stream.finished
    assert len(engine.application.closed) == 1  # type: ignore[union-attr]


def test_an_engine_that_closes_opens_nothing_more(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1, transport=None)
    handshake = MemoryExchange(peer.request(below="/"))
    decision = peer.admit(handshake.request)
    closing = engine.close()
    engine.respond(decision, handshake)
    assert handshake.response is not None
    assert handshake.response.status == 503
    engine.driver.advance(1)  # type: ignore[attr-defined]
    assert closing.done
    assert peer.ask("GET", "/").status == 503
    assert not engine.sessions


def test_a_message_keeps_what_it_was(engine: Engine) -> None:
    peer = Peer(engine, generation=SOCKETIO_1)
    peer.send('4:::{"a":1}', "3::/there:text")
    assert engine.application.heard[1:] == [  # type: ignore[union-attr]
        Message("/", {"a": 1}, is_json=True),
        Message("/there", "text"),
    ]
