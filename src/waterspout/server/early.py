"""What comes and goes before the connect handler of a namespace has accepted a client."""

from collections.abc import Iterator

from ..engine import Prepared, Session
from ..errors import ProtocolError
from ..wire.packets import Event


class Early:
    """The events of a client that is not let in yet, which count as calls, and `output`, what is sent to it."""

    __slots__ = ("_events", "_session", "output")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._events: list[tuple[Event, int]] = []
        self.output: list[Prepared] = []

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
