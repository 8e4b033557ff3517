"""An asyncio loop in tests: its turns instead of seconds, and how much it is given to do."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from waterspout.testing import Peer

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


async def packets(peer: Peer, count: int) -> list[str | bytes]:
    """Let the loop turn until so many packets have come; AssertionError for more."""
    received: list[str | bytes] = []

    def enough() -> bool:
        received.extend(peer.take())
        return len(received) >= count

    await until(enough)
    assert len(received) == count, received
    return received


async def events(peer: Peer, count: int) -> list[tuple[Any, ...]]:
    """Let the loop turn until so many events have come to "/"; AssertionError for more."""
    received: list[tuple[Any, ...]] = []

    def enough() -> bool:
        received.extend(peer.events())
        return len(received) >= count

    await until(enough)
    assert len(received) == count, received
    return received


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

    def call_at(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        self.made["timer"] += 1
        return super().call_at(*args, **options)
