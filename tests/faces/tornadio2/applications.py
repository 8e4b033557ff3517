"""The application of TornadIO2 that these tests drive, and what came of it."""

from typing import Any

from tornado.web import HTTPError

from waterspout.faces.tornadio2 import SocketConnection, TornadioRouter, event
from waterspout.testing import Clock

OLD_TRANSPORTS = ("websocket", "flashsocket", "xhr-polling", "jsonp-polling", "htmlfile")
CLOSED: list[tuple[str | None, str]] = []


class Chat(SocketConnection):
    """Greets, echoes, answers, fails; remembers who closed (endpoint and session) in CLOSED."""

    def on_open(self, request: Any) -> Any:
        self.info = request
        if (status := request.get_argument("raise")) is not None:
            raise HTTPError(int(status)) if status.isdigit() else ValueError(status)
        if request.get_argument("refuse"):
            return False
        self.emit("hi", name=request.get_argument("name"))
        return None

    def on_message(self, message: Any) -> Any:
        self.send(message)
        return ["the answer"]

    @event
    def ask(self, *args: Any, **kwargs: Any) -> Any:
        return (len(args), kwargs) if kwargs else len(args)

    @event
    def question(self) -> None:
        self.emit_ack(lambda message, data: self.emit("answered", message[0], data), "q", 1)
        self.send("m", lambda message, data: self.emit("answered", message, data))

    @event
    def fail(self) -> None:
        raise ValueError("the handler fails")

    @event
    def leave(self) -> None:
        self.close()

    @event
    async def later(self, value: Any) -> Any:
        return value

    def on_close(self) -> Any:
        CLOSED.append((self.endpoint, self.session.session_id))


class Main(Chat):
    __endpoints__ = {"/a": Chat, "/b": Chat}  # noqa: RUF012


def routed(clock: Clock, kind: type[SocketConnection] = Main, **settings: Any) -> TornadioRouter:
    """Make a router whose time is the clock's."""
    router = TornadioRouter(kind, settings)
    router.engine.bind(clock)
    return router


def closed() -> list[str | None]:
    """Return the endpoints that have closed since the last time, in their order."""
    endpoints = [endpoint for endpoint, _ in CLOSED]
    CLOSED.clear()
    return endpoints
