"""uvicorn with the HTTP of ours: which polls it serves without a call, and what uvicorn knows of them."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from hosts.asgi_host import UvicornHost
from hosts.certificate import Certificate
from hosts.client import Session, Wire, request, target
from hosts.suite.echo import Echo
from waterspout import Reason
from waterspout.hosts.asgi import App
from waterspout.hosts.asgirequests import Receive, Scope, Send

OURS = "waterspout.hosts.uvicorn:HttpProtocol"
ECHO, ECHOED = b'420["echo","x"]', '430["x"]'


class Counted:
    """An application that counts the calls of another, and has a page."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.application: Any = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.calls.append(scope["method"])
        await self.application(scope, receive, send)


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of what was sent."""
    assert scope["type"] == "http"  # it knows no lifespan
    event = await receive()
    fields = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"%d" % len(event["body"])})


def on_uvicorn(loop: str = "uvloop", **options: Any) -> UvicornHost:
    host = UvicornHost(loop=loop, **{"http": OURS, **options})
    host.application = page
    return host


def connections(host: UvicornHost) -> list[Any]:
    return list(host.uvicorn.server_state.connections)


def get(session: Session) -> bytes:
    return request("GET", session.target())


def post(session: Session, body: bytes) -> bytes:
    return request("POST", session.target(), body=body)


async def waiting(host: UvicornHost, echo: Echo, path: str = "/socket.io") -> Session:
    """Begin a session, and let its poll wait for an answer."""
    session = await host.session(path=path)
    session.poll()
    await host.until(lambda: echo.has_parked(session.sid))
    return session


async def all_bodies(wire: Wire, count: int) -> list[bytes]:
    return [(await wire.answer()).body for _ in range(count)]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_poll_is_served_without_a_call_beside_requests_that_uvicorn_serves(loop: str) -> None:
    host = on_uvicorn(loop)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        state = host.uvicorn.server_state
        assert not state.tasks
        before = state.total_requests
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        assert not state.tasks
        wire = session.posting
        pages = request("POST", "/page", body=b"abc")
        wire.send(post(session, ECHO) + pages + post(session, ECHO)[:-4])
        assert await all_bodies(wire, 2) == [b"ok", b"3"]
        wire.send(ECHO[-4:] + pages)
        assert await all_bodies(wire, 2) == [b"ok", b"3"]
        assert len(echo.heard) == 2
        assert await session.polled() == ECHOED
        assert state.total_requests == before + 5
        assert len(state.connections) == 2

    host.run(test())


def test_polls_over_tls_and_at_a_unix_socket_are_served_without_a_call(
    certificate: Certificate, tmp_path: Path
) -> None:
    for options in ({"server_tls": certificate.server, "client_tls": certificate.client}, {"unix": f"{tmp_path}/s"}):
        host = on_uvicorn(**options)
        host.run(a_poll_without_a_call(host))


async def a_poll_without_a_call(host: UvicornHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await waiting(host, echo)
    assert not host.uvicorn.server_state.tasks
    assert (await session.post(ECHO.decode())).body == b"ok"
    assert await session.polled() == ECHOED


@pytest.mark.parametrize("layout", ["mounted", "middleware"])
def test_what_stands_around_an_app_is_called_for_each_poll(layout: str) -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo, counted = Echo(), Counted()
        host._mounted.append(echo.server)
        counted.application = App(echo.server)
        application: Any = counted
        if layout == "mounted":
            application = Starlette(routes=[Mount("/", counted)], middleware=[Middleware(GZipMiddleware)])
        await host.serve_application(application)
        session = await host.session()
        calls = len(counted.calls)
        assert (await session.post(ECHO.decode())).body == b"ok"
        assert await session.get() == ECHOED
        assert counted.calls[calls:] == ["POST", "GET"]

    host.run(test())


def test_an_app_behind_another_has_its_polls_too() -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo, other = Echo(), Echo(path="/other")
        await host.serve(echo.server, other.server)
        for path, each in (("/socket.io", echo), ("/other", other)):
            await waiting(host, each, path)
            assert not host.uvicorn.server_state.tasks

    host.run(test())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_what_comes_behind_a_poll_that_waits_is_answered_after_it_and_bounded(loop: str) -> None:
    host = on_uvicorn(loop)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await waiting(host, echo)
        wire = session.polling
        (connection,) = [each for each in connections(host) if each._intake is not None]
        count = 5_000
        wire.send(request("POST", "/page", body=b"abc") * count)
        await host.until(lambda: connection.flow.read_paused)
        assert len(connection._ahead) < 1_000_000
        echo.server.emit("news")
        assert (await wire.answer()).body == b'42["news"]'
        assert set(await all_bodies(wire, count)) == {b"3"}
        assert not connection.flow.read_paused

    host.run(test())


def test_a_client_that_has_not_read_its_answer_is_served_no_further() -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo = Echo(max_outbox_bytes=50_000_000)
        await host.serve(echo.server)
        session = await host.session()
        wire = session.polling
        echo.server.emit("news", "x" * 20_000_000)
        wire.send(get(session))
        await host.until(lambda: any(each.flow.write_paused for each in connections(host)))
        echo.server.emit("news", "second")
        wire.send(get(session))
        await host.until(lambda: any(each._ahead for each in connections(host)))
        for connection in connections(host):
            if connection._ahead:  # nobody has had it, so it is not idle
                connection._idle_at -= 60
                connection.timeout_keep_alive_handler()
                assert not connection.transport.is_closing()
        assert not echo.has_parked(session.sid)
        assert len((await wire.answer()).body) > 20_000_000
        assert (await wire.answer()).body == b'42["news","second"]'

    host.run(test())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("is_behind", [False, True], ids=["first", "behind another"])
def test_a_fault_of_ours_ends_the_connection(loop: str, is_behind: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    host = on_uvicorn(loop)

    async def test() -> None:
        echo = Echo()
        faults: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))
        await host.serve(echo.server)
        session = await host.session()
        wire = session.polling
        if is_behind:
            wire.send(get(session) + post(session, ECHO))
            await host.until(lambda: echo.has_parked(session.sid))
        else:
            wire.send(get(session)[:-2])
            wire = session.posting
            wire.send(post(session, ECHO))
        monkeypatch.setattr(echo.server.engine, "admit", None)
        echo.server.emit("news")
        if is_behind:
            assert (await wire.answer()).body == b'42["news"]'
        assert await wire.rest() == b""
        assert [type(fault) for fault in faults] == [TypeError]

    host.run(test())


def test_a_client_that_goes_ends_its_session() -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await waiting(host, echo)
        session.polling.abort()
        await host.until(lambda: echo.left == [Reason.TRANSPORT_ERROR])
        session = await host.session()
        session.posting.send(post(session, ECHO)[:-1])
        await host.until(lambda: echo.is_posting(session.sid))
        session.posting.abort()
        await host.until(lambda: echo.left == [Reason.TRANSPORT_ERROR] * 2)
        await host.until(lambda: len(connections(host)) == 2)

    host.run(test())


def test_a_connection_is_closed_when_it_was_idle_and_not_while_a_poll_waits() -> None:
    host = on_uvicorn(timeout_keep_alive=0)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        sid = ""
        for method, body, begin in (("GET", b"", b"0{"), ("POST", b"40", b"ok"), ("GET", b"", b"40")):
            wire = await host.connect()
            answer = await wire.ask(method, target("polling", sid), body=body)
            assert answer.body.startswith(begin)
            assert await wire.rest() == b""
            sid = sid or answer.body.decode().split('"')[3]
        poll = await host.connect()
        poll.send(request("GET", target("polling", sid)))
        await host.until(lambda: echo.has_parked(sid))
        for _ in range(10):
            await asyncio.sleep(0)
        echo.server.emit("news")
        assert (await poll.answer()).body == b'42["news"]'
        assert await poll.rest() == b""

    host.run(test())


def test_a_poll_puts_off_the_end_of_an_idle_connection() -> None:
    host = on_uvicorn(timeout_keep_alive=60)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await host.session()
        for connection in connections(host):
            connection._idle_at -= 40
            connection.timeout_keep_alive_handler()
            assert not connection.transport.is_closing()
            left = connection.timeout_keep_alive_task.when() - asyncio.get_running_loop().time()
            assert 19 < left < 21  # the clock of uvloop has whole milliseconds
        assert (await session.post(ECHO.decode())).body == b"ok"
        assert await session.get() == ECHOED
        for connection in connections(host):
            connection._idle_at -= 40
            connection.timeout_keep_alive_handler()
            assert not connection.transport.is_closing()
        for connection in connections(host):
            connection._idle_at -= 60
            connection.timeout_keep_alive_handler()
            assert connection.transport.is_closing()

    host.run(test())


def test_uvicorns_shutdown_waits_for_the_answer_to_a_poll() -> None:
    host = on_uvicorn()

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        session = await waiting(host, echo)
        ending = asyncio.ensure_future(host.uvicorn.shutdown(sockets=[host.listener]))
        assert await session.posting.rest() == b""
        echo.server.emit("news")
        answer = await session.polling.answer()
        assert (answer.body, answer.field("connection")) == (b'42["news"]', "close")
        assert await session.polling.rest() == b""
        await ending

    host.run(test())


def heads(host: UvicornHost, *fields: tuple[str, str], **options: Any) -> list[tuple[int, dict[str, str]]]:
    """Return what answers to a POST and to a poll say before their bodies."""
    found: list[tuple[int, dict[str, str]]] = []

    async def test() -> None:
        echo = Echo(**options)
        await host.serve(echo.server)
        session = await host.session()
        host.uvicorn.server_state.default_headers = [(b"date", b"now"), (b"x-by", b"us")]  # as uvicorn does each second
        for method, body in (("POST", ECHO), ("GET", b"")):
            echo.server.emit("news")
            answer = await session.polling.ask(method, session.target(), *fields, body=body)
            names = (line.partition(": ") for line in answer.head[1:])
            found.append((answer.status, {name.lower(): value for name, _, value in names}))

    host.run(test())
    return found


FORWARDED = ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "usual": ((), {}),
    "an origin": ([("Origin", "http://a")], {"cors_origins": "http://a", "cors_credentials": True}),
    "a foreign origin": ([("Origin", "http://a")], {}),
    "https at a proxy": ([("Origin", "https://127.0.0.1"), ("Host", "127.0.0.1"), *FORWARDED], {}),
    "no https at a proxy": ([("Origin", "http://127.0.0.1"), ("Host", "127.0.0.1"), *FORWARDED], {}),
    "its own proxies": ([("Origin", "http://127.0.0.1"), ("Host", "127.0.0.1"), *FORWARDED], {"trusted_proxies": 1}),
    "a coded body": ([("Content-Encoding", "gzip")], {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "proxies", [True, pytest.param(False, marks=pytest.mark.hosts)], ids=["uvicorn believes proxies", "it does not"]
)
def test_an_answer_says_what_it_says_without_the_protocol(case: str, proxies: bool) -> None:
    fields, options = CASES[case]
    ours = heads(on_uvicorn(proxy_headers=proxies), *fields, **options)
    theirs = heads(on_uvicorn(proxy_headers=proxies, http="httptools"), *fields, **options)
    assert ours == theirs
    assert {names["date"] for _, names in ours} == {"now"}


class Lines(logging.Handler):
    """A handler that keeps the texts, without what differs between runs."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(re.sub(r"sid=[\w-]+|(?<=127.0.0.1:)\d+", "", record.getMessage()))


@pytest.mark.parametrize("fields", [(), FORWARDED], ids=["usual", "behind a proxy"])
def test_the_access_log_has_the_lines_that_uvicorn_writes(
    fields: tuple[tuple[str, str], ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("uvicorn.access")
    caplog.set_level(logging.INFO, logger.name)
    seen = []
    for http in (OURS, "httptools"):
        lines = Lines()
        monkeypatch.setattr(logger, "handlers", [lines])
        heads(on_uvicorn(http=http, access_log=True, root_path="/api"), *fields)
        seen.append(lines.texts)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 5
    assert seen[0][-1].startswith("192.0.2.7:0 - " if fields else "127.0.0.1: - ")


@pytest.mark.parametrize("options", [{"limit_concurrency": 100}, {"http": "httptools"}], ids=["limited", "without"])
def test_uvicorn_serves_polls_where_it_has_a_limit_of_requests(options: dict[str, Any]) -> None:
    host = on_uvicorn(**options)

    async def test() -> None:
        echo = Echo()
        await host.serve(echo.server)
        await waiting(host, echo)
        assert len(host.uvicorn.server_state.tasks) == 1

    host.run(test())
