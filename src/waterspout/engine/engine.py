"""What hosts call: they bind a driver, bring requests, and feed what was made of a socket."""

import re
from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, ClassVar

from ..types import Request, split_target
from ..wire.generations import SOCKETIO_1
from .applications import MessageApplication, PacketApplication
from .driver import Driver, Layer, Level
from .functions import AsyncFunctions
from .http.admission import Admission
from .http.decisions import Admitted, Decision, Resume
from .http.origins import Cors, to_ask
from .http.refusals import Fault, Told, refuse
from .http.requests import EngineIORoute
from .http.response import Response
from .http.routes import ANY_HOST, Route, Unknown
from .http.screening import Screen
from .options import mount_path
from .pending import Pending
from .policy import Policy
from .protocol1.requests import Protocol1Route
from .session import Session
from .table import Table
from .transports.interfaces import Exchange, Fed, Link, Messenger
from .transports.messages import MessageTransport


class Engine:
    """Engine.IO 3 and 4 for one application at one path; with a policy that says so, Socket.IO 0.7 to 0.9 as well.

    `driver` lends time and runs users' functions; a host brings its own with `bind`.
    """

    default_driver: ClassVar[type[Driver]]  # the package lends one; the core has none

    def __init__(
        self,
        application: MessageApplication | PacketApplication,
        *,
        path: str = "/engine.io",
        policy: Policy | None = None,
        driver: Driver | None = None,
    ) -> None:
        if isinstance(application, MessageApplication) == isinstance(application, PacketApplication):
            raise TypeError(
                f"{application!r} is not an application: give it `message`, or else `packet` and `announced`"
            )
        driver = self.default_driver() if driver is None else driver
        self.table = table = Table(application, Policy() if policy is None else policy, driver)
        self.application = application
        self.path = mount_path(path)
        self.policy: Policy = table.policy
        self.driver: Driver = driver  # the table's; a property would cost each event a call
        self.sessions: dict[str, Session] = table.sessions
        self.traffic = table.traffic
        self.turn = table.turn
        self.deadlines = table.deadlines
        self.log = table.log
        self.functions = AsyncFunctions(driver)
        self.is_clustered = False
        self.host: Any = None  # for the host's own use
        self._told = Told()
        self._routes: list[Route] = [EngineIORoute(table, self.path), Protocol1Route(table, self.path)]
        self._served = self._routes[: 2 if SOCKETIO_1 in table.policy.generations else 1]
        self._screen = Screen(table.policy, self._route_of)
        origins = table.policy.cors_origins
        self._asks_about_origins = callable(origins)
        if iscoroutinefunction(origins):
            self.functions.add("the function of cors_origins")
        if iscoroutinefunction(getattr(application, "open", None)):
            self.functions.add("the open of the application")
        self._bound = False
        self._when_bound: list[Callable[[Driver], object]] = []
        self._when_closing: list[Callable[[], object]] = []

    # What hosts call

    def bind(self, driver: Driver) -> None:
        """Take the driver of the host's loop, when it begins to serve.

        An engine lives on one loop at a time. Another takes the place of one that is closed, or that has stopped and
        has no session left: the sessions of the old one are over, and an engine that was closed is open again.
        RuntimeError while the old one is in use; TypeError, naming all of them, if asynchronous functions are
        registered, which the new one cannot run.
        """
        table, before = self.table, self.driver
        if self._bound and driver is before:
            return
        if self._bound and not before.is_over(idle=not self.sessions):
            raise RuntimeError(
                "this server runs on another event loop already: make one server for each loop, or end the other first"
            )
        self.functions.follow(driver)
        self.driver = driver
        if self._bound:
            table.move(driver)
        else:
            self._bound = True
            table.driver = table.turn.driver = driver
        self.deadlines.rearm()
        for function in self._when_bound:
            function(driver)

    def when_bound(self, function: Callable[[Driver], object]) -> None:
        """Call the function with the host's driver, once there is one, and with each that takes its place."""
        self._when_bound.append(function)

    def when_closing(self, function: Callable[[], object]) -> None:
        """Call the function once, when `close` is called."""
        self._when_closing.append(function)

    @property
    def pattern(self) -> str:
        """The paths of Engine.IO and of clients of 0.7 to 0.9, as a regular expression that matches them whole.

        A target in absolute form may have any host before its path. Those of routes that were added are not in it.
        """
        below = "(?:/(?:[0-9].*)?)?" if SOCKETIO_1 in self.policy.generations else "/?"
        return ANY_HOST + re.escape(self.path) + below

    def add_route(self, route: Route) -> None:
        """Serve more paths from now on, on hosts that have mounted the engine already, too.

        Of two routes for one path, the first has it; the engine's own are the first.
        """
        self._routes.append(route)
        self._served.append(route)

    def serves(self, path: str) -> bool:
        """Tell whether requests for this path are for this engine; the path is as it was sent, not unquoted."""
        path = split_target(path)[1]
        for route in self._served:  # noqa: SIM110  (it would cost twice as much)
            if route.serves(path):
                return True
        return False

    def admit(
        self, request: Request, decided: Callable[[Decision], object], route: Route | None = None
    ) -> Admission | None:
        """Decide what the request means, before its body is read, and call `decided` with it: at once, or later.

        Users' functions are asked on the way, and may take their time; if the client goes meanwhile, the host calls
        `abort` of what this returns, and `decided` is not called. The host answers a refusal or a preflight.
        Otherwise, if there is a `greeting`, it sends that and calls `connect`, or `connect_messages`; else it calls
        `respond` with the body, or `refuse_body`. Where the client goes before that, or before its answer, it calls
        `abort`. A `route` decides whatever the path is: for a host that has found it by itself.
        """
        refusal = self._screen.refuse(request)
        origin = to_ask(request) if self._asks_about_origins and refusal is None else None
        if origin is not None:
            admission = Admission(self.table, request, partial(self._decide, route=route), decided)
            admission.ask_about(origin)
            return admission
        decision = refusal or self._decide(request, self.table.cors, route)
        if decision.is_handshake:
            admission = Admission(self.table, request, partial(self._decide, route=route), decided)
            admission.ask_application(decision)
            return admission
        self.table.tell(request, decision, decided)
        return None

    def respond(self, decision: Admitted, exchange: Exchange, body: bytes = b"") -> None:
        """Serve a polling request; its answer may come much later."""
        self.table.await_no_longer(decision)
        decision.respond(self.table, exchange, body)

    def await_body(self, decision: Resume, exchange: Exchange) -> None:
        """Refuse the request if the session ends before its body has come; the host then closes the connection."""
        if exchange.request.method == "POST":
            self.table.await_body(decision, exchange)

    def abort(self, decision: Admitted) -> None:
        """The client has gone: before its body was complete, before its answer, or before `connect`."""
        self.table.await_no_longer(decision)
        decision.abort(self.table)

    def refuse_body(self, decision: Admitted) -> Response:
        """Answer a request whose body is larger than `max_payload_bytes`: the session knows nothing of it."""
        self.table.await_no_longer(decision)
        decision.refuse_body()
        detail = f"the body is larger than the {self.policy.max_payload_bytes} bytes of max_payload_bytes"
        self.log.note(Layer.ENGINE, Level.INFO, "a request is refused with 413: %s", detail)
        return refuse(Fault.BAD_REQUEST, detail, decision.headers, status=413).response

    def connect(self, decision: Admitted, request: Request, link: Link) -> Fed:
        """Begin what goes on behind a greeting, which the host has sent; it feeds what this returns."""
        return decision.connect(self.table, request, link)

    def connect_messages(self, decision: Admitted, request: Request, messenger: Messenger) -> MessageTransport:
        """Begin what goes on behind a greeting, as `connect`, where the host writes the frames of the WebSocket itself.

        Of an endless answer it writes the form: each message is then a packet of Socket.IO 0.7 to 0.9.
        """
        return decision.connect_messages(self.table, request, messenger)

    def advance(self) -> None:
        """Act on all deadlines that have come."""
        self.table.advance()

    def close(self) -> Pending[None]:
        """Admit nobody, tell all clients, and be done when the last session has ended.

        A client that polls has a second to fetch its goodbye.
        """
        if self.table.closing is None:
            self.table.closing = Pending(self.driver)
            functions, self._when_closing = self._when_closing, []
            for function in functions:
                function()
            self.table.close_all()
        return self.table.closing

    # Below this line: how it is done

    def _decide(self, request: Request, cors: Cors, route: Route | None = None) -> Decision:
        refusal = self._screen.refuse_coding(request, cors) if request.method == "POST" else None
        decision = refusal or (route or self._route_of(request)).decide(request, cors)
        if isinstance(decision, Unknown):
            if decision.again is not None and self._told.tell(decision.sid):
                return decision.again
            return decision.refusal
        return decision.begin(self.table, request) or decision

    def _route_of(self, request: Request) -> Route:
        """Return the route of a request; what a host brings although it is nobody's is decided as Engine.IO."""
        path = request.path
        for route in self._routes:
            if route.serves(path):
                return route
        return self._routes[0]
