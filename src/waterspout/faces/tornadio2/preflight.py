"""Pages of other origins, and the handshake: what all handlers of a router have in common."""

import logging
from collections.abc import Awaitable
from dataclasses import replace
from inspect import isawaitable
from types import CoroutineType
from typing import Any
from urllib.parse import urlsplit

from tornado.web import HTTPError, RequestHandler

from ...drivers.log import logger
from ...engine import Admitted, Response
from ...hosts.handlers import EngineHandler
from ...types import Request
from .carrier import Carrier
from .complaints import complaints_of

log = logger("tornadio2.preflight")

_SCRIPT = ("jsonp", "j")  # in the queries of script elements, of 0.7 to 0.9 and of later clients


class PreflightHandler(RequestHandler):
    """Answers a browser that asks whether a page of another origin may ask; also for handlers of one's own."""

    def options(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer the question, with headers if the origin may ask, else without."""
        if _decided(self.preflight()) and "Origin" in self.request.headers:
            self.set_header("Access-Control-Allow-Headers", "Content-Type")
            self.set_header("Access-Control-Max-Age", "600")
        self.finish()
        return None

    def preflight(self) -> bool:
        """Let the page that asks read the answer, with its cookies; False if its origin may not."""
        origin = self.request.headers.get("Origin")
        if origin is None:
            return True
        self.set_header("Vary", "Origin")
        if not _decided(self.verify_origin()):
            return False
        self.set_header("Access-Control-Allow-Origin", origin)
        self.set_header("Access-Control-Allow-Credentials", "true")
        self.set_header("Access-Control-Allow-Methods", "POST, GET, OPTIONS")
        return True

    def verify_origin(self) -> bool:
        """Tell whether a page of this request's origin may ask; any may, unless this is overridden."""
        return True


def _decided(answer: object) -> bool:
    """Return what a method of a user's has said; TypeError for what is to be awaited, which would let everybody in."""
    if isawaitable(answer):
        if isinstance(answer, CoroutineType):
            answer.close()
        names = "`verify_origin`, `check_origin` and `preflight`"
        raise TypeError(f"{names} decide at once: make them plain methods that return a bool")
    return bool(answer)


class RoutedHandler(EngineHandler):
    """A handler of a router's route, with `dict(server=router)`; while it serves it counts as a connection."""

    name = ""

    def initialize(self, server: Any) -> None:
        """Take the router from the route."""
        super().initialize(server.engine)
        self.server = server
        self.session: Any = None

    def begun(self) -> None:
        """Count a connection, and let the session know by which request it is carried."""
        self.server.stats.connection_opened()
        sid = self.path_kwargs.get("session_id") or self.get_query_argument("sid", "")
        if sid and self.request.method == "GET" and not self.is_refused:
            carrier = getattr(self.server.get_session(sid), "handler", None)
            if isinstance(carrier, Carrier):
                carrier.attend(self.engine_request)

    def ended(self) -> None:
        """The connection is gone."""
        self.server.stats.connection_closed()


class CheckedHandler(PreflightHandler, RoutedHandler):
    """A handler whose `preflight` decides about pages of other origins, in the engine's place."""

    _is_allowed: bool | None = None

    @property
    def is_allowed(self) -> bool:
        """What `preflight` says, which is asked once."""
        if self._is_allowed is None:
            self._is_allowed = _decided(self.preflight())
        return self._is_allowed

    def require_origin(self) -> None:
        """Raise HTTPError(401) for a page of an origin that may not ask."""
        if not self.is_allowed:
            origin = self.request.headers.get("Origin", "")
            complaints_of(self.server).write(log, "%a is not allowed to ask", origin, level=logging.WARNING)
            raise HTTPError(401)

    def require_page(self) -> None:
        """The same for a script element, which names its page in Referer alone; that becomes the request's Origin.

        A page that hides itself is "null", as it is elsewhere. With an Origin of its own the request is of none that
        could read the answer against `preflight`.
        """
        headers = self.request.headers
        if "Origin" not in headers and headers.get("Sec-Fetch-Site") != "same-origin":
            page = _page(headers.get("Referer", ""))
            if page.lower().partition("://")[2] != self.request.host.lower():
                headers["Origin"] = page
                self.require_origin()

    def options(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer the question of a browser, unless the engine refuses whatever this client asks."""
        return self.serve() if self.is_refused else super().options(*args, **kwargs)

    def answer(self, response: Response) -> None:
        """Answer, with the headers that `preflight` has set."""
        super().answer(self._checked(response))

    def begin(self, decision: Admitted, request: Request, greeting: Response) -> Awaitable[None] | None:
        """Begin an endless answer likewise; the engine's own headers say the same unless a class is redefined."""
        return super().begin(decision, request, self._checked(greeting) if self.is_redefined else greeting)

    def _checked(self, response: Response) -> Response:
        _ = self.is_allowed
        headers = tuple(field for field in response.headers if not field[0].startswith("Access-Control-"))
        return replace(response, headers=headers)


class HandshakeHandler(CheckedHandler):
    """The first request of each client of 0.7 to 0.9, and all requests of clients of 1.x to 4.x."""

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Make a session, or serve a modern client's; 401 for a WebSocket or a script of a page that may not ask."""
        if "Upgrade" in self.request.headers:
            self.require_origin()
            require_socket_origin(self, self.server, getattr(self.server, "socket_handler", None))
        elif any(self.get_query_arguments(name) for name in _SCRIPT):
            self.require_page()
        return self.serve()

    def post(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Serve a client; 401 for a page that may not ask."""
        self.require_origin()
        return self.serve()


def require_socket_origin(handler: RequestHandler, server: Any, kind: Any) -> None:
    """Raise HTTPError(403) for a page that `check_origin` of the class of WebSockets keeps out, as Tornado does.

    Clients of today open theirs at the handshake's handler; an application has assigned `check_origin` to the other.
    """
    headers = handler.request.headers
    origin = headers.get("Origin", headers.get("Sec-Websocket-Origin"))
    check = getattr(kind, "check_origin", None)
    if origin is not None and check is not None and not _decided(check(handler, origin)):
        complaints_of(server).write(log, "%a is not allowed to open a WebSocket", origin, level=logging.WARNING)
        raise HTTPError(403)


def _page(referer: str) -> str:
    """Return the origin of a page; "null" where it is not to be known."""
    try:
        page = urlsplit(referer)
    except ValueError:
        return "null"
    return f"{page.scheme}://{page.netloc}" if page.scheme and page.netloc else "null"
