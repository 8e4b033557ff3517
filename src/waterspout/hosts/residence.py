"""An engine's place in a process: the loop that it runs on, and the connections that it holds there."""

import socket
from contextlib import suppress
from typing import Protocol

from ..engine import Driver, Engine, Layer, Level, Pending
from .output import Loop, Output

_APART = (
    "clients of one process do not hear those of another, and polling clients fail: serve with one process, "
    "or give each a port of its own behind a proxy with sticky sessions, and join them with an adapter"
)
_NOT_STICKY = (
    "polling clients fail, because their requests reach different processes: give each process a port of its own "
    'behind a proxy with sticky sessions, or offer WebSockets only, with transports=("websocket",)'
)
NOT_MOUNTED = "no %s is mounted, so clients of Socket.IO get answers of the application"


class EngineOwner(Protocol):
    """What has an engine: a `waterspout.Server`, or a face of an older library."""

    engine: Engine

    def close(self) -> Pending[None]:
        """End it."""


Mountable = Engine | EngineOwner


def engine_of(server: Mountable) -> Engine:
    """Return the engine of what was given to a host."""
    engine = server if isinstance(server, Engine) else getattr(server, "engine", None)
    if not isinstance(engine, Engine):
        raise TypeError(
            f"a {type(server).__name__} is no server: give the waterspout.Server first, and an application behind it"
        )
    return engine


class Residence:
    """An engine, bound to a loop. All hosts of the engine share one, of whatever kind they are.

    When another loop takes the place of one that is over, the connections of the old one are closed.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.output: Output
        self.home: object = None
        self.has_looked = False  # for other processes
        engine.when_bound(self._leave)

    @classmethod
    def of(cls, engine: Engine) -> "Residence":
        """Return the one of this engine."""
        if engine.host is None:
            engine.host = cls(engine)
        assert isinstance(engine.host, cls)
        return engine.host

    def bind(self, home: object, driver: Driver, loop: Loop) -> None:
        """Run the engine on a host's event loop, `home`; RuntimeError where it runs on another."""
        self.engine.bind(driver)
        self.home = home
        self.output = Output(loop, self.engine.traffic, self.engine.policy.close_timeout)

    def look_around(self, sock: socket.socket | None, processes: str | None = None) -> None:
        """Warn, at the first request, if this is one of several processes behind one port, of what will fail.

        `processes` is what has started them, where the host knows that; `sock` is the request's connection, None if the
        client has gone.
        """
        if self.has_looked or sock is None:
            return
        self.has_looked = True
        if processes is not None:
            self.warn_of(f"this is one of several processes of {processes}")
        elif _is_shared(sock):
            self.warn_of("the port may be shared by processes (SO_REUSEPORT)")

    def warn_of(self, sign: str) -> None:
        """Warn of several processes behind one port, of which this is the sign, and of what will fail."""
        engine = self.engine
        if not engine.is_clustered or "polling" in engine.policy.transports:
            engine.driver.note(Layer.HOST, Level.WARNING, f"{sign}: %s", _NOT_STICKY if engine.is_clustered else _APART)

    def drain(self) -> Pending[None]:
        """Wait, after `close`, until the connections have taken what was sent to them; see `hosts.tornado.drain`."""
        drained: Pending[None] = Pending(self.engine.driver)

        def end() -> None:
            self.engine.log.flush()
            drained.resolve(None)

        if self.home is None:
            end()
        else:
            self.output.when_empty(end)
        return drained

    def cut(self) -> None:
        """Close the connections that are left, at once."""
        if self.home is not None:
            for link in list(self.output.open_links):
                with suppress(RuntimeError):  # a stream of Tornado's, which keeps to its loop
                    link.close()

    def _leave(self, driver: Driver) -> None:
        """Close the connections of a loop that is over."""
        self.cut()
        self.home = None


def _is_shared(sock: socket.socket) -> bool:
    """Tell whether the connection came in through a port that others may listen at; Linux lets it inherit that."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not hasattr(socket, "SO_REUSEPORT"):
        return False
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) != 0
    except OSError:
        return False  # the client has gone already
