"""Clients of Socket.IO 0.7 to 0.9 of an application of TornadIO2, in memory, over each transport.

Sources: the rows T2, WP and EX of the checklist, which docs/tornadio2.md lists.
"""

from typing import Any

import pytest

from faces.tornadio2.applications import Chat, closed, routed
from faces.tornadio2.dummies import later
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, gen, proto
from waterspout.faces.tornadio2.session import Session
from waterspout.testing import SOCKETIO_1, Clock, Peer, Refused

STREAMS = ("websocket", "flashsocket", "htmlfile")


def client(router: TornadioRouter, transport: str | None = "websocket", **options: Any) -> Peer:
    """Return a client that has seen what every client sees first."""
    peer = Peer(router.engine, generation=SOCKETIO_1, transport=transport, **options)
    if transport is not None:
        assert peer.take()[:1] == ["1::"]
    return peer


def session_of(router: TornadioRouter, peer: Peer) -> Session:
    session = router.get_session(peer.sid)
    assert isinstance(session, Session)
    return session


# The handshake


def test_t2_s3_s5_s8_the_handshake_names_the_times_and_the_transports(router: TornadioRouter) -> None:
    peer = client(router, None)
    assert peer.handshake == f"{peer.sid}:17:25:websocket,flashsocket,xhr-polling,jsonp-polling,htmlfile"


def test_t2_s3_s5_s8_the_handshake_follows_the_settings(clock: Clock) -> None:
    settings: dict[str, Any] = {"heartbeat_interval": 7, "client_timeout": 3, "xhr_polling_timeout": 15}
    peer = client(routed(clock, **settings), None)
    assert peer.handshake.split(":")[1:3] == ["10", "18"]


def test_t2_s4_b3_protocols_come_in_their_order_and_unknown_ones_are_skipped(clock: Clock) -> None:
    router = routed(clock, enabled_protocols=["jsonp-polling", "xhr-multipart", "websocket"])
    assert client(router, None).handshake.split(":")[3] == "jsonp-polling,websocket"
    for name in ("xhr-polling", "htmlfile", "flashsocket", "xhr-multipart"):
        with pytest.raises(Refused) as refusal:
            client(router, name)
        assert refusal.value.response.status == 404
    for name in ("jsonp-polling", "websocket"):
        client(router, name)


def test_t2_s12_a_namespace_is_where_the_clients_come(clock: Clock) -> None:
    router = TornadioRouter(Chat, namespace="hb")
    router.engine.bind(clock)
    peer = client(router)
    assert peer.request(below="/").path == "/hb/1/"
    peer.send("3:::x")
    assert peer.take() == ["3:::x"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("refuse=1", 401), ("raise=402", 402), ("raise=503", 503), ("raise=799", 500), ("raise=failure", 500)],
)
def test_t2_4_73_who_is_refused_gets_a_status_and_leaves_nothing(
    router: TornadioRouter, query: str, status: int
) -> None:
    with pytest.raises(Refused) as refusal:
        client(router, query=query)
    assert refusal.value.response.status == status
    assert router.engine.sessions == {}
    assert router.stats.dump()["active_sessions"] == router.stats.dump()["active_connections"] == 0
    assert closed() == []


def test_t2_4_who_is_refused_by_a_script_gets_a_script(router: TornadioRouter) -> None:
    with pytest.raises(Refused):
        client(router, query="refuse=1")
    peer = client(router)
    answer = peer.ask("GET", "/?jsonp=3&refuse=1")
    assert (answer.status, answer.body) == (200, b'/**/io.j[3](new Error("Unauthorized"));')


def test_t2_4_wp_16_on_open_sees_query_cookies_and_address_of_the_handshake(
    router: TornadioRouter, transport: str
) -> None:
    peer = client(router, transport, query="name=x&a=1&a=2", headers=[("Cookie", "c=1; d=2")])
    session = session_of(router, peer)
    assert session.info.arguments == {"t": ["1"], "name": ["x"], "a": ["1", "2"]}
    assert session.info.get_cookie("d").value == "2"
    assert session.info.ip == session.remote_ip == "127.0.0.1"


