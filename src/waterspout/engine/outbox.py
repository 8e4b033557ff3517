"""What waits for a client while its transport takes nothing: in order, counted, and bounded.

How it works: a deque of `Prepared` values, which are shared with other clients: a message that waits for 10,000
clients is in memory once. `size_bytes` counts what each weighs here. A message with a key (`emit(..., latest=)`) has
a place of its own, `_Latest`, in which the next message with the same key takes over. Volatile messages never come
here, unless the outbox is empty (see `Session._keep`).
"""

from collections import deque
from collections.abc import Hashable

from .policy import Policy
from .prepared import Prepared
from .traffic import Traffic
from .transports.interfaces import Transport


class Outbox:
    """The queue of one session; it exists only while there is something to wait for.

    Of the messages with the same `key`, only the latest waits, in the place of the first.
    """

    __slots__ = ("_latest", "_messages", "size_bytes")

    def __init__(self) -> None:
        self._messages: deque[Prepared | _Latest] = deque()
        self._latest: dict[Hashable, _Latest] | None = None
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, prepared: Prepared, policy: Policy, traffic: Traffic) -> bool:
        """Queue it, or return False for more than the policy allows; the first is kept, however large it is."""
        if prepared.key is not None:
            return self._add_latest(prepared, prepared.key, policy, traffic)
        return self._append(prepared, prepared, policy)

    def write_to(self, transport: Transport) -> bool:
        """Hand over what the transport takes; return whether that was all."""
        while self._messages:
            if not transport.write(_prepared(self._messages[0])):
                return False
            self._remove_first()
        return True

    def take(self, max_packets: int | None = None) -> list[Prepared]:
        """Hand over everything, or the first messages: those of so many packets at most, but one in any case."""
        if max_packets is not None:
            return self._take_first(max_packets)
        taken = [place if type(place) is Prepared else _prepared(place) for place in self._messages]
        self._messages.clear()
        self._latest, self.size_bytes = None, 0
        return taken

    def _take_first(self, max_packets: int) -> list[Prepared]:
        taken: list[Prepared] = []
        while self._messages:
            max_packets -= _prepared(self._messages[0]).packets
            if max_packets < 0 and taken:
                break
            taken.append(self._remove_first())
        return taken

    def _remove_first(self) -> Prepared:
        first = self._messages.popleft()
        prepared = _prepared(first)
        self.size_bytes -= prepared.size_bytes
        if self._latest is not None and isinstance(first, _Latest):
            self._latest.pop(prepared.key, None)
        return prepared

    def give_back(self, unsent: list[Prepared]) -> None:
        """Put in front what a transport had taken and has not sent; no cap counts, for it was here before."""
        self._messages.extendleft(reversed(unsent))
        self.size_bytes += sum(prepared.size_bytes for prepared in unsent)

    def _add_latest(self, prepared: Prepared, key: Hashable, policy: Policy, traffic: Traffic) -> bool:
        if self._latest is None:
            self._latest = {}
        waiting = self._latest.get(key)
        if waiting is None:
            waiting = _Latest(prepared)
            if not self._append(waiting, prepared, policy):
                return False
            self._latest[key] = waiting
            return True
        size_bytes = self.size_bytes + prepared.size_bytes - waiting.prepared.size_bytes
        if size_bytes > policy.max_outbox_bytes and len(self) > 1:
            return False
        waiting.prepared, self.size_bytes = prepared, size_bytes
        traffic.replaced += 1
        return True

    def _append(self, place: "Prepared | _Latest", prepared: Prepared, policy: Policy) -> bool:
        size_bytes = self.size_bytes + prepared.size_bytes
        # the number counts, too: Python spends 90 bytes on a pong of one, and they would fit a million times
        full = size_bytes > policy.max_outbox_bytes or len(self._messages) == policy.max_packets
        if full and self._messages:
            return False
        self._messages.append(place)
        self.size_bytes = size_bytes
        return True


class _Latest:
    """The place of a message that a later one of the same key takes over."""

    __slots__ = ("prepared",)

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared


def _prepared(place: Prepared | _Latest) -> Prepared:
    return place.prepared if isinstance(place, _Latest) else place
