"""The base classes of a router's handlers, with their checks of origins; the handler of handshakes."""

import logging
from collections.abc import Awaitable
from dataclasses import replace
from functools import cached_property
from inspect import isawaitable
from types import CoroutineType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tornado.web import HTTPError, RequestHandler

from ...drivers import logger
from ...engine import Admitted, Greeting, Response
from ...hosts.handlers import EngineHandler
from ...types import Request
from .carrier import Carrier

log = logger("tornadio2.preflight")

Answer = TypeVar("Answer", Response, Greeting)

_SCRIPT = ("jsonp", "j")  # parameters of script elements: of 0.7 to 0.9, and of later clients


class PreflightHandler(RequestHandler):
    """Answers preflight requests of browsers; also a base class for handlers of applications."""

    def options(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer a preflight request, with CORS headers if the origin is allowed."""
        if _decided(self.preflight()) and "Origin" in self.request.headers:
            self.set_header("Access-Control-Allow-Headers", "Content-Type")
            self.set_header("Access-Control-Max-Age", "600")
        self.finish()
        return None

    def preflight(self) -> bool:
        """Set the CORS headers for the request's origin, with credentials; return whether the origin is allowed."""
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
        """Tell whether the request's origin is allowed; override it to restrict origins."""
        return True


def _decided(answer: object) -> bool:
    """Return the decision of a user's method; TypeError for an awaitable, which would count as true."""
    if isawaitable(answer):
        if isinstance(answer, CoroutineType):
            answer.close()
        names = "`verify_origin`, `check_origin` and `preflight`"
        raise TypeError(f"{names} decide at once: make them plain methods that return a bool")
    return bool(answer)


class RoutedHandler(EngineHandler):
    """A handler of a route with `dict(server=router)`; it counts as a connection while it serves a request."""

    name = ""

    def initialize(self, server: Any) -> None:
        super().initialize(server.engine)
        self.server = server
        self.session: Any = None

    def begun(self) -> None:
        """Count the connection, and store the request with its session."""
        self.server.stats.connection_opened()
        sid = self.path_kwargs.get("session_id") or self.get_query_argument("sid", "")
        if sid and self.request.method == "GET" and not self.is_refused:
            carrier = getattr(self.server.get_session(sid), "handler", None)
            if isinstance(carrier, Carrier):
                carrier.attend(self.engine_request)

    def ended(self) -> None:
        self.server.stats.connection_closed()


class CheckedHandler(PreflightHandler, RoutedHandler):
    """A handler whose `preflight` decides about origins, instead of the engine."""

    @cached_property
    def is_allowed(self) -> bool:
        """The result of `preflight`, which is called once."""
        return _decided(self.preflight())

    def require_origin(self) -> None:
        """Raise HTTPError(401) if the origin is not allowed."""
        if not self.is_allowed:
            origin = self.request.headers.get("Origin", "")
            self.server.complaints.write(log, "%a is not allowed to ask", origin, level=logging.WARNING)
            raise HTTPError(401)

    def require_page(self) -> None:
        """Do the same for a script element, whose page is known by Referer alone: that becomes the request's Origin.

        Without a Referer, the origin is "null". A request that has an Origin needs no check: without the headers of
        `preflight`, its page cannot read the answer.
        """
        headers = self.request.headers
        if "Origin" not in headers and headers.get("Sec-Fetch-Site") != "same-origin":
            scheme, host = _page(headers.get("Referer", ""))
            if not scheme or host.lower() != self.request.host.lower():
                headers["Origin"] = f"{scheme}://{host}" if scheme and host else "null"
                self.require_origin()

    def options(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer a preflight request, unless the engine refuses it."""
        return self.serve() if self.is_refused else super().options(*args, **kwargs)

    def answer(self, response: Response) -> None:
        """Answer, with the CORS headers of `preflight` instead of the engine's."""
        super().answer(self._checked(response))

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Begin an endless answer likewise; without overrides, the engine's headers are the same."""
        return super().begin(decision, request, self._checked(greeting) if self.is_redefined else greeting)

    def _checked(self, response: Answer) -> Answer:
        _ = self.is_allowed
        headers = tuple(field for field in response.headers if not field[0].startswith("Access-Control-"))
        return replace(response, headers=headers)


class HandshakeHandler(CheckedHandler):
    """Serves handshakes of clients of 0.7 to 0.9, and all requests of clients of 1.x to 4.x."""

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Serve a request; 401 if the origin of a WebSocket or a script is not allowed."""
        if "Upgrade" in self.request.headers:
            self.require_origin()
            require_socket_origin(self, self.server.socket_handler)
        elif any(self.get_query_arguments(name) for name in _SCRIPT):
            self.require_page()
        return self.serve()

    def post(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Serve a request; 401 if the origin is not allowed."""
        self.require_origin()
        return self.serve()


def require_socket_origin(handler: RoutedHandler, kind: Any) -> None:
    """Raise HTTPError(403), as Tornado does, if `check_origin` of the WebSocket class refuses the origin.

    Clients of 1.x to 4.x open WebSockets at the handshakes' handler, but applications set `check_origin` of the other.
    """
    headers = handler.request.headers
    origin = headers.get("Origin", headers.get("Sec-Websocket-Origin"))
    check = getattr(kind, "check_origin", None)  # PROTOCOLS may have any handler there
    if origin is not None and check is not None and not _decided(check(handler, origin)):
        handler.server.complaints.write(log, "%a is not allowed to open a WebSocket", origin, level=logging.WARNING)
        raise HTTPError(403)


def _page(referer: str) -> tuple[str, str]:
    """Return scheme and host of a Referer; empty strings for an invalid one."""
    try:
        return urlsplit(referer)[:2]
    except ValueError:
        return "", ""
