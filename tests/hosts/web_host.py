"""HTTP of a process of its own as a host under test."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from tornado.netutil import bind_sockets

from hosts.host import Host
from waterspout import Engine, Server
from waterspout.hosts.loggers import throttled
from waterspout.hosts.tornado import Mount
from waterspout.hosts.web import LimitedApplication, Web


class WebHost(Host):
    """What `waterspout serve` has between its listeners and its end."""

    other_routes: Sequence[Any] = ()
    behind: Sequence[Any] = ()
    max_body_bytes = 5_000_000
    max_header_lines = 100

    async def start(self, *mountables: Server | Engine) -> None:
        self.logs = ExitStack()
        self.logs.enter_context(throttled())
        self.mounts = [Mount(each if isinstance(each, Engine) else each.engine) for each in mountables]
        routes = [*self.other_routes, *(route for mount in self.mounts for route in mount.routes), *self.behind]
        application = LimitedApplication(routes, max_header_lines=self.max_header_lines)
        listeners = bind_sockets(0, "127.0.0.1")
        self.port = listeners[0].getsockname()[1]
        self.web = Web(application, listeners, tls=self.server_tls, max_body_bytes=self.max_body_bytes)

    async def stop(self) -> None:
        self.web.stop()
        await self.web.close()
        self.logs.close()
