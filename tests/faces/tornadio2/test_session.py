"""Sessions, built and called by hand as in users' unit tests: no engine, no loop, no sleep (T2-80 to T2-95, T2-B1).

Sources: the rows T2 and EX of the checklist, which docs/tornadio2.md lists.
"""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from tornado.web import HTTPError

from faces.tornadio2.dummies import DummyHandler, DummyRequest, DummyServer, Recorder, later, opened
from faces.tornadio2.loops import FakeLoop
from waterspout.errors import DecodeError, ProtocolError
from waterspout.faces.tornadio2 import SocketConnection, event, gen
from waterspout.faces.tornadio2.session import ConnectionInfo, Session


class Endpoint(Recorder):
    """Endpoints that write down, with their session, in which order they go."""

    def on_close(self) -> Any:
        self.session.log.append(self.endpoint)

    @event("fail")
    def fail(self) -> None:
        raise ValueError("the handler fails")


class Main(Endpoint):
    __endpoints__ = {"/a": Endpoint, "/b": Endpoint}  # noqa: RUF012

    def on_open(self, request: Any) -> Any:
        super().on_open(request)
        self.session.log = []


# T2-80, T2-4: how it begins


def test_t2_80_a_session_makes_its_connection_and_queues_the_connect_packet() -> None:
    server = DummyServer()
    session = Session(Recorder, server, DummyRequest("10.0.0.1", {"a": [b"5"]}))
    assert type(session.conn) is Recorder
    assert (session.server, session.remote_ip, session.is_closed) == (server, "10.0.0.1", False)
    assert session.send_queue == ["1::"]
    assert session.handler is None
    assert server.stats.dump()["active_sessions"] == 1
    assert session.is_alive()
    assert len({session.session_id, Session(Recorder, server, DummyRequest()).session_id, ""}) == 3


def test_t2_4_what_on_open_sends_waits_behind_the_connect_packet() -> None:
    class Greeter(SocketConnection):
        def on_open(self, request: Any) -> Any:
            self.send("welcome")

    _, handler = opened(Greeter)
    assert handler.take() == ["1::", "3:::welcome"]


@pytest.mark.parametrize("answer", [False, 0, "", []])
def test_t2_4_on_open_refuses_with_401(answer: Any) -> None:
    class Closed(SocketConnection):
        def on_open(self, request: Any) -> Any:
            return answer

    server = DummyServer()
    with pytest.raises(HTTPError) as refusal:
        Session(Closed, server, DummyRequest())
    assert refusal.value.status_code == 401
    assert server.stats.dump()["active_sessions"] == 0


@pytest.mark.parametrize("answer", [None, True, 1])
def test_t2_4_on_open_accepts_with_nothing_or_true(answer: Any) -> None:
    class Open(SocketConnection):
        def on_open(self, request: Any) -> Any:
            return answer

    assert not Session(Open, DummyServer(), DummyRequest()).is_closed


def test_t2_4_on_open_may_raise_an_error_of_http() -> None:
    class Closed(SocketConnection):
        def on_open(self, request: Any) -> Any:
            raise HTTPError(402)

    with pytest.raises(HTTPError) as refusal:
        Session(Closed, DummyServer(), DummyRequest())
    assert refusal.value.status_code == 402


def test_a_connection_that_closes_itself_in_on_open_says_goodbye() -> None:
    class Shy(Recorder):
        def on_open(self, request: Any) -> Any:
            super().on_open(request)
            self.close()

    server = DummyServer()
    session, handler = opened(Shy, server)
    assert (handler.take(), handler.closed, session.is_closed) == (["1::", "0::"], 1, True)
    assert session.conn.heard == ["closed"]
    assert server.stats.dump()["active_sessions"] == 0


def test_what_comes_while_on_open_takes_its_time_waits_for_it_also_without_an_engine() -> None:
    waiting: list[Any] = []

    class Slow(Recorder):
        def on_open(self, request: Any) -> Any:
            super().on_open(request)
            yield gen.Task(later, waiting)

    session, _ = opened(Slow)
    numbers = [str(number) for number in range(100)]
    for number in numbers:
        session.raw_message(f"3:::{number}")
    with pytest.raises(ProtocolError, match="more than 100 packets came before on_open had ended"):
        session.raw_message("3:::one too many")
    assert session.conn.heard == []
    waiting.pop()(None)
    assert session.conn.heard == numbers
    session.raw_message("3:::at once")
    assert session.conn.heard[-1] == "at once"


