"""The router: made at import time, without a loop (T2-70 to T2-76, T2-S1 to T2-S12)."""

import asyncio
import re
import warnings
from typing import Any

import pytest
import tornado.ioloop
import tornado.web
from tornado.web import HTTPError

from faces.tornadio2.applications import Chat, Main, routed
from faces.tornadio2.dummies import DummyHandler, DummyRequest
from faces.tornadio2.loops import FakeLoop
from turns import turn
from waterspout.drivers import AsyncioDriver
from waterspout.faces.tornadio2 import TornadioRouter, persistent, polling, router, sessioncontainer
from waterspout.faces.tornadio2.session import Session
from waterspout.testing import SOCKETIO_1, Clock, Peer, Refused


class IndexHandler(tornado.web.RequestHandler):
    pass


def test_t2_70_a_router_is_made_without_a_loop_and_starts_nothing() -> None:
    made = TornadioRouter(Chat)
    assert made.running_loop is None
    assert made.settings == router.DEFAULT_SETTINGS
    assert made.stats.dump()["active_sessions"] == 0


def test_t2_70_76_a_loop_that_is_given_is_the_router_s() -> None:
    loop = FakeLoop()
    assert TornadioRouter(Chat, {}, "socket.io", loop).io_loop is loop
    assert loop.timeouts == []


def test_t2_76_at_import_the_loop_is_the_one_that_the_thread_runs_later() -> None:
    made = TornadioRouter(Chat)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        called: list[str] = []
        made.io_loop.add_callback(called.append, "on the loop")
        loop.run_until_complete(turn())
        assert called == ["on the loop"]
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_t2_76_another_thread_finds_the_loop_that_serves() -> None:
    async def main() -> None:
        made = TornadioRouter(Chat)
        made.engine.bind(AsyncioDriver())
        loop = await asyncio.to_thread(lambda: made.io_loop)
        assert loop.asyncio_loop is asyncio.get_running_loop()
        made.stats.stop()

    asyncio.run(main())


def test_t2_76_a_router_of_ones_own_may_set_the_loop() -> None:
    loop = FakeLoop()

    class Router(TornadioRouter):
        def __init__(self) -> None:
            super().__init__(Chat)
            self.io_loop = loop

    assert Router().io_loop is loop
    assert Router().running_loop is loop


def test_the_module_has_the_names_of_tornado_that_applications_took_from_it() -> None:
    assert router.ioloop.IOLoop is tornado.ioloop.IOLoop
    assert router.version_info == tornado.version_info


def test_t2_s_the_defaults_are_those_of_the_original() -> None:
    assert router.DEFAULT_SETTINGS == {
        "session_check_interval": 15,
        "session_expiry": 30,
        "heartbeat_interval": 12,
        "enabled_protocols": ["websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile"],
        "xhr_polling_timeout": 20,
        "websocket_check": False,
        "global_heartbeats": True,
        "client_timeout": 5,
        "verify_remote_ip": True,
    }


def test_t2_s_settings_are_mixed_and_unknown_ones_are_kept() -> None:
    made = TornadioRouter(Chat, {"heartbeat_interval": 3, "my_own": "value"})
    assert (made.settings["heartbeat_interval"], made.settings["my_own"]) == (3, "value")
    assert router.DEFAULT_SETTINGS["heartbeat_interval"] == 12
    assert "my_own" not in router.DEFAULT_SETTINGS


def test_t2_s1_a_setting_without_meaning_warns_and_says_how_it_is_now() -> None:
    with pytest.warns(DeprecationWarning, match="session_expiry seconds") as warned:
        TornadioRouter(Chat, {"session_check_interval": 1})
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TornadioRouter(Chat, {"session_expiry": 1})


