"""WSGI on gevent: an application beside the engine, bodies, deadlines, and what is framed wrongly."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import gevent
import pytest
from gevent.event import Event

from hosts.client import opening, request, target
from hosts.gevent_host import GeventHost, gevent_host
from hosts.host import sockets
from hosts.suite.bodies import AT_ONCE, Bodies
from hosts.suite.echo import Echo
from hosts.suite.polling import chunked, head
from hosts.suite.websocket import echoes
from waterspout.hosts import strict, wsgiserver

tcp = pytest.mark.parametrize("host", ["tcp"], indirect=True)


@pytest.fixture(params=["tcp", "tls", "unix"])
def host(request: pytest.FixtureRequest) -> GeventHost:
    return gevent_host(GeventHost, request)


Environ = dict[str, Any]


class Page:
    """A WSGI application: it answers with what it was asked, and how long the body was."""

    def __init__(self) -> None:
        self.environs: list[Environ] = []
        self.reads = True

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.environs.append(environ)
        body = environ["wsgi.input"].read() if self.reads else b""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {len(body)}".encode()]


@pytest.fixture
def page(host: GeventHost) -> Page:
    host.application = page = Page()
    return page


class TestBodies(Bodies): ...


# Beside an application


async def test_all_that_is_not_the_engines_is_the_applications(host: GeventHost, page: Page) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    assert (await wire.ask("GET", "/a%2fb?c=d", ("X-A", "1"), ("X-A", "2"), ("X_A", "3"))).body == b"GET /a/b 0"
    assert (await wire.ask("GET", target("polling"))).body.startswith(b'0{"sid":')
    assert (await wire.ask("POST", "/", body=b"x" * 100_000)).body == b"POST / 100000"
    wire.send(chunked("/", b"a" * 70_000, b"b", b""))
    assert (await wire.answer()).body == b"POST / 70001"
    wire.send(request("GET", "http://there.example/here"))
    assert (await wire.answer()).body == b"GET /here 0"
    answer = await wire.ask("HEAD", "/")
    assert (answer.status, answer.field("content-length")) == (200, "8")
    assert (await wire.ask("GET", "/last")).body == b"GET /last 0"
    first, second = page.environs[0], page.environs[3]
    assert (first["HTTP_X_A"], first["QUERY_STRING"], first["HTTP_HOST"]) == ("1,2", "c=d", "localhost")
    assert first.get("REMOTE_ADDR") == (None if host.unix else "127.0.0.1")
    assert first["wsgi.url_scheme"] == ("https" if host.server_tls else "http")
    assert second["HTTP_HOST"] == "there.example"


async def test_several_servers_share_a_place(host: GeventHost) -> None:
    one, other = Echo(), Echo(path="/other")
    await host.serve(one.server, other.server)
    wires = [await host.websocket(), await host.websocket(path="/other")]
    one.server.emit("to", "one")
    other.server.emit("to", "other")
    assert [await wire.text() for wire in wires] == ['42["to","one"]', '42["to","other"]']
    assert (await (await host.connect()).ask("GET", "/elsewhere")).status == 404


@tcp
async def test_an_application_that_fails_answers_500_and_is_in_the_log(
    host: GeventHost, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ValueError("broken")

    host.application = fails
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(request("GET", "/"))
    assert (await wire.answer()).status == 500
    assert await wire.rest() == b""
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.name == "waterspout.host"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "broken"


@tcp
@pytest.mark.parametrize(
    ("said", "sent", "came"),
    [(3, [b"abc", b"EVIL"], b"abc"), (3, [b"abcEVIL"], b"abc"), (20, [b"short"], b"short"), (20, [], b"")],
)
async def test_an_answer_that_is_not_as_long_as_it_says_is_the_last_one(
    host: GeventHost, said: int, sent: list[bytes], came: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def lies(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(said))])
        return sent

    host.application = lies
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(request("GET", "/") * 2)
    assert (await wire.rest()).partition(b"\r\n\r\n")[2] == came
    assert "than it said" in caplog.text


@tcp
@pytest.mark.parametrize("keeps", [("Connection", "keep-alive"), ("X-A", "b")])
async def test_an_answer_of_http_1_0_that_does_not_say_how_long_it_is_ends_with_its_connection(
    host: GeventHost, keeps: tuple[str, str]
) -> None:
    def stream(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    host.application = stream
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(request("GET", "/", keeps, version="1.0"))
    head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
    assert body == b"ab"
    assert b"keep-alive" not in head


@tcp
async def test_pipelined_requests_are_answered_in_their_order(host: GeventHost, page: Page) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(request("GET", "/1") + request("POST", "/2", body=b"abc") + request("GET", target("polling")) + opening())
    assert [(await wire.answer()).body for _ in range(2)] == [b"GET /1 0", b"POST /2 3"]
    assert (await wire.answer()).body.startswith(b'0{"sid":')
    assert (await wire.answer()).status == 101
    assert (await wire.text()).startswith('0{"sid":')


@tcp
async def test_http_1_0_may_keep_its_connection(host: GeventHost, page: Page) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    for path in ("/1", "/2"):
        wire.send(request("GET", path, ("Connection", "keep-alive"), version="1.0"))
        answer = await wire.answer()
        assert (answer.field("connection"), answer.body) == ("keep-alive", f"GET {path} 0".encode())
    wire.send(request("GET", "/3", version="1.0"))
    assert (await wire.answer()).field("connection") == "close"
    assert await wire.rest() == b""


# Bodies that the application does not read


@tcp
async def test_a_short_body_that_nobody_reads_is_in_nobodys_way(host: GeventHost, page: Page) -> None:
    page.reads = False
    await host.serve(Echo().server)
    wire = await host.connect()
    for _ in range(2):
        assert (await wire.ask("POST", "/", body=b"x" * 60_000)).body == b"POST / 0"
        wire.send(chunked("/", b"x" * 1000, b""))
        assert (await wire.answer()).body == b"POST / 0"


@tcp
@pytest.mark.parametrize("path", ["/", target("polling", "unknown")])
async def test_a_body_without_end_is_not_read_without_end(host: GeventHost, page: Page, path: str) -> None:
    """gevent's own handler would read all of it, for the next request's sake."""
    page.reads = False
    await host.serve(Echo(max_payload_bytes=100_000).server)
    wire = await host.connect()
    wire.send(chunked(path, b"x"))
    answer, sent = asyncio.ensure_future(wire.answer()), 0
    while not answer.done() and sent < 20_000_000:
        wire.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        sent += 0x10000
        await asyncio.sleep(0)
    assert (await answer).status == (200 if path == "/" else 400)
    assert sent < 20_000_000


@tcp
async def test_a_body_that_is_not_asked_for_is_not_waited_for(host: GeventHost, page: Page) -> None:
    page.reads = False
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(head("/", ("Content-Length", "7"), ("Expect", "100-continue")))
    answer = await wire.answer()
    assert (answer.status, answer.field("connection")) == (200, "close")
    assert await wire.rest() == b""


# Deadlines


@pytest.mark.parametrize("said", [b"", b"GET /socket.io/?EIO=4&tra", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_who_has_not_asked_for_anything_in_time_is_closed(
    host: GeventHost, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(strict, "HEAD_TIMEOUT", AT_ONCE)
    monkeypatch.setattr(wsgiserver, "HEAD_TIMEOUT", AT_ONCE)
    host.client_tls = None
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(said)
    assert await wire.rest() == b""


def test_a_client_that_has_gone_before_the_handshake_of_tls_ends_nothing() -> None:
    gone = socket.socket()
    gone.close()
    assert wsgiserver.secured(gone, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) is None


async def test_between_two_requests_a_connection_has_a_time_of_its_own(
    host: GeventHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict, "IDLE_TIMEOUT", AT_ONCE)
    await host.serve(Echo().server)
    wire = await host.connect()
    assert (await wire.ask("GET", target("polling"))).status == 200
    assert await wire.rest() == b""


@tcp
@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_half_a_body_for_the_application_is_not_waited_for(
    host: GeventHost, page: Page, monkeypatch: pytest.MonkeyPatch, framing: str
) -> None:
    monkeypatch.setattr(strict, "BODY_TIMEOUT", AT_ONCE)
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(chunked("/", b"half") if framing == "chunked" else head("/", ("Content-Length", "9")) + b"half")
    assert b" 200 " not in await wire.rest()


@tcp
async def test_a_client_that_takes_none_of_its_answer_is_given_up_by_the_kernel(host: GeventHost) -> None:
    await host.serve(Echo().server)
    await host.session()
    handlers = list(host.web._connections.values())
    seen = [each.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for each in handlers]
    assert seen == [wsgiserver.UNREAD_TIMEOUT * 1000] * 2


# What is framed wrongly


@tcp
@pytest.mark.parametrize("path", ["/", "/socket.io/?EIO=4&transport=polling&sid=x"])
@pytest.mark.parametrize(
    "said",
    [
        b"POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length:\x0b3\r\n\r\nabc",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 3\r\n\r\nabc",
        b"POST PATH HTTP/1.1\r\nHost: a\nContent-Length: 3\r\n\r\nabc",
        b"POST PATH HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        b"GET PATH HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET PATH HTTP/1.1\r\n\r\n",
        b"GET PATH\r\n",
        b"GET PATH HTTP/0.9\r\n\r\n",
        b"GET PATH HTTP/2.0\r\nHost: a\r\n\r\n",
    ],
    ids=lambda said: ascii(said[-50:]),
)
async def test_what_is_framed_wrongly_is_refused_and_nothing_behind_it_is_read(
    host: GeventHost, page: Page, said: bytes, path: str
) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(said.replace(b"PATH", path.encode()) + request("GET", "/smuggled"))
    assert (await wire.answer()).status == 400
    assert await wire.rest() == b""
    assert page.environs == []


@tcp
@pytest.mark.parametrize("body", [b"x\r\n", b"3\nabc", b"3\r\nabcd\r\n", b"0\r\nGET / HTTP/1.1\r\n\r\n"])
async def test_chunks_that_are_none_are_refused(host: GeventHost, page: Page, body: bytes) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    for path in ("/", session.target()):
        wire = await host.connect()
        wire.send(chunked(path, b"42") + body + request("GET", "/smuggled"))
        assert (await wire.answer()).status == 400
        assert await wire.rest() == b""
    assert [environ["PATH_INFO"] for environ in page.environs] == ["/"]
    assert echo.is_empty


# The end


async def test_a_request_under_way_is_answered_and_an_idle_connection_is_closed(host: GeventHost, page: Page) -> None:
    asked, may_go = gevent.event.Event(), gevent.event.Event()

    def slow(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            asked.set()
            may_go.wait()
        return page(environ, start_response)

    host.application = slow
    await host.serve(Echo().server)
    idle, busy = await host.connect(), await host.connect()
    assert (await idle.ask("GET", "/")).status == 200
    busy.send(request("GET", "/slow"))
    await host.until(asked.is_set)
    host.web.stop()
    assert await idle.rest() == b""
    may_go.set()
    answer = await busy.answer()
    assert (answer.body, answer.field("connection")) == (b"GET /slow 0", "close")
    assert await busy.rest() == b""
    await host.until(lambda: not host.web._connections)


async def test_a_first_request_that_comes_just_behind_the_end_is_answered(host: GeventHost, page: Page) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    await host.until(lambda: host.web._connections)
    host.web.stop()
    wire.send(request("GET", "/late"))
    answer = await wire.answer()
    assert (answer.body, answer.field("connection")) == (b"GET /late 0", "close")
    assert await wire.rest() == b""


@pytest.mark.parametrize("host", ["tls"], indirect=True)
async def test_a_handshake_of_tls_that_is_under_way_is_given_up_at_the_end(host: GeventHost) -> None:
    await host.serve(Echo().server)
    before = sockets()
    host.client_tls = None
    wire = await host.connect()
    wire.send(b"\x16\x03\x01\x02\x00")
    await host.until(lambda: sockets() == before + 2)
    host.web.stop()
    assert await wire.rest() == b""
    wire.cut()
    await host.until(lambda: sockets() < before)  # without the listener


@pytest.mark.parametrize("host", ["tls"], indirect=True)
@pytest.mark.parametrize("what", ["the handshake", "the head"])
async def test_a_byte_now_and_then_gains_no_time_over_tls(
    host: GeventHost, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict, "HEAD_TIMEOUT", 0.3)
    monkeypatch.setattr(wsgiserver, "HEAD_TIMEOUT", 0.3)
    await host.serve(Echo().server)
    handshaken = what == "the head"
    begun = request("GET", "/") if handshaken else b"\x16\x03\x01\x02\x00" + bytes(200)
    if not handshaken:
        host.client_tls = None
    wire = await host.connect()
    ended = asyncio.ensure_future(wire.rest())
    for byte in begun[:-2]:  # enough for four times as long
        wire.send(bytes((byte,)))
        await asyncio.sleep(0.05)
        if ended.done():
            break
    assert ended.done()


async def test_a_body_that_is_owed_does_not_hold_up_the_end(
    host: GeventHost, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict, "BODY_TIMEOUT", 60.0)
    monkeypatch.setattr(strict, "LINGER", 60.0)
    await host.serve(Echo().server)
    wire, other = await host.connect(), await host.connect()
    wire.send(head("/", ("Content-Length", "10")))
    assert (await other.ask("GET", "/")).status == 200
    await host.until(lambda: len(page.environs) == 2)
    host.web.stop()
    assert not host.web.flush(0.01)
    host.web.close()
    assert host.web.flush(0.01)
    assert host.web._connections == {}


async def test_the_end_tells_whether_all_have_their_answers(host: GeventHost) -> None:
    go_on = Event()

    def slow(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        go_on.wait()
        start_response("200 OK", [])
        return [b"done"]

    host.application = slow
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(request("GET", "/"))
    await host.until(lambda: host.web._connections and not any(one.is_idle for one in host.web._connections.values()))
    host.web.stop()
    assert host.web.flush(0.001) is False
    gevent.spawn_later(0.01, go_on.set)
    assert host.web.flush(10) is True
    assert (await wire.answer()).body == b"done"


async def test_an_idle_websocket_costs_no_greenlet(host: GeventHost) -> None:
    await host.serve(Echo().server)
    wires = [await host.websocket() for _ in range(5)]
    await host.until(lambda: not host.web._connections)
    for wire in wires:
        assert await echoes(wire)