def test_ex_3_a_query_without_an_id_is_refused() -> None:
    class MyConnection(SocketConnection):
        def on_open(self, request):
            self.user_id = request.get_argument("id")

            if not self.user_id:
                return False
            return None

    with pytest.raises(HTTPError):
        Session(MyConnection, DummyServer(), DummyRequest())
    session = Session(MyConnection, DummyServer(), DummyRequest(arguments={"id": [b"7"]}))
    assert session.conn.user_id == "7"


def test_ex_27_the_argument_may_have_a_default() -> None:
    class MyConnection(SocketConnection):
        def on_open(self, request):
            self.user_id = request.get_argument("id", None)

            if not self.user_id:
                return False
            return None

    with pytest.raises(HTTPError):
        Session(MyConnection, DummyServer(), DummyRequest())
    session = Session(MyConnection, DummyServer(), DummyRequest(arguments={"id": [b"7"]}))
    assert session.conn.user_id == "7"


# T2-93 to T2-95: who connects


def test_t2_93_the_info_has_the_address_the_arguments_and_the_cookies() -> None:
    cookies = SimpleCookie("name=value")
    info = ConnectionInfo("10.0.0.1", {"a": [b"\xc3\xa9", b"2"], "b": [5]}, cookies)
    assert (info.ip, info.arguments, info.cookies) == ("10.0.0.1", {"a": ["é", "2"], "b": [5]}, cookies)


def test_t2_94_an_argument_is_its_first_value_or_the_default() -> None:
    info = ConnectionInfo("", {"a": [b"1", b"2"], "empty": [], "number": [5]}, {})
    assert info.get_argument("a") == "1"
    assert info.get_argument("number") == 5
    assert info.get_argument("missing") is None
    assert info.get_argument("empty", "default") == info.get_argument("missing", "default") == "default"


def test_t2_95_a_cookie_is_a_morsel_or_none() -> None:
    info = ConnectionInfo("", {}, SimpleCookie("name=value"))
    assert info.get_cookie("name").value == "value"
    assert info.get_cookie("other") is None


# T2-82 to T2-86: handlers and the queue


def test_t2_83_a_session_has_one_handler_at_a_time() -> None:
    server = DummyServer()
    session, handler = opened(Recorder, server)
    assert session.handler is handler
    assert session.set_handler(DummyHandler()) is False
    assert server.stats.dump()["active_connections"] == 1


def test_t2_83_a_handler_for_another_address_is_refused_if_addresses_are_verified() -> None:
    class Handler(DummyHandler):
        def __init__(self, ip: str) -> None:
            super().__init__()
            self.request = DummyRequest(ip)

    for is_verified, is_taken in ((True, False), (False, True)):
        session = Session(Recorder, DummyServer(verify_remote_ip=is_verified), DummyRequest("10.0.0.1"))
        assert session.set_handler(Handler("10.0.0.2")) is is_taken
    assert Session(Recorder, DummyServer(verify_remote_ip=True), DummyRequest("10.0.0.1")).set_handler(
        Handler("10.0.0.1")
    )


def test_t2_84_only_the_handler_of_the_session_can_be_removed() -> None:
    server = DummyServer()
    session, handler = opened(Recorder, server)
    with pytest.raises(Exception, match="cannot be removed"):
        session.remove_handler(DummyHandler())
    session.remove_handler(handler)
    assert session.handler is None
    assert server.stats.dump()["active_connections"] == 0


def test_t2_85_86_what_is_sent_waits_for_a_handler_and_goes_on_in_order() -> None:
    session, first = opened(Recorder)
    session.send_message("3:::one")
    session.remove_handler(first)
    session.send_message("3:::two")
    session.conn.send("three")
    second = DummyHandler()
    session.set_handler(second)
    session.flush()
    session.flush()
    assert (first.take(), second.take()) == (["1::", "3:::one"], ["3:::two", "3:::three"])
    assert session.send_queue == []


