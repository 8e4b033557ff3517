"""What a program has probably forgotten is a warning, once for each name, and a bounded number of them."""

import logging
import re
from typing import Any

import pytest

from waterspout import ConnectRefused, Server, Socket
from waterspout.engine import Refuse
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Clock, Pair, Peer, admit
from waterspout.types import Request


@pytest.fixture
def server() -> Server:
    server = Server(driver=Clock())

    @server.on("say")
    def say(socket: Socket, text: str) -> None: ...

    return server


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def ask(server: Server, target: str, **fields: str) -> None:
    request = Request("GET", target, list(fields.items()), remote_address="192.0.2.1")
    assert isinstance(admit(server.engine, request), Refuse)


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
def test_an_event_without_a_handler_is_named_once(
    server: Server, caplog: pytest.LogCaptureFixture, generation: Any
) -> None:
    with Pair(server, generation=generation) as pair:
        for _ in range(20):
            pair.peer.emit("syn")
        pair.peer.emit("say", "hello")
    assert warnings(caplog) == [
        "a client sends the event 'syn' in /, which has no handler for it: register one with on(...) or on_any"
    ]


def test_a_message_without_a_name_is_named_too(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    Pair(server, generation=SOCKETIO_1).peer.send("3:::hello")
    assert "the event 'message' in /" in warnings(caplog)[0]


def test_no_event_is_unknown_where_any_is_heard(
    server: Server, caplog: pytest.LogCaptureFixture, generation: Any
) -> None:
    server.on_any(lambda socket, event, *args: None)
    with Pair(server, generation=generation) as pair:
        pair.peer.emit("syn")
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("args", "outline"),
    [
        ((), "the event 'say' takes 1 argument, 0 came: 'text' is missing"),
        (("a", "b"), "the event 'say' takes 1 argument, 2 came"),
        ((1,), "the event 'say' does not take this as 'text': Expected `str`, got `int`"),
    ],
)
def test_arguments_that_do_not_fit_are_named_once(
    server: Server, caplog: pytest.LogCaptureFixture, args: tuple[Any, ...], outline: str, generation: Any
) -> None:
    with Pair(server, generation=generation) as pair:
        for _ in range(20):
            pair.peer.emit("say", *args)
    assert warnings(caplog) == [f"an event in / is refused, and its handler is not called: {outline}"]


def test_a_namespace_that_is_not_there_is_named_once(
    server: Server, caplog: pytest.LogCaptureFixture, generation: Any
) -> None:
    with Pair(server, generation=generation) as pair:
        for _ in range(20):
            pair.peer.connect("/chat")
    (line,) = warnings(caplog)
    assert line.endswith("asks for the namespace '/chat', which does not exist: server.of makes one")


