"""A WebSocket application: one path, its clients and the handlers of their events.

How it works: all clients are members of the namespace "/" of `WebSocket.server`, and of one room for each `WebSocket`.
So `emit` is one fan-out of the core, and whoever else is in that room gets the same events.
"""

from collections import Counter
from contextlib import suppress
from typing import Any

from tornado.websocket import WebSocketClosedError

from ... import Server
from ...hosts.memberhandlers import with_ids
from ...wire.socketio import RESERVED
from .bindings import Bindings
from .exceptions import EmitHandlerError, InvalidInstanceError
from .tornadowrapper import TornadoWrapper
from .websockethandler import WebSocketHandler

__all__ = ["WebSocket"]

_paths: Counter[str] = Counter()


class WebSocket(Bindings):
    """Serves clients at `/ws` and the path, which is a regular expression of Tornado's routes.

    Its route is given to `TornadoWrapper`, also while that serves already, unless `add_to_handlers` is anything but
    True. `handlers` are the connections of the clients that are here, and `ws[0]` is the first. `context` is what
    handlers get as `self`. `room` is the room of the clients in "/" of `server`, which others can join. If `channel` is
    set to a channel of the server, `emit` publishes there too. `Bindings` has the switches `strict` and `threaded`.
    """

    server = Server()
    """The server of all WebSockets; a class derived from this can have one of its own, with other limits."""

    def __init__(self, path: str, add_to_handlers: bool = True) -> None:
        if not isinstance(path, str):
            raise TypeError("« Path » parameter should be a string.")
        super().__init__()
        self.path = "/" + path.strip().removeprefix("/")
        _paths[self.path] += 1  # several of one path, as tests make them, have a room each
        self.room = f"/ws{self.path}" + (f"#{_paths[self.path]}" if _paths[self.path] > 1 else "")
        TornadoWrapper.servers.add(self.server)
        if add_to_handlers is True:
            TornadoWrapper.add_handlers((f"/ws{self.path}", WebSocketHandler, {"websocket": self}))

    def __getitem__(self, index: int) -> Any:
        return self.handlers[index]

    def emit(self, event: str, data: dict[str, Any] | str | None = None) -> None:
        """Send an event to all clients; from any thread. A text is sent as `{"message": text}`, nothing as `{}`.

        EmitHandlerError if no client is connected, unless there is a `channel`; TypeError for other types, and for what
        JSON cannot carry; InvalidInstanceError for what is in `handlers` and is no WebSocketHandler. After all others
        were served, WebSocketClosedError if a client was closed and is still among the handlers.
        """
        data = self._checked(event, data)
        handlers = tuple(self.handlers)
        for handler in handlers:
            if not isinstance(handler, WebSocketHandler):
                raise InvalidInstanceError(handler, "tornado_websockets.websockethandler.WebSocketHandler")
        is_one_closed = not all(handler.is_open for handler in handlers)
        if handlers or self.channel is not None:
            self._send(event, data)
        elif self.strict:
            raise EmitHandlerError(event, self.path)
        if is_one_closed:
            raise WebSocketClosedError

    def _checked(self, event: object, data: Any) -> dict[str, Any]:
        if not isinstance(event, str):
            raise TypeError(f"{'Event' if self.strict else 'Param « event »'} should be a string.")
        if not data:
            return {}
        if isinstance(data, str):
            return {"message": data}
        if not isinstance(data, dict):
            raise TypeError(f"{'Data' if self.strict else 'Param « data »'} should be a string or a dictionary.")
        return data

    def _send(self, event: str, data: dict[str, Any]) -> None:
        if event in RESERVED:  # which clients of Socket.IO cannot be sent
            for handler in tuple(self.handlers):
                with suppress(WebSocketClosedError):
                    handler.emit(event, data)
        else:
            try:
                self.server.emit(event, data, to=self.room)
            except TypeError:
                data = with_ids(data)
                self.server.emit(event, data, to=self.room)
        if self.channel is not None:
            self.channel.publish(with_ids(data), event)