def test_t2_86_a_handler_that_comes_after_the_end_gets_the_rest_and_hears_of_it() -> None:
    session, first = opened(Recorder)
    session.remove_handler(first)
    session.conn.send("last")
    session.close()
    second = DummyHandler()
    session.set_handler(second)
    session.flush()
    assert (second.take(), second.closed) == (["3:::last", "0::"], 1)


@pytest.mark.parametrize(("forced", "has_handler", "is_closed"), [(0, 1, False), (0, 0, True), (1, 1, True)])
def test_t2_82_a_session_whose_time_is_over_goes_on_if_somebody_carries_it(
    forced: int, has_handler: int, is_closed: bool
) -> None:
    session, handler = opened(Recorder, expiry=30)
    if not has_handler:
        session.remove_handler(handler)
    session.promoted = None
    session.on_delete(bool(forced))
    assert session.is_closed is is_closed
    assert (session.promoted is not None) is not is_closed


# T2-87, WP-40: the end


def test_t2_87_the_endpoints_go_first_in_their_order_then_the_session() -> None:
    server = DummyServer()
    session, handler = opened(Main, server)
    session.raw_message("1::/b")
    session.raw_message("1::/a")
    handler.take()
    session.close()
    session.close()
    assert session.log == ["/b", "/a", None]  # type: ignore[attr-defined]
    assert (handler.take(), handler.closed) == (["0::/b", "0::/a", "0::"], 1)
    assert server.stats.dump()["active_sessions"] == 0
    assert session.endpoints == {}


@pytest.mark.parametrize("packet", ["0::", "0"])
def test_wp_40_a_clients_goodbye_is_answered_for_every_endpoint(packet: str) -> None:
    session, handler = opened(Main)
    session.raw_message("1::/a")
    session.raw_message(packet)
    assert handler.take() == ["1::", "1::/a", "0::/a", "0::"]
    assert session.is_closed


def test_wp_40_an_endpoint_is_left_alone() -> None:
    session, handler = opened(Main)
    session.raw_message("1::/a")
    session.raw_message("0::/a")
    session.raw_message("0::/a")
    assert handler.take() == ["1::", "1::/a", "0::/a"]
    assert (session.log, session.is_closed) == (["/a"], False)  # type: ignore[attr-defined]


def test_a_connection_may_say_something_in_on_close_and_close_once_more() -> None:
    class Polite(SocketConnection):
        def on_close(self) -> Any:
            self.send("bye")
            self.close()

    session, handler = opened(Polite)
    session.close()
    assert handler.take() == ["1::", "3:::bye", "0::"]


def test_t2_7_an_on_close_that_fails_keeps_no_other_from_its_own(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recorder):
        def on_close(self) -> Any:
            raise ValueError("the goodbye fails")

    class Other(Recorder):
        __endpoints__ = {"/a": Failing, "/b": Recorder}  # noqa: RUF012

    session, handler = opened(Other)
    session.raw_message("1::/a")
    session.raw_message("1::/b")
    other: Any = session.endpoints["/b"]
    session.close()
    assert other.heard == session.conn.heard == ["closed"]
    assert handler.take() == ["1::", "1::/a", "1::/b", "0::/a", "0::/b", "0::"]
    assert "the goodbye fails" in caplog.text


@pytest.mark.parametrize("packet", ['5::/a:{"name":"fail"}', '5:::{"name":"fail"}', '5::/a:{"name":"fail","args":[1]}'])
def test_t2_b1_who_drives_a_session_closes_it_with_all_endpoints_after_a_failure(packet: str) -> None:
    session, handler = opened(Main)
    session.raw_message("1::/a")
    session.raw_message("1::/b")
    handler.take()
    with pytest.raises((ValueError, TypeError)):
        session.raw_message(packet)
    session.close()
    assert handler.take() == ["0::/a", "0::/b", "0::"]
    assert session.log == ["/a", "/b", None]  # type: ignore[attr-defined]


