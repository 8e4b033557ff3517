"""Tornado as a host under test."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application

from hosts.host import Host
from waterspout import Engine, Server
from waterspout.hosts.tornado import routes

NONE: Mapping[str, Any] = MappingProxyType({})
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class TornadoHost(Host):
    """Tornado's HTTP server, with one application."""

    other_routes: Sequence[Any] = ()
    settings = options = NONE

    @property
    def address(self) -> str:
        return "127.0.0.1" if self.unix is None else "unix"

    def routes(self, mountable: Server | Engine) -> list[Any]:
        return routes(mountable)

    async def start(self, *mountables: Server | Engine) -> None:
        ours = [route for mountable in mountables for route in self.routes(mountable)]
        application = Application([*self.other_routes, *ours], **self.settings)
        self.http = HTTPServer(application, ssl_options=self.server_tls, **self.options)
        if self.unix is not None:
            self.http.add_socket(bind_unix_socket(self.unix))
        else:
            sockets = bind_sockets(0, "127.0.0.1")
            self.port = sockets[0].getsockname()[1]
            self.http.add_sockets(sockets)

    async def stop(self) -> None:
        self.http.stop()
        await self.http.close_all_connections()
