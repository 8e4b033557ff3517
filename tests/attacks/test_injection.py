"""What clients say comes back (D7) in headers, bodies and logs: without the bytes that would mean something there."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hosts.client import HANDSHAKE, opening, request, target, text
from hosts.host import Host
from hosts.suite.echo import Echo
from waterspout import Request, Server
from waterspout.engine import Answer, Refuse
from waterspout.testing import admit

HOSTILE = [
    "http://a.example\r\nX-Evil: 1",
    "http://a.example\nX-Evil: 1",
    "http://a.example\rX-Evil: 1",
    "http://a.example\0",
    "http://a.example\x1b[31m",
    "http://a.example\x7f",
    "http://a.example\x85X-Evil: 1",
    "http://a.example\u2028X-Evil: 1",
    "http://\u00e4.example",
    "http://a.example, http://b.example",
    "http://a.example http://b.example",
    "\r\n\r\n<script>",
]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@pytest.fixture(params=[lambda origin: True, re.compile(".*", re.DOTALL), "*"], ids=["callable", "pattern", "star"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server that lets everybody in: what a client says would come back."""
    return Server(cors_origins=request.param, cookie="io")


def fields(server: Server, request: Request) -> Iterator[str]:
    """Yield all header lines of the answer to a request, as the engine gives them to a host."""
    decision = admit(server.engine, request)
    headers = decision.response.headers if isinstance(decision, Refuse | Answer) else decision.headers
    for name, value in headers:
        yield f"{name}: {value}"


@pytest.mark.parametrize("origin", HOSTILE)
def test_no_origin_brings_a_line_of_its_own_even_from_a_host_that_lets_it_pass(server: Server, origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        for transport, more in (("polling", ()), ("websocket", HANDSHAKE), ("x", ())):
            asked = Request(method, target(transport), [("Host", "localhost"), ("Origin", origin), *more])
            lines = list(fields(server, asked))
            assert lines
            assert [line for line in lines if CONTROL.search(line) or "Evil" in line] == []


@pytest.mark.parametrize("value", ["x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\0", "x, \x7f", "\u00e4", ",,,"])
def test_no_header_that_a_preflight_asks_for_brings_a_line_of_its_own(server: Server, value: str) -> None:
    asked = Request(
        "OPTIONS",
        target("polling"),
        [("Host", "localhost"), ("Origin", "http://a.example"), ("Access-Control-Request-Headers", value)],
    )
    lines = list(fields(server, asked))
    assert [line for line in lines if CONTROL.search(line) or "Evil" in line] == []


@pytest.mark.parametrize("value", ["\r\n", "\0", "\x1b[31m", "\u2028", "<script>alert(1)</script>", "x" * 100_000])
@pytest.mark.parametrize("name", ["EIO", "transport", "sid"])
def test_a_refusal_names_a_value_short_and_quoted(server: Server, name: str, value: str) -> None:
    query = {"EIO": "4", "transport": "polling", name: value}
    asked = Request("GET", "/socket.io/?" + "&".join(f"{key}={part}" for key, part in query.items()))
    decision = admit(server.engine, asked)
    assert isinstance(decision, Refuse)
    body = decision.response.body.decode()
    assert not CONTROL.search(body)
    assert len(body) < 500
    assert ("X-Content-Type-Options", "nosniff") in decision.response.headers
    assert ("Content-Type", "application/json") in decision.response.headers


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("origin", HOSTILE)
async def test_no_origin_brings_a_line_of_its_own_over_a_real_connection(host: Host, origin: str) -> None:
    echo = Echo(cors_origins=re.compile(".*", re.DOTALL))
    await host.serve(echo.server)
    raw = origin.encode()
    for message in (request("GET", target("polling")), request("OPTIONS", target("polling")), opening()):
        wire = await host.connect()
        wire.send(message.replace(b"Host: localhost\r\n", b"Host: localhost\r\nOrigin: " + raw + b"\r\n"))
        wire.end()
        head = (await wire.rest()).partition(b"\r\n\r\n")[0]
        assert b"\nX-Evil" not in head
        assert b"\rX-Evil" not in head
        assert b"<script>" not in head
        assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", head)


async def test_a_session_id_of_the_clients_own_is_never_set_as_a_cookie(host: Host) -> None:
    await host.serve(Echo(cookie="io").server)
    wire = await host.connect()
    answer = await wire.ask("GET", target("polling"), ("Cookie", "io=chosen"), ("X-Sid", "chosen"))
    assert "chosen" not in str(answer)
    answer = await wire.ask("GET", target("polling", "chosen"))
    assert (answer.status, answer.field("set-cookie")) == (400, None)


async def test_what_is_logged_has_no_control_characters(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    evil = "\\u001b[31m\\r\\nERROR faked"
    echo = Echo()

    def fail(socket: Any, *args: Any) -> None:
        raise ValueError("no")

    echo.server.on("\x1b[31m\r\nERROR faked")(fail)
    await host.serve(echo.server)
    wire = await host.websocket()
    wire.send(text(f'42["{evil}"]', f'42["unknown{evil}"]', "40/\x1b[31m,", '42["echo",1]'))
    assert (await wire.text()).startswith("44/")
    wire.send(text('45\x1b[31m-["x"]'))
    await wire.closing()
    other = await host.connect()
    await other.ask("GET", "/socket.io/?EIO=4%0d%0a&transport=%1b[31m&sid=%0a")
    await other.ask("GET", "/socket.io%0d%0a/?EIO=4")
    messages = [record.getMessage() for record in caplog.records]
    assert any("faked" in message for message in messages)
    assert [message for message in messages if CONTROL.search(message)] == []
