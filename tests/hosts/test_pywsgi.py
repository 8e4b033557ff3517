"""Behind gevent's own WSGIServer, whose connections are taken over: what the engine does there, and its bounds."""

import pytest

from hosts.client import opening, request, target, text
from hosts.gevent_host import PywsgiHost, gevent_host
from hosts.suite.bodies import Bodies
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.eventsource import EventSources, listen
from hosts.suite.old import Old
from hosts.suite.polling import LIMIT, chunked, head
from hosts.suite.refusing import Deciding, Refusing
from hosts.suite.vanishing import Vanishing
from hosts.suite.websocket import ENTER, WebSocket, echoes


@pytest.fixture(params=["tcp", "tls", "unix"])
def host(request: pytest.FixtureRequest) -> PywsgiHost:
    return gevent_host(PywsgiHost, request)


@pytest.mark.hosts
class TestWebSocket(WebSocket):
    test_too_many_header_lines_are_refused = None  # type: ignore[assignment]  # with 400, by Python's parser, which takes less than a hundred
    test_odd_headers_change_nothing = None  # type: ignore[assignment]
    test_a_handshake_that_is_not_one_is_refused = None  # type: ignore[assignment]  # one with `Connection: close` ends its connection
    test_a_page_whose_own_name_points_here_is_refused = None  # type: ignore[assignment]  # without Host


class TestBodies(Bodies): ...


@pytest.mark.hosts
class TestEnding(Ending): ...


@pytest.mark.hosts
class TestEventSources(EventSources): ...


@pytest.mark.hosts
class TestOld(Old): ...


@pytest.mark.hosts
class TestRefusing(Refusing): ...


@pytest.mark.hosts
class TestDeciding(Deciding): ...


@pytest.mark.hosts
class TestVanishing(Vanishing): ...


async def test_polling_becomes_a_websocket_and_what_came_behind_the_handshake_is_read(host: PywsgiHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    assert (await session.post('420["echo","h\u00e9"]')).body == b"ok"
    assert await session.get() == '430["h\u00e9"]'
    wire = await host.connect()
    wire.send(opening(session.sid) + text("2probe", "5", '420["echo","upgraded"]'))
    assert (await wire.answer()).status == 101
    assert [await wire.text(), await wire.text()] == ["3probe", '430["upgraded"]']
    fresh = await host.connect()
    fresh.send(opening() + ENTER)
    assert (await fresh.answer()).status == 101
    for opened in ('0{"sid":"', '40{"sid":"'):
        assert (await fresh.text()).startswith(opened)
    assert await echoes(fresh)
    assert await echoes(wire)


async def test_an_eventsource_is_taken_over(host: PywsgiHost) -> None:
    echo = Echo()
    prices = echo.server.channel("prices")
    echo.server.expose("/prices", prices)
    await host.serve(echo.server)
    wire = await listen(host)
    prices.publish(1)
    assert b"data: 1" in await wire.reader.readuntil(b"\n\n")


@pytest.mark.parametrize("framing", ["announced", "chunked"])
async def test_a_body_far_above_the_limit_is_refused_and_not_read_to_its_end(host: PywsgiHost, framing: str) -> None:
    echo = Echo(max_payload_bytes=LIMIT)
    await host.serve(echo.server)
    session = await host.session()
    if framing == "announced":
        session.posting.send(head(session.target(), ("Content-Length", "100000000")))
    else:
        session.posting.send(chunked(session.target(), bytes(5 * LIMIT)))
    assert (await session.posting.answer()).status == 413
    assert await session.posting.rest() == b""


async def test_a_client_that_goes_while_its_poll_is_parked_is_noticed(host: PywsgiHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    session = await host.session()
    session.poll()
    await host.until(lambda: echo.has_parked(session.sid))
    session.polling.abort()
    await host.until(lambda: echo.is_empty)


@pytest.mark.parametrize("host", ["tcp"], indirect=True)
async def test_a_length_that_is_none_is_refused_for_the_engine(host: PywsgiHost) -> None:
    """gevent takes it for 3."""
    await host.serve(Echo().server)
    wire = await host.connect()
    wire.send(head(target("polling", "x"))[:-2] + b"Content-Length: +3\r\n\r\nabc" + request("GET", target("polling")))
    assert (await wire.answer()).status == 400
    assert await wire.rest() == b""


@pytest.mark.parametrize("host", ["tcp"], indirect=True)
async def test_a_reset_behind_the_handshake_leaves_no_session(host: PywsgiHost) -> None:
    echo = Echo()
    await host.serve(echo.server)
    for _ in range(50):
        wire = await host.connect()
        wire.send(opening())
        await wire.writer.drain()
        wire.reset()
        host.forget(wire)
    await host.until(lambda: echo.is_empty)
