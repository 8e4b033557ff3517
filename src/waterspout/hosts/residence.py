"""An engine's place in a Tornado process: its loop, the requests that come there, and the connections that it holds."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest

from ..drivers import AsyncioDriver
from ..engine import Driver, Engine
from ..types import Request
from .failures import FailureWatch
from .loops import AsyncioLoop
from .output import Output
from .processes import warn_of_company


class Residence:
    """An engine in a Tornado process, bound to the loop on which it is mounted, or else to that of its first request.

    When another loop takes the place of one that is over, the connections of the old one are closed.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.output: Output
        self._failures: FailureWatch
        self._loop: asyncio.AbstractEventLoop | None = None
        self._was_asked = False
        engine.when_bound(self._leave)

    @classmethod
    def of(cls, engine: Engine) -> "Residence":
        """Return the one of this engine, which all that serves it in Tornado shares."""
        if not isinstance(engine.host, cls):
            engine.host = cls(engine)
        return engine.host

    def settle(self) -> None:
        """Bind the engine to the running loop; RuntimeError where there is none, or where it runs on another."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)

    def read(self, native: HTTPServerRequest) -> Request:
        """Make a request of Tornado's; RuntimeError on another loop than that which the engine runs on.

        With trusted proxies of the server's own it starts from the real peer, so that what Tornado's `xheaders` has
        made of the same fields does not count twice.
        """
        connection = native.connection
        assert isinstance(connection, HTTP1Connection)
        self.settle()
        if not self._was_asked:
            self._was_asked = True
            if not self.engine.is_clustered:
                warn_of_company(self.engine.driver, connection.stream.socket)
        return _read(native, connection, trusts_proxies=bool(self.engine.policy.trusted_proxies))

    def watch(self, connection: HTTP1Connection) -> Callable[[], None] | None:
        """Close a connection whose request waits, and which nobody reads, at once when its client has gone.

        Returns what ends this, to be called with the answer; None if the connection is closed already, of which Tornado
        tells nobody when it was between the head of the request and its service.
        """
        stream = connection.stream
        if stream.closed():
            return None
        descriptor, close = stream.socket.fileno(), stream.close
        self._failures.watch(descriptor, close, with_end=True)
        return partial(self._failures.forget, descriptor, close)

    async def drain(self) -> None:
        """Wait, after `close`, until the connections have taken what was sent to them; see `hosts.tornado.drain`."""
        if self._loop is not None:
            drained = asyncio.Event()
            self.output.when_empty(drained.set)
            await drained.wait()
        self.engine.log.flush()

    def cut(self) -> None:
        """Close the connections that are left, at once."""
        if self._loop is not None:
            for link in list(self.output.open_links):
                link.close()

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        driver = self.engine.driver
        if not (isinstance(driver, AsyncioDriver) and driver.loop is loop):  # else somebody has bound it already
            self.engine.bind(AsyncioDriver())
        self._loop = loop
        links_loop = AsyncioLoop(loop)
        self._failures = links_loop.failures
        self.output = Output(links_loop, self.engine.traffic, self.engine.policy.close_timeout)

    def _leave(self, driver: Driver) -> None:
        """Close the connections of a loop that is over, by means of the one that takes its place."""
        if self._loop is None:
            return
        self._loop = None
        if isinstance(driver, AsyncioDriver):
            self.output.loop = AsyncioLoop(driver.loop)  # the old one may be closed, and takes no calls then
        for link in list(self.output.open_links):
            with suppress(RuntimeError):  # a stream of Tornado's, which keeps to its loop
                link.close()


def _read(native: HTTPServerRequest, connection: HTTP1Connection, *, trusts_proxies: bool) -> Request:
    if native.headers.get("Expect", "").lower() == "100-continue":
        native.headers["Expect"] = "100-continue"  # in this case alone Tornado knows it (RFC 9110, section 10.1.1)
    if native.version == "HTTP/1.0":
        native.headers.pop("Upgrade", None)  # it means nothing there (RFC 9110, section 7.8)
    context: Any = connection.context
    is_unix = context.address_family == socket.AF_UNIX
    if trusts_proxies:
        address = "" if is_unix else context.address[0]
        secure = isinstance(connection.stream.socket, ssl.SSLSocket)
    else:
        address = "" if is_unix and native.remote_ip == "0.0.0.0" else native.remote_ip or ""
        secure = native.protocol == "https"
    return Request(
        native.method or "",
        native.uri or "",
        native.headers.get_all(),
        remote_address=address or ("unix" if is_unix else ""),
        secure=True if secure else None,
        native=native,
    )
