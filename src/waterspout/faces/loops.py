"""The loop of applications that are put together before one runs."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable

from tornado.ioloop import IOLoop

from ..hosts.loops import running_loop
from ..hosts.signals import CLOSE_TIMEOUT, EXIT_TIMEOUT, ending, leave_after
from ..hosts.tornado import drain
from ..server import Server


def current_loop() -> IOLoop:
    """Return the thread's loop; make one if there is none, as applications expect before they start it.

    asyncio warns of that from Python 3.12 on, and refuses it from 3.14 on, where Tornado makes one.
    """
    with warnings.catch_warnings():
        if running_loop() is None:
            warnings.simplefilter("ignore", DeprecationWarning)
        return IOLoop.current()


def run_until_signal(end: Callable[[], Awaitable[object]]) -> None:
    """Run the current loop until it is stopped; at SIGTERM or SIGINT, await `end` before, for at most 8 s.

    The process ends 9.5 s after the signal, whatever still runs.
    """
    loop = current_loop()
    asyncio_loop: asyncio.AbstractEventLoop = loop.asyncio_loop  # type: ignore[attr-defined]

    async def stop() -> None:
        try:
            await asyncio.wait({asyncio.ensure_future(end())}, timeout=CLOSE_TIMEOUT)
        finally:
            loop.stop()

    def signalled() -> None:
        leave_after(EXIT_TIMEOUT)
        asyncio_loop.call_soon_threadsafe(loop.add_callback, stop)  # which wakes a loop that has nothing to do

    with ending(signalled):
        loop.start()


async def close_and_drain(server: Server) -> None:
    """Close a server, and wait until its clients have taken what was sent to them."""
    await server.close()
    await drain(server)
