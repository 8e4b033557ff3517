"""Where the libraries of Socket.IO 0.9 differ, TornadIO2's way: what no other module here has (PP of the checklist)."""

import json
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from faces.tornadio2.applications import Chat, closed, routed
from faces.tornadio2.dummies import Recorder, opened
from waterspout.faces import tornadio2
from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event, polling
from waterspout.faces.tornadio2 import router as routers
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, MemoryExchange, Peer
from waterspout.types import Request

MODULES = sorted(path.stem for path in Path(tornadio2.__file__).parent.glob("*.py") if path.stem != "__init__")
ORIGINALS = ("session", "conn", "persistent", "polling", "proto", "periodic", "server")


class Main(Recorder):
    __endpoints__ = {"/a": Recorder}  # noqa: RUF012


def test_pp_6_what_a_connection_sends_is_for_its_client_and_its_endpoint(clock: Clock) -> None:
    made = routed(clock)
    one, other = Peer(made.engine, generation=SOCKETIO_1), Peer(made.engine, generation=SOCKETIO_1)
    for peer in (one, other):
        peer.send("1::/a")
        peer.take()
    made.get_session(one.sid).endpoints["/a"].emit("x", 1)
    assert one.take() == ['5::/a:{"args": [1], "name": "x"}']
    assert other.take() == []


@pytest.mark.parametrize("name", ["", "with blanks", "é😀", "on_open", "a:b", "__class__"])
def test_pp_9_an_event_may_have_any_name(clock: Clock, name: str) -> None:
    class Named(Chat):
        @event(name)
        def handle(self) -> int:
            return 5

    peer = Peer(routed(clock, Named).engine, generation=SOCKETIO_1)
    peer.take()
    peer.emit(name, id=1)
    assert peer.take() == ["6:::1+[5]"]


