"""The public face: a server, its options, and what belongs to all namespaces."""

from collections.abc import Callable
from re import Pattern
from typing import Any, ClassVar, overload

from msgspec import Raw

from ..engine import AllowedHosts, Cookie, Deflate, Driver, Engine, Origins, Pending, Policy, TrustedProxies, on_core
from ..engine.options import check_count, check_patience
from ..engine.protocol1.policy import Protocol1Policy
from ..wire.generations import all_rows
from .acks import Replies
from .application import SocketIOApplication
from .background import Background
from .channel import Channel
from .channels import Channels
from .cluster import Adapter, BroadcastHere, Cluster, ForClients, Gap, Node, Question, check_adapter, whom
from .decorators import Events, decorator
from .exposureroute import ExposureRoute
from .exposures import Exposure
from .fanout import delivery
from .gaps import Gaps
from .handlers import F
from .health import HealthRoute
from .inquiries import Headcount, answer
from .limits import Limits
from .namespace import Kind, Namespace
from .namespaces import DynamicNamespace, Matcher, Namespaces
from .presence import Presence
from .rooms import Except, Room, Target, audience
from .shared import SharedLogs, StoringAdapter, log_key
from .socket import Socket
from .stats import Stats, collect

_DETACHING = 1.0  # s that an adapter has at least, where handlers have taken all of `shutdown_timeout`


