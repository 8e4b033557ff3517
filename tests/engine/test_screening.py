"""What is refused of every client before anything else: too many header lines, and hosts that are not the server's."""

from typing import Any

import pytest

from engine.applications import Packets
from waterspout.engine import AllowedHosts, Answer, Engine, Policy, Refuse
from waterspout.testing import Clock, admit
from waterspout.types import Request
from waterspout.wire import json
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1

UPGRADE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
ASKS = (("Access-Control-Request-Method", "POST"),)
SAME_ORIGIN = (("Sec-Fetch-Site", "same-origin"),)
WAYS: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "polling of Engine.IO 4": ("GET", "/?EIO=4&transport=polling", ()),
    "polling of Engine.IO 3": ("GET", "/?EIO=3&transport=polling", ()),
    "JSONP": ("GET", "/?EIO=4&transport=polling&j=1", SAME_ORIGIN),
    "a WebSocket": ("GET", "/?EIO=4&transport=websocket", UPGRADE),
    "a preflight": ("OPTIONS", "/?EIO=4&transport=polling", ASKS),
    "a handshake of 0.9": ("GET", "/1/", ()),
    "a script of 0.9": ("GET", "/1/?jsonp=7", SAME_ORIGIN),
    "a preflight of 0.9": ("OPTIONS", "/1/", ASKS),
}
REBOUND = "evil.example:8000"

ways = pytest.mark.parametrize("way", WAYS)


def make(**options: Any) -> Engine:
    policy = Policy(generations=(ENGINEIO_3, ENGINEIO_4, SOCKETIO_1), **options)
    return Engine(Packets(), driver=Clock(), path="/socket.io", policy=policy)


def ask(engine: Engine, way: str, *fields: tuple[str, str], **options: Any) -> Any:
    method, below, own = WAYS[way]
    return admit(engine, Request(method, f"/socket.io{below}", (*fields, *own), **options))


# Bodies in a Content-Encoding


@pytest.mark.parametrize("path", ["/socket.io/?EIO=4&transport=polling", "/socket.io/1/xhr-polling/x"])
def test_a_function_of_origins_that_fails_keeps_its_page_from_reading_the_refusal_of_a_coding(path: str) -> None:
    """It runs through the driver here as everywhere: its failure is reported, and does not reach the host."""

    def judge(origin: str) -> bool:
        raise LookupError(origin)

    engine = make(cors_origins=judge)
    fields = [("Host", "here.example"), ("Origin", "http://there.example"), ("Content-Encoding", "gzip")]
    decision = admit(engine, Request("POST", path, fields))
    assert isinstance(decision, Refuse)
    assert decision.response.status == 415
    assert "Access-Control-Allow-Origin" not in dict(decision.response.headers)
    assert isinstance(engine.driver, Clock)
    assert "the function cors_origins failed" in engine.driver.reports[0][0]


# Header lines


@ways
def test_more_header_lines_than_the_limit_are_refused_and_as_many_are_not(way: str) -> None:
    engine = make(max_header_lines=20)
    host = ("Host", "here.example")
    spare = 20 - 1 - len(WAYS[way][2])
    assert not isinstance(ask(engine, way, host, *[("X-Same", "a")] * spare), Refuse)
    decision = ask(engine, way, host, *((f"X-{number}", "a") for number in range(spare + 1)))
    assert isinstance(decision, Refuse)
    assert decision.response.status == 431
    assert decision.detail == "the request has 21 header lines, more than the 20 of max_header_lines"
    assert decision.detail.encode() in decision.response.body
    assert engine.traffic.refused == 1


def test_the_default_is_100() -> None:
    engine = make()
    assert not isinstance(ask(engine, "polling of Engine.IO 4", *[("X", "")] * 100), Refuse)
    assert ask(engine, "polling of Engine.IO 4", *[("X", "")] * 101).response.status == 431


@ways
def test_nothing_is_made_of_lines_that_are_too_many(way: str) -> None:
    made: list[str] = []

    class Name(str):
        """A name that tells whether somebody has looked at it."""

        def lower(self) -> str:
            made.append(self)
            return super().lower()

    method, below, own = WAYS[way]
    request = Request(method, f"/socket.io{below}", [(Name("X"), "a")] * 101)
    engine = make(trusted_proxies=1, allowed_hosts="here.example")
    assert isinstance(admit(engine, request), Refuse)
    assert made == []
    assert isinstance(admit(engine, Request(method, f"/socket.io{below}", [(Name("X"), "a"), *own])), Refuse)
    assert made == ["X"]


# Hosts


@ways
def test_any_host_may_be_asked_for_by_default(way: str) -> None:
    assert not isinstance(ask(make(), way, ("Host", REBOUND), ("Origin", f"http://{REBOUND}")), Refuse)


@ways
@pytest.mark.parametrize("origin", [f"http://{REBOUND}", "http://here.example", None])
@pytest.mark.parametrize("cors", [None, "*", f"http://{REBOUND}"])
def test_a_page_whose_name_points_here_is_refused_whatever_its_origin(
    way: str, origin: str | None, cors: str | None
) -> None:
    engine = make(allowed_hosts="here.example", cors_origins=cors)
    fields = () if origin is None else (("Origin", origin),)
    decision = ask(engine, way, ("Host", REBOUND), *fields)
    assert isinstance(decision, Refuse)
    assert decision.detail == f"the host '{REBOUND}' is not allowed: add it to allowed_hosts"
    assert decision.response.status == (200 if way == "a script of 0.9" else 403)
    assert not [name for name, _ in decision.response.headers if name.startswith("Access-Control")]
    assert not engine.sessions
    if way in ("polling of Engine.IO 4", "polling of Engine.IO 3", "JSONP", "a WebSocket", "a preflight"):
        answer = json.decode(decision.response.body.decode())
        assert (answer["code"], answer["message"]) == (4, "Forbidden")


