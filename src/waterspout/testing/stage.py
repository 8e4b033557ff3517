"""What one test has of servers and clients, and what is checked at its end: the fixtures of pytest are made of it."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NoReturn, TypeVar

from ..engine import Engine
from ..server import Server
from ..wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1
from .carriers import Refused
from .clock import Clock
from .pair import Pair
from .peer import Peer

CLIENTS: Mapping[str, Mapping[str, Any]] = {
    **{f"4-{name}": {"generation": ENGINEIO_4, "transport": name} for name in ("websocket", "polling")},
    **{f"2-{name}": {"generation": ENGINEIO_3, "transport": name} for name in ("websocket", "polling")},
    **{
        f"0.9-{name}": {"generation": SOCKETIO_1, "transport": name}
        for name in ("websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile", "xhr-multipart")
    },
}
"""Kinds of clients by name: "4-" are those of 3.x and 4.x, "2-" of 1.x and 2.x, "0.9-" of 0.7 to 0.9."""

Client = TypeVar("Client", bound=Pair | Peer)

_CLOSE_SECONDS = 3600.0  # of the clock: more than any `shutdown_timeout`


class Factory(Generic[Client]):
    """Makes clients for a test: call it with a server, or without for the test's own, and with options."""

    def __init__(self, name: str, make: Callable[..., Client]) -> None:
        self._name = name
        self._make = make

    def __call__(self, server: Server | Engine | None = None, **options: Any) -> Client:
        """Return a client that has connected; options are those of `Pair` or `Peer`."""
        return self._make(server, **options)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{self._name} makes clients, and has no {name!r} itself: write client = {self._name}(server), "
            f"and then client.{name}"
        )

    def __enter__(self) -> NoReturn:
        raise TypeError(f"{self._name} makes clients: write `with {self._name}(server) as client:`")

    def __exit__(self, *_: object) -> None: ...


class Stage:
    """A clock, and the servers and clients of one test.

    `own_server` returns the test's own server; `own_options` are those of its clients, unless a call has others: a name
    of `CLIENTS`, or a mapping. ValueError and TypeError for what is neither.
    """

    def __init__(self, own_server: Callable[[], Any], own_options: Any) -> None:
        self.clock = Clock()
        self.pair = Factory("waterspout_pair", self._make_pair)
        self.peer = Factory("waterspout_peer", self._make_peer)
        self._own_server, self._own_options = own_server, _options(own_options)
        self._clients: list[Pair | Peer] = []
        self._servers: list[Server | Engine] = []
        self._clocks = [self.clock]
        self._has_passed = False

    def check(self) -> None:
        """Raise AssertionError if something has failed that the test did not expect; each failure is told once.

        It is called when the test has passed; if it never is, `close` complains of nothing.
        """
        self._has_passed = True
        __tracebackhide__ = True
        reports = [report for clock in self._clocks for report in clock.take_reports()]
        if reports:
            lines = [text if error is None else f"{text}: {error!r}" for text, error in reports]
            raise AssertionError(
                "\n  ".join(["the server reported what the test did not expect:", *lines])
                + "\nIf it should: `with waterspout_clock.expect(ValueError):`, or `waterspout_clock.take_reports()`."
            ) from next((error for _, error in reports if error is not None), None)

    def close(self) -> None:
        """Disconnect the clients, close the servers, and raise AssertionError if something fails or is left then."""
        __tracebackhide__ = True
        for clock in self._clocks:
            clock.settle()
        left = [name for clock in self._clocks for name in clock.running()]
        left += [f"{server!r}, which does not close" for server in self._end()]
        left += [line for clock in self._clocks for line in clock.close()]
        if left and self._has_passed:
            raise AssertionError(
                "\n  ".join(["at the end of the test there still runs:", *left])
                + "\nLet time pass (`waterspout_clock.advance`), or bring what it waits for."
            )
        if self._has_passed:
            self.check()

    def _end(self) -> list[Server | Engine]:
        for client in self._clients:
            try:
                client.close()
            except Refused:
                pass  # the server has closed the session
        late = []
        for server in self._servers:
            try:
                server.close().wait(_CLOSE_SECONDS)
            except TimeoutError:
                late.append(server)
        return late

    def _make_pair(self, server: Any = None, **options: Any) -> Pair:
        return self._keep(Pair(self._bound(server, "waterspout_pair"), **self._with_own(options)))

    def _make_peer(self, server: Any = None, **options: Any) -> Peer:
        return self._keep(Peer(self._bound(server, "waterspout_peer"), **self._with_own(options, "namespace", "auth")))

    def _with_own(self, options: dict[str, Any], *without: str) -> dict[str, Any]:
        """Add the test's own options, but for some, and for a transport of another generation."""
        if "generation" in options:
            without = (*without, "transport")
        own = {name: value for name, value in self._own_options.items() if name not in without}
        return {**own, **options}

    def _bound(self, server: Any, maker: str) -> Any:
        """Give a server the clock, unless it has one of its own."""
        found = self._own_server() if server is None else server
        if not isinstance(found, Server | Engine):
            raise TypeError(f"{found!r} is no server: write {maker}(server), with a waterspout.Server")
        engine = found if isinstance(found, Engine) else found.engine
        clock = engine.driver
        if not isinstance(clock, Clock) or clock.is_over(idle=True):
            clock = self.clock
            engine.bind(clock)
        if clock not in self._clocks:
            self._clocks.append(clock)
        if found not in self._servers:
            self._servers.append(found)
        return found

    def _keep(self, client: Client) -> Client:
        self._clients.append(client)
        return client


def _options(given: Any) -> Mapping[str, Any]:
    if isinstance(given, str) and given not in CLIENTS:
        raise ValueError(f"waterspout_client is {given!r}: choose from {', '.join(CLIENTS)}, or give options")
    found = CLIENTS[given] if isinstance(given, str) else given
    if not isinstance(found, Mapping):
        raise TypeError(f"waterspout_client is {given!r}: give a name of waterspout.testing.CLIENTS, or options")
    return found
