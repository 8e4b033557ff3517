"""Routes: which requests are an engine's, and who decides about them."""

from typing import Any

import pytest

from engine.applications import Packets
from engine.toyroute import ToyRoute
from waterspout.engine import Engine, Policy, Refuse, Unknown
from waterspout.testing import Clock, MemoryExchange, admit
from waterspout.testing.links import respond
from waterspout.types import Request
from waterspout.wire.generations import ENGINEIO_4, SOCKETIO_1

HOST = ("Host", "here.example")


def make(*routes: ToyRoute, **options: Any) -> Engine:
    engine = Engine(Packets(), driver=Clock(), path="/socket.io", policy=Policy(**options))
    for route in routes:
        engine.add_route(route)  # type: ignore[arg-type]
    return engine


def ask(engine: Engine, target: str, *fields: tuple[str, str], method: str = "GET", body: bytes = b"") -> Any:
    """Return the answer to a request."""
    request = Request(method, target, (HOST, *fields))
    decision = admit(engine, request)
    if isinstance(decision, Refuse):
        return decision.response
    exchange = MemoryExchange(request)
    respond(engine, decision, exchange, body)  # type: ignore[arg-type]
    return exchange.response


def test_a_route_that_is_added_serves_its_path_and_no_other() -> None:
    engine = make()
    assert not engine.serves("/prices")
    engine.add_route(ToyRoute("/prices"))  # type: ignore[arg-type]
    assert engine.serves("/prices")
    assert engine.serves("http://any.example:8000/prices")
    assert not any(map(engine.serves, ("/prices/", "/price", "", "/", "/socket.io/prices", "*")))
    assert ask(engine, "/prices?a=1").body == b"toy"
    assert ask(engine, "http://any.example:8000/prices", method="POST", body=b" story").body == b"toy story"
    assert ask(engine, "/socket.io/?EIO=4&transport=polling").body.startswith(b"0{")


def test_of_two_routes_for_a_path_the_first_has_it_and_the_engines_own_come_before_all() -> None:
    later = (ToyRoute("/socket.io/"), ToyRoute("/socket.io/1/"), ToyRoute("/a", b"first"), ToyRoute("/a", b"second"))
    engine = make(*later, generations=(ENGINEIO_4, SOCKETIO_1))
    assert ask(engine, "/a").body == b"first"
    assert ask(engine, "/socket.io/").status == 400
    assert ask(engine, "/socket.io/1/").body.count(b":") == 3


def test_what_a_host_brings_although_no_route_serves_it_is_taken_for_engineio() -> None:
    """A request handler may stand at a path of its own."""
    assert b'"code":0' in ask(make(ToyRoute("/prices")), "/elsewhere").body


def test_what_is_refused_before_a_route_decides_is_refused_in_the_routes_form() -> None:
    engine = make(ToyRoute("/prices"), max_header_lines=3, allowed_hosts="here.example")
    lines = ask(engine, "/prices", *[("X", "y")] * 3)
    assert (lines.status, lines.body[:31]) == (431, b"toy: the request has 4 header l")
    host = admit(engine, Request("GET", "/prices", [("Host", "evil.example")]))
    assert isinstance(host, Refuse)
    assert (host.response.status, host.response.body[:21]) == (403, b"toy: the host 'evil.e")
    assert host.subject == ("host", "evil.example")
    coding = ask(engine, "/prices", ("Content-Encoding", "br"), method="POST", body=b"x")
    assert (coding.status, coding.body[:28]) == (415, b"toy: the Content-Encoding is")
    assert dict(coding.headers)["Accept-Encoding"] == "identity"


def test_a_function_of_origins_is_asked_on_the_way_to_any_route() -> None:
    route = ToyRoute("/prices")
    engine = make(route, cors_origins=lambda origin: origin.endswith(".friend"))
    for origin in ("http://a.friend", "http://a.foe"):
        assert ask(engine, "/prices", ("Origin", origin)).status == 200  # the route itself judges
    assert route.admitted == ["http://a.friend", None]


@pytest.mark.parametrize("again", [None, Refuse(ToyRoute("").refuse(404, "again").response)])
def test_a_route_may_not_know_a_session(again: Refuse | None) -> None:
    class Forgetful(ToyRoute):
        def decide(self, request: Request, cors: object) -> Any:
            return Unknown("sid", self.refuse(400, "unknown"), again)

    engine = make(Forgetful("/prices"))
    statuses = [ask(engine, "/prices").status for _ in range(5)]
    assert statuses == [400] * 5 if again is None else statuses == [400, 400, 400, 404, 404]


def test_the_row_of_clients_without_engineio_is_no_revision_that_a_request_can_name() -> None:
    engine = make(generations=(ENGINEIO_4, SOCKETIO_1))
    answer = ask(engine, "/socket.io/?EIO=Socket.IO+1&transport=polling")
    assert (answer.status, answer.body[:10]) == (400, b'{"code":5,')
