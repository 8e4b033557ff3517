"""An asyncio loop in tests: its turns instead of seconds, and how much it is given to do."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

PATIENCE = 10_000  # turns


async def turn() -> None:
    """Let the loop do what is due."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_soon(over.set_result, None)
    await over


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until the condition holds."""
    for _ in range(PATIENCE):
        if condition():
            return
        await turn()
    raise AssertionError(f"it has not come true in {PATIENCE} turns of the loop")


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the tasks, futures and timers that it is asked for; `call_later` is one of `call_at`."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Counter[str] = Counter()

    def create_task(self, *args: Any, **options: Any) -> Any:
        self.made["task"] += 1
        return super().create_task(*args, **options)

    def create_future(self) -> Any:
        self.made["future"] += 1
        return super().create_future()

    def call_at(self, *args: Any, **options: Any) -> Any:
        self.made["timer"] += 1
        return super().call_at(*args, **options)
