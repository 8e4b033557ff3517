"""The end of a loop's driver: who is waited for, and what the others hear."""

import asyncio
from typing import Any

import pytest

from drivers.keeper import Keeper
from turns import turn, until
from waterspout import Pending, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.testing import Peer

LONG = 60  # s; no test waits this long unless something is wrong


class Closing:
    """A server with handlers that close it, and one that works until it is let go."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(shutdown_timeout=LONG, **options)
        self.server.engine.bind(AsyncioDriver())
        self.gate = asyncio.Event()
        self.heard: list[str] = []
        self.server.on("close")(self.close)
        self.server.on("close at the gate")(self.close_at_the_gate)
        self.server.on("close later")(self.close_later)
        self.server.on("work")(self.work)
        self.peer = Peer(self.server)
        self.peer.connect()

    async def close(self, socket: Socket) -> None:
        await self.server.close()
        self.heard.append("closed")

    async def close_at_the_gate(self, socket: Socket) -> None:
        await self.gate.wait()
        await self.close(socket)

    async def close_later(self, socket: Socket) -> None:
        closing = self.server.close()
        await self.gate.wait()
        await closing
        self.heard.append("closed")

    async def work(self, socket: Socket) -> None:
        await self.gate.wait()
        self.heard.append("worked")


@pytest.mark.parametrize("handlers", [1, 2])
def test_a_handler_may_close_its_server_and_wait_for_it(handlers: int) -> None:
    async def main() -> None:
        closing = Closing()
        for _ in range(handlers):  # from Python 3.12 on, the first steps of a handler come before the next event
            closing.peer.emit("close at the gate")
        closing.gate.set()
        await until(lambda: len(closing.heard) == handlers)
        assert closing.heard == ["closed"] * handlers

    asyncio.run(main())


def test_a_handler_may_begin_to_wait_when_the_end_has_begun() -> None:
    async def main() -> None:
        closing = Closing()
        closing.peer.emit("close later")
        await until(lambda: not closing.server.engine.sessions)
        await turn()
        assert closing.heard == []
        closing.gate.set()
        await until(lambda: closing.heard)

    asyncio.run(main())


def test_whoever_closes_waits_for_the_other_handlers() -> None:
    async def main() -> None:
        closing = Closing()
        closing.peer.emit("work")
        closing.peer.emit("close")
        await until(lambda: not closing.server.engine.sessions)
        for _ in range(10):
            await turn()
        assert closing.heard == []
        closing.gate.set()
        await until(lambda: len(closing.heard) == 2)
        assert closing.heard == ["worked", "closed"]

    asyncio.run(main())


def test_a_handler_that_waits_for_something_else_is_waited_for() -> None:
    async def main() -> None:
        driver, keeper = AsyncioDriver(), Keeper()
        awaited: Pending[None] = Pending(driver)
        other: Pending[str] = Pending(driver)
        heard: list[str] = []

        async def function() -> str:
            return await other

        driver.run(function, (), keeper, "token")
        await turn()
        driver.finish(LONG, lambda: heard.append("done"), awaited=awaited)
        for _ in range(10):
            await turn()
        assert heard == []
        other.resolve("answer")
        await until(lambda: heard)
        assert keeper.heard == [("answered", "token", "answer")]

    asyncio.run(main())


def test_what_is_cancelled_at_the_end_has_failed_with_a_sentence() -> None:
    async def main() -> None:
        driver, keeper = AsyncioDriver(), Keeper()
        heard: list[str] = []

        async def function() -> None:
            await asyncio.Event().wait()

        driver.run(function, (), keeper, "token")
        await turn()
        driver.finish(0, lambda: heard.append("done"))
        await until(lambda: heard)
        ((kind, token, error),) = keeper.heard
        assert (kind, token) == ("failed", "token")
        assert error.startswith("TimeoutError(")
        assert error.endswith("function was still running at the end, and was cancelled')")

    asyncio.run(main())


def test_nothing_is_left_of_a_wait_that_timed_out() -> None:
    async def main() -> None:
        driver = AsyncioDriver()
        pending: Pending[None] = Pending(driver)

        def wait() -> None:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    pending.wait(0)

        thread = asyncio.create_task(asyncio.to_thread(wait))
        await thread
        await turn()
        assert pending._callbacks == []
        pending.remove_done_callback(print)  # what is not there may be removed

    asyncio.run(main())
