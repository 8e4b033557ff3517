"""An application whose WebSockets are a test's, and its clients."""

import json
from typing import Any

from hosts.client import HANDSHAKE, Wire, request, text
from hosts.tornado_host import TornadoHost
from waterspout import Server
from waterspout.faces.tornado_websockets.websocket import WebSocket
from waterspout.faces.tornado_websockets.websockethandler import WebSocketHandler


class Overridden(WebSocketHandler):
    """A class with an override: Tornado carries its connections."""

    def on_message(self, message: Any) -> Any:
        return super().on_message(message)


class Site(TornadoHost):
    """Serves WebSockets, at their paths behind /ws, and a server of their own."""

    handler: type[WebSocketHandler] = WebSocketHandler

    def websocket_at(self, path: str = "/test", **options: Any) -> WebSocket:
        """Make a WebSocket of a server of this test."""
        if not self._mounted:
            self._mounted.append(Server(**options))
        made = WebSocket(path, add_to_handlers=False)
        made.server = self._mounted[0]  # type: ignore[assignment]
        self.other_routes = [*self.other_routes, (f"/ws{made.path}", self.handler, {"websocket": made})]
        return made

    async def begin(self) -> None:
        await self.start(*self._mounted)

    async def open(self, path: str = "/test", *fields: tuple[str, str], status: int = 101) -> Wire:
        """Open a WebSocket."""
        wire = await self.connect()
        wire.send(request("GET", f"/ws{path}", *HANDSHAKE, *fields))
        assert (await wire.answer()).status == status
        return wire


def event(name: Any, data: Any = None) -> bytes:
    """Write an event as a client sends it."""
    return text(json.dumps({"event": name} if data is None else {"event": name, "data": data}))


async def got(wire: Wire) -> tuple[str, Any]:
    """Read an event: its name and its data, and nothing else is there."""
    form = json.loads(await wire.text())
    assert sorted(form) == ["data", "event"], form
    return form["event"], form["data"]
