"""The handshake, and who may ask: TornadIO2's preflight handlers."""

from typing import Any

import pytest
from tornado.gen import coroutine
from tornado.web import HTTPError

from faces.tornadio2.routing import PAGE, PATH, Router, RouterHost
from hosts.client import Session, opening, request, target
from waterspout import HandshakeRefused
from waterspout.faces.tornadio2 import preflight


class Choosy(preflight.HandshakeHandler):
    """Does not like a page, nor those that hide themselves."""

    def verify_origin(self) -> bool:
        return self.request.headers["Origin"] not in (PAGE, "null")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("where", [f"{PATH}/", PATH, f"{PATH}/?t=1&user=me"])
async def test_a_handshake_makes_a_session(host: RouterHost, server: Router, method: str, where: str) -> None:
    await host.serve(server.engine)
    answer = await (await host.connect()).ask(method, where, ("Origin", PAGE))
    assert answer.status == 200
    sid, heartbeat, close, transports = answer.body.decode().split(":")
    assert list(server.engine.sessions) == [sid]
    assert heartbeat.isdigit()
    assert close.isdigit()
    assert transports
    assert answer.field("content-type") == "text/plain; charset=UTF-8"
    assert answer.field("access-control-allow-origin") == PAGE
    assert answer.field("access-control-allow-credentials") == "true"
    assert host.numbers == (0, 1)


async def test_another_version_is_answered_with_503(host: RouterHost, server: Router) -> None:
    await host.serve(server.engine)
    assert (await (await host.connect()).ask("GET", "/socket.io/2/")).status == 503


async def test_the_application_may_refuse_with_a_status(host: RouterHost, server: Router) -> None:
    def refuse(session: Any, request: Any) -> None:
        raise HandshakeRefused(402, "pay first")

    server.application.open = refuse  # type: ignore[method-assign]
    await host.serve(server.engine)
    wire = await host.connect()
    for where in (f"{PATH}/", target("polling")):
        answer = await wire.ask("GET", where)
        assert answer.status == 402
        assert b"pay first" in answer.body
    wire.send(opening())
    assert (await wire.answer()).status == 402
    assert server.engine.sessions == {}
    await host.until(lambda: host.numbers[0] == 0)


@pytest.mark.parametrize("when", ["prepare", "get"])
async def test_a_handler_may_refuse_before_the_application_is_asked(
    host: RouterHost, server: Router, when: str
) -> None:
    class Guarded(preflight.HandshakeHandler):
        def prepare(self) -> None:
            if when == "prepare":
                raise HTTPError(403)

        def get(self, *args: Any, **kwargs: Any) -> Any:
            raise HTTPError(403)

    server.handshake = Guarded
    await host.serve(server.engine)
    for where in (f"{PATH}/", target("polling")):
        assert (await (await host.connect()).ask("GET", where)).status == 403
    wire = await host.connect()
    wire.send(opening())
    assert (await wire.answer()).status == 403
    assert server.application.info == []


@pytest.mark.usefixtures("quiet")
async def test_a_handler_may_add_to_the_answer(host: RouterHost, server: Router) -> None:
    class Adding(preflight.HandshakeHandler):
        def set_default_headers(self) -> None:
            self.set_header("X-App", "mine")

        def get(self, *args: Any, **kwargs: Any) -> None:
            self.set_cookie("seen", "1")
            super().get(*args, **kwargs)

    server.handshake = Adding
    await host.serve(server.engine)
    answer = await (await host.connect()).ask("GET", f"{PATH}/")
    assert (answer.status, answer.field("x-app"), answer.field("set-cookie")) == (200, "mine", "seen=1; Path=/")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("eio", [3, 4])
async def test_the_handshake_handler_serves_the_polling_of_today(host: RouterHost, server: Router, eio: int) -> None:
    await host.serve(server.engine)
    session = Session(await host.connect(), await host.connect(), eio=eio)
    await session.enter()
    said = '42["message",1]' if eio == 4 else '15:42["message",1]'
    assert (await session.post(said)).body == b"ok"
    assert host.numbers[0] == 0


# Who may ask


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("where", [f"{PATH}/", target("polling")])
async def test_a_preflight_is_answered(host: RouterHost, server: Router, where: str) -> None:
    await host.serve(server.engine)
    asked = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type")
    answer = await (await host.connect()).ask("OPTIONS", where, ("Origin", PAGE), *asked)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.field("access-control-allow-origin") == PAGE
    assert answer.field("access-control-allow-credentials") == "true"
    assert answer.field("access-control-allow-methods") == "POST, GET, OPTIONS"
    assert answer.field("access-control-allow-headers") == "Content-Type"
    assert answer.field("access-control-max-age") == "600"


@pytest.mark.usefixtures("quiet")
async def test_without_an_origin_nothing_is_said_of_origins(host: RouterHost, server: Router) -> None:
    await host.serve(server.engine)
    for method in ("GET", "OPTIONS"):
        answer = await (await host.connect()).ask(method, f"{PATH}/")
        assert answer.status == 200
        assert [line for line in answer.head if line.lower().startswith("access-control-")] == []


