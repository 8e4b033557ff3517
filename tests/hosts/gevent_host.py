"""gevent as a host under test: a hub in a thread of its own, in which the loop of the test runs, too.

The test's loop waits in a greenlet. So its client, the server and the test take turns in one thread, and a test may
look at the server's state, as it does where both share a loop.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gevent
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from gevent.selectors import GeventSelector
from gevent.socket import socket as GeventSocket  # noqa: N812
from gevent.ssl import SSLSocket

from hosts.certificate import Certificate
from hosts.host import Host
from waterspout import Engine, Pending, Server
from waterspout.drivers.gevent import GeventDriver
from waterspout.hosts.gevent import App
from waterspout.hosts.hubs import GeventLoop
from waterspout.hosts.listeners import opened
from waterspout.hosts.residence import Residence
from waterspout.hosts.wsgiserver import WsgiServer

Application = Callable[..., Any]


class GeventHost(Host):
    """The server of `waterspout.hosts.gevent.serve`; `application` has what is not the engine's."""

    application: Application | None = None
    requests_in_a_turn = 300  # gevent looks for I/O after 5 ms of callbacks
    forgiven: tuple[type[Exception], ...] = ()  # what may be in the hub's own log

    def __init__(
        self,
        *,
        unix: str | None = None,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(hub_loop, unix=unix, server_tls=server_tls, client_tls=client_tls)

    @property
    def address(self) -> str:
        return "127.0.0.1" if self.unix is None else "unix"

    async def start(self, *mountables: Server | Engine) -> None:
        hub = gevent.get_hub()
        loop = GeventLoop(hub)
        application: Any = self.application
        for mountable in reversed(mountables):
            engine = mountable if isinstance(mountable, Engine) else mountable.engine
            Residence.of(engine).bind(hub, AwaitedDriver(), loop)
            application = App(mountable, application)
            application.start()
        self.listening = opened([] if self.unix else [("127.0.0.1", 0)], self.unix, ())
        (listener,) = self.listening.__enter__()
        if self.unix is None:
            self.port = listener.getsockname()[1]
        self.listen(application, listener, loop)

    def listen(self, application: Any, listener: socket.socket, loop: GeventLoop) -> None:
        self.web = WsgiServer(application, [listener], loop, tls=self.server_tls)

    async def stop(self) -> None:
        self.web.stop()
        self.listening.__exit__(None, None, None)
        self.web.close()

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._run_in_hub, super().run, test).result()

    def _run_in_hub(self, run: Callable[[Any], None], test: Coroutine[Any, Any, None]) -> None:
        hub = gevent.get_hub()
        failed: list[Any] = []
        hub.handle_error = lambda *problem: failed.append(problem[2])  # type: ignore[method-assign]
        try:
            run(test)
            for error in failed:
                if not isinstance(error, self.forgiven):
                    raise error
        finally:
            del hub.handle_error  # which ends the hub, too
            hub.destroy(destroy_loop=True)


class PywsgiHost(GeventHost):
    """The WSGIServer of gevent.pywsgi, as an application of the user's own has it."""

    forgiven = (OSError,)  # clients that go are worth a traceback to it

    def listen(self, application: Any, listener: socket.socket, loop: GeventLoop) -> None:
        tls: Any = {} if self.server_tls is None else {"ssl_context": Wrapping(self.server_tls)}
        own = GeventSocket(fileno=listener.detach())
        self.http = WSGIServer(own, application, log=None, error_log=None, **tls)
        self.http.start()

    async def stop(self) -> None:
        self.http.stop(0)
        self.listening.__exit__(None, None, None)


class Wrapping:
    """Makes TLS sockets of gevent's in a context of the ssl module."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def wrap_socket(self, sock: Any, **options: Any) -> SSLSocket:
        return SSLSocket(sock=sock, _context=self.context, **options)


Kind = TypeVar("Kind", bound=GeventHost)


def gevent_host(kind: type[Kind], request: pytest.FixtureRequest) -> Kind:
    """Make the host of a round: tcp, tls or unix."""
    match request.param:
        case "tls":
            certificate: Certificate = request.getfixturevalue("certificate")
            return kind(server_tls=certificate.server, client_tls=certificate.client)
        case "unix":
            folder: Path = request.getfixturevalue("tmp_path")
            return kind(unix=str(folder / "socket"))
    return kind()


class AwaitedDriver(GeventDriver):
    """The driver, whose results the test's loop can await; it has asynchronous functions run there, too."""

    runs_coroutines = True

    def __init__(self) -> None:
        super().__init__()
        run, loop = self.run, asyncio.get_running_loop()
        self.run = lambda function, *others: run(partial(call, loop, function), *others)

    def attend(self, pending: Pending[Any]) -> Generator[Any, Any, None]:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        pending.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set_result, None))
        yield from done


def call(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in its greenlet, which blocks while an asynchronous one runs as a task of the test's."""
    result = function(*args)
    return block(loop, result) if isinstance(result, Coroutine) else result


class HubSelector(GeventSelector):
    """Lets the hub turn in each of the loop's turns."""

    def select(self, timeout: float | None = None) -> Any:
        gevent.sleep(0)
        return super().select(timeout)


def hub_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(HubSelector())


def block(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine as a task, and block this greenlet until it ends; a greenlet that is killed cancels it."""
    ended = Event()
    task: list[asyncio.Task[Any]] = []

    def begin() -> None:
        task.append(loop.create_task(coroutine))
        task[0].add_done_callback(lambda _: ended.set())

    loop.call_soon_threadsafe(begin)
    try:
        ended.wait()
    except BaseException:
        loop.call_soon_threadsafe(task[0].cancel)
        ended.wait()
        raise
    return task[0].result()
