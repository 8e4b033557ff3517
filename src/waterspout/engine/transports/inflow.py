"""The payload of a POST on its way to a session: as fast as the session reads, and a slice in a turn."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...errors import ProtocolError

if TYPE_CHECKING:
    from ..session import Session

_SLICE = 500  # packets in one turn: what they cause has to leave before more comes
_SLICE_SIZE = 65_536  # characters or bytes, whichever comes first: a megabyte of small lists takes 75 ms


class Slice:
    """What may still be delivered in this turn: `packets` and their `size`. A pause does not renew it."""

    __slots__ = ("packets", "size")

    def __init__(self) -> None:
        self.packets, self.size = _SLICE, _SLICE_SIZE

    @property
    def is_used_up(self) -> bool:
        """Whether the rest has to wait for the next turn."""
        return self.packets <= 0 or self.size < 0

    def renew(self) -> None:
        """Begin the next turn."""
        self.packets, self.size = _SLICE, _SLICE_SIZE


class Inflow:
    """Delivers packets to a session; `done` is called once, with what was wrong with them or None.

    Payloads that are delivered one after the other have a slice in common, their `share`. An event whose handler is
    plain may pause its client and resume it before the turn ends, so a pause neither renews the slice nor starts a
    second chain of turns.
    """

    __slots__ = ("_done", "_is_busy", "_packets", "_paused", "_session", "_slice")

    def __init__(
        self,
        packets: Iterator[str | bytes],
        session: "Session",
        *,
        share: Slice,
        done: Callable[[ProtocolError | None], object],
    ) -> None:
        self._packets = packets
        self._session = session
        self._slice = share
        self._done: Callable[[ProtocolError | None], object] | None = done
        self._paused = False
        self._is_busy = False  # it delivers, or will in the next turn

    def pause(self) -> None:
        """Deliver nothing until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Deliver what is left of the slice; the rest comes in the next turns, or after a pause."""
        self._paused = False
        if not self._is_busy:
            self._go_on()

    def end(self, error: ProtocolError | None = None) -> None:
        """Deliver no more: that was all, or nobody reads it."""
        done, self._done = self._done, None
        if done is not None:
            done(error)

    # Below this line: how it is done

    def _go_on(self) -> None:
        self._is_busy = False
        if self._done is None or self._paused:
            return
        self._is_busy = True
        if self._slice.is_used_up or self._deliver():
            self._session.table.driver.soon(self._next_turn)

    def _next_turn(self) -> None:
        self._slice.renew()
        self._go_on()

    def _deliver(self) -> bool:
        """Deliver packets until there is none, or a pause begins; return whether the slice ends first."""
        part, session, error = self._slice, self._session, None
        traffic = session.table.traffic
        try:
            for packet in self._packets:
                traffic.messages_in += 1
                part.packets -= 1
                part.size -= len(packet)
                if isinstance(packet, bytes):
                    session.receive_binary(packet)
                else:
                    session.receive_text(packet)
                if self._paused:
                    self._is_busy = False
                    return False
                if part.packets <= 0 or part.size < 0:
                    return True
        except ProtocolError as broken:
            error = broken
        self.end(error)
        return False