def test_t2_71_the_urls_are_one_for_handshakes_and_one_for_each_protocol() -> None:
    made = TornadioRouter(Chat)
    assert [handler for _, handler, _ in made.urls] == [
        router.HandshakeHandler,
        persistent.TornadioWebSocketHandler,
        persistent.TornadioFlashSocketHandler,
        polling.TornadioXHRPollingHandler,
        polling.TornadioJSONPHandler,
        polling.TornadioHtmlFileHandler,
    ]
    assert all(kwargs == {"server": made} for _, _, kwargs in made.urls)


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/socket.io/1/", 0),
        ("/socket.io/1", 0),
        ("/socket.io/2/", 0),
        ("/socket.io/", 0),
        ("/socket.io", None),
        ("/socket.io/1//abc/", 0),
        ("/socket.io/1//abc", 0),
        ("/socket.io/1/websocket/abc", 1),
        ("/socket.io/1/websocket/abc/", 1),
        ("/socket.io/1/flashsocket/abc", 2),
        ("/socket.io/1/xhr-polling/abc", 3),
        ("/socket.io/1/jsonp-polling/abc/", 4),
        ("/socket.io/1/htmlfile/abc", 5),
        ("/socket.io/1/xhr-multipart/abc", None),
        ("/socket.io/socket.io.js", None),
        ("/socketxio/1/", None),
        ("/other", None),
    ],
)
def test_t2_71_each_path_has_one_route(path: str, index: int | None) -> None:
    patterns = [re.compile(pattern) for pattern, _, _ in TornadioRouter(Chat).urls]
    found = [number for number, pattern in enumerate(patterns) if pattern.fullmatch(path)]
    assert found == ([] if index is None else [index])
    if index and (match := patterns[index].fullmatch(path)):
        assert match["session_id"] == "abc"


def test_t2_s4_b3_only_protocols_that_there_are_have_routes() -> None:
    made = TornadioRouter(Chat, {"enabled_protocols": ["htmlfile", "xhr-multipart", "websocket"]})
    assert [handler for _, handler, _ in made.urls[1:]] == [
        polling.TornadioHtmlFileHandler,
        persistent.TornadioWebSocketHandler,
    ]


