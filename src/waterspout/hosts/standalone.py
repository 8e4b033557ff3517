"""A process of its own: one Tornado application, from its first listener to an orderly end.

`run` is what `waterspout serve`, `waterspout demo` and `waterspout.run` share. SIGTERM and SIGINT end it: nothing
new is accepted, the clients are told, what was sent is flushed. A second signal ends the process at once.
"""

import asyncio
import importlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import FrameType
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application

from .flashpolicy import serve_policy
from .listeners import CannotStart, listen, unix_listener, urls
from .tornado import Mountable, routes

CLOSE_TIMEOUT = 8.0
EXIT_TIMEOUT = 9.5  # `docker stop` kills 10 s after its SIGTERM

log = logging.getLogger("waterspout.host")


class Loop(StrEnum):
    """Which event loop `run` makes; AUTO is uvloop where it is installed."""

    AUTO = "auto"
    UVLOOP = "uvloop"
    ASYNCIO = "asyncio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a server listens, a TCP address, a Unix socket or both, and which Tornado routes stand beside it.

    TLS is for the address; a Unix socket, which has a proxy before it, stays plain. `flash_policy_port` answers Flash,
    beside the address, that films of `flash_policy_domains` may connect to it (see `flashpolicy`).
    """

    bind: tuple[str, int] | None = None
    unix: str | None = None
    ssl_options: ssl.SSLContext | None = None
    extra_routes: Sequence[Any] = ()
    flash_policy_port: int | None = None
    flash_policy_domains: Sequence[str] = ("*",)


async def serve(
    mountable: Mountable, site: Site, *, ready: Callable[[list[str]], object] = lambda urls: None, stop: asyncio.Event
) -> None:
    """Serve until `stop` is set, then tell the clients and end; they have 8 s to take what is still theirs.

    `ready` is called with the URLs once connections are accepted. Raises `CannotStart`.
    """
    application = Application([*site.extra_routes, *routes(mountable)])
    with ExitStack() as accepting:
        tcp = listen(*site.bind) if site.bind is not None else []
        servers = [_accept(application, tcp, site.ssl_options, accepting)]
        local = [accepting.enter_context(unix_listener(site.unix))] if site.unix is not None else []
        servers.append(_accept(application, local, None, accepting))
        await _serve_policy(site, tcp, accepting)
        ready(urls([*tcp, *local], secure=site.ssl_options is not None))
        try:
            await stop.wait()
        finally:
            accepting.close()
            await _finish(mountable, servers)


def run(
    mountable: Mountable,
    site: Site,
    *,
    ready: Callable[[list[str]], object] = lambda urls: None,
    loop: Loop = Loop.AUTO,
    owns_process: bool = False,
    stop_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; the caller must be the main thread. Returns when all has ended.

    With `owns_process`, tasks and threads that are still busy 9.5 s after the signal are left behind: the process
    ends with status 0. With `stop_with_stdin`, the end of standard input is a signal too (see `reload`).
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            if owns_process:
                _leave_after(EXIT_TIMEOUT)
            loop.call_soon_threadsafe(stop.set)

        if stop_with_stdin:
            _watch_stdin(end)
        with _signals(end):
            await serve(mountable, site, ready=ready, stop=stop)

    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        runner.run(main())


def _accept(
    application: Application, listeners: list[socket.socket], tls: ssl.SSLContext | None, accepting: ExitStack
) -> HTTPServer:
    server = HTTPServer(application, ssl_options=tls)
    server.add_sockets(listeners)
    accepting.callback(server.stop)
    return server


async def _serve_policy(site: Site, tcp: list[socket.socket], accepting: ExitStack) -> None:
    if site.bind is None or site.flash_policy_port is None:
        return
    ports = ",".join(sorted({str(listener.getsockname()[1]) for listener in tcp}))
    server = await serve_policy(site.bind[0], site.flash_policy_port, domains=site.flash_policy_domains, ports=ports)
    if server is not None:
        accepting.callback(server.close)


async def _finish(mountable: Mountable, servers: list[HTTPServer]) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await mountable.close()
            for server in servers:
                await server.close_all_connections()
    except TimeoutError:
        log.warning("some clients had not taken what was sent to them within %g s; they are cut off", CLOSE_TIMEOUT)


@contextmanager
def _signals(end: Callable[[], object]) -> Iterator[None]:
    """Let the first SIGTERM or SIGINT call the function, and the second do what it does by default.

    `signal.signal` and not `loop.add_signal_handler`: the second must work while a handler blocks the loop.
    """
    seen: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        end()

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_after(seconds: float) -> None:
    """End the process with status 0, whatever still runs then; an alarm, as it interrupts a blocked loop too."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _watch_stdin(end: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            end()

    loop.add_reader(descriptor, readable)


def _loop_factory(choice: Loop) -> Callable[[], asyncio.AbstractEventLoop]:
    if choice is Loop.ASYNCIO:
        return asyncio.new_event_loop
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        if choice is Loop.AUTO:
            return asyncio.new_event_loop
        raise CannotStart("cannot use uvloop: it is not installed; install it, or choose asyncio") from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