@pytest.mark.parametrize("target", ["/socket.io/?EIO=4&transport=polling", "/socket.io/1/"])
def test_an_origin_that_is_refused_is_named_once_and_each_request_at_info(
    server: Server, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    caplog.set_level(logging.INFO)
    for origin in ("http://a.example", "http://b.example") * 3:
        ask(server, target, Host="here.example", Origin=origin)
    first, second = warnings(caplog)
    sentence = "Origin 'http://a.example' is not allowed for the host 'here.example': add it to cors_origins; behind a"
    assert f"is refused with 403: {sentence} proxy, pass on Host" in first
    assert "'http://b.example'" in second
    assert len(caplog.records) == 6


@pytest.mark.parametrize("target", ["/socket.io/?EIO=4&transport=polling", "/socket.io/1/"])
def test_a_host_and_the_scripts_of_other_pages_are_named_once(caplog: pytest.LogCaptureFixture, target: str) -> None:
    server = Server(driver=Clock(), allowed_hosts=["here.example"], jsonp=True)
    for _ in range(5):
        ask(server, target, Host="there.example")
        ask(server, f"{target}{'&j=1' if 'EIO' in target else '?jsonp=1'}", Host="here.example")
    host, script = warnings(caplog)
    assert "the host 'there.example' is not allowed" in host
    assert "cors_origins" in script


def flood(pair: Pair, clock: Clock, way: str, count: int) -> None:
    """Use so many names, nine in a second: the throttle leaves none out."""
    for number in range(count):
        if way == "events":
            pair.peer.emit(f"event {number}")
        elif way == "namespaces":
            pair.peer.connect(f"/{number}")
        else:
            ask(pair.server, "/socket.io/?EIO=4&transport=polling", Origin=f"http://{number}.{way.replace(' ', '-')}")
        if number % 9 == 8:
            clock.advance(1)
            pair.peer.take()


@pytest.mark.parametrize("way", ["events", "namespaces", "origins"])
def test_after_two_hundred_names_one_line_says_that_few_more_are_shown(
    server: Server, caplog: pytest.LogCaptureFixture, way: str, generation: Any
) -> None:
    pair = Pair(server, generation=generation)
    flood(pair, pair.clock, way, 230)
    lines = warnings(caplog)
    assert len(lines) == 201
    assert lines[-1].startswith("200 names have had such a line; from now on only 10 more an hour get one: ")
    assert "199" in lines[-2]


def test_names_that_a_client_makes_up_hide_none_of_another_kind(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(driver=Clock(), allowed_hosts=["here.example", "localhost"])
    target = "/socket.io/?EIO=4&transport=polling"
    server.of("/chat")
    pair = Pair(server)
    for number in range(230):
        ask(server, target, Host="here.example", Origin=f"http://{number}.example")
        pair.peer.emit(f"event {number}")
        if number % 9 == 8:
            pair.clock.advance(1)
    pair.peer.connect("/chat")
    pair.peer.emit("syn", namespace="/chat")
    ask(server, target, Host="there.example")
    ask(server, f"{target}&j=1", Host="here.example")
    event, host, script = warnings(caplog)[-3:]
    assert "'syn' in /chat" in event
    assert "the host 'there.example' is not allowed" in host
    assert "cors_origins" in script


def test_ten_more_names_are_shown_in_an_hour(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    pair = Pair(server)
    flood(pair, pair.clock, "origins", 230)
    for hour in range(2):
        before = len(warnings(caplog))
        pair.clock.advance(3600)
        flood(pair, pair.clock, f"origins of hour {hour}", 20)
        assert len(warnings(caplog)) - before == 10
    assert sum("only 10 more" in line for line in warnings(caplog)) == 1


def test_the_memory_of_names_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    server = Server(driver=clock)
    target = "/socket.io/?EIO=4&transport=polling"
    for number in range(500):
        clock.advance(360)
        ask(server, target, Origin=f"http://{number}.example")
    assert len(warnings(caplog)) == 500
    clock.advance(360)
    ask(server, target, Origin="http://499.example")
    assert len(warnings(caplog)) == 500
    ask(server, target, Origin="http://0.example")  # which is forgotten
    assert len(warnings(caplog)) == 501


def test_names_that_the_throttle_left_out_come_later(
    server: Server, caplog: pytest.LogCaptureFixture, generation: Any
) -> None:
    with Pair(server, generation=generation) as pair:
        for number in range(15):
            pair.peer.emit(f"event {number}")
        assert len(warnings(caplog)) == 10
        pair.clock.advance(2)
        pair.peer.emit("event 14")
    assert re.match("5 more of these", warnings(caplog)[10])
    assert "'event 14'" in warnings(caplog)[11]


def test_names_of_dynamic_namespaces_are_not_in_the_lines_of_their_events(
    server: Server, caplog: pytest.LogCaptureFixture, generation: Any
) -> None:
    server.of(re.compile("/room-.*"))
    with Pair(server, generation=generation) as pair:
        for number in range(5):
            pair.peer.connect(f"/room-{number}")
            pair.peer.emit("syn", namespace=f"/room-{number}")
    (line,) = warnings(caplog)
    assert "in /room-.*, which" in line


# Cookies of users, and pages of everybody

COOKIE = [("Cookie", "user=ada")]


def cookies_read(server: Server, *, cookie: list[tuple[str, str]]) -> None:
    server.use(lambda socket, auth: socket.request.cookies.get("user") is None or None)
    for _ in range(2):
        Pair(server, headers=cookie)


def test_cookies_that_a_step_reads_where_pages_of_all_sites_connect_are_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cookies_read(Server(driver=Clock(), cors_origins="*"), cookie=COOKIE)
    [warning] = warnings(caplog)
    assert warning.startswith('a connect step of / reads cookies, and cors_origins="*" lets the pages of all sites')


def test_a_client_that_is_refused_for_its_cookie_is_a_warning_too(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(driver=Clock(), cors_origins="*")

    @server.on_connect
    def connect(socket: Socket, auth: Any) -> None:
        raise ConnectRefused(f"Who is {socket.request.cookies}?")

    peer = Peer(server, headers=COOKIE)
    peer.connect()
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(("origins", "cookie"), [(None, COOKIE), (["https://a.example"], COOKIE), ("*", [])])
def test_cookies_are_no_warning_where_pages_are_named_or_none_came(
    caplog: pytest.LogCaptureFixture, origins: Any, cookie: list[tuple[str, str]]
) -> None:
    cookies_read(Server(driver=Clock(), cors_origins=origins), cookie=cookie)
    assert warnings(caplog) == []


# Proxies


def test_a_websocket_whose_upgrade_a_proxy_has_dropped_is_a_warning(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        ask(server, "/socket.io/?EIO=4&transport=websocket", Host="here.example", Connection="close")
    [warning] = warnings(caplog)
    assert "a proxy before the server has probably dropped it" in warning
