"""HTTP of a process of its own: all that any host does, and the deadlines of what clients leave undone."""

import asyncio
import logging
import socket
import ssl

import pytest
from tornado.web import RequestHandler

from engine.toyroute import ToyRoute
from hosts.certificate import Certificate
from hosts.client import Wire, request, target
from hosts.host import sockets
from hosts.suite.bodies import AT_ONCE, Bodies
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.eventsource import EventSources
from hosts.suite.origins import Origins
from hosts.suite.polling import Polling, chunked, head
from hosts.suite.vanishing import connected, reset
from hosts.suite.websocket import WebSocket
from hosts.tornado_host import LOOPS
from hosts.web_host import WebHost
from waterspout.hosts import reception, web


@pytest.fixture(params=[f"{loop}-{kind}" for loop in LOOPS for kind in ("tcp", "tls")])
def host(request: pytest.FixtureRequest) -> WebHost:
    loop, kind = request.param.split("-")
    if kind == "tcp":
        return WebHost(LOOPS[loop])
    certificate: Certificate = request.getfixturevalue("certificate")
    return WebHost(LOOPS[loop], server_tls=certificate.server, client_tls=certificate.client)


@pytest.mark.parametrize("host", ["uvloop-tcp"], indirect=True)
class TestPolling(Polling): ...


@pytest.mark.parametrize("host", ["asyncio-tls"], indirect=True)
class TestWebSocket(WebSocket): ...


class TestEnding(Ending): ...


@pytest.mark.parametrize("host", ["asyncio-tls"], indirect=True)
class TestEventSources(EventSources): ...


@pytest.mark.hosts
@pytest.mark.parametrize("host", ["uvloop-tcp"], indirect=True)
class TestOrigins(Origins): ...


tcp = pytest.mark.parametrize("host", ["asyncio-tcp", "uvloop-tcp"], indirect=True)


@tcp
class TestBodies(Bodies): ...


class Page(RequestHandler):
    def get(self) -> None:
        self.write("a page")

    post = get


@tcp
async def test_a_route_that_is_added_later_is_served(host: WebHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    assert (await wire.ask("GET", "/prices")).status == 404
    echo.server.engine.add_route(ToyRoute("/prices"))  # type: ignore[arg-type]
    assert (await wire.ask("GET", "/prices")).body == b"toy"
    assert (await wire.ask("GET", "/prices", *[("X-Same", "a")] * 100)).status == 431


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("host", ["asyncio-tls", "uvloop-tls"], indirect=True)
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99, 1])
async def test_a_reset_in_the_handshake_of_tls(host: WebHost, share: float) -> None:
    await host.serve(Echo().server)
    assert host.client_tls is not None
    before = sockets()
    for waits in (True, False):
        said = ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            host.client_tls.wrap_bio(ssl.MemoryBIO(), said, server_hostname="127.0.0.1").do_handshake()
        client = connected(host)
        if waits:
            await host.until(lambda: sockets() == before + 2)
        hello = said.read()
        client.sendall(hello[: int(share * len(hello))])
        reset(client)
        await asyncio.to_thread(lambda: None)  # in that turn the loop looks at the listener, too
        await host.until(lambda: sockets() == before)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("host", ["asyncio-tls", "uvloop-tls"], indirect=True)