@pytest.mark.parametrize("name", ["connect", "disconnect", "newListener"])
def test_pp_9_but_that_of_an_event_of_socket_io_which_is_ignored(
    router: TornadioRouter, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = Peer(router.engine, generation=SOCKETIO_1)
    old.send(f'5:1+::{{"name":"{name}"}}', "3:::on")
    assert old.take()[-1] == "3:::on"
    for generation in (ENGINEIO_3, ENGINEIO_4):
        modern = Peer(router.engine, generation=generation)
        modern.connect()
        modern.take()
        modern.send(f'42["{name}"]', '42["message","on"]')
        assert modern.take() == ['42["message","on"]']
    session, handler = opened(Main)
    session.raw_message(f'5:::{{"name":"{name}"}}')
    assert handler.take() == ["1::"]
    # 1.x and 2.x: the codec has made nothing of it
    assert caplog.messages == [f"an event is ignored: the event name '{name}' is reserved"] * 3
    assert closed() == []


@pytest.mark.parametrize("name", ["connect", "disconnect", None, True, ["x"]])
def test_pp_9_a_client_of_4_x_is_not_sent_a_name_that_would_end_its_connection(
    router: TornadioRouter, name: Any, caplog: pytest.LogCaptureFixture
) -> None:
    old, modern = Peer(router.engine, generation=SOCKETIO_1), Peer(router.engine)
    modern.connect()
    for peer in (old, modern):
        peer.take()
        router.get_session(peer.sid).conn.emit(name, 1)
    assert old.take() == [f'5:::{{"args": [1], "name": {json.dumps(name)}}}']
    assert modern.take() == []
    assert "an event is not sent, because clients of 4.x close the connection for its name" in caplog.text


def test_pp_22_an_endpoint_begins_with_its_connect_packet_and_nothing_else() -> None:
    session, handler = opened(Main)
    session.raw_message("3::/a:too early")
    session.raw_message('5:1+:/a:{"name":"x"}')
    assert (session.endpoints, handler.take()) == ({}, ["1::"])
    session.raw_message("1::/a")
    session.raw_message("3::/a:in time")
    assert session.endpoints["/a"].heard == ["in time"]


def test_pp_40_44_everybody_is_whom_the_application_iterates() -> None:
    members: set[Any] = set()

    class Room(SocketConnection):
        def on_open(self, request: Any) -> None:
            members.add(self)

        def on_message(self, message: Any) -> None:
            for member in members:
                member.send(message)

        def on_close(self) -> None:
            members.remove(self)
            for member in members:
                member.send("one less")

    (one, first), (other, second) = opened(Room), opened(Room)
    one.raw_message("3:::to all")
    one.close()
    other.close()
    assert first.take() == ["1::", "3:::to all", "0::"]
    assert second.take() == ["1::", "3:::to all", "3:::one less", "0::"]


@pytest.mark.usefixtures("router")
def test_pp_46_what_waits_for_a_client_is_bounded(clock: Clock) -> None:
    for settings, is_kept in (({}, False), ({"max_outbox_bytes": 3_000_000}, True)):
        made = routed(clock, Chat, **settings)
        peer = Peer(made.engine, generation=SOCKETIO_1, transport="xhr-polling", polls=False)
        connection = made.get_session(peer.sid).conn
        for _ in range(20):
            connection.send("x" * 100_000)
        clock.settle()
        assert (connection.is_closed, closed()) == (not is_kept, [] if is_kept else [None])


def test_pp_46_what_a_client_may_send_at_once_is_a_setting(clock: Clock) -> None:
    for settings, limit in (({}, 1_000_000), ({"max_payload_bytes": 50}, 50)):
        assert routed(clock, Chat, **settings).engine.policy.max_payload_bytes == limit


# What the original had, and no document said


def test_a_handler_in_the_table_of_protocols_is_the_router_s(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(polling.TornadioXHRPollingHandler):
        pass

    monkeypatch.setitem(routers.PROTOCOLS, "xhr-polling", Mine)
    monkeypatch.setattr(routers, "HandshakeHandler", Mine)
    handlers = [handler for _, handler, _ in TornadioRouter(Chat).urls]
    assert (handlers[0], handlers[3], handlers.count(Mine)) == (Mine, Mine, 2)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_logs_under_its_original_name_or_that_of_one(name: str) -> None:
    log = getattr(import_module(f"waterspout.faces.tornadio2.{name}"), "log", None)
    if log is None:
        assert name not in ORIGINALS
    else:
        assert isinstance(log, logging.Logger)
        assert log.name.removeprefix("tornadio2.") in (name, "session", "gen")


@pytest.mark.parametrize("fields", [[], [("Referer", "http://anywhere.example/")], [("Sec-Fetch-Site", "cross-site")]])
def test_scripts_of_every_page_are_answered_also_of_one_that_hides_itself(
    clock: Clock, fields: list[tuple[str, str]]
) -> None:
    peer = Peer(routed(clock).engine, generation=SOCKETIO_1, transport=None)
    for below in ("/?jsonp=0", f"/jsonp-polling/{peer.sid}?i=0"):
        headers = [("Host", "localhost"), *fields]
        request = Request("GET", f"/socket.io/1{below}", headers, remote_address="127.0.0.1")
        exchange = MemoryExchange(request)
        peer.engine.respond(peer.admit(request), exchange)
        assert exchange.response is not None
        assert exchange.response.body.startswith(b'/**/io.j[0]("')


@pytest.mark.parametrize("form", ["d=%223%3A%3A%3Aq%5C%22%22", "d=3%3A%3A%3Aq%22", 'd="\\u0033:::q\\""'])
def test_a_form_has_a_string_of_json_or_the_packet_itself(clock: Clock, form: str) -> None:
    peer = Peer(routed(clock).engine, generation=SOCKETIO_1, transport=None)
    assert peer.ask("POST", f"/jsonp-polling/{peer.sid}?i=0", form.encode()).status == 200
    peer.switch("jsonp-polling")
    assert peer.take()[-1] == '3:::q"'
