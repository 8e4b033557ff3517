"""What clients of Socket.IO 0.7 to 0.9 send by POST, beside whatever carries the other way."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...errors import ProtocolError
from ..transports.inflow import Inflow, Slice

if TYPE_CHECKING:
    from ..session import Session

_MOST = 10  # payloads that wait while the session reads nothing; the official clients send one at a time


class Posts:
    """The payloads of a session, one after the other; while it is paused, they wait unanswered."""

    __slots__ = ("_paused", "_session", "_slice", "_waiting")

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._paused = False
        self._waiting: deque[Inflow] = deque()

    def take(self, packets: Iterator[str | bytes], done: Callable[[ProtocolError | None], object]) -> bool:
        """Deliver the packets, and then call `done`; False if too many wait already."""
        if len(self._waiting) == _MOST:
            return False

        def finished(error: ProtocolError | None) -> None:
            self._waiting.popleft()
            done(error)
            self._go_on()

        if not self._waiting:
            self._slice = Slice()
        self._waiting.append(Inflow(packets, self._session, share=self._slice, done=finished))
        if len(self._waiting) == 1:
            self._go_on()
        return True

    def pause(self) -> None:
        """Deliver nothing until `resume`."""
        self._paused = True
        if self._waiting:
            self._waiting[0].pause()

    def resume(self) -> None:
        """Deliver on."""
        self._paused = False
        self._go_on()

    def end(self) -> None:
        """Deliver no more, and answer all."""
        while self._waiting:
            self._waiting[0].end()

    def _go_on(self) -> None:
        if self._waiting and not self._paused:
            self._waiting[0].resume()
