"""A process of uvicorn, with protocols of ours: for `waterspout serve --host uvicorn`."""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import isclass, iscoroutinefunction
from types import FrameType
from typing import Any

import uvicorn

from ..drivers.log import logger
from ..engine import Engine
from ..errors import CannotStart
from ..server import Server
from .asgi import is_mounted
from .listeners import opened, urls
from .loops import AsyncioLoop
from .residence import NOT_MOUNTED
from .signals import CLOSE_TIMEOUT, EXIT_TIMEOUT, ending, leave_after, watch_stdin
from .uvicorn import HTTP, WEBSOCKETS

__all__ = ["UvicornPlace", "check_asgi", "run"]

log = logger("waterspout.host")


@dataclass(frozen=True)
class UvicornPlace:
    """Where to listen: at hosts and ports, at a Unix socket, and at sockets that listen already, all with TLS or none.

    `loop` is "auto", "uvloop" or "asyncio".
    """

    bind: Sequence[tuple[str, int]] = ()
    unix: str | None = None
    inherited: Sequence[socket.socket] = ()
    certfile: str | None = None
    keyfile: str | None = None
    loop: str = "auto"


def check_asgi(application: Any, name: str) -> None:
    """Raise `CannotStart`, with a sentence, for what is no ASGI 3 application."""
    if isinstance(application, Server | Engine):
        raise CannotStart(f"cannot serve {name} as an application: it is a server, which is named without --app")
    if isclass(application):
        raise CannotStart(f"cannot serve {name}: it is a class; call it, as in app = {application.__name__}(...)")
    if not iscoroutinefunction(application) and not iscoroutinefunction(getattr(application, "__call__", None)):  # noqa: B004
        remedy = "a WSGI application is served without --host uvicorn, or on gevent"
        raise CannotStart(f"cannot serve {name}: it is no ASGI application (an asynchronous callable); {remedy}")


def run(
    application: Any,
    place: UvicornPlace,
    *,
    ready: Callable[[list[str]], object],
    stop_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, and end gracefully, 9.5 s later at the latest; return then.

    `ready` gets the URLs. `stop_with_stdin`: the end of standard input counts as a signal (see `reload`). `CannotStart`
    where the application has failed to start.
    """
    config = uvicorn.Config(
        application,
        interface="asgi3",
        ws=WEBSOCKETS,
        http=HTTP,
        ws_per_message_deflate=False,
        loop=place.loop,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(CLOSE_TIMEOUT),
        ssl_certfile=place.certfile,
        ssl_keyfile=place.keyfile,
    )
    with opened(place.bind, place.unix, place.inherited) as listeners:
        server = _Server(config, lambda: ready(urls(listeners, secure=place.certfile is not None)), stop_with_stdin)
        # uvicorn raises the signal again at its end, for whoever handled it before, and exits if it cannot start
        with ending(lambda: None), suppress(SystemExit):
            server.run(sockets=listeners)
    if not server.started:
        raise CannotStart("the application has failed to start: the log says why")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], object], stop_with_stdin: bool) -> None:
        super().__init__(config)
        self._ready = ready
        self._stops_with_stdin = stop_with_stdin

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            if not is_mounted():  # now that the application has started, which may make one
                log.warning(NOT_MOUNTED, "waterspout.hosts.asgi.App")
            if self._stops_with_stdin:
                watch_stdin(lambda: signal.raise_signal(signal.SIGTERM), AsyncioLoop(asyncio.get_running_loop()))
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        leave_after(EXIT_TIMEOUT)
        super().handle_exit(sig, frame)
