"""A server and a client, put together."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ..errors import ConnectRefused
from ..server import Server, Socket
from ..server.member import SocketMember
from ..server.namespace import check_namespace
from ..wire.generations import ENGINEIO_4, EVENTS, Generation
from ..wire.packets import Connect
from .clock import Clock
from .dialects import dialect_of
from .peer import Peer, check_generation, encode_query


class ClientRefused(Exception):
    """The server did not let the client in; what its handler raised, if anything, is the cause.

    `data` is what went to the client beside the message.
    """

    def __init__(self, message: str, data: object = None) -> None:
        super().__init__(message)
        self.data = data


class Pair:
    """A server and one client that has entered: `peer`, the server's `socket` for it, and the `clock`.

    `namespace` is the one to enter, "/" by default, and then that of the peer's methods; ValueError for what cannot be
    one. The other options are those of `Peer`, and the `auth` of the client (of Socket.IO 0.7 to 2.x: their query, so
    its values are strings). Several pairs of one server share its clock. At the end of a `with` block the client has
    left. Raises `ClientRefused`. A client whose connect handler waits is not `connected` yet: let time pass.
    """

    peer: Peer
    socket: Socket
    clock: Clock

    def __init__(
        self,
        server: Server,
        *,
        namespace: str = "/",
        auth: dict[str, Any] | None = None,
        generation: Generation = ENGINEIO_4,
        transport: str = "websocket",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        polls: bool = True,
        extensions: str = "",
        path: str | None = None,
    ) -> None:
        if not isinstance(server, Server):
            raise TypeError(f"{server!r} is not a server: give a waterspout.Server (a Peer takes an Engine, too)")
        check_namespace(namespace)
        self.server = server
        driver = server.engine.driver
        self.clock = driver if isinstance(driver, Clock) and not driver.is_over(idle=True) else Clock()
        server.engine.bind(self.clock)
        implicit = check_generation(generation).implicit_connect
        with self.clock.witness() as raised:
            self.peer = Peer(
                server,
                generation=generation,
                transport=transport,
                query="&".join(filter(None, (query, encode_query(auth or {})))) if implicit else query,
                headers=headers,
                polls=polls,
                extensions=extensions,
                path=path,
            )
            if generation is not EVENTS:  # whose path is that of a namespace
                self.peer.namespace = namespace
            if not implicit or self.peer.namespace != "/":
                self.peer.connect(auth=auth)
        self.socket = self._find(raised, namespace)
        self.peer.skip(dialect_of(generation).greetings)
        if implicit and self.peer.namespace != "/":
            self.peer.pick(Connect)

    def __enter__(self) -> "Pair":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect the client; its disconnect handler has run when this returns."""
        self.peer.close()

    def _find(self, raised: list[BaseException], namespace: str) -> Socket:
        session = self.server.engine.sessions.get(self.peer.sid)
        member = None if session is None else session.data.get(namespace)
        if isinstance(member, SocketMember):
            return member.socket
        self.peer.close()
        cause = raised[0] if raised else None
        if isinstance(cause, ConnectRefused):
            raise ClientRefused(f"the server refused the client: {cause.message!r}", cause.data) from cause
        if cause is not None:
            raise ClientRefused(f"the server refused the client, because a handler failed: {cause!r}") from cause
        raise ClientRefused(f"the server did not accept the client, and sent {self.peer.take()!r}")
