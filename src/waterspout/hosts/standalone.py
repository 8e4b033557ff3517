"""A stand-alone process: one Tornado application, from opening its listeners to a graceful shutdown.

`run` is shared by `waterspout serve`, `waterspout demo` and `waterspout.run`. SIGTERM and SIGINT end it: no new
connections are accepted, clients are told, and what was sent is flushed. A second signal ends the process at once.
"""

import asyncio
import importlib
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..drivers.log import logger
from ..engine import Engine
from ..errors import CannotStart
from .collector import fitted
from .entry import serve_entry
from .flashpolicy import serve_policy
from .listeners import opened, urls
from .loggers import reporting, throttled
from .loops import AsyncioLoop, running_loop
from .residence import Residence
from .signals import EXIT_TIMEOUT, ending, leave_after, watch_stdin
from .static import signpost
from .tornado import Mount, Mountable, ended_in_time
from .web import LimitedApplication, Web
from .wsgimount import AppMount
from .wsgithreads import MAX_BYTES, ThreadedWSGI

VIEWS_TIMEOUT = 5.0  # s that running views of a WSGI application have, before clients are disconnected
BODIES = 5  # times `max_payload_bytes`: the engine refuses by itself what is more than four times as much


log = logger("waterspout.host")


class LoopKind(StrEnum):
    """The event loop that `run` uses; AUTO is uvloop if it is installed."""

    AUTO = "auto"
    UVLOOP = "uvloop"
    ASYNCIO = "asyncio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a server listens, and the Tornado routes before and behind its own.

    It listens at the hosts and ports of `bind`, at the Unix socket `unix`, and at the listening sockets of `inherited`,
    which it closes at the end. TLS is for TCP; a Unix socket has a proxy in front of it, and stays without.
    `flash_policy_port`: there, at the same addresses, Flash is told that films of `flash_policy_domains` may connect
    (see `flashpolicy`). `entry`: the path of a Unix socket for commands of other processes (see `entry`). `app`: a WSGI
    application for all other requests, with so many threads, by default those of the driver, and its limit of bodies
    and answers (see `wsgithreads`).
    """

    bind: Sequence[tuple[str, int]] = ()
    unix: str | None = None
    inherited: Sequence[socket.socket] = ()
    ssl_options: ssl.SSLContext | None = None
    extra_routes: Sequence[Any] = ()
    last_routes: Sequence[Any] = ()
    flash_policy_port: int | None = None
    flash_policy_domains: Sequence[str] = ("*",)
    entry: str | None = None
    app: Callable[..., Any] | None = None
    app_threads: int | None = None
    app_max_bytes: int = MAX_BYTES


async def serve(
    mountable: Mountable, site: Site, *, ready: Callable[[list[str]], object] = lambda urls: None, stop: asyncio.Event
) -> None:
    """Serve until `stop` is set or the server is closed; then close it, and send within 8 s what clients still get.

    `ready` is called with the URLs when connections are accepted. Raises `CannotStart`, and RuntimeError for a server
    that is in use on another loop.
    """
    engine = mountable if isinstance(mountable, Engine) else mountable.engine
    limit = BODIES * engine.policy.max_payload_bytes
    with throttled(), reporting(asyncio.get_running_loop()), ExitStack() as accepting:
        listeners = accepting.enter_context(opened(site.bind, site.unix, site.inherited))
        tcp = [listener for listener in listeners if listener.family != socket.AF_UNIX]
        local = [listener for listener in listeners if listener.family == socket.AF_UNIX]
        engine.when_closing(stop.set)
        if site.entry is not None:
            accepting.callback((await serve_entry(mountable, site.entry)).close)
        mount = Mount(engine)  # starts the server, so after all that can fail
        app = _application(site, engine)
        others = signpost(engine.path) if app is None else AppMount(app).routes
        routes = [*site.extra_routes, *mount.routes, *site.last_routes, *others]
        application = LimitedApplication(routes, max_header_lines=engine.policy.max_header_lines)
        webs = [
            Web(application, tcp, tls=site.ssl_options, max_body_bytes=limit),
            Web(application, local, max_body_bytes=limit),
        ]
        for web in webs:
            accepting.callback(web.stop)
        await _serve_policy(site, tcp, accepting)
        ready(urls(listeners, secure=site.ssl_options is not None))
        try:
            await stop.wait()
        finally:
            accepting.close()
            await _finish(mountable, mount.residence, webs, app)


def run(
    mountable: Mountable,
    site: Site,
    *,
    ready: Callable[[list[str]], object] = lambda urls: None,
    loop: LoopKind = LoopKind.AUTO,
    owns_process: bool = False,
    stop_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM, SIGINT or the server's `close`; return after the shutdown.

    Signals reach the main thread only; in another one, `close` ends it. `CannotStart` if a loop is running.
    `owns_process`: tasks and threads that still run 9.5 s after the signal are abandoned, and the process ends with
    status 0. `stop_with_stdin`: the end of standard input counts as a signal (see `reload`).
    """
    if running_loop() is not None:
        raise CannotStart(
            "cannot run here: an event loop is running already, as in a notebook or a coroutine; on it, write "
            "tornado.web.Application(waterspout.hosts.tornado.routes(server)).listen(port)"
        )

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            if owns_process:
                leave_after(EXIT_TIMEOUT)
            loop.call_soon_threadsafe(stop.set)

        if stop_with_stdin:
            watch_stdin(end, AsyncioLoop(loop))
        with ending(end):
            await serve(mountable, site, ready=ready, stop=stop)

    with fitted(), asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        runner.run(main())


async def _serve_policy(site: Site, tcp: list[socket.socket], accepting: ExitStack) -> None:
    if not tcp or site.flash_policy_port is None:
        return
    ports = ",".join(sorted({str(listener.getsockname()[1]) for listener in tcp}))
    hosts = sorted({listener.getsockname()[0] for listener in tcp})
    server = await serve_policy(hosts, site.flash_policy_port, domains=site.flash_policy_domains, ports=ports)
    if server is not None:
        accepting.callback(server.close)


def _application(site: Site, engine: Engine) -> ThreadedWSGI | None:
    if site.app is None:
        return None
    for name, value in (("app_threads", site.app_threads), ("app_max_bytes", site.app_max_bytes)):
        if value is not None and value < 1:
            raise CannotStart(f"{name} is {value!r}: give a number above 0")
    return ThreadedWSGI(site.app, site.app_threads or engine.driver.threads, max_bytes=site.app_max_bytes)


async def _finish(mountable: Mountable, residence: Residence, webs: list[Web], app: ThreadedWSGI | None) -> None:
    async with ended_in_time(residence):
        if app is not None:
            await _answer(app)
        await mountable.close()
        await asyncio.gather(residence.drain(), *(web.flush() for web in webs))
    for web in webs:
        await web.close()
    if app is not None:
        app.close()
    residence.engine.log.flush()


async def _answer(app: ThreadedWSGI) -> None:
    """Let running views end first: they may still emit to clients, or wait for their answers."""
    try:
        async with asyncio.timeout(VIEWS_TIMEOUT):
            await app.drain()
    except TimeoutError:
        log.warning(
            "some views of the application had not ended within %g s; their clients get no answer", VIEWS_TIMEOUT
        )


def _loop_factory(choice: LoopKind) -> Callable[[], asyncio.AbstractEventLoop]:
    if choice is LoopKind.ASYNCIO:
        return asyncio.new_event_loop
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        if choice is LoopKind.AUTO:
            return asyncio.new_event_loop
        raise CannotStart("cannot use uvloop: it is not installed; install it, or choose asyncio") from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