class Server(Events):
    """A Socket.IO server for every host, and for clients of 0.7 to 4.x at once.

    Times are in seconds, sizes in bytes; the options bear the names of the JavaScript server. ValueError or
    TypeError for a value that cannot be meant.

    - `path`: where hosts mount it. `transports`: what it offers. `parser`: that of its clients, "json" or
      "msgpack". `cookie` carries the session id to a load balancer.
    - `ping_interval`, `ping_timeout`: how often a client is asked whether it lives, and what it has for its answer.
      `upgrade_timeout`: for the change to a WebSocket. `connect_timeout`: until a first namespace is entered.
      `shutdown_timeout`: for handlers that still run at the end.
    - `max_payload_bytes`: one message, or the body of one request. `max_attachments`: of one event.
      `max_packets_per_poll`: of one answer over long-polling, to clients of 1.x to 4.x; None is no limit, and 16 is
      for those of python-socketio.
    - `cors_origins`: the origins, beside its own, whose pages may connect; "*" is everybody.
      `cors_credentials`: their requests may carry cookies.
    - `resume_timeout`: how long a client of 0.7 to 0.9 may be without a transport. `poll_hold`: how long its GET is
      held when there is nothing to say.
    - `jsonp` serves script elements of the same pages.
    - `per_message_deflate` compresses WebSockets: True, or a `waterspout.engine.Deflate`.
    - `subprotocols`: those of WebSockets that are accepted, if a client offers one; None is whichever it offers first.
    - `max_outbox_bytes`: what may wait for a client. `max_calls`: how many calls of handlers may be unanswered
      before a client is read no further. `max_namespaces` is for each connection, and so is `max_events_per_second`, in
      which CONNECT packets count, but for the first. `max_pending_acks` (calls that a client has not answered) is
      for each socket.
    - `max_header_lines`: a request with more is refused with 431.
    - `trusted_proxies`: the proxies whose `X-Forwarded-*` fields are believed; see `Policy`.
    - `allowed_hosts`: the hosts that requests may ask for, "example.com" or several; None is every host, which lets
      pages in that do DNS rebinding. See `Policy`.
    - `adapter` joins several servers: the URL of a Redis (see `waterspout.adapters.redis.RedisAdapter`), or an object
      such as a `MemoryAdapter`, which joins those of one process.
    - `max_unpublished_bytes`: what may wait for the adapter while its broker is lost. A `driver` is for tests.
    """

    engine: Engine

    open_adapter: ClassVar[Callable[[str], Adapter]]
    """Makes an adapter of a URL; lent to the core, as a driver is."""
    default_adapter: ClassVar[str | None] = None
    """The URL of servers that name no adapter; `waterspout serve --adapter` sets it."""

    def __init__(
        self,
        *,
        path: str = "/socket.io",
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        upgrade_timeout: float = 10.0,
        connect_timeout: float = 10.0,
        resume_timeout: float = 30.0,
        poll_hold: float = 20.0,
        shutdown_timeout: float = 5.0,
        max_payload_bytes: int = 1_000_000,
        max_outbox_bytes: int = 1_000_000,
        max_packets_per_poll: int | None = None,
        max_attachments: int = 10,
        max_calls: int = 1000,
        max_header_lines: int = 100,
        max_namespaces: int = 100,
        max_pending_acks: int = 1000,
        max_events_per_second: float | None = None,
        transports: tuple[str, ...] = ("polling", "websocket"),
        parser: str = "json",
        cors_origins: Origins = None,
        cors_credentials: bool = False,
        jsonp: bool = True,
        cookie: Cookie | str | None = None,
        per_message_deflate: bool | Deflate = False,
        subprotocols: tuple[str, ...] | None = None,
        trusted_proxies: TrustedProxies = (),
        allowed_hosts: AllowedHosts = None,
        adapter: Adapter | str | None = None,
        max_unpublished_bytes: int = 4_000_000,
        driver: Driver | None = None,
    ) -> None:
        check_patience("shutdown_timeout", shutdown_timeout)
        check_count("max_unpublished_bytes", max_unpublished_bytes)
        adapter = self._open_adapter(adapter)
        policy = Policy(
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            upgrade_timeout=upgrade_timeout,
            connect_timeout=connect_timeout,
            protocol1=Protocol1Policy(resume_timeout=resume_timeout, poll_hold=poll_hold),
            max_payload_bytes=max_payload_bytes,
            max_outbox_bytes=max_outbox_bytes,
            max_packets_per_poll=max_packets_per_poll,
            max_attachments=max_attachments,
            max_calls=max_calls,
            max_header_lines=max_header_lines,
            transports=transports,
            generations=all_rows(parser),
            cors_origins=cors_origins,
            cors_credentials=cors_credentials,
            jsonp=jsonp,
            cookie=Cookie(name=cookie) if isinstance(cookie, str) else cookie,
            per_message_deflate=per_message_deflate,
            subprotocols=subprotocols,
            trusted_proxies=trusted_proxies,
            allowed_hosts=allowed_hosts,
        )
        limits = Limits(
            max_namespaces=max_namespaces,
            max_pending_acks=max_pending_acks,
            max_events_per_second=max_events_per_second,
        )
        application = SocketIOApplication(limits)
        self.engine = application.engine = Engine(application, driver=driver, path=path, policy=policy)
        self.engine.is_clustered = adapter is not None
        self._application = application
        self._shutdown_timeout = shutdown_timeout
        self._gaps = Gaps(self.engine)
        clients = _Clients(self)
        self._cluster = Cluster(
            adapter, f"waterspout{self.engine.path}", self.engine, clients, max_unpublished_bytes=max_unpublished_bytes
        )
        self._background = Background(self.engine)
        self.engine.when_bound(self._begin)
        self._namespaces = application.namespaces = Namespaces(self.engine, self._cluster, limits)
        self._logs = self._shared_logs(adapter, max_unpublished_bytes)
        self._channels = Channels(self.engine, self._logs)
        self._exposed: ExposureRoute | None = None
        self._is_running = False
        self._root = self.of("/")
        self._handlers = self._root._handlers

    @overload
    def of(self, namespace: str, *, ordered: bool | None = ..., closed: bool | None = ...) -> Namespace: ...
    @overload
    def of(
        self,
        namespace: Pattern[str] | Matcher,
        *,
        ordered: bool | None = ...,
        closed: bool | None = ...,
        threaded: bool = ...,
    ) -> DynamicNamespace: ...
    def of(
        self, namespace: Any, *, ordered: bool | None = None, closed: bool | None = None, threaded: bool = False
    ) -> Any:
        """Return a namespace; from its first mention on, clients may enter it.

        A compiled pattern that matches names as a whole, or a function `(name, auth)`, plain or async, stands
        for all namespaces whose names it matches. `ordered`: all events are ordered that do not say otherwise, or
        with False none; see `on`. `closed`: a socket may send no event until it is allowed; see `Socket.allow`.
        ValueError where another value has been given before, and for closing a namespace in which clients are.
        `threaded`: the function is plain, blocks and runs in a thread; TypeError for all else.
        """
        if isinstance(namespace, str | Pattern) and threaded:
            raise TypeError(f"of({namespace!r}, threaded=True): only a function of (name, auth) can run in a thread")
        if isinstance(namespace, str):
            return self._namespaces.of(namespace, ordered=ordered, closed=closed)
        if isinstance(namespace, Pattern) or callable(namespace):
            return self._namespaces.family(namespace, ordered=ordered, closed=closed, threaded=threaded)
        raise TypeError(f"{namespace!r} is not a namespace: give a name, a compiled pattern or a function")

    @overload
    def register(
        self, namespace: str, kind: type[Kind], *, ordered: bool | None = ..., closed: bool | None = ...
    ) -> Namespace[Kind]: ...
    @overload
    def register(
        self,
        namespace: Pattern[str] | Matcher,
        kind: type[Kind],
        *,
        ordered: bool | None = ...,
        closed: bool | None = ...,
    ) -> DynamicNamespace[Kind]: ...
    def register(self, namespace: Any, kind: Any, *, ordered: bool | None = None, closed: bool | None = None) -> Any:
        """Serve a namespace, or those of a pattern, by a class derived from Socket: one object for each client.

        It returns the namespace, whose sockets are of this class for a type checker too. `ordered` and `closed` are
        those of `of`. ValueError for a second class, and while clients are in the namespace: their objects are of
        another class.
        """
        return self._namespaces.register(namespace, kind, ordered=ordered, closed=closed)

    def on(
        self, event: str, *, ordered: bool | None = None, threaded: bool = False, namespace: str = "/"
    ) -> Callable[[F], F]:
        """Register the handler of an event; see `Namespace.on`."""
        return self.of(namespace).on(event, ordered=ordered, threaded=threaded)

    @decorator
    def on_handshake(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called with the request that begins a connection, before it is answered: `(request)`.

        Plain or async; the client waits. It refuses with `HandshakeRefused(status, text, headers)`, which clients of
        every generation get as the answer, before they have a connection. It may return header fields for the answer,
        as a dictionary or as pairs; `Cookie(name=...).header(value)` is one. What it keeps in `request.data` is there
        for all handlers, as `socket.request.data`. It is called once for a connection, whatever namespaces the client
        enters then. What else it raises is logged, and the client gets 500. `threaded` as for `on_connect`. ValueError
        for a second function.
        """
        self._application.on_handshake(function, threaded=threaded)

    @decorator
    def on_start(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called, without arguments, when the server starts on a loop, before its first client.

        A plain function has ended by then. An `async def` is a task of the server's: it may run for as long as the
        server does, and is cancelled by `close`. Under `waterspout serve` and `waterspout.run` the server starts with
        the process, by `routes` where a loop runs, else by `hosts.tornado.start` or the first request; in tests by a
        `Pair`. Several functions are called in their order, and again on another loop. What they raise is logged with
        their names. `threaded`: a plain function that blocks runs in a thread while the first clients are served, and
        keeps one of the driver's `threads` until it ends: nothing cancels it. TypeError for an async one.
        """
        self._background.on_start(function, threaded=threaded)

    @decorator
    def on_stop(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called, without arguments, when a server that has started is closed.

        Clients are still connected, and the tasks of `on_start` still run: that ends when these functions have ended.
        Asynchronous ones, and `threaded` ones, which are plain and block, have `shutdown_timeout`. What they raise is
        logged with their names.
        """
        self._background.on_stop(function, threaded=threaded)

    @decorator
    def on_gap(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called when messages of another node did not come, and could not be repeated: `(gap)`.

        The `Gap` has the `node`, the `topic` of the adapter, and `words`, how many there were at most. Clients of this
        node have missed events, or have not joined or left rooms. It is logged in any case, and counted in `stats()`.
        What the function raises is logged.
        """
        self._gaps.on_gap(function, threaded=threaded)

    # What belongs to "/"

    def emit(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        volatile: bool = False,
        compress: bool = True,
        latest: str | None = None,
    ) -> None:
        """Send an event to the clients of "/"; see `Namespace.emit`."""
        how = delivery(volatile=volatile, compress=compress, latest=latest)
        self._root.send(event, args, audience(to, except_), how)

    def call(
        self, event: str, *args: Any, to: Target = None, except_: Except = None, timeout: float = 60.0
    ) -> Pending[Replies]:
        """Ask clients of "/"; see `Namespace.call`."""
        return self._root.call(event, *args, to=to, except_=except_, timeout=timeout)

    def sockets(self, *, to: Target = None, except_: Except = None) -> list[Socket]:
        """Return the clients that are in "/" now; see `Namespace.sockets`."""
        return self._root.sockets(to=to, except_=except_)

    def fetch_sockets(self, *, to: Target = None, except_: Except = None, timeout: float = 5.0) -> Pending[Presence]:
        """Ask who is in "/"; see `Namespace.fetch_sockets`."""
        return self._root.fetch_sockets(to=to, except_=except_, timeout=timeout)

    def fetch_count(self, *, to: Target = None, except_: Except = None, timeout: float = 5.0) -> Pending[Headcount]:
        """Ask how many are in "/"; see `Namespace.fetch_count`."""
        return self._root.fetch_count(to=to, except_=except_, timeout=timeout)

    def join(self, *rooms: Room, to: Target = None, except_: Except = None) -> Pending[None]:
        """Make clients of "/" join rooms; see `Namespace.join`."""
        return self._root.join(*rooms, to=to, except_=except_)

    def leave(self, *rooms: Room, to: Target = None, except_: Except = None) -> Pending[None]:
        """Make clients of "/" leave rooms; see `Namespace.leave`."""
        return self._root.leave(*rooms, to=to, except_=except_)

    def close_room(self, room: Room) -> Pending[None]:
        """Make all clients leave a room of "/"; see `Namespace.close_room`."""
        return self._root.close_room(room)

    def disconnect(self, *, to: Target = None, except_: Except = None, close: bool = False) -> None:
        """Make clients leave "/"; see `Namespace.disconnect`."""
        self._root.disconnect(to=to, except_=except_, close=close)

    def channel(
        self,
        name: str,
        *,
        history: int | None = None,
        ttl: float | None = None,
        history_bytes: int | None = None,
        delivery: str | None = None,
        start: str | None = None,
    ) -> Channel:
        """Return the channel of this name, which is made at its first mention.

        It is of this server alone, unless the adapter's broker keeps channels, as Redis does: then it is one channel
        of all nodes, and the options that were given last, on any node, count for all.

        - `history`: how many messages are kept for those who come back, 100 if it is not given; `ttl`: for how many
          seconds, 300, and `float("inf")` is for ever; `history_bytes`: of which size, 1,000,000.
        - `delivery`: "all", or "latest", where only the current value counts: a newcomer is greeted with it, and who
          reads slowly is sent the newest.
        - `start`: a newcomer begins with what is published from then on, "new", or with what is kept, "earliest".

        ValueError for options other than those that the channel has. A channel that nobody holds or subscribes to is
        forgotten when nothing is left in its history.
        """
        options = {"history": history, "ttl": ttl, "history_bytes": history_bytes, "delivery": delivery, "start": start}
        return self._channels.get(name, options)

    def expose(self, path: str, what: Any = None, *, threaded: bool = False, max_age: float | None = None) -> Exposure:
        """Let clients come to a path without Socket.IO: with Server-Sent Events, or with a plain WebSocket.

        `what` is a channel, a list of up to 16, or a namespace, which only WebSockets can enter. Or else it is a
        function, plain or async, which the `Exposure` that is returned takes as a decorator, too:
        `@server.expose("/runs/{run_id}")`. It is called with the request, and with the parameters of the path by name,
        each in a segment of its own. It returns one of these, or refuses with `HandshakeRefused(status, text)`: 204
        tells an EventSource to ask no more. Each request is asked about, also those of clients that come back. A
        function of `on_handshake` is asked before. `threaded`: a plain function that blocks runs in a thread.
        `max_age`: the seconds after which a subscriber of channels is disconnected, and comes back. ValueError for a
        path that is served already.
        """
        if self._exposed is None:
            self._exposed = ExposureRoute(self.engine)
            self.engine.add_route(self._exposed)
        exposure = Exposure(self.engine, path, threaded=threaded, max_age=max_age)
        if what is not None:
            exposure.hold(what)
        self._exposed.add(exposure)
        return exposure

    def expose_health(self, path: str = "/healthz") -> None:
        """Tell load balancers at a path whether new clients should come here: 200 if `is_ready`, and else 503.

        The body is JSON, as `{"ready": true, "nodes": 3}`. Everybody may ask, from `allowed_hosts` if these are given.
        It says nothing of whether the process lives: while a broker is lost, the clients that are here are served.
        ValueError for a path that is served already, or that does not begin with a slash.
        """
        if not path.startswith("/") or self.engine.serves(path):
            raise ValueError(f"the path {path!r} cannot be exposed: give one that is free, and begins with a slash")
        self.engine.add_route(HealthRoute(path, lambda: {"ready": self.is_ready, "nodes": len(self.nodes())}))

    # What belongs to the whole

    def stats(self) -> Stats:
        """Return what the server has done, and what it holds now; the first call begins to measure handlers."""
        return collect(self.engine, self._namespaces, self._channels, self._cluster, is_ready=self.is_ready)

    def nodes(self) -> list[Node]:
        """Return the nodes that live, as this one knows them by their hellos; itself first. None without an adapter."""
        return self._cluster.nodes()

    @property
    def is_ready(self) -> bool:
        """Whether new clients should come here: the server runs, is not closing, and is in touch with the other nodes.

        Without an adapter there are no others. It is False while a broker is lost, or brings nothing.
        """
        return self._is_running and "_closing" not in self.__dict__ and self._cluster.is_ready

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """Return the events that clients may send, by namespace, as plain values: a list of dictionaries.

        Each has its `event`, the `description` that the handler's docstring begins with, whether it is `ordered`
        and `threaded`, whether its namespace is `closed`, and as JSON Schemas its `arguments` (each with `name`,
        `required`, `variadic`, `schema`, and `default` where JSON can say it) and its `result`, `{}` where the handler
        does not say. A pattern's namespaces stand under the pattern, those of a function under its name.
        """
        places = [*self._namespaces, *self._namespaces.dynamic]
        return {place._handlers.name: place._handlers.describe() for place in places}

    def close(self) -> Pending[None]:
        """Call what `on_stop` has, tell all clients, flush and end; then wait for running handlers, and cancel them.

        All that is asynchronous has `shutdown_timeout`; tasks of `on_start` are cancelled before handlers are waited
        for. The adapter's `detach` comes last, and has the rest of the time, but at least 1 s.
        An `async def` handler may await it: only the others are waited for.
        """
        driver = self.engine.driver
        done: Pending[None] = Pending(driver)
        closing: Pending[None] = self.__dict__.setdefault("_closing", done)  # in one step, for threads
        if closing is done:
            on_core(driver, self._close, done)
        return closing

    def _open_adapter(self, adapter: Adapter | str | None) -> Adapter | None:
        if adapter is None:
            adapter = self.default_adapter
        opened = type(self).open_adapter(adapter) if isinstance(adapter, str) else adapter
        check_adapter(opened)
        return opened

    def _begin(self, driver: Driver) -> None:
        """Take the driver of a loop; what has ended with the one before it begins anew."""
        before = self.__dict__.pop("_closing", None)
        if before is not None:
            before.resolve(None)
        self._is_running = True
        self._cluster.attach(driver)
        self._namespaces.part_sessionless()
        self._namespaces.follow(driver)
        self._background.start()

    def _shared_logs(self, adapter: Adapter | None, most_bytes: int) -> SharedLogs | None:
        if not isinstance(adapter, StoringAdapter):
            return None
        return SharedLogs(adapter.logs, log_key(f"waterspout{self.engine.path}", ""), self.engine, most_bytes)

    def _close(self, done: Pending[None]) -> None:
        end = self.engine.driver.now() + self._shutdown_timeout
        self._background.stop(self._shutdown_timeout, lambda: self._end(done, end))

    def _is_closing(self, done: Pending[None]) -> bool:
        return self.__dict__.get("_closing") is done

    def _end(self, done: Pending[None], end: float) -> None:
        if not self._is_closing(done):
            return  # the loop ended before, and there is another
        self._cluster.leave()
        self._namespaces.part_sessionless()
        self._channels.close()
        engine, driver = self.engine, self.engine.driver

        def finish() -> None:
            if self._is_closing(done):
                driver.finish(max(0.0, end - driver.now()), ended, awaited=done, unwanted=self._background)

        def ended() -> None:
            if self._logs is None:
                detach()
            else:
                self._logs.flush(max(_DETACHING, end - driver.now())).when_done(lambda _: detach())

        def detach() -> None:
            if self._is_closing(done) and self._cluster.detach():
                driver.finish(max(_DETACHING, end - driver.now()), lambda: done.resolve(None), awaited=done)
            else:
                done.resolve(None)

        # in the turn, so that the handlers of the last farewells are among those that are waited for
        engine.close().when_done(lambda _: engine.turn.add(finish))


class _Clients:
    """What other nodes reach of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def deliver(self, message: ForClients) -> None:
        """Apply a message to the clients of its namespace, if that is here."""
        namespace = self._server._namespaces.existing(message.namespace)
        if namespace is None:
            return
        if isinstance(message, BroadcastHere):
            if namespace.rooms.select(audience := whom(message)):
                how = delivery(volatile=message.volatile, compress=message.compress, latest=message.latest)
                namespace.deliver(message.event, message.read_args(), audience, how)
        else:
            namespace.apply(message, whom(message))

    def asked(self, question: Question) -> Pending[list[Raw]]:
        """Answer a question about the clients of a namespace; nobody is in one that is not here."""
        namespace = self._server._namespaces.existing(question.namespace)
        if namespace is not None:
            return answer(namespace, question, self._server._cluster.largest)
        nothing: Pending[list[Raw]] = Pending(self._server.engine.driver)
        nothing.resolve([])
        return nothing

    def lost(self, gap: Gap) -> None:
        """Tell of words that did not come."""
        self._server._gaps.report(gap)

    def reached(self) -> None:
        """Let the logs of channels go on."""
        if self._server._logs is not None:
            self._server._logs.reached()

    def unreached(self) -> None:
        """Let the logs of channels wait."""
        if self._server._logs is not None:
            self._server._logs.unreached()

    def ended(self, failure: Exception | None) -> None:
        """End the logs of channels."""
        if self._server._logs is not None:
            self._server._logs.end(failure)
