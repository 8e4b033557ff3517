"""Inside Tornado: all that any host does, and what belongs to Tornado alone."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application

from hosts.certificate import Certificate
from hosts.host import Host
from hosts.suite.polling import Polling
from hosts.suite.websocket import WebSocket
from waterspout import Engine, Server
from waterspout.hosts.tornado import routes

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class TornadoHost(Host):
    """Tornado's HTTP server, with one application."""

    settings: dict[str, Any] = {}
    other_routes: list[Any] = []

    @property
    def address(self) -> str:
        return "127.0.0.1" if self.unix is None else "0.0.0.0"

    async def start(self, mountable: Server | Engine) -> None:
        application = Application([*self.other_routes, *routes(mountable)], **self.settings)
        self.http = HTTPServer(application, ssl_options=self.server_tls)
        if self.unix is not None:
            self.http.add_socket(bind_unix_socket(self.unix))
        else:
            sockets = bind_sockets(0, "127.0.0.1")
            self.port = sockets[0].getsockname()[1]
            self.http.add_sockets(sockets)

    async def stop(self) -> None:
        self.http.stop()
        await self.http.close_all_connections()


@pytest.fixture(params=[f"{loop}-{kind}" for loop in LOOPS for kind in ("tcp", "tls", "unix")])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> TornadoHost:
    loop, kind = request.param.split("-")
    match kind:
        case "tls":
            certificate: Certificate = request.getfixturevalue("certificate")
            return TornadoHost(LOOPS[loop], server_tls=certificate.server, client_tls=certificate.client)
        case "unix":
            return TornadoHost(LOOPS[loop], unix=str(tmp_path / "socket"))
    return TornadoHost(LOOPS[loop])


class TestPolling(Polling): ...


class TestWebSocket(WebSocket): ...
