"""What users of TornadIO2 wrote for their unit tests: stand-ins for the router, the request and the handler."""

from typing import Any

from waterspout.faces.tornadio2.conn import SocketConnection
from waterspout.faces.tornadio2.session import Session
from waterspout.faces.tornadio2.stats import StatsCollector


class DummyServer:
    """A router without an engine and a loop."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {"heartbeat_interval": 12, "verify_remote_ip": False, **settings}
        self.stats = StatsCollector()
        self.io_loop: Any = None


class DummyRequest:
    """A handshake, whose arguments are bytes as in Tornado."""

    def __init__(self, ip: str = "127.0.0.1", arguments: Any = None, cookies: Any = None) -> None:
        self.remote_ip = ip
        self.arguments = arguments or {}
        self.cookies = cookies or {}


class DummyHandler:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.closed = 0

    def send_messages(self, messages: list[str]) -> None:
        self.messages += messages

    def session_closed(self) -> None:
        self.closed += 1

    def take(self) -> list[str]:
        """Return what has come since the last time."""
        messages, self.messages = self.messages, []
        return messages


def later(waiting: list[Any], callback: Any) -> None:
    """Keep a callback, as a service does that answers later."""
    waiting.append(callback)


def opened(
    kind: type[SocketConnection], server: Any = None, request: Any = None, expiry: float | None = None
) -> tuple[Session, DummyHandler]:
    """Make a session with a handler that has seen the first packets."""
    session = Session(kind, server or DummyServer(), request or DummyRequest(), expiry)
    handler = DummyHandler()
    assert session.set_handler(handler)
    session.flush()
    return session, handler


class Recorder(SocketConnection):
    """A connection that remembers what it hears."""

    heard: list[Any]

    def on_open(self, request: Any) -> Any:
        self.heard = []
        self.info = request

    def on_message(self, message: Any) -> Any:
        self.heard.append(message)

    def on_close(self) -> Any:
        self.heard.append("closed")
