"""What a bound is measured in: bytes and objects, not milliseconds."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from waterspout.drivers.lag import LagGuard


class Memory:
    """Bytes that Python has taken since a moment."""

    def __init__(self) -> None:
        self._start = tracemalloc.get_traced_memory()[0]

    @property
    def now(self) -> int:
        """How many are in use."""
        return tracemalloc.get_traced_memory()[0] - self._start

    @property
    def peak(self) -> int:
        """How many were in use at once."""
        return tracemalloc.get_traced_memory()[1] - self._start


@contextmanager
def memory() -> Iterator[Memory]:
    """Measure from here on; it makes all slower, so that what it spans is short.

    Guards that servers of other tests have left do not look at this thread's stack, of which they make objects.
    """
    gc.collect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LagGuard, "look", lambda *_: None)
        tracemalloc.start()
        try:
            yield Memory()
        finally:
            tracemalloc.stop()


def slope(cost: Callable[[int], int], few: int = 200, more: int = 600) -> float:
    """Return what one more of a kind costs: between two sizes, so that what all of them cost together is left out."""
    cost(few)  # what a process makes once is made here
    first = cost(few)
    return (cost(more) - first) / (more - few)


def objects() -> int:
    """Count what the garbage collector knows of, garbage apart."""
    gc.collect()
    return len(gc.get_objects())
