"""The handlers of WebSockets and flashsockets."""

from collections.abc import Awaitable
from typing import Any

from tornado.web import HTTPError

from ...drivers import logger
from ...hosts.handlers import EngineWebSocketHandler
from .preflight import RoutedHandler, require_socket_origin

log = logger("tornadio2.persistent")


class TornadioWebSocketHandler(RoutedHandler, EngineWebSocketHandler):
    """The WebSocket of a session; the session outlives it.

    A class without overrides hands its socket to the engine, which is several times as fast. Any other class has to
    call `super` in `open`, `on_message`, `on_close`, `send_messages` and `session_closed`.
    """

    name = "websocket"

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:  # type: ignore[override]
        """Open the WebSocket; 403 for an origin that `check_origin` refuses."""
        if not self.is_redefined:  # else Tornado calls `check_origin`
            require_socket_origin(self, type(self))
        return super().get(*args, **kwargs)

    def open(self, session_id: str) -> None:
        """Attach the session; for an unknown one, the client got 401 before."""
        self.session = self.server.get_session(session_id)
        super().open(session_id)

    def on_close(self) -> None:
        """Detach the session, which waits for its next transport."""
        super().on_close()
        self.session = None

    def post(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer with 405: clients send over their WebSocket."""
        raise HTTPError(405)

    options = post


class TornadioFlashSocketHandler(TornadioWebSocketHandler):
    """The same for Flash, which implements WebSockets for browsers without them."""

    name = "flashsocket"
