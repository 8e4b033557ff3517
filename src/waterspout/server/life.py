"""The life of a socket: its stages, what waits until it is connected, and calls of users' functions that go on."""

from collections.abc import Generator, Iterator
from enum import Enum
from typing import Any, Protocol

from ..engine import Asker, Driver, Log, Pending, Prepared, Session
from ..errors import ProtocolError
from ..wire.packets import Event


class Life(Enum):
    """The stages of a member; it never goes back to one before."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    GONE = "gone"


# names of a module cost 5 ns to look up, members of an Enum 150 on Python 3.11
CONNECTING, CONNECTED, GONE = Life


class EarlyTraffic:
    """What waits while a socket is connecting: the client's events, which count as calls, and `output`, sent to it.

    `asker` is that of the asynchronous step or connect handler that is running for the client. `is_leaving`: the server
    has disconnected it already, which happens when it is accepted.
    """

    __slots__ = ("_events", "_session", "asker", "is_leaving", "output")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._events: list[tuple[Event, int]] = []
        self.output: list[Prepared] = []
        self.asker: Asker | None = None
        self.is_leaving = False

    def keep(self, packet: Event) -> None:
        """Keep an event until the socket is connected; ProtocolError for more than `max_early_events`."""
        session = self._session
        most = session.max_early_events
        if len(self._events) == most:
            raise ProtocolError(f"more than {most} events came before the server had accepted the client")
        self._events.append((packet, session.received_bytes))
        session.begin_call(session.received_bytes)

    def events(self) -> Iterator[Event]:
        """Return the events one after the other, as if each had just come."""
        for packet, size_bytes in self._events:
            self._session.received_bytes = size_bytes
            yield packet

    def end(self) -> None:
        """Count the events no longer. Call it when all are handled: until then, nothing that is read may pass them."""
        for _, size_bytes in self._events:
            self._session.end_call(size_bytes)


class EarlyAnswer(Pending[Any]):
    """The answer to a call that was made while the socket was connecting; the question is sent when it is connected.

    RuntimeError where a step or the connect handler of the same client waits for it: neither would ever end.
    """

    __slots__ = ("_early", "_event")

    def __init__(self, driver: Driver, log: Log, early: EarlyTraffic, event: str) -> None:
        super().__init__(driver, log)
        self._early = early
        self._event = event

    def wait(self, timeout: float | None = None) -> Any:
        self._check()
        return super().wait(timeout)

    def __await__(self) -> Generator[Any, Any, Any]:
        self._check()
        return super().__await__()

    def _check(self) -> None:
        asker = self._early.asker
        if not self.done and asker is not None and self._driver.asker() is asker:
            raise RuntimeError(
                f"{self._event!r} is sent after the connect handler has ended: do not wait for the answer there, but "
                "in a task (asyncio.create_task), in a greenlet of your own, or in the handler of an event"
            )


class NamingAsker(Asker, Protocol):
    """An asker that can name the function it has asked."""

    def describe(self, token: Any) -> str:
        """Name the function, for a warning."""


class CountingAsker(Asker):
    """An asker of a function that goes on asynchronously: counts the call against its client until the result comes.

    The call ends before the asker takes the result, since that may begin the next call: at no time are there two.
    (The answer to an event needs the other order: see `_LateAnswers`.)
    """

    __slots__ = ("_asker", "_session", "_size_bytes")

    def __init__(self, asker: NamingAsker, session: Session, size_bytes: int = 0) -> None:
        self._asker = asker
        self._session = session
        self._size_bytes = size_bytes
        session.begin_call(size_bytes)

    def answered(self, token: Any, result: Any) -> None:
        self._session.end_call(self._size_bytes)
        self._asker.answered(token, result)

    def failed(self, token: Any, error: BaseException) -> None:
        self._session.end_call(self._size_bytes)
        self._asker.failed(token, error)

    def describe(self, token: Any) -> str:
        """Name the function, for a warning."""
        return self._asker.describe(token)