def test_what_comes_after_the_end_is_ignored() -> None:
    session, handler = opened(Recorder)
    session.close()
    handler.take()
    session.raw_message("3:::late")
    assert session.conn.heard == ["closed"]
    assert handler.take() == []


# T2-88: heartbeats


def test_t2_88_the_third_heartbeat_without_an_answer_ends_the_session() -> None:
    server = DummyServer(heartbeat_interval=10)
    server.io_loop = FakeLoop()
    _, handler = opened(Recorder, server)
    server.io_loop.advance(25)
    assert handler.take() == ["1::", "2::", "2::"]
    server.io_loop.advance(100)
    assert (handler.take(), handler.closed) == (["2::", "0::"], 1)
    assert server.io_loop.timeouts == []


def test_t2_88_only_a_heartbeat_answers_heartbeats() -> None:
    server = DummyServer(heartbeat_interval=10)
    server.io_loop = FakeLoop()
    session, _ = opened(Recorder, server)
    for _ in range(5):
        server.io_loop.advance(20)
        session.raw_message("2::")
    assert not session.is_closed
    server.io_loop.advance(20)
    session.raw_message("3:::that I live")
    server.io_loop.advance(10)
    assert session.is_closed


def test_t2_88_heartbeats_can_be_stopped_reset_delayed_and_made_by_hand() -> None:
    server = DummyServer(heartbeat_interval=10)
    server.io_loop = FakeLoop()
    session, handler = opened(Recorder, server)
    handler.take()
    server.io_loop.advance(6)
    session.delay_heartbeat()
    server.io_loop.advance(6)
    assert handler.take() == []
    server.io_loop.advance(4)
    assert handler.take() == ["2::"]
    session.stop_heartbeat()
    server.io_loop.advance(100)
    assert handler.take() == []
    session.reset_heartbeat()
    server.io_loop.advance(10)
    assert handler.take() == ["2::"]
    session._heartbeat()
    session._heartbeat()
    assert handler.take() == ["2::", "2::", "0::"]


def test_t2_88_without_global_heartbeats_a_transport_begins_them() -> None:
    server = DummyServer(heartbeat_interval=10, global_heartbeats=False)
    server.io_loop = FakeLoop()
    session, handler = opened(Recorder, server)
    server.io_loop.advance(100)
    session.reset_heartbeat()
    server.io_loop.advance(10)
    assert handler.take() == ["1::", "2::"]


# T2-89, T2-90, T2-92: endpoints


def test_t2_89_an_endpoint_hears_its_own_query_and_the_session_s_cookies() -> None:
    session, handler = opened(Main, request=DummyRequest("10.0.0.1", {"a": [b"0"]}, SimpleCookie("c=1")))
    session.raw_message("1::/a?a=5&b=6")
    session.raw_message("1::/b:?a=7")
    infos: list[Any] = [session.endpoints[name].info for name in ("/a", "/b")]
    assert [info.arguments for info in infos] == [{"a": ["5"], "b": ["6"]}, {"a": ["7"]}]
    assert [info.ip for info in infos] == ["10.0.0.1"] * 2
    assert infos[0].get_cookie("c").value == "1"
    assert session.info.arguments == {"a": ["0"]}
    assert handler.take() == ["1::", "1::/a", "1::/b"]


def test_t2_89_an_endpoint_that_is_open_is_opened_again_as_the_same_object() -> None:
    session, handler = opened(Main)
    session.connect_endpoint("/a?x=1")
    first: Any = session.endpoints["/a"]
    session.connect_endpoint("/a?x=2")
    assert session.endpoints["/a"] is first
    assert first.info.arguments == {"x": ["2"]}
    assert handler.take() == ["1::", "1::/a", "1::/a"]


def test_t2_89_90_what_does_not_exist_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    session, handler = opened(Main)
    for packet in ("1::/unknown", "0::/unknown", "3::/unknown:x", "1::", "7:::1+0", "8::"):
        session.raw_message(packet)
    session.disconnect_endpoint("/unknown")
    assert handler.take() == ["1::"]
    assert not session.is_closed
    assert len(caplog.records) == 6