@pytest.mark.parametrize("where", [f"{PATH}/", target("polling")])
async def test_an_origin_that_is_not_verified_reads_nothing_and_posts_nothing(
    host: RouterHost, server: Router, where: str
) -> None:
    server.handshake = Choosy
    await host.serve(server.engine)
    wire = await host.connect()
    for method, status in (("GET", 200), ("OPTIONS", 200), ("POST", 401)):
        answer = await wire.ask(method, where, ("Origin", PAGE))
        assert (answer.status, answer.field("access-control-allow-origin")) == (status, None)
    assert (await wire.ask("GET", where, ("Origin", "http://other.example"))).status == 200


async def test_an_origin_that_is_not_verified_has_no_websocket(host: RouterHost, server: Router) -> None:
    server.handshake = Choosy
    await host.serve(server.engine)
    wire = await host.connect()
    wire.send(opening("", ("Origin", PAGE)))
    assert (await wire.answer()).status == 401
    assert server.application.info == []
    wire.send(opening("", ("Origin", "http://other.example")))
    assert (await wire.answer()).status == 101


class Late(preflight.HandshakeHandler):
    """Would decide later, and as a coroutine is true."""

    async def verify_origin(self) -> bool:  # type: ignore[override]
        return False


class LateByFuture(preflight.HandshakeHandler):
    """The same as Tornado once had it."""

    @coroutine
    def preflight(self) -> Any:  # type: ignore[override]
        return False


@pytest.mark.parametrize("handler", [Late, LateByFuture])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_who_would_decide_later_lets_nobody_in(
    host: RouterHost, server: Router, handler: type[preflight.HandshakeHandler], method: str
) -> None:
    server.handshake = handler
    await host.serve(server.engine)
    wire = await host.connect()
    answer = await wire.ask(method, f"{PATH}/", ("Origin", PAGE))
    assert (answer.status, answer.field("access-control-allow-origin")) == (500, None)
    assert server.engine.sessions == {}


@pytest.mark.usefixtures("quiet")
async def test_preflight_handlers_need_no_router(host: RouterHost, server: Router) -> None:
    """Applications derived handlers of their own from it."""

    class Api(preflight.PreflightHandler):
        def verify_origin(self) -> bool:
            return self.request.headers["Origin"] == PAGE

        def post(self) -> None:
            self.write({"allowed": self.preflight(), "said": self.request.body.decode()})

    host.other_routes = [("/api", Api)]
    await host.serve(server.engine)
    wire = await host.connect()
    for origin, allowed in ((PAGE, b"true"), ("http://other.example", b"false")):
        answer = await wire.ask("POST", "/api", ("Origin", origin), body=b"x")
        assert answer.body == b'{"allowed": %b, "said": "x"}' % allowed
        assert answer.field("access-control-allow-origin") == (origin if origin == PAGE else None)
        assert (await wire.ask("OPTIONS", "/api", ("Origin", origin))).status == 200


SCRIPTS = (f"{PATH}/?jsonp=0", target("polling", eio=3, more="&j=0"), target("polling", more="&j=0"))


@pytest.mark.parametrize("where", SCRIPTS)
async def test_an_origin_that_is_not_verified_reads_no_script_either(
    host: RouterHost, server: Router, where: str
) -> None:
    """Whoever includes one reads it, with the cookies of whoever looks at the page."""
    server.handshake = Choosy
    await host.serve(server.engine)
    wire = await host.connect()
    assert (await wire.ask("GET", where, ("Referer", f"{PAGE}/evil?a=b"))).status == 401
    assert server.engine.sessions == {}
    for referer in ("http://other.example/", "http://localhost/", "http://LOCALHOST"):
        answer = await wire.ask("GET", where, ("Referer", referer))
        assert (answer.status, b"new Error" in answer.body) == (200, False)
    sessions = len(server.engine.sessions)
    for referer in ("", "http://[", "about:blank", "//", "javascript:1"):
        assert (await wire.ask("GET", where, ("Referer", referer))).status == 401
    assert len(server.engine.sessions) == sessions


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("where", ["/socket.io/1/", "/socket.io/?EIO=4&transport=polling", f"{PATH}/xhr-polling/"])
async def test_what_the_engine_refuses_of_everybody_is_refused_whatever_preflight_says(
    host: RouterHost, method: str, where: str
) -> None:
    host.router = Router(allowed_hosts="localhost")
    sid = await host.begin()
    where += sid if "xhr" in where else ""
    wire = await host.connect()
    wire.send(request(method, where, ("Origin", PAGE)).replace(b"Host: localhost", b"Host: page.example"))
    answer = await wire.answer()
    assert answer.status == 403
    assert b"the host 'page.example' is not allowed" in answer.body
    answer = await (await host.connect()).ask(method, where, *[("X", "a")] * 101)
    assert answer.status == 431
