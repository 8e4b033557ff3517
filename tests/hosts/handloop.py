"""An event loop that moves when the test says so, for links over real sockets."""

import select
import socket
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

Callback = Callable[[], object]


class HandLoop:
    """What `hosts.output.Loop` asks for. It watches `readers` and `writers`; `scheduled` ends the turn."""

    def __init__(self) -> None:
        self.readers: dict[int, Callback] = {}
        self.writers: dict[int, Callback] = {}
        self.time = 0.0
        self.scheduled: list[Callback] = []
        self._later: list[tuple[float, int, Callback]] = []
        self._numbers = count()

    def reader(self, descriptor: int, callback: Callback | None) -> None:
        if callback is None:
            self.readers.pop(descriptor, None)
        else:
            self.readers[descriptor] = callback

    def writer(self, descriptor: int, callback: Callback | None) -> None:
        if callback is None:
            self.writers.pop(descriptor, None)
        else:
            self.writers[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        self.readers.pop(descriptor, None)
        self.writers.pop(descriptor, None)

    def soon(self, callback: Callback, /) -> None:
        self.scheduled.append(callback)

    def later(self, seconds: float, callback: Callback) -> None:
        heappush(self._later, (self.time + seconds, next(self._numbers), callback))

    def turn(self, patience: float = 0.0, also: socket.socket | None = None) -> None:
        """Call for each descriptor that is ready, once, and then whatever is to be called at the end of the turn.

        With `patience`, wait so many seconds at most for one, or until there is something to read from `also`.
        """
        others = () if also is None else (also.fileno(),)
        readable, writable, _ = select.select(
            [*self.readers, *others], [*self.writers], (), 0 if self.scheduled else patience
        )
        for descriptor in readable:
            if callback := self.readers.get(descriptor):
                callback()
        for descriptor in writable:
            if callback := self.writers.get(descriptor):
                callback()
        while self.scheduled:
            callbacks, self.scheduled = self.scheduled, []
            for callback in callbacks:
                callback()

    def turns(self, until: Callable[[], bool]) -> int:
        """Turn until something holds, and return how often; AssertionError after 10,000 turns."""
        for number in range(10_000):
            if until():
                return number
            self.turn()
        raise AssertionError("10,000 turns have not brought it about")

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
        while self._later and self._later[0][0] <= self.time:
            heappop(self._later)[2]()
        self.turn()


class Keeper:
    """A receiver that keeps what it hears."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.writables = self.losses = 0

    def receive(self, data: bytes) -> None:
        self.received.append(data)

    def writable(self) -> None:
        self.writables += 1

    def lost(self) -> None:
        self.losses += 1
