"""The end of a loop's driver: whose tasks are waited for, and how the others are told."""

import asyncio
from collections.abc import Mapping
from typing import Any

from ..engine import Pending

AT_THE_END = "the server has ended"
"""The message of a cancellation by which a task can tell that it was not meant as such."""

LAST_WORDS = 1.0  # s that a cancelled task has to tidy up

Task = asyncio.Task[None]


class TaskWait:
    """Waits until no task runs but those that wait for `awaited` themselves, which would never be."""

    def __init__(
        self, tasks: Mapping[Task, Any], attending: Mapping[Task, Pending[Any]], awaited: Pending[Any] | None
    ) -> None:
        self._tasks = tasks
        self._attending = attending
        self._awaited = awaited
        self._quiet: asyncio.Future[None] | None = None

    def others(self) -> list[Task]:
        """Return the tasks that are to be waited for."""
        return [task for task in self._tasks if self._awaited is None or self._attending.get(task) is not self._awaited]

    def look(self) -> None:
        """Notice that a task has ended, or waits for something now."""
        few = len(self._tasks) <= len(self._attending)  # else there is one that waits for nothing of ours
        if self._quiet is not None and not self._quiet.done() and few and not self.others():
            self._quiet.set_result(None)

    async def wait(self, timeout: float, *others: asyncio.Future[None]) -> None:
        """Wait for the tasks, and other things, at most so many seconds; then cancel them."""
        self._quiet = asyncio.get_running_loop().create_future()
        self.look()
        await asyncio.wait([self._quiet, *others], timeout=timeout)
        late = self.others()
        for task in late:
            task.cancel(AT_THE_END)
        if late:
            await asyncio.wait(late, timeout=LAST_WORDS)
