"""The connection of one client, which handlers of events get as `socket`."""

import logging
from functools import cached_property, partial
from typing import Any

from tornado.websocket import WebSocketClosedError

from ...drivers import logger
from ...errors import DecodeError
from ...hosts.memberhandlers import MemberHandler
from ...types import Reason
from ...wire import json
from ..complaints import Complaints
from .bindings import Bindings
from .djangoapp import allows_origin, django_request
from .exceptions import EmitHandlerError, InvalidInstanceError

__all__ = ["WebSocketHandler"]

log = logger("tornado_websockets")


class WebSocketHandler(MemberHandler):
    """A client of a `WebSocket`: `(pattern, WebSocketHandler, {"websocket": websocket})`, which that does by itself.

    It is a handler of Tornado's, with its `request`, cookies, `path_args` and `close`. A class without overrides hands
    its socket to the engine, which takes less than half of the time; what overrides `open`, `on_message` or `on_close`
    has to call `super`.
    """

    def initialize(self, websocket: Bindings) -> None:  # type: ignore[override]
        """Take the `WebSocket` from the route; InvalidInstanceError for anything else."""
        if not isinstance(websocket, Bindings):
            raise InvalidInstanceError(websocket, "tornado_websockets.websocket.WebSocket")
        super().initialize(websocket.server.of("/"))
        self.websocket = websocket

    # What handlers of events call

    def emit_warning(self, message: str) -> None:
        """Send the event "warning" with `{"message": message}` to this client."""
        self.emit("warning", {"message": message})

    @cached_property
    def django_request(self) -> Any:
        """The opening handshake as a request of Django's; with `session` and `user`, if settings.MIDDLEWARE has them.

        They are read when they are used, which may ask the database.
        """
        return django_request(self.request)

    # What Tornado and the WebSocket call

    def check_origin(self, origin: str) -> bool:
        """Tell whether the pages of an origin may connect: those of the own host, and of Django's ALLOWED_HOSTS.

        "*" there names no host. Override it, or assign another function to this class, to allow others.
        """
        return allows_origin(origin, self.request.host)

    def on_close(self) -> None:
        """Remove this from the handlers of its `WebSocket`: the connection is closed."""
        super().on_close()
        self._unlink()

    # What a member's handler is told

    def origin_refused(self, origin: str) -> None:
        """Log it: in the original, all pages could connect."""
        text = "a page of %a may not connect to %a: add its host to ALLOWED_HOSTS, or override check_origin"
        Complaints(self.engine).write(log, text, origin, self.request.path, level=logging.WARNING)

    def entered(self) -> None:
        """Add this to the handlers of its `WebSocket`, and call "open"."""
        assert self.member is not None
        self.member.join((self.websocket.room,))
        self.websocket.handlers.append(self)
        for event in filter(self.websocket.is_opening, tuple(self.websocket.events)):
            self._handle(event, {})

    def received(self, message: str | bytes) -> None:
        """Call the handler of a message's event."""
        try:
            form = json.decode(message)
        except DecodeError:
            form = None
        if type(form) is not dict:
            self.emit_warning("Invalid JSON was sent.")
            return
        event, data = form.get("event"), form.get("data") or {}
        if not event:
            self.emit_warning("There is no event in this JSON.")
        elif not self.websocket.is_bound(event):
            if self.websocket.strict:
                self.emit_warning("Event is not binded.")
        elif type(data) is not dict:
            self.emit_warning("The data should be a dictionary.")
        else:
            self._handle(event, data)

    def left(self, reason: Reason) -> None:
        """Remove this from the handlers, and call "close"."""
        self._unlink()
        self._handle("close", {"reason": reason.value})

    def failed(self, name: str, error: BaseException) -> None:
        """Report what a handler has raised, and call "error"; without that, or for "open", close the connection."""
        websocket = self.websocket
        if isinstance(error, WebSocketClosedError | EmitHandlerError) and not self.is_open:
            return  # it has emitted to this client, which is gone, or to others, of which there are none
        Complaints(self.engine).write(log, "the handler of %a at %a failed", name, websocket.path, error=error)
        has_handler = name != "error" and "error" in websocket.events
        if has_handler:
            call = partial(websocket.call, "error", self, {"event": name, "error": error})
            self.tell("error", call, threaded=websocket.is_threaded("error"))
        if not has_handler or websocket.is_opening(name):
            self.close(1011)  # internal error

    # Below this line: how it is done

    def _unlink(self) -> None:
        if self in self.websocket.handlers:
            self.websocket.handlers.remove(self)

    def _handle(self, event: str, data: dict[str, Any]) -> None:
        if event in self.websocket.events:
            call = partial(self.websocket.call, event, self, data)
            self.run(event, call, threaded=self.websocket.is_threaded(event))