@ways
@pytest.mark.parametrize("host", ["here.example", "HERE.example.:8000"])
def test_the_server_itself_may_be_asked_for(way: str, host: str) -> None:
    engine = make(allowed_hosts=["here.example"])
    assert not isinstance(ask(engine, way, ("Host", host)), Refuse)
    assert isinstance(ask(engine, "a preflight", ("Host", host)), Answer)


@ways
def test_who_names_no_host_is_refused(way: str) -> None:
    decision = ask(make(allowed_hosts=["here.example"]), way)
    assert isinstance(decision, Refuse)
    assert decision.detail == "the host '' is not allowed: add it to allowed_hosts"


@ways
def test_of_several_host_fields_none_counts(way: str) -> None:
    engine = make(allowed_hosts=["here.example"])
    assert isinstance(ask(engine, way, ("Host", "here.example"), ("Host", REBOUND)), Refuse)
    assert isinstance(ask(engine, way, ("Host", "here.example"), ("Host", "here.example")), Refuse)


@pytest.mark.parametrize(
    ("target", "is_refused"),
    [
        ("http://here.example/x?a=/", False),
        ("HTTP://here.example", False),
        (f"http://{REBOUND}/x", True),
        ("http://here.example@evil.example/", True),
        ("here.example:80", True),
        ("*", True),
        ("", True),
    ],
)
def test_a_target_with_a_host_of_its_own_counts_instead_of_the_field(target: str, is_refused: bool) -> None:
    decision = admit(make(allowed_hosts="here.example"), Request("GET", target, [("Host", "here.example")]))
    assert isinstance(decision, Refuse)  # the rest of such a target is no request of the engine's
    assert (decision.response.status == 403) is is_refused


@ways
def test_a_request_in_absolute_form_is_like_any_other_and_its_host_counts(way: str) -> None:
    method, below, own = WAYS[way]
    for allowed, is_refused in ((None, False), ("here.example", False), (REBOUND, True)):
        fields = [("Host", REBOUND), ("Origin", "http://here.example"), *own]
        decision = admit(make(allowed_hosts=allowed), Request(method, f"HTTP://here.example/socket.io{below}", fields))
        assert isinstance(decision, Refuse) is is_refused


# Coded bodies


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x" * 1000])
@pytest.mark.parametrize("target", ["/socket.io/?EIO=4&transport=polling&sid=x", "/socket.io/1/xhr-polling/x"])
def test_a_body_in_an_unknown_coding_is_refused_by_its_name(coding: str, target: str) -> None:
    decision = admit(make(), Request("POST", target, [("Content-Encoding", coding)]))
    assert isinstance(decision, Refuse)
    assert decision.response.status == 415
    assert dict(decision.response.headers)["Accept-Encoding"] == "identity"
    assert f"the Content-Encoding is '{coding[:80]}" in decision.detail
    assert len(decision.response.body) < 300


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_body_as_it_is_may_say_so(coding: str) -> None:
    request = Request("POST", "/socket.io/?EIO=4&transport=polling&sid=x", [("Content-Encoding", coding)])
    decision = admit(make(), request)
    assert isinstance(decision, Refuse)
    assert decision.response.status == 400  # there is no such session


def test_a_coding_of_no_body_says_nothing() -> None:
    request = Request("GET", "/socket.io/?EIO=4&transport=polling", [("Content-Encoding", "gzip")])
    assert not isinstance(admit(make(), request), Refuse)


@pytest.mark.parametrize(
    ("trusted", "allowed", "is_refused"),
    [
        ((), "inside.example", False),
        ((), "here.example", True),
        (1, "here.example", False),
        (1, "inside.example", True),
    ],
)
@ways
def test_the_host_that_a_proxy_says_counts_where_the_proxy_is_trusted(
    way: str, trusted: Any, allowed: AllowedHosts, is_refused: bool
) -> None:
    engine = make(allowed_hosts=allowed, trusted_proxies=trusted)
    fields = ("Host", "inside.example"), ("X-Forwarded-Host", "here.example")
    assert isinstance(ask(engine, way, *fields, remote_address="10.0.0.1"), Refuse) is is_refused


@ways
def test_the_port_of_an_entry_counts(way: str) -> None:
    engine = make(allowed_hosts="here.example:443")
    assert not isinstance(ask(engine, way, ("Host", "here.example"), secure=True), Refuse)
    assert isinstance(ask(engine, way, ("Host", "here.example"), secure=False), Refuse)
    assert isinstance(ask(engine, way, ("Host", "here.example:8000"), secure=True), Refuse)


def test_a_client_of_a_session_is_asked_again_each_time() -> None:
    engine = make(allowed_hosts="here.example")
    opened = ask(engine, "a WebSocket", ("Host", "here.example"))
    target = f"/socket.io/?EIO=4&transport=polling&sid={opened.session.id}"
    decision = admit(engine, Request("GET", target, [("Host", REBOUND)]))
    assert isinstance(decision, Refuse)
    assert decision.response.status == 403


def test_what_a_client_calls_its_host_is_shown_without_what_terminals_obey() -> None:
    decision = ask(make(allowed_hosts="here.example"), "a WebSocket", ("Host", "\x1b[2J" + "x" * 100))
    assert decision.detail.startswith(r"the host '\x1b[2Jxxx")
    assert len(decision.detail) < 200