def test_t2_95_an_odd_cookie_is_a_morsel_too_and_hides_no_other(router: TornadioRouter) -> None:
    headers = [("Cookie", 'prefs={"a":1}; cart[0]="1\\"2"; version=2; flag'), ("Cookie", "session=abc")]
    info = session_of(router, client(router, headers=headers)).info
    assert [(name, morsel.key, morsel.value, morsel.coded_value) for name, morsel in info.cookies.items()] == [
        ("prefs", "prefs", '{"a":1}', '{"a":1}'),
        ("cart[0]", "cart[0]", '1"2', '"1\\"2"'),
        ("version", "version", "2", "2"),
        ("", "", "flag", "flag"),
        ("session", "session", "abc", "abc"),
    ]
    assert info.get_cookie("session").value == "abc"


def test_wp_24_56_connect_comes_first_then_what_on_open_has_sent(router: TornadioRouter, transport: str) -> None:
    peer = Peer(router.engine, generation=SOCKETIO_1, transport=transport, query="name=x")
    assert peer.take() == ["1::", '5:::{"args": [{"name": "x"}], "name": "hi"}']


def test_wp_24_the_first_request_may_be_a_post(router: TornadioRouter) -> None:
    peer = client(router, None)
    assert peer.ask("POST", f"/xhr-polling/{peer.sid}", b"3:::a\nb").body == b""
    peer.switch("xhr-polling")
    assert peer.take() == ["1::", '5:::{"args": [{"name": null}], "name": "hi"}', "3:::a\nb"]


def test_t2_74_a_session_is_found_by_its_id(router: TornadioRouter) -> None:
    peer = client(router)
    session = session_of(router, peer)
    assert (session.session_id, session.server, session.conn.session) == (peer.sid, router, session)
    assert router.get_session("unknown") is None


# What is said


