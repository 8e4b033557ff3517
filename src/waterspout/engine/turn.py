"""What must wait for the end of the turn: closing, answering polls, users' farewells."""

from collections.abc import Callable
from types import TracebackType
from typing import TypeVarTuple

from .driver import Driver

Args = TypeVarTuple("Args")


class Turn:
    """Jobs that are done after what is running now, in their order.

    Code that goes through many sockets holds the turn meanwhile (`with turn:`), so that nothing changes
    under its feet even where the driver does things at once.
    """

    __slots__ = ("_held", "_jobs", "driver")

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._jobs: list[Callable[[], object]] = []
        self._held = 0

    def add(self, job: Callable[[], object]) -> None:
        """Do this at the end of the turn."""
        self._jobs.append(job)
        if len(self._jobs) == 1 and not self._held:
            self.driver.soon(self.run)

    def run(self) -> None:
        """Do all that waits, and what comes of it; if one job raises, the others are done in the next turn."""
        self._held += 1
        done = 0
        try:
            for job in self._jobs:  # grows while it is walked
                done += 1
                job()
        finally:
            self._held -= 1
            self._jobs = self._jobs[done:]
            if self._jobs:
                self.driver.soon(self.run)

    def resume(self) -> None:
        """Do what waits by a new driver: the one before may have taken its call with it."""
        if self._jobs and not self._held:
            self.driver.soon(self.run)

    def __enter__(self) -> None:
        self._held += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held -= 1
        if self._jobs and not self._held:
            self.driver.soon(self.run)
