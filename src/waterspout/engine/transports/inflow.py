"""The payload of a POST on its way to a session: as fast as the session reads, and a slice in a turn."""

from collections.abc import Callable, Iterator

from ...errors import ProtocolError
from ..driver import Driver
from ..traffic import Traffic
from .interfaces import Sink

_SLICE = 500  # packets in one turn: what they cause has to leave before more comes
_SLICE_SIZE = 65_536  # characters or bytes, whichever comes first: a megabyte of small lists takes 75 ms


class Inflow:
    """Delivers packets to a sink; `done` is called once, with what was wrong with them or None."""

    __slots__ = ("_done", "_driver", "_packets", "_paused", "_sink", "_traffic")

    def __init__(
        self,
        packets: Iterator[str | bytes],
        sink: Sink,
        *,
        driver: Driver,
        traffic: Traffic,
        done: Callable[[ProtocolError | None], object],
    ) -> None:
        self._packets = packets
        self._sink = sink
        self._driver = driver
        self._traffic = traffic
        self._done: Callable[[ProtocolError | None], object] | None = done
        self._paused = False

    def read(self) -> None:
        """Deliver a slice; the rest comes in the next turn, or after a pause."""
        error: ProtocolError | None = None
        size = 0
        try:
            for count, packet in enumerate(self._packets, 1):
                self._traffic.messages_in += 1
                size += len(packet)
                if isinstance(packet, bytes):
                    self._sink.receive_binary(packet)
                else:
                    self._sink.receive_text(packet)
                if self._paused:
                    return
                if count == _SLICE or size > _SLICE_SIZE:
                    self._driver.soon(self._go_on)
                    return
        except ProtocolError as broken:
            error = broken
        self.end(error)

    def pause(self) -> None:
        """Deliver nothing until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Deliver on."""
        self._paused = False
        self._go_on()

    def end(self, error: ProtocolError | None = None) -> None:
        """Deliver no more: that was all, or nobody reads it."""
        done, self._done = self._done, None
        if done is not None:
            done(error)

    def _go_on(self) -> None:
        if self._done is not None and not self._paused:
            self.read()
