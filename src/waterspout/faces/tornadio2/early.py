"""What comes for a connection before it has decided whether its client may enter."""

import logging
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from ...errors import ProtocolError
from ...wire.packets import Connect, Disconnect, Event, Message, Packet, Signal
from . import calls
from .carrier import ByHand
from .outcome import Outcome

log = logging.getLogger("tornadio2.session")


class Openings:
    """Each `on_open` of a session that takes its time, by endpoint, and what waits for it to end.

    `take` is then called with each packet. Decorated methods have never kept anybody waiting, and do not here.
    """

    __slots__ = ("_early", "_owner", "_take")

    def __init__(self, owner: calls.Owner, take: Callable[[Packet | Signal], object]) -> None:
        self._owner = owner
        self._take = take
        self._early: dict[str, Early] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._early

    def follow(self, path: str, result: Any, decide: Callable[[Any], None]) -> None:
        """Let an `on_open` end, whose result `decide` gets, and then what was meant for its connection go on."""
        if isinstance(result, Outcome):
            if not result.done:
                name = type(self._owner.conn).__name__
                _warn(name if path == "/" else f"an endpoint of {name}")
            calls.then(self._owner, result, decide)
            return
        early = self._early.setdefault(path, Early())
        early.openings += 1
        calls.then(self._owner, result, partial(self._opened, path, early, decide))

    def keep(self, packet: Packet | Signal) -> bool:
        """Keep a packet that has to wait, or return False; ProtocolError for one too many."""
        early = self._awaited(packet) if self._early else None
        if early is None:
            return False
        early.keep(packet, self._owner.carrier)
        return True

    def forget(self, path: str) -> None:
        """Drop what waits for a connection, which is closed."""
        if (early := self._early.pop(path, None)) is not None:
            early.end()

    def _opened(self, path: str, early: "Early", decide: Callable[[Any], None], result: Any) -> None:
        early.openings -= 1
        if early.openings:
            decide(result)
            return
        if self._early.get(path) is early:
            del self._early[path]
        decide(result)
        for packet in early.packets():
            self._take(packet)
        early.end()

    def _awaited(self, packet: Packet | Signal) -> "Early | None":
        """Return with what a packet has to wait; acknowledgements do not, for an `on_open` may wait for one."""
        match packet:
            case Event() | Message():
                return self._early.get("/") or self._early.get(packet.namespace)
            case Connect() | Disconnect() if packet.namespace != "/":
                return self._early.get("/")
        return None


@cache
def _warn(name: str) -> None:
    """Say once that a decorated `on_open` lets clients in before it has ended."""
    text = "on_open of %s is decorated and goes on, but its clients are in: make it async, or leave the decorator out"
    log.warning(text, name)


class Early:
    """The packets that wait for one connection. `openings` are the calls of its `on_open` that have not ended."""

    __slots__ = ("_ends", "_packets", "openings")

    def __init__(self) -> None:
        self.openings = 0
        self._packets: list[Packet | Signal] = []
        self._ends: list[Callable[[], object]] = []

    def keep(self, packet: Packet | Signal, carrier: ByHand) -> None:
        """Keep a packet, which counts as a call; ProtocolError for more than its carrier allows."""
        if len(self._packets) >= carrier.max_early_events:
            raise ProtocolError(f"more than {carrier.max_early_events} packets came before on_open had ended")
        self._packets.append(packet)
        self._ends.append(carrier.begin_call())

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
