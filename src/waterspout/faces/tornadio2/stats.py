"""A router's counters: sessions, connections and packets, with averages of the last seconds."""

from collections import deque
from typing import Any

from .periodic import Callback

SECOND = 1000.0  # ms between two flushes of the averages

NUMBERS = (
    *("active_sessions", "max_sessions", "active_connections", "max_connections"),
    *("connections_ps", "packets_sent_ps", "packets_recv_ps"),
)
"""The keys of `StatsCollector.dump`; `max_...` is the highest value so far, `..._ps` is per second."""


class MovingAverage:
    """The average of the sums between flushes, over the last `period` of them."""

    def __init__(self, period: int = 10) -> None:
        self.period = period
        self.last_average = 0.0
        self._sum = 0
        self._flushed: deque[int] = deque(maxlen=period)

    def add(self, n: int) -> None:
        self._sum += n

    def flush(self) -> None:
        """Begin the next sum; to be called once a second."""
        self._flushed.append(self._sum)
        self._sum = 0
        self.last_average = sum(self._flushed) / len(self._flushed)


class StatsCollector:
    """The numbers of a router; averages need `start`."""

    def __init__(self) -> None:
        self.active_sessions = self.max_sessions = 0
        self.active_connections = self.max_connections = 0
        self.connections_ps = MovingAverage()
        self.packets_sent_ps = MovingAverage()
        self.packets_recv_ps = MovingAverage()
        self._timer: Callback | None = None

    def start(self, io_loop: Any = None) -> None:
        """Flush the averages once a second on this loop, or on the current one."""
        self.stop()
        self._timer = Callback(self.flush, SECOND, io_loop)
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def flush(self) -> None:
        for average in (self.connections_ps, self.packets_sent_ps, self.packets_recv_ps):
            average.flush()

    def session_opened(self) -> None:
        self.active_sessions += 1
        self.max_sessions = max(self.max_sessions, self.active_sessions)

    def session_closed(self) -> None:
        self.active_sessions -= 1

    def connection_opened(self) -> None:
        """Count a connection: a handshake, a transport, or a POST."""
        self.active_connections += 1
        self.max_connections = max(self.max_connections, self.active_connections)
        self.connections_ps.add(1)

    def connection_closed(self) -> None:
        self.active_connections -= 1

    def on_packet_sent(self, num: int) -> None:
        self.packets_sent_ps.add(num)

    def on_packet_recv(self, num: int) -> None:
        self.packets_recv_ps.add(num)

    def dump(self) -> dict[str, float]:
        """Return the numbers by name; see NUMBERS."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        return {name: getattr(number, "last_average", number) for name, number in numbers.items()}
