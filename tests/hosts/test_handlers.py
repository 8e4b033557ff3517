"""Engines behind Tornado's request handlers."""

import asyncio
from typing import Any

import pytest

from hosts.certificate import Certificate
from hosts.client import request, target
from hosts.handler_host import HandlerHost
from hosts.suite.compression import Compression
from hosts.suite.echo import Echo
from hosts.suite.ending import Ending
from hosts.suite.old import Old, OldDrafts
from hosts.suite.polling import Polling
from hosts.suite.refusing import Deciding
from hosts.suite.resets import Resets
from hosts.suite.vanishing import Vanishing
from hosts.suite.websocket import WebSocket
from hosts.tornado_host import LOOPS
from waterspout.hosts.handlers import EngineHandler


@pytest.fixture(params=["asyncio-tcp", pytest.param("uvloop-tls", marks=pytest.mark.hosts)])
def host(request: pytest.FixtureRequest) -> HandlerHost:
    loop, kind = request.param.split("-")
    if kind == "tls":
        certificate: Certificate = request.getfixturevalue("certificate")
        return HandlerHost(LOOPS[loop], server_tls=certificate.server, client_tls=certificate.client)
    return HandlerHost(LOOPS[loop])


class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...


class TestCompression(Compression): ...


class TestEnding(Ending): ...


class TestOld(Old): ...


class TestVanishing(Vanishing): ...


@pytest.mark.parametrize("host", ["asyncio-tcp"], indirect=True)
class TestDeciding(Deciding): ...


class TestOldDrafts(OldDrafts): ...


@pytest.mark.parametrize("host", ["asyncio-tcp"], indirect=True)
class TestResets(Resets): ...


async def test_a_request_that_a_subclass_answers_itself_is_none_of_the_engines(host: HandlerHost) -> None:
    class Other(EngineHandler):
        def post(self, *args: Any, **kwargs: Any) -> None:
            self.finish("mine: " + self.request.body.decode())

        def get(self, *args: Any, **kwargs: Any) -> Any:
            if "mine" in self.request.arguments:
                self.write("mine")
                return None
            return super().get(*args, **kwargs)

    host.handler = Other
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    assert (await wire.ask("GET", target("polling", more="&mine=1"))).body == b"mine"
    assert echo.is_empty
    assert (await wire.ask("POST", "/socket.io/1/", body=b"a")).body == b"mine: a"
    assert echo.is_empty
    assert (await wire.ask("GET", target("polling"))).body.startswith(b'0{"sid":')


async def test_who_comes_back_late_to_a_request_that_was_given_up_is_told_nothing(host: HandlerHost) -> None:
    """A coroutine that awaits something first finds its client gone."""
    going, gone = asyncio.Event(), asyncio.Event()

    class Slow(EngineHandler):
        async def get(self, *args: Any, **kwargs: Any) -> None:
            going.set()
            await gone.wait()
            self.serve()

        def on_connection_close(self) -> None:
            super().on_connection_close()
            gone.set()

    host.handler = Slow
    echo = Echo()
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(request("GET", target("polling")))
    await going.wait()
    wire.cut()
    await gone.wait()
    await asyncio.sleep(0)
    assert echo.is_empty