def test_t2_b5_without_endpoints_nothing_is_multiplexed() -> None:
    session, handler = opened(Recorder)
    session.raw_message("1::/x")
    session.raw_message("3:::still here")
    assert handler.take() == ["1::"]
    assert session.conn.heard == ["still here"]


def test_t2_4_an_endpoint_refuses_with_false_and_nothing_else() -> None:
    class Picky(Recorder):
        def on_open(self, request: Any) -> Any:
            super().on_open(request)
            return {"no": False, "zero": 0, "yes": None}[request.get_argument("answer")]

    class Home(Recorder):
        __endpoints__ = {"/picky": Picky}  # noqa: RUF012

    session, handler = opened(Home)
    handler.take()
    session.raw_message("1::/picky?answer=no")
    assert (handler.take(), session.endpoints) == (["1::/picky", "0::/picky"], {})
    for answer in ("zero", "yes"):
        session.raw_message(f"1::/picky?answer={answer}")
        assert (handler.take(), list(session.endpoints)) == (["1::/picky"], ["/picky"])


def test_t2_12_the_main_connection_may_route_endpoints_itself() -> None:
    class Main(Recorder):
        def get_endpoint(self, endpoint: str) -> type[SocketConnection]:
            return Recorder

    session, handler = opened(Main)
    session.raw_message("1::/anything")
    session.raw_message("3::/anything:hi")
    assert handler.take() == ["1::", "1::/anything"]
    assert session.endpoints["/anything"].heard == ["hi"]


def test_t2_92_a_connection_is_found_by_its_endpoint() -> None:
    session, _ = opened(Main)
    session.raw_message("1::/a")
    assert session.get_connection("/a") is session.endpoints["/a"]
    assert session.get_connection("") is session.get_connection(None) is session.conn
    assert session.get_connection("/unknown") is None


def test_t2_53_acknowledgements_have_ids_of_their_own_in_each_endpoint() -> None:
    session, handler = opened(Main)
    session.raw_message("1::/a")
    handler.take()
    called: list[Any] = []
    for name in (None, "/a"):
        connection = session.get_connection(name)
        assert connection is not None
        connection.send("m", lambda _, data: called.append(data))
    assert handler.take() == ["3:1::m", "3:1:/a:m"]
    session.raw_message('6::/a:1+["a"]')
    assert called == [["a"]]
    session.raw_message("6:::1")
    assert called == [["a"], None]


# T2-91: raw messages


@pytest.mark.parametrize("packet", ["garbage", "9::", "4:::{broken", '5:::{"args":[]}', '5:::"x"', "", "1+::"])
def test_t2_91_a_broken_packet_is_logged_and_raised(packet: str, caplog: pytest.LogCaptureFixture) -> None:
    session, _ = opened(Recorder)
    with pytest.raises(DecodeError) as broken:
        session.raw_message(packet)
    assert isinstance(broken.value, ValueError), "users' tests say `except ValueError`"
    assert "a packet is broken" in caplog.text
    assert repr(packet[:20]) not in caplog.text


def test_t2_91_what_a_handler_raises_is_logged_and_raised(caplog: pytest.LogCaptureFixture) -> None:
    session, _ = opened(Main)
    with pytest.raises(ValueError, match="the handler fails"):
        session.raw_message('5:::{"name":"fail"}')
    assert [record.name for record in caplog.records if record.exc_info] == ["tornadio2.session"]


FAILURES = {
    '5:::{"name":"fail"}': "the handler of the event 'fail' of Failing has failed",
    '5::/a:{"name":"fail"}': "the handler of the event 'fail' of Endpoint has failed",
    "3::/b:x": "Failing.on_message has failed",
    "6:::1": "the callback of an acknowledgement of Failing has failed",
    "1::/b": "Failing.on_open has failed",
}


