"""What comes and goes before the connect handler of a namespace has accepted a client."""

from collections.abc import Generator, Iterator
from typing import Any

from ..engine import Asker, Driver, Pending, Prepared, Session
from ..errors import ProtocolError
from ..wire.packets import Event


class Early:
    """The events of a client that is not let in yet, which count as calls, and `output`, what is sent to it.

    `asker` is who asks the asynchronous step that decides about the client now.
    """

    __slots__ = ("_events", "_session", "asker", "output")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._events: list[tuple[Event, int]] = []
        self.output: list[Prepared] = []
        self.asker: Asker | None = None

    def keep(self, packet: Event) -> None:
        """Keep an event for the handler; ProtocolError for more than anybody needs."""
        session = self._session
        most = session.max_early_events
        if len(self._events) == most:
            raise ProtocolError(f"more than {most} events came before the server had accepted the client")
        self._events.append((packet, session.received_bytes))
        session.begin_call(session.received_bytes)

    def events(self) -> Iterator[Event]:
        """Give the events one after the other, as if each had just come."""
        for packet, size_bytes in self._events:
            self._session.received_bytes = size_bytes
            yield packet

    def end(self) -> None:
        """Count the events no longer: not before all are handled, for nothing may be read, and overtake the rest."""
        for _, size_bytes in self._events:
            self._session.end_call(size_bytes)


class EarlyAnswer(Pending[Any]):
    """The answer to a call of a client that is not let in yet: the question is sent when it is.

    RuntimeError where the step that decides about the client waits for it: neither would ever come.
    """

    __slots__ = ("_early", "_event")

    def __init__(self, driver: Driver, early: Early, event: str) -> None:
        super().__init__(driver)
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
                f"{self._event!r} is sent when the client is connected, which is after its connect handler: "
                "do not wait for the answer there, but in a task (asyncio.create_task) or in the handler of an event"
            )
