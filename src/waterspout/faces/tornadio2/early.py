"""What comes for a connection before it has decided whether its client may enter."""

from collections.abc import Callable, Iterator

from ...errors import ProtocolError
from ...wire.packets import Packet, Signal

MOST = 100  # packets; clients of 1.x to 4.x wait for their answer, and have ten


class Early:
    """The packets that wait while an `on_open` takes its time. `openings` are the calls of it that have not ended."""

    __slots__ = ("_ends", "_packets", "openings")

    def __init__(self) -> None:
        self.openings = 0
        self._packets: list[Packet | Signal] = []
        self._ends: list[Callable[[], object]] = []

    def keep(self, packet: Packet | Signal, most: int, begin_call: Callable[[], Callable[[], object]]) -> None:
        """Keep a packet, which counts as a call; ProtocolError for more than `most`."""
        if len(self._packets) >= most:
            raise ProtocolError(f"more than {most} packets came before on_open had ended")
        self._packets.append(packet)
        self._ends.append(begin_call())

    def packets(self) -> Iterator[Packet | Signal]:
        """Give them one after the other, and forget them."""
        packets, self._packets = self._packets, []
        yield from packets

    def end(self) -> None:
        """Count them no longer: not before all are handled, for nothing may be read, and overtake the rest."""
        ends, self._ends = self._ends, []
        self._packets.clear()
        for end in ends:
            end()