@pytest.mark.parametrize(("packet", "said"), FAILURES.items())
def test_t2_91_the_log_names_what_has_failed(packet: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Endpoint):
        def on_open(self, request: Any) -> Any:
            if self.session.endpoints.get("/b") is self and packet == "1::/b":
                raise ValueError

        def on_message(self, message: Any) -> Any:
            raise ValueError

        def acknowledged(self, message: Any, data: Any) -> None:
            raise ValueError

    class Switch(Failing):
        def get_endpoint(self, endpoint: str) -> type[SocketConnection]:
            return {"/a": Endpoint, "/b": Failing}[endpoint]

    Switch.__name__ = "Failing"
    session, _ = opened(Switch)
    session.conn.send("?", session.conn.acknowledged)
    for name in ("/a", "/b"):
        if packet != f"1::{name}":
            session.raw_message(f"1::{name}")
    with pytest.raises(ValueError):
        session.raw_message(packet)
    assert [record.getMessage() for record in caplog.records] == [said]


def test_t2_15_the_log_says_how_many_arguments_did_not_fit_and_has_one_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session, _ = opened(Main)
    with pytest.raises(TypeError):
        session.raw_message('5:::{"name":"fail","args":[1,2]}')
    text = "the handler of the event 'fail' of Main does not take what came (arguments: 2), or has failed"
    assert [(record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        (text, False),
        ("the handler of the event 'fail' of Main has failed", True),
    ]


def test_t2_4_the_log_says_who_has_refused_whom(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tornadio2.session")

    class Shut(SocketConnection):
        def on_open(self, request: Any) -> Any:
            return False

    class Forbidden(SocketConnection):
        def on_open(self, request: Any) -> Any:
            raise HTTPError(403)

    class Door(Recorder):
        __endpoints__ = {"/shut": Shut, "/forbidden": Forbidden}  # noqa: RUF012

    with pytest.raises(HTTPError):
        opened(Shut)
    session, _ = opened(Door)
    session.raw_message("1::/shut")
    session.raw_message("1::/typo")
    with pytest.raises(HTTPError):
        session.raw_message("1::/forbidden")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Shut.on_open has refused a client of 127.0.0.1"),
        ("INFO", "Shut.on_open has refused a client of 127.0.0.1 at '/shut'"),
        ("ERROR", "Door has no endpoint '/typo'"),
        ("INFO", "Forbidden.on_open has refused a client of 127.0.0.1 with 403, which closes everything"),
    ]


def test_t2_91_bytes_are_packets_too() -> None:
    session, _ = opened(Recorder)
    session.raw_message("3:::é".encode())
    assert session.conn.heard == ["é"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_gets_through(stop: type[BaseException]) -> None:
    class Chat(Recorder):
        def on_message(self, message: Any) -> Any:
            raise stop

    session, _ = opened(Chat)
    with pytest.raises(stop):
        session.raw_message("3:::x")


def test_ux_4_a_connection_may_tell_all_others_while_it_closes() -> None:
    members: set[Any] = set()

    class Chat(SocketConnection):
        def on_open(self, request: Any) -> Any:
            members.add(self)

        def on_close(self) -> Any:
            members.remove(self)
            for member in members:
                member.send("gone")

    first, second = opened(Chat), opened(Chat)
    first[0].close()
    assert second[1].take() == ["1::", "3:::gone"]
    second[0].close()
    assert second[1].take() == ["0::"]


def test_who_is_refused_late_has_not_been_there_either() -> None:
    waiting: list[Any] = []

    class Slow(Recorder):
        def on_open(self, request: Any) -> Any:
            super().on_open(request)
            yield gen.Task(later, waiting)
            return False

    session, handler = opened(Slow)
    waiting.pop()(None)
    assert (session.is_closed, handler.take(), handler.closed) == (True, ["1::", "0::"], 1)
    assert session.conn.heard == [], "on_close is not called, as after a refusal at once"


def test_a_decorated_on_open_that_goes_on_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    class Decorated(Recorder):
        @gen.engine
        def on_open(self, request: Any) -> Any:
            self.heard = []
            yield gen.Task(later, [])

    for _ in range(2):
        session, _ = opened(Decorated)
        session.raw_message("3:::in already")
        assert session.conn.heard == ["in already"]
    assert caplog.messages == [
        "on_open of Decorated is decorated and waits, but its clients are accepted: "
        "make it async, or remove the decorator"
    ]
