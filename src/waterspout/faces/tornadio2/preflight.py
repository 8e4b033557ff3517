"""The base of all handlers of a router: origins, and the handshake."""

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

_SCRIPT = ("jsonp", "j")  # in the queries of script elements, of 0.7 to 0.9 and of later clients


class PreflightHandler(RequestHandler):
    """Answers the preflight requests of browsers; also a base for your own handlers."""

    def options(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer a preflight request, with headers if the origin is allowed."""
        if _decided(self.preflight()) and "Origin" in self.request.headers:
            self.set_header("Access-Control-Allow-Headers", "Content-Type")
            self.set_header("Access-Control-Max-Age", "600")
        self.finish()
        return None

    def preflight(self) -> bool:
        """Set the headers that let a page of this origin read the answer, with its cookies; False if it may not."""
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
        """Tell whether pages of this request's origin are allowed; all are, unless this is overridden."""
        return True


def _decided(answer: object) -> bool:
    """Return what a user's method has decided; TypeError for an awaitable, which would let everybody in."""
    if isawaitable(answer):
        if isinstance(answer, CoroutineType):
            answer.close()
        names = "`verify_origin`, `check_origin` and `preflight`"
        raise TypeError(f"{names} decide at once: make them plain methods that return a bool")
    return bool(answer)


class RoutedHandler(EngineHandler):
    """A handler in a route with `dict(server=router)`; it counts as a connection while it serves."""

    name = ""

    def initialize(self, server: Any) -> None:
        super().initialize(server.engine)
        self.server = server
        self.session: Any = None

    def begun(self) -> None:
        """Count a connection, and attach the request to its session."""
        self.server.stats.connection_opened()
        sid = self.path_kwargs.get("session_id") or self.get_query_argument("sid", "")
        if sid and self.request.method == "GET" and not self.is_refused:
            carrier = getattr(self.server.get_session(sid), "handler", None)
            if isinstance(carrier, Carrier):
                carrier.attend(self.engine_request)

    def ended(self) -> None:
        self.server.stats.connection_closed()


class CheckedHandler(PreflightHandler, RoutedHandler):
    """A handler whose `preflight` decides about origins, in place of the engine."""

    @cached_property
    def is_allowed(self) -> bool:
        """What `preflight` returns; it is called once."""
        return _decided(self.preflight())

    def require_origin(self) -> None:
        """Raise HTTPError(401) if the origin is not allowed."""
        if not self.is_allowed:
            origin = self.request.headers.get("Origin", "")
            self.server.complaints.write(log, "%a is not allowed to ask", origin, level=logging.WARNING)
            raise HTTPError(401)

    def require_page(self) -> None:
        """The same for a script element: its page is in Referer alone, which becomes the request's Origin.

        A page that sends none is "null". A request with an Origin of its own needs no check: without the headers of
        `preflight`, its page cannot read the answer.
        """
        headers = self.request.headers
        if "Origin" not in headers and headers.get("Sec-Fetch-Site") != "same-origin":
            scheme, host = _page(headers.get("Referer", ""))
            if not scheme or host.lower() != self.request.host.lower():
                headers["Origin"] = f"{scheme}://{host}" if scheme and host else "null"
                self.require_origin()

    def options(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Answer a preflight request, unless the engine refuses every request of this client."""
        return self.serve() if self.is_refused else super().options(*args, **kwargs)

    def answer(self, response: Response) -> None:
        """Answer, with the headers that `preflight` has set."""
        super().answer(self._checked(response))

    def begin(self, decision: Admitted, request: Request, greeting: Greeting) -> Awaitable[None] | None:
        """Begin an endless answer likewise; unless a class is redefined, the engine's headers are the same."""
        return super().begin(decision, request, self._checked(greeting) if self.is_redefined else greeting)

    def _checked(self, response: Answer) -> Answer:
        _ = self.is_allowed
        headers = tuple(field for field in response.headers if not field[0].startswith("Access-Control-"))
        return replace(response, headers=headers)


class HandshakeHandler(CheckedHandler):
    """The handshakes of clients of 0.7 to 0.9, and all requests of clients of 1.x to 4.x."""

    def get(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Make a session, or serve a modern client; 401 if a WebSocket's or script's origin is not allowed."""
        if "Upgrade" in self.request.headers:
            self.require_origin()
            require_socket_origin(self, self.server.socket_handler)
        elif any(self.get_query_arguments(name) for name in _SCRIPT):
            self.require_page()
        return self.serve()

    def post(self, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        """Serve a client; 401 if the origin is not allowed."""
        self.require_origin()
        return self.serve()


def require_socket_origin(handler: RoutedHandler, kind: Any) -> None:
    """Raise HTTPError(403), as Tornado does, if `check_origin` of the class of WebSockets refuses the origin.

    Modern clients open WebSockets at the handshake's handler, and applications assign `check_origin` to the other.
    """
    headers = handler.request.headers
    origin = headers.get("Origin", headers.get("Sec-Websocket-Origin"))
    check = getattr(kind, "check_origin", None)  # a table of protocols may have another handler there
    if origin is not None and check is not None and not _decided(check(handler, origin)):
        handler.server.complaints.write(log, "%a is not allowed to open a WebSocket", origin, level=logging.WARNING)
        raise HTTPError(403)


def _page(referer: str) -> tuple[str, str]:
    """Return the scheme and the host of a page, or nothing."""
    try:
        return urlsplit(referer)[:2]
    except ValueError:
        return "", ""
