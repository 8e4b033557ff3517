"""An application whose routes are a test's, and its clients."""

from typing import Any

from hosts.client import HANDSHAKE, Wire, request
from hosts.suite.eventsource import chunk, head
from hosts.tornado_host import TornadoHost
from waterspout.faces.tornadose.handlers import close_streams

__all__ = ["Site", "chunk", "head"]


class Site(TornadoHost):
    """Serves routes of Tornadose's handlers."""

    async def begin(self, *routes: Any, **settings: Any) -> None:
        self.other_routes, self.settings = routes, settings
        await self.serve()

    async def stop(self) -> None:
        await close_streams()
        await super().stop()

    async def listen(self, path: str = "/", *fields: tuple[str, str]) -> Wire:
        """Begin to listen as an EventSource does."""
        wire = await self.connect()
        wire.send(request("GET", path, *fields))
        await head(wire)
        return wire

    async def open(self, path: str = "/", *, stays: bool = True) -> Wire:
        """Open a WebSocket."""
        wire = await self.connect()
        wire.send(request("GET", path, *HANDSHAKE))
        if stays:
            assert (await wire.answer()).status == 101
        return wire


async def data(wire: Wire) -> str:
    """Read an event, which is nothing but data, and return that."""
    event = (await chunk(wire)).decode()
    assert event.endswith("\n\n")
    lines = event[:-2].split("\n")
    assert all(line.startswith("data: ") for line in lines), event
    return "\n".join(line.removeprefix("data: ") for line in lines)