@pytest.mark.parametrize("names", [["xhr-multipart"], [], ("nonsense", "flash")])
def test_t2_s4_b3_unknown_protocols_alone_do_not_crash_a_router(
    names: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made = routed(clock, Main, enabled_protocols=names)
    assert f"there is none of enabled_protocols, {names!r}" in caplog.text
    assert [handler for _, handler, _ in made.urls] == [router.HandshakeHandler]
    with pytest.raises(Refused) as refusal:
        Peer(made.engine, generation=SOCKETIO_1, transport=None)
    assert refusal.value.response.status == 400


@pytest.mark.parametrize(
    "name", ["heartbeat_interval", "xhr_polling_timeout", "client_timeout", "session_expiry", "session_check_interval"]
)
def test_t2_s2_an_interval_of_0_is_refused_by_the_name_that_the_user_wrote(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} is 0: give a number of seconds above 0"):
        TornadioRouter(Chat, {name: 0})
    with pytest.raises(TypeError, match=f"^{name} is '5': give a number of seconds"):
        TornadioRouter(Chat, {name: "5"})


@pytest.mark.parametrize("transport", ["xhr-polling", "websocket"])
def test_t2_s2_without_an_expiry_a_session_waits_for_ever(clock: Clock, transport: str) -> None:
    made = routed(clock, Main, session_expiry=None, global_heartbeats=False)
    peer = Peer(made.engine, generation=SOCKETIO_1, transport=transport)
    peer.lose()
    clock.advance(1_000_000)
    made.get_session(peer.sid).conn.send("still there")
    peer.switch(transport)
    assert peer.take()[-1] == "3:::still there"


def test_everybody_is_in_the_container_of_sessions_while_they_are_there(clock: Clock) -> None:
    made = routed(clock, Main)
    old, modern = Peer(made.engine, generation=SOCKETIO_1), Peer(made.engine, transport="polling")
    by_hand = made.create_session(DummyRequest())
    everybody = {made.get_session(peer.sid) for peer in (old, modern)} | {by_hand}
    assert set(by_hand.server._sessions._items.values()) == everybody
    everyone: list[Any] = list(made._sessions._items.values())
    for session in everyone:
        session.conn.send("to all")
    assert old.take()[-1] == "3:::to all"
    old.lose()
    clock.advance(31)
    modern.close()
    assert set(made._sessions._items.values()) == {by_hand}


def test_t2_s12_a_namespace_is_the_prefix_of_the_routes() -> None:
    pattern = TornadioRouter(Chat, namespace="hb").urls[0][0]
    assert re.fullmatch(pattern, "/hb/1/")
    assert not re.fullmatch(pattern, "/socket.io/1/")


def test_ex_1_routes_are_extended_by_hand() -> None:
    ChatServer = router.TornadioRouter(Chat)  # noqa: N806
    # Fill your routes here
    routes: list[Any] = [(r"/", IndexHandler)]
    # Extend list of routes with Tornadio2 URLs
    routes.extend(ChatServer.urls)

    application = tornado.web.Application(routes)
    assert len(routes) == 7
    assert isinstance(application, tornado.web.Application)


def test_ex_2_t2_72_apply_routes_extends_the_list_that_it_returns() -> None:
    ChatServer = router.TornadioRouter(Chat)  # noqa: N806
    routes: list[Any] = [(r"/", IndexHandler)]
    assert ChatServer.apply_routes(routes) is routes
    assert len(routes) == 7
    tornado.web.Application(ChatServer.apply_routes([(r"/", IndexHandler)]))


def test_t2_73_74_a_session_made_by_hand_is_found_and_driven_by_hand() -> None:
    made = TornadioRouter(Chat)
    session = made.create_session(DummyRequest(arguments={"name": [b"x"]}))
    assert made.get_session(session.session_id) is session
    handler = DummyHandler()
    session.set_handler(handler)
    session.raw_message("3:::hello")
    session.flush()
    assert handler.take() == ["1::", '5:::{"args": [{"name": "x"}], "name": "hi"}', "3:::hello"]
    assert made.stats.dump()["active_sessions"] == made.stats.dump()["active_connections"] == 1


def test_t2_73_a_session_that_is_refused_is_stored_nowhere() -> None:
    made = TornadioRouter(Chat)
    with pytest.raises(HTTPError) as refusal:
        made.create_session(DummyRequest(arguments={"refuse": [b"1"]}))
    assert refusal.value.status_code == 401
    assert made.stats.dump()["active_sessions"] == 0


def test_t2_s1_s2_88_a_session_made_by_hand_beats_and_expires_on_the_router_s_loop(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = FakeLoop()
    monkeypatch.setattr(sessioncontainer, "time", loop.time)
    with pytest.warns(DeprecationWarning, match="session_check_interval"):
        made = TornadioRouter(Chat, {"session_check_interval": 1, "session_expiry": 10}, io_loop=loop)
    made.engine.bind(clock)
    kept, lost = made.create_session(DummyRequest()), made.create_session(DummyRequest())
    handler = DummyHandler()
    kept.set_handler(handler)
    loop.advance(9)
    assert made.get_session(lost.session_id) is lost
    loop.advance(4)
    assert (made.get_session(lost.session_id), lost.is_closed) == (None, True)
    assert (made.get_session(kept.session_id), kept.is_closed) == (kept, False)
    assert handler.take()[-1] == "2::"


def test_t2_75_ex_21_statistics_are_dumped(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    loop = FakeLoop()
    MyRouter = TornadioRouter(Main, io_loop=loop)  # noqa: N806
    MyRouter.engine.bind(clock)
    peer = Peer(MyRouter.engine, generation=SOCKETIO_1)
    peer.send("3:::x", "3:::y")
    loop.advance(1)
    dump = MyRouter.stats.dump()
    assert (dump["active_sessions"], dump["max_sessions"]) == (1, 1)
    assert (dump["packets_recv_ps"], dump["packets_sent_ps"]) == (2, 4)
    print(MyRouter.stats.dump())
    assert capsys.readouterr().out.startswith("{'active_sessions': 1,")


def test_t2_s9_wp_63_a_session_is_for_the_address_of_its_handshake(clock: Clock) -> None:
    for is_verified in (True, False):
        peer = Peer(routed(clock, Main, verify_remote_ip=is_verified).engine, generation=SOCKETIO_1, transport=None)
        request = peer.request("GET", "xhr-polling")
        request.remote_address = "10.0.0.1"
        if is_verified:
            with pytest.raises(Refused) as refusal:
                peer.admit(request)
            assert refusal.value.response.status == 401
        else:
            peer.admit(request)


def test_t2_b8_a_proxy_is_believed_by_the_router_if_it_is_trusted(clock: Clock) -> None:
    headers = [("X-Forwarded-For", "203.0.113.7")]
    for trusted, ip in ((), "127.0.0.1"), ("127.0.0.1", "203.0.113.7"):
        made = routed(clock, Main, trusted_proxies=trusted)
        peer = Peer(made.engine, generation=SOCKETIO_1, transport=None, headers=headers)
        assert made.get_session(peer.sid).info.ip == ip


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling", "htmlfile", "websocket", "flashsocket"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_wp_12_an_unknown_session_is_refused_with_401(clock: Clock, transport: str, method: str) -> None:
    peer = Peer(routed(clock).engine, generation=SOCKETIO_1, transport=None)
    answer = peer.ask(method, f"/{transport}/unknown?i=0")
    assert (answer.status, answer.body) == (401, b"")


def test_wp_30_a_second_poll_is_refused_and_the_first_goes_on(clock: Clock) -> None:
    made = routed(clock)
    peer = Peer(made.engine, generation=SOCKETIO_1, transport="xhr-polling")
    peer.take()
    assert peer.ask("GET", f"/xhr-polling/{peer.sid}").status == 401
    made.get_session(peer.sid).conn.send("to the first")
    assert peer.take() == ["3:::to the first"]


@pytest.mark.parametrize("transport", ["xhr-polling", "jsonp-polling"])
def test_t2_s5_wp_25_a_poll_is_held_for_the_timeout_and_ends_with_a_noop(clock: Clock, transport: str) -> None:
    made = routed(clock, xhr_polling_timeout=4)
    peer = Peer(made.engine, generation=SOCKETIO_1, transport=transport)
    peer.take()
    clock.advance(3.9)
    assert peer.take() == []
    clock.advance(0.2)
    assert peer.take() == ["8::"]


def test_wp_28_a_post_is_answered_with_nothing(clock: Clock) -> None:
    peer = Peer(routed(clock).engine, generation=SOCKETIO_1, transport=None)
    answer = peer.ask("POST", f"/xhr-polling/{peer.sid}", b"3:::x")
    assert (answer.status, answer.body) == (200, b"")


def test_t2_s6_wp_22_a_checked_websocket_carries_nothing_before_its_client_answers(clock: Clock) -> None:
    made = routed(clock, websocket_check=True)
    peer = Peer(made.engine, generation=SOCKETIO_1)
    assert peer.take() == ["2::"]
    peer.beat()
    assert peer.take()[0] == "1::"
    silent = Peer(made.engine, generation=SOCKETIO_1)
    clock.advance(5)
    assert silent.take() == ["2::"]
    assert silent.closed is not None
    assert isinstance(made.get_session(silent.sid), Session)


def test_wp_6_every_origin_is_echoed(clock: Clock) -> None:
    peer = Peer(routed(clock).engine, generation=SOCKETIO_1, transport=None)
    headers = dict(peer.ask("GET", "/", headers=[("Origin", "http://x.example")]).headers)
    assert headers["Access-Control-Allow-Origin"] == "http://x.example"
    assert headers["Access-Control-Allow-Credentials"] == "true"


def test_t2_88_a_heartbeat_of_ones_own_is_for_sessions_that_a_program_drives(clock: Clock) -> None:
    beats: list[str] = []
    loop = FakeLoop()
    made = TornadioRouter(Chat, io_loop=loop)
    by_hand = made.create_session(DummyRequest())
    by_hand._heartbeat = lambda: beats.append("beat")
    loop.advance(13)
    assert beats == ["beat"]

    class Own(Session):
        def _heartbeat(self) -> None: ...

    class Router(TornadioRouter):
        def create_session(self, request: Any) -> Session:
            return Own(Chat, self, request)

    made.engine.bind(clock)
    peer = Peer(made.engine, generation=SOCKETIO_1)
    with pytest.warns(RuntimeWarning, match="session._heartbeat is not called for clients"):
        made.get_session(peer.sid)._heartbeat = lambda: beats.append("beat")
    with pytest.warns(RuntimeWarning, match="use a PeriodicCallback"):
        Peer(Router(Chat).engine, generation=SOCKETIO_1)


def test_a_session_that_is_made_without_a_loop_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tornado.ioloop.IOLoop, "current", lambda: pytest.fail("a loop was asked for"))
    assert not TornadioRouter(Chat).create_session(DummyRequest()).is_closed