@pytest.mark.parametrize("asked", [b"", b"GET /socket.io/ HT", request("GET", target("polling", "unknown"))])
async def test_a_reset_behind_the_handshake_of_tls(host: WebHost, asked: bytes) -> None:
    """The last of the handshake, the request and the reset come in one turn."""
    await host.serve(Echo().server)
    assert host.client_tls is not None
    before = sockets()
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = host.client_tls.wrap_bio(heard, said, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    client = connected(host)
    client.sendall(said.read())
    heard.write(await asyncio.to_thread(client.recv, 100_000))
    tls.do_handshake()
    if asked:
        tls.write(asked)
    client.sendall(said.read())
    reset(client)
    await host.until(lambda: sockets() == before)


async def raw(host: WebHost) -> Wire:
    """Open a connection, and speak no TLS."""
    host.client_tls = None
    return await host.connect()


# Connections


@pytest.mark.parametrize("said", [b"", b"GET /socket.io/?EIO=4&tra", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_who_has_not_asked_for_anything_in_time_is_closed(
    host: WebHost, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(web, "HEAD_TIMEOUT", AT_ONCE)
    await host.serve(Echo().server)
    wire = await raw(host)
    wire.send(said)
    assert await wire.rest() == b""


async def test_between_two_requests_a_connection_has_a_time_of_its_own(
    host: WebHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "IDLE_TIMEOUT", AT_ONCE)
    await host.serve(Echo().server)
    wire = await host.connect()
    assert (await wire.ask("GET", target("polling"))).status == 200
    assert await wire.rest() == b""


@tcp
async def test_a_client_that_takes_none_of_its_answer_is_given_up_by_the_kernel(host: WebHost) -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("only Linux has this")
    await host.serve(Echo().server)
    await host.session()
    streams = list(host.web._streams)
    seen = [stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for stream in streams]
    assert seen == [web.UNREAD_TIMEOUT * 1000] * 2


# Heads


@tcp
async def test_pages_beside_the_server_take_no_more_header_lines_than_it_does(host: WebHost) -> None:
    host.other_routes = [("/page", Page)]
    await host.serve(Echo().server)
    wire = await host.connect()
    for path in ("/page", "/elsewhere"):
        answer = await wire.ask("GET", path, *[("X-Same", "a")] * 100)
        assert (answer.status, answer.body) == (431, b"The request has too many header lines.\n")
        answer = await wire.ask("POST", path, *[("X-Same", "a")] * 100, body=b"x" * 1000)
        assert answer.status == 431
    assert (await wire.ask("GET", "/page", *[("X-Same", "a")] * 99)).body == b"a page"


@tcp
async def test_a_header_line_that_cannot_be_read_is_not_in_the_log(
    host: WebHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await host.serve(Echo().server)
    for field in ("Cookie: io=secret\x01", "secret name: a", "Host: secret host", "secret"):
        wire = await host.connect()
        wire.send(f"GET /socket.io/?EIO=4 HTTP/1.1\r\n{field}\r\n\r\n".encode())
        assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")
    said = [record.getMessage() for record in caplog.records if record.name == "tornado.general"]
    assert len(said) == 4
    assert not [line for line in said if "secret" in line]
    assert said[0].endswith(": Invalid header value")


# Bodies


@tcp
@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_half_a_body_for_another_page_is_not_waited_for(
    host: WebHost, monkeypatch: pytest.MonkeyPatch, framing: str
) -> None:
    monkeypatch.setattr(web, "BODY_TIMEOUT", AT_ONCE)
    host.other_routes = [("/page", Page)]
    await host.serve(Echo().server)
    for path in ("/page", "/elsewhere"):
        wire = await host.connect()
        wire.send(chunked(path, b"half") if framing == "chunked" else head(path, ("Content-Length", "9")) + b"half")
        assert await wire.rest() == b""


@tcp
async def test_a_body_for_another_page_that_is_too_long_is_refused_before_it_comes(host: WebHost) -> None:
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(head("/elsewhere", ("Content-Length", "100000000")))
    assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("host", ["asyncio-tcp"], indirect=True)
async def test_what_is_answered_has_no_deadline_any_more(host: WebHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    deadlines = echo.server.engine.deadlines
    before = len(deadlines)
    session.posting.send(head(session.target(), ("Content-Length", "11")) + b'42["qu')
    await host.until(lambda: echo.is_posting(session.sid))
    assert len(deadlines) == before + 1
    session.posting.send(b'iet"]')
    assert (await session.posting.answer()).body == b"ok"
    assert len(deadlines) == before


@tcp
async def test_a_post_that_was_served_is_not_refused_when_its_session_ends(host: WebHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    assert (await session.post('42["quiet"]')).body == b"ok"
    echo.server.disconnect(close=True)
    assert (await session.get(), await session.get()) == ("41", "1")
    assert (await session.posting.ask("POST", session.target(), body=b"2")).status == 400
    assert await echoes_again(host)


async def echoes_again(host: WebHost) -> bool:
    session = await host.session()
    await session.post('420["echo",7]')
    return await session.get() == "430[7]"


@tcp
async def test_nothing_is_kept_of_a_body_that_nobody_wants(host: WebHost, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    receive = reception.Reception.data_received

    def data_received(self: reception.Reception, chunk: bytes) -> None:
        receive(self, chunk)
        kept.append(sum(map(len, self._body)))

    monkeypatch.setattr(reception.Reception, "data_received", data_received)
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(request("POST", target("polling", "unknown"), body=bytes(900_000)))
    assert (await wire.answer()).status == 400
    assert set(kept) == {0}
