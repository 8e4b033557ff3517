"""The server that the suite talks to: it echoes, and remembers who left."""

from typing import Any

from waits import waits
from waterspout import Reason, Server, Socket
from waterspout.engine.transports.polling import PollingTransport


class Echo:
    """`server`, the arguments it `heard`, and why sockets have `left`."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(**options)
        self.heard: list[tuple[Any, ...]] = []
        self.left: list[Reason] = []
        self.server.on("echo")(self.echo)
        self.server.on_disconnect(self.gone)

    def echo(self, socket: Socket, *args: Any) -> tuple[Any, ...]:
        self.heard.append(args)
        return args

    def gone(self, socket: Socket, reason: Reason) -> None:
        self.left.append(reason)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is there, and nothing is waited for."""
        return not self.server.engine.sessions and not self.server.sockets() and not waits(self.server.engine)

    def has_parked(self, sid: str) -> bool:
        """Whether a poll of this session waits for its answer."""
        transport = self.server.engine.sessions[sid].transport
        return isinstance(transport, PollingTransport) and transport.waiting

    def is_posting(self, sid: str) -> bool:
        """Whether a POST of this session has come without its body."""
        transport = self.server.engine.sessions[sid].transport
        return isinstance(transport, PollingTransport) and transport.posting
