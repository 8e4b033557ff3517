"""An adapter of Redis's on the running loop, and what it tells."""

import asyncio
from typing import Any

from waterspout import Pending
from waterspout.adapters.redis import RedisAdapter
from waterspout.drivers import AsyncioDriver

WATCHDOG = 60.0  # s


class Attached:
    """An adapter that is attached; `told` is what it has told since: texts of losses, "restored", data."""

    def __init__(self, url: str, **options: Any) -> None:
        self.adapter = RedisAdapter(url, **options)
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        self.attached = self.attach()

    def attach(self) -> Pending[None]:
        """Attach it, again if it has ended."""
        return self.adapter.attach(
            AsyncioDriver(),
            lambda reason: self._told.put_nowait(("lost", reason)),
            lambda: self._told.put_nowait("restored"),
        )

    def subscribe(self, topic: str) -> Any:
        """Subscribe, and take the data as what is told."""
        return self.adapter.subscribe(topic, self._told.put_nowait)

    async def next(self) -> Any:
        """Wait for what it tells next."""
        async with asyncio.timeout(WATCHDOG):
            return await self._told.get()

    async def loss(self) -> str:
        """Wait for a loss, which is to be next, and return its reason."""
        kind, reason = await self.next()
        assert kind == "lost"
        text: str = reason
        return text

    @property
    def told(self) -> list[Any]:
        """Take what it has told without waiting."""
        return [self._told.get_nowait() for _ in range(self._told.qsize())]

    async def end(self) -> None:
        """Detach, and wait until that is done."""
        done = self.adapter.detach()
        if done is not None:
            async with asyncio.timeout(WATCHDOG):
                await done
