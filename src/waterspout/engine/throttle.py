"""The rate limit of the log: a client may cause as many events as it likes, but not as many lines."""

from collections import deque
from collections.abc import Callable, Hashable

MOST = 10  # lines of a kind
MOST_CHARACTERS = 50_000  # of tracebacks; the last of them may go beyond, once
SECOND = 1.0

Tell = Callable[[int], object]
"""Writes how many lines of a kind were left out."""


class Throttle:
    """Allows ten lines of a kind in any second, fewer if they are long (`wrote`), and counts the rest.

    `later(kind, at)` is called when there is something to count: `due(kind, at)` is to be called at that time. If that
    does not happen, the next line of the kind brings the count. A kind is a place in the code, never a client's text:
    kinds are not forgotten.
    """

    __slots__ = ("_kinds", "_later")

    def __init__(self, later: Callable[[Hashable, float], object]) -> None:
        self._later = later
        self._kinds: dict[Hashable, _Kind] = {}

    def allows(self, kind: Hashable, now: float, tell: Tell) -> bool:
        """Tell whether a line of this kind may be written at `now` seconds; else it is counted, and `tell` is called.

        That happens once for all that are left out until then, within a second.
        """
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = _Kind()
        if found.is_full(now):
            if not found.left_out:
                found.tell = tell
                self._later(kind, now + SECOND)
            found.left_out += 1
            return False
        found.count()
        found.times.append(now)
        found.sizes.append(0)
        return True

    def wrote(self, kind: Hashable, size: int) -> None:
        """Count the characters of the line of this kind that was allowed last."""
        self._kinds[kind].sizes[-1] += size

    def due(self, kind: Hashable, at: float) -> None:
        """Write how many lines of a kind were left out, if any were."""
        self._kinds[kind].count()

    def flush(self) -> list[Hashable]:
        """Write all counts now; return the kinds, for which `due` need not be called any more."""
        kinds = list(self._kinds.items())
        for _, found in kinds:
            found.count()
        return [kind for kind, _ in kinds]


class _Kind:
    """The last lines of a kind, and how many were left out since."""

    __slots__ = ("left_out", "sizes", "tell", "times")

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=MOST)
        self.sizes: deque[int] = deque(maxlen=MOST)
        self.left_out = 0
        self.tell: Tell | None = None

    def is_full(self, now: float) -> bool:
        if len(self.times) == MOST and now - self.times[0] < SECOND:
            return True
        sizes = zip(self.times, self.sizes, strict=True)
        return sum(size for at, size in sizes if now - at < SECOND) >= MOST_CHARACTERS

    def count(self) -> None:
        left_out, tell = self.left_out, self.tell
        self.left_out, self.tell = 0, None
        if tell is not None:
            tell(left_out)
