"""What the pollings of all peers share: a GET that is parked, and the answers to requests."""

from typing import Any, Protocol

from ..engine import Engine, Response
from ..types import Request


class Refused(Exception):
    """The server has refused a request; `response` is its answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body.decode(errors='replace')}")
        self.response = response


class MemoryExchange:
    """A request, and its answer once it is there."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.response: Response | None = None

    def respond(self, response: Response) -> None:
        """Take the answer."""
        assert self.response is None
        self.response = response

    def take_back(self) -> bool:
        """Return False: in memory, an answer arrives at once."""
        return False


class Poller(Protocol):
    """What polling needs of its peer."""

    carrier: Any
    closed: int | None
    engine: Engine
    polls: bool

    def admit(self, request: Request) -> Any:
        """Ask the engine what a request means; raises `Refused`."""


class Polls:
    """A peer's GETs, of which one is parked at most. `responses` keeps the server's answers."""

    def __init__(self, peer: Poller, name: str) -> None:
        self.peer = peer
        self.name = name
        self.responses: list[Response] = []
        self.request: Request
        self._parked: Any = None

    @property
    def is_parked(self) -> bool:
        """Tell whether a GET waits for its answer."""
        return self._parked is not None

    def poll(self) -> None:
        """Send a GET."""
        raise NotImplementedError

    def take(self, response: Response) -> None:
        """Take the packets of an answer."""
        raise NotImplementedError

    def park(self, request: Request) -> None:
        """Send this GET."""
        self.request = request
        self._parked = self.peer.admit(request)
        self.peer.engine.respond(self._parked, self)

    def lose(self) -> None:
        """Give up the parked GET."""
        if self._parked is not None:
            parked, self._parked = self._parked, None
            self.peer.engine.abort(parked)

    def respond(self, response: Response) -> None:
        """Take the answer to the GET, and poll again."""
        if self._parked is None:
            return  # given up
        self._parked = None
        self.responses.append(response)
        self.take(response)
        self.peer.engine.driver.soon(self._poll_again)

    def take_back(self) -> bool:
        """Return False: in memory, an answer arrives at once."""
        return False

    def _poll_again(self) -> None:
        peer = self.peer
        if peer.polls and peer.closed is None and self._parked is None and peer.carrier is self:
            try:
                self.poll()
            except Refused as refused:
                self.responses.append(refused.response)
                peer.closed = 0
