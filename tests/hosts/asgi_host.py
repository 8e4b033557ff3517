"""The ASGI servers as hosts under test, each in the loop of the test: uvicorn, hypercorn, granian and daphne."""

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from typing import Any

from hosts.host import Host
from hosts.tornado_host import LOOPS
from ports import free_port
from waterspout import Engine, Reason, Server
from waterspout.hosts.asgi import App
from waterspout.hosts.asgirequests import AsgiApplication


class AsgiHost(Host):
    """What they have in common: `application` has what is not the engine's."""

    server: str
    tasks = 4  # the lifespan, and two of ours for a WebSocket
    application: AsgiApplication | None = None
    _serves = False

    def __init__(
        self,
        loop: str,
        *,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
        unix: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(LOOPS[loop], unix=unix, server_tls=server_tls, client_tls=client_tls)
        self.options = options

    @property
    def address(self) -> str:
        return "127.0.0.1" if self.unix is None else "unix"

    async def start(self, *mountables: Server | Engine) -> None:
        application: Any = self.application
        for mountable in reversed(mountables):
            application = App(mountable, application)
        await self.serve_application(application)

    async def serve_application(self, application: Any) -> None:
        """Serve this."""
        self._serves = True
        await self.start_application(application)

    async def start_application(self, application: Any) -> None:
        """Start the server with it."""
        raise NotImplementedError

    async def stop(self) -> None:
        for mountable in self._mounted:
            engine = mountable if isinstance(mountable, Engine) else mountable.engine
            for session in list(engine.sessions.values()):
                session.drop(Reason.TRANSPORT_CLOSE)  # else `lifespan.shutdown` would wait a second for each poll
        if self._serves:
            await self.stop_server()

    async def stop_server(self) -> None:
        """End the server."""
        raise NotImplementedError

    def _listener(self) -> socket.socket:
        if self.unix is not None:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.unix)
            return listener
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        return listener


class UvicornHost(AsgiHost):
    """uvicorn; its options are `http` and `ws`, and all others of uvicorn's own."""

    server = "uvicorn"

    async def start_application(self, application: Any) -> None:
        from uvicorn import Config
        from uvicorn import Server as Uvicorn

        options = {"ws_per_message_deflate": False, "lifespan": "on", "access_log": False, **self.options}
        config = Config(application, log_config=None, **options)
        config.load()
        config.ssl = self.server_tls
        self.uvicorn = Uvicorn(config)
        self.uvicorn.lifespan = config.lifespan_class(config)
        self.listener = self._listener()
        await self.uvicorn.startup(sockets=[self.listener])

    async def stop_server(self) -> None:
        await self.uvicorn.shutdown(sockets=[self.listener])


class HypercornHost(AsgiHost):
    """hypercorn."""

    server = "hypercorn"

    async def noticed(self) -> None:
        for _ in range(20):  # it closes a socket before it tells the application
            await asyncio.sleep(0)

    async def start_application(self, application: Any) -> None:
        from hypercorn.asyncio.run import worker_serve
        from hypercorn.config import Config, Sockets
        from hypercorn.utils import wrap_app

        config = Config()
        config.errorlog = config.accesslog = None
        for name, value in self.options.items():
            setattr(config, name, value)
        listener = self._listener()
        listener.setblocking(False)
        listener.listen(100)
        self.ending = asyncio.Event()
        wrapped = wrap_app(application, config.wsgi_max_body_size, "asgi")
        self.serving = asyncio.ensure_future(
            worker_serve(wrapped, config, sockets=Sockets([], [listener], []), shutdown_trigger=self.ending.wait)
        )

    async def stop_server(self) -> None:
        self.ending.set()
        await self.serving


class GranianHost(AsgiHost):
    """granian, as another program embeds it: its threads of Rust call into the loop of the test."""

    server = "granian"
    keeps_fields = False
    closes_all = False  # it keeps a socket for each server that has ended

    async def start_application(self, application: Any) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server as Granian

        self.port = free_port()
        self.granian = Granian(
            application, port=self.port, interface=Interfaces.ASGI, log_enabled=False, **self.options
        )
        self.serving = asyncio.ensure_future(self.granian.serve())
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                await asyncio.sleep(0.005)

    async def stop_server(self) -> None:
        self.granian.stop()
        await self.serving


class DaphneHost(AsgiHost):
    """daphne: Twisted has one loop in a process, in which all tests run."""

    server = "daphne"
    keeps_fields = False

    async def start_application(self, application: Any) -> None:
        from daphne.http_protocol import HTTPFactory  # type: ignore[import-untyped]
        from daphne.server import Server as Daphne  # type: ignore[import-untyped]
        from daphne.ws_protocol import WebSocketFactory  # type: ignore[import-untyped]

        reactor = the_reactor()

        self.daphne = daphne = Daphne(application, endpoints=["tcp:port=0"], **self.options)
        daphne.connections = {}
        daphne.http_factory = HTTPFactory(daphne)
        daphne.ws_factory = WebSocketFactory(daphne, server=daphne.server_name)
        daphne.ws_factory.setProtocolOptions(allowNullOrigin=True)
        self.listening = reactor.listenTCP(0, daphne.http_factory, interface="127.0.0.1")
        self.port = self.listening.getHost().port
        daphne.application_checker()

    async def stop_server(self) -> None:
        reactor = the_reactor()

        await self.listening.stopListening().asFuture(asyncio.get_running_loop())
        for each in list(self.daphne.connections.values()):
            if "application_instance" in each:
                each["application_instance"].cancel()
        for call in reactor.getDelayedCalls():
            call.cancel()
        for reader in reactor.getReaders():
            if hasattr(reader, "abortConnection"):
                reader.abortConnection()

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        from daphne.server import twisted_loop

        reactor = the_reactor()

        if not reactor.running:
            reactor.startRunning(installSignalHandlers=False)
        twisted_loop.run_until_complete(self._run(test))


def the_reactor() -> Any:
    from twisted.internet import reactor

    return reactor


HOSTS = {each.server: each for each in (UvicornHost, HypercornHost, GranianHost, DaphneHost)}