def test_t2_b4_text_is_text_on_every_transport(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    for text in ("é 😀 \u2028 ' \" \\ </script>", "", "a:b:c"):
        peer.say(text)
        peer.say({"text": text}, is_json=True)
        said, value = peer.take()
        assert text == (said[4:] if said[0] == "3" else proto.json_load(said[4:]))  # scripts have everything as JSON
        assert (value[:4], proto.json_load(value[4:])) == ("4:::", {"text": text})


def test_t2_16_events_are_answered_after_their_handlers(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send(
        '5:1+::{"name":"ask","args":[1,2]}',
        '5:2::{"name":"ask","args":[{"a":1}]}',
        "3:3::m",
        "3:4+::m",
        '5:5+::{"name":"unknown"}',
    )
    assert peer.take() == [
        "6:::1+[2]",
        '6:::2+[0, {"a": 1}]',
        "3:::m",
        "6:::3",
        "3:::m",
        '6:::4+[["the answer"]]',
        "6:::5",
    ]


def test_t2_10_the_client_s_answers_come_back(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send('5:::{"name":"question"}')
    assert peer.take() == ['5:1+::{"args": [1], "name": "q"}', "3:2::m"]
    peer.send('6:::1+["a+b"]', "6:::2", "6:::2")
    assert peer.take() == [
        '5:::{"args": ["q", ["a+b"]], "name": "answered"}',
        '5:::{"args": ["m", null], "name": "answered"}',
    ]


def test_ex_4_5_6_endpoints_beside_the_main_connection(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send("1::/a?name=x", "1::/b:?name=y", "1::/unknown", "3::/a:to a", "3::/b:to b", "3:::to all")
    assert peer.take() == [
        "1::/a",
        '5::/a:{"args": [{"name": "x"}], "name": "hi"}',
        "1::/b",
        '5::/b:{"args": [{"name": "y"}], "name": "hi"}',
        "3::/a:to a",
        "3::/b:to b",
        "3:::to all",
    ]


def test_t2_4_an_endpoint_is_refused_behind_its_echo(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send("1::/a?refuse=1", "3:::still here")
    assert peer.take() == ["1::/a", "0::/a", "3:::still here"]
    assert closed() == ["/a"]


def test_t2_b6_an_endpoint_sees_the_session_s_query_there(router: TornadioRouter) -> None:
    peer = client(router, query="x=1")
    peer.send("1::/a")
    endpoint: Any = session_of(router, peer).endpoints["/a"]
    assert endpoint.info.get_argument("x") is None
    assert endpoint.session.info.get_argument("x") == "1"


def test_pp_42_an_async_handler_is_answered_when_it_ends(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send('5:1+::{"name":"later","args":["x"]}')
    assert peer.take() == ['6:::1+["x"]']


# Ends, on every way


def test_t2_7_wp_40_a_goodbye_closes_all_and_is_answered(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send("1::/b", "1::/a")
    peer.take()
    peer.send("0::/b", "0::")
    assert peer.take() == ["0::/b", "0::/a", "0::"]
    assert closed() == ["/b", "/a", None]
    assert router.engine.sessions == {}
    assert router.stats.dump()["active_sessions"] == 0


@pytest.mark.parametrize("endpoint", ["", "/a"])
def test_t2_b1_a_failure_closes_all_endpoints_in_order_then_the_session(
    router: TornadioRouter, clock: Clock, transport: str, endpoint: str
) -> None:
    peer = client(router, transport)
    peer.send("1::/b", "1::/a")
    peer.take()
    peer.send(f'5:1+:{endpoint}:{{"name":"fail"}}', "3:::not heard")
    assert peer.take() == ["0::/b", "0::/a", "0::"]
    assert closed() == ["/b", "/a", None]
    assert peer.closed is not None
    clock.advance(10)  # for who polls and does not come for its goodbye
    assert router.engine.sessions == {}


def test_t2_15_a_wrong_number_of_arguments_closes_everything(router: TornadioRouter) -> None:
    peer = client(router)
    peer.send('5:::{"name":"later"}')
    assert peer.take() == ["0::"]


@pytest.mark.parametrize("packet", ["4:::{broken", '5:::{"args":[]}', "garbage"])
def test_wp_44_45_49_a_broken_packet_ends_the_session(router: TornadioRouter, transport: str, packet: str) -> None:
    peer = client(router, transport)
    peer.send("1::/a")
    try:
        peer.send(packet)
    except Refused:
        assert transport in ("xhr-polling", "jsonp-polling", "htmlfile")
    assert closed() == ["/a", None]
    assert router.engine.sessions == {}


def test_t2_11_the_server_closes_an_endpoint_or_everything(router: TornadioRouter, transport: str) -> None:
    peer = client(router, transport)
    peer.send("1::/a", "1::/b")
    peer.take()
    peer.send('5::/a:{"name":"leave"}', "3::/a:not heard")
    assert (peer.take(), closed()) == (["0::/a"], ["/a"])
    peer.send('5:::{"name":"leave"}')
    assert (peer.take(), closed()) == (["0::/b", "0::"], ["/b", None])


@pytest.mark.parametrize(
    "below", ["/xhr-polling/{}?disconnect", "/websocket/{}?t=1&disconnect=1", "//{}/?disconnect=1"]
)
def test_wp_13_14_a_goodbye_may_be_a_request(router: TornadioRouter, below: str) -> None:
    peer = client(router)
    peer.send("1::/a")
    answer = peer.ask("GET", below.format(peer.sid))
    assert (answer.status, answer.body) == (200, b"")
    assert closed() == ["/a", None]


def test_t2_b2_wp_74_a_dropped_transport_is_no_end(router: TornadioRouter, clock: Clock, transport: str) -> None:
    peer = client(router, transport)
    peer.send("3:::that this transport works")
    peer.take()
    peer.lose()
    session = session_of(router, peer)
    session.conn.send("meanwhile")
    session.conn.send("and again")
    clock.advance(5)
    peer.switch("xhr-polling" if transport == "websocket" else "websocket")
    assert peer.take() == ["3:::meanwhile", "3:::and again"]
    assert closed() == []
    assert session_of(router, peer) is session


def test_t2_s2_wp_73_a_session_without_a_transport_expires(
    router: TornadioRouter, clock: Clock, transport: str
) -> None:
    peer = client(router, transport)
    peer.send("1::/a")
    peer.lose()
    clock.advance(29)
    assert closed() == []
    clock.advance(2)
    assert closed() == ["/a", None]
    assert router.engine.sessions == {}
    assert router.stats.dump()["active_sessions"] == 0


def test_t2_s1_s2_a_thousand_handshakes_that_never_connect_are_forgotten(clock: Clock) -> None:
    class Silent(SocketConnection):
        def on_message(self, message: Any) -> None: ...

    router = routed(clock, Silent, session_expiry=10)
    for _ in range(1000):
        client(router, None)
    assert router.stats.dump()["active_sessions"] == len(router.engine.sessions) == 1000
    clock.advance(10)
    assert router.stats.dump()["active_sessions"] == len(router.engine.sessions) == 0


def test_wp_75_a_session_that_is_closed_between_two_polls_is_drained_by_the_next(
    router: TornadioRouter,
) -> None:
    peer = client(router, "xhr-polling", polls=False)
    session = session_of(router, peer)
    session.conn.send("last")
    session.close()
    peer.carrier.open()
    assert peer.take() == ["3:::last", "0::"]
    with pytest.raises(Refused) as refusal:
        peer.carrier.open()
    assert refusal.value.response.status == 401


def test_a_session_that_on_open_has_closed_is_over(clock: Clock, transport: str) -> None:
    class Shy(Chat):
        def on_open(self, request: Any) -> Any:
            self.close()

    router = routed(clock, Shy)
    if transport in ("xhr-polling", "jsonp-polling"):
        assert Peer(router.engine, generation=SOCKETIO_1, transport=transport).take() == ["1::", "0::"]
    else:
        with pytest.raises(Refused) as refusal:
            Peer(router.engine, generation=SOCKETIO_1, transport=transport)
        assert refusal.value.response.status == 401
    assert router.stats.dump()["active_sessions"] == 0
    clock.advance(60)
    assert router.engine.sessions == {}


# Heartbeats


@pytest.mark.parametrize("name", STREAMS)
def test_wp_70_three_heartbeats_without_an_answer_end_the_session(
    router: TornadioRouter, clock: Clock, name: str
) -> None:
    peer = client(router, name)
    for _ in range(3):
        peer.send("3:::only 2:: counts")
        clock.advance(12)
    assert [packet for packet in map(str, peer.take()) if packet[0] != "3"] == ["2::", "2::", "2::", "0::"]
    assert closed() == [None]


def test_wp_70_a_client_that_answers_lives(router: TornadioRouter, clock: Clock, transport: str) -> None:
    peer = client(router, transport)
    for _ in range(10):
        clock.advance(12)
        assert "2::" in peer.take()
        peer.beat()
    assert closed() == []


def test_wp_71_without_global_heartbeats_polling_has_none(clock: Clock) -> None:
    router = routed(clock, global_heartbeats=False)
    polling, streaming = client(router, "xhr-polling"), client(router, "htmlfile")
    clock.advance(100)
    assert set(polling.take()) == {"8::"}
    assert streaming.take() == ["2::", "2::", "2::", "0::"]


# Sessions of the user's own


def test_a_router_may_make_sessions_of_its_own_class(clock: Clock) -> None:
    class Own(Session):
        pass

    class Router(TornadioRouter):
        def create_session(self, request: Any) -> Session:
            return Own(Chat, self, request, 30)

    router = Router(Chat)
    router.engine.bind(clock)
    peer = client(router)
    assert isinstance(session_of(router, peer), Own)


def test_calls_that_go_on_later_count_until_they_end(clock: Clock) -> None:
    waiting: list[Any] = []

    class Slow(Chat):
        @event
        @gen.engine
        def slow(self) -> Any:
            yield gen.Task(later, waiting)

    router = routed(clock, Slow)
    peer = client(router)
    for number in range(1001):
        peer.send(f'5:{number}+::{{"name":"slow"}}')
    assert peer.carrier.paused  # type: ignore[union-attr]
    for callback in waiting:
        callback(None)
    assert not peer.carrier.paused  # type: ignore[union-attr]
    assert len(peer.take()) >= 1000


def test_an_event_message_of_0_9_is_an_event_and_no_message(clock: Clock) -> None:
    class Both(Chat):
        @event("message")
        def named(self, value: Any) -> Any:
            return ["event", value]

    peer = client(routed(clock, Both))
    peer.emit("message", "x", id=1)
    peer.say("x")
    assert peer.take() == ['6:::1+[["event", "x"]]', "3:::x"]
