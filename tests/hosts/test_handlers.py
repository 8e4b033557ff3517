"""Engines behind Tornado's request handlers."""

import pytest

from hosts.certificate import Certificate
from hosts.client import opening, request, target
from hosts.handler_host import HandlerHost
from hosts.host import Host
from hosts.suite.compression import Compression
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.old import Old
from hosts.suite.polling import Polling
from hosts.suite.resets import Resets
from hosts.suite.websocket import WebSocket
from hosts.tornado_host import LOOPS


@pytest.fixture(params=["asyncio-tcp", "uvloop-tls"])
def host(request: pytest.FixtureRequest) -> HandlerHost:
    loop, kind = request.param.split("-")
    if kind == "tls":
        certificate: Certificate = request.getfixturevalue("certificate")
        return HandlerHost(LOOPS[loop], server_tls=certificate.server, client_tls=certificate.client)
    return HandlerHost(LOOPS[loop])


class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...


class TestCompression(Compression): ...


class TestEnding(Ending):
    async def test_who_was_at_the_door_is_told_too(self, host: Host) -> None:
        """A GET is decided about when its body is there, and a greeting waits for the pause of Engine.IO 3."""
        echo = Echo()
        await host.serve(echo.server)
        late, paused = await host.connect(), await host.connect()
        late.send(request("GET", target("polling"), ("Content-Length", "1")))
        paused.send(opening(eio=3))
        assert (await paused.answer()).status == 101
        await echo.server.close()
        assert await paused.closing() == 1001
        late.send(b"x")
        assert (await late.answer()).status == 503
        assert echo.is_empty


class TestOld(Old): ...


@pytest.mark.parametrize("host", ["asyncio-tcp"], indirect=True)
class TestResets(Resets): ...
