"""Tornado as a host under test, with engines behind request handlers."""

from typing import Any

from hosts.tornado_host import TornadoHost
from waterspout import Engine, Server
from waterspout.hosts.handlers import EngineHandler


class HandlerHost(TornadoHost):
    """Tornado's HTTP server; `handler` serves all that it mounts."""

    handler: type[EngineHandler] = EngineHandler

    def routes(self, mountable: Server | Engine) -> list[Any]:
        engine = mountable if isinstance(mountable, Engine) else mountable.engine
        return [(engine.pattern, self.handler, {"engine": engine})]
