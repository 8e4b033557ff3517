"""The transports that stay: WebSocket, by either of its names."""

from collections.abc import Awaitable
from typing import Any

from tornado.web import HTTPError

from ...drivers import logger
from ...hosts.handlers import EngineWebSocketHandler
from .preflight import RoutedHandler, require_socket_origin

log = logger("tornadio2.persistent")


class TornadioWebSocketHandler(RoutedHandler, EngineWebSocketHandler):
    """The WebSocket of a session, which outlives it.

    A class that overrides nothing gives its socket to the engine, which is several times as fast. In any other the
    methods below are called, and do what they say if it calls `super`.
    """

    name = "websocket"

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:  # type: ignore[override]
        """Open the WebSocket; 403 for a page of an origin that `check_origin` keeps out."""
        if not self.is_redefined:  # else Tornado asks
            require_socket_origin(self, self.server, type(self))
        return super().get(*args, **kwargs)

    def open(self, session_id: str) -> None:
        """Carry this session from now on; a client without one has been answered with 401."""
        self.session = self.server.get_session(session_id)
        super().open(session_id)

    def on_close(self) -> None:
        """Carry the session no longer; it waits for the next transport."""
        super().on_close()
        self.session = None

    def post(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer with 405: what a client sends comes through its WebSocket, and nobody asks before."""
        raise HTTPError(405)

    options = post


class TornadioFlashSocketHandler(TornadioWebSocketHandler):
    """The same for Flash films, which bring the WebSocket to browsers that have none."""

    name = "flashsocket"
