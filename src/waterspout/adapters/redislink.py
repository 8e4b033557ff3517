"""An adapter's link to Redis: two connections, one for commands, one that receives. They are lost together.

How it works: all commands go through one connection, in order, and none is repeated: one that was not answered when the
connection was lost may have been carried out. Where a connection fails, or Redis unsubscribes by itself, or is not the
master any more, both are closed. They are opened anew after a pause that grows, and the link is there again when all
subscriptions are confirmed. If Redis answers nothing for three seconds, the link counts as lost, too; but the
connections are kept for twelve seconds more, so that what was sent through them is not lost with them.

Everything here runs on one asyncio loop.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from .redisaddress import CONNECT_WITHIN, RedisAddress, close
from .redispipes import Answer, RedisCommands, RedisLost, RedisSubscriptions, pack

TICK = 1.0  # s
STALLED_AFTER = 3  # ticks
GIVEN_UP_AFTER = 15  # ticks
CHECK_EVERY = 5  # ticks: whether the connections live, and lead to the master
FOLLOW_EVERY = 10.0  # s
PAUSES = 0.1, 3.0  # s before the first attempt to connect again, and at most
LAST_WORDS = 1.0  # s for what was published before the end
MOST_OPEN_BYTES = 64_000_000  # of commands that are not answered
LOGGED_CHARACTERS = 300  # of an error of Redis

_FAILURES = (RedisLost, RedisError, OSError, EOFError, UnicodeError)
# What an answer that makes no sense makes the package and this module raise.
_SENSELESS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class RedisListener(Protocol):
    """Takes what happens on a link."""

    def lost(self, reason: str) -> None:
        """The link is lost; `restored` follows, or the end."""

    def restored(self, *, counts: bool) -> None:
        """The link is there. `counts`: the replies to PUBLISH are the numbers of all subscribers."""

    def confirmed(self, topic: bytes) -> None:
        """A subscription is there."""

    def heard(self, messages: list[tuple[bytes, bytes]]) -> None:
        """Messages have come: their topics and data, at least one."""

    def is_behind(self) -> bool:
        """Tell whether so much of what was heard waits that no more should be read."""


class RedisLink:
    """The link from `run` to `end`. `spread` is about 1, and different for each: its pauses are longer by that.

    What comes on topics that match one of the `patterns` is heard, too.
    """

    def __init__(
        self, address: RedisAddress, listener: RedisListener, spread: float, patterns: Sequence[bytes] = ()
    ) -> None:
        self._address = address
        self._patterns = patterns
        self._listener = listener
        self._spread = spread
        self._topics: dict[bytes, None] = {}
        self._unconfirmed: set[bytes] = set()
        self._is_complete = asyncio.Event()
        self._commands: RedisCommands | None = None
        self._subscriptions: RedisSubscriptions | None = None
        self._is_lost = self._was_up = False
        self._end = asyncio.Event()

    # What the adapter calls

    def do(self, answer: Answer, command: bytes) -> None:
        """Send a packed command to Redis."""
        if self._commands is None:
            answer(None, None)
            return
        self._commands.do(answer, command)
        if self._commands.open_bytes > MOST_OPEN_BYTES:
            self._lose(f"{MOST_OPEN_BYTES} bytes wait for its answer")

    def subscribe(self, topic: bytes) -> None:
        """Subscribe to a topic, now and after every loss."""
        self._topics[topic] = None
        if self._subscriptions is not None:
            self._subscriptions.subscribe(topic)

    def unsubscribe(self, topic: bytes) -> None:
        """Unsubscribe from a topic."""
        if topic in self._topics:
            del self._topics[topic]
            if self._subscriptions is not None:
                self._subscriptions.unsubscribe(topic)
                self._expect_no_more(topic)

    def end(self) -> None:
        """Let `run` return, when what was sent before has been answered, or soon."""
        self._end.set()

    async def run(self) -> None:
        """Connect, and connect again, until the end."""
        ending = asyncio.create_task(self._end.wait())
        attempt, pause = 0, PAUSES[0]
        try:
            while not self._end.is_set():
                work = asyncio.create_task(self._work(attempt))
                try:
                    await asyncio.wait((work, ending), return_when=asyncio.FIRST_COMPLETED)
                    await self._flush()
                finally:
                    work.cancel()
                    await asyncio.wait((work,))
                attempt, pause = (1, PAUSES[0]) if self._was_up else (attempt + 1, min(2 * pause, PAUSES[1]))
                await asyncio.wait((ending,), timeout=pause * self._spread)
        finally:
            ending.cancel()

    # Below this line: how it is done

    async def _flush(self) -> None:
        """Wait until all is answered that was sent before."""
        if self._commands is not None:
            with suppress(*_FAILURES):
                async with asyncio.timeout(LAST_WORDS):
                    await self._commands.ask(pack(b"PING"))

    async def _work(self, attempt: int) -> None:
        """Connect, and serve the connections until they are lost."""
        self._was_up = False
        connections: list[AbstractConnection] = []
        try:
            async with asyncio.timeout(2 * CONNECT_WITHIN):
                server = await self._address.find(attempt)
                connections += [await self._address.connect(server)]
                connections += [await self._address.connect(server)]
            await self._serve(server, *connections)
        except* (*_FAILURES, *_SENSELESS) as failures:
            self._lose(_text_of(failures))
        finally:
            for connection in connections:
                await close(connection)

    async def _serve(self, server: dict[str, Any], first: AbstractConnection, second: AbstractConnection) -> None:
        self._commands = commands = RedisCommands(first)
        self._subscriptions = subscriptions = RedisSubscriptions(
            second, self._confirmed, self._listener.heard, self._listener.is_behind
        )
        self._unconfirmed = {*self._topics, *self._patterns}
        if self._topics:
            subscriptions.subscribe(*self._topics)
        if self._patterns:
            subscriptions.match(*self._patterns)
        try:
            async with asyncio.TaskGroup() as group:
                for work in (commands.write(), commands.answer(), subscriptions.write(), subscriptions.receive()):
                    group.create_task(work)
                async with asyncio.timeout(CONNECT_WITHIN):
                    counts = await self._ask_who(commands)
                    await self._wait_until_confirmed()
                self._restore(counts=counts)
                if self._address.has_sentinels:
                    group.create_task(self._follow(server))
                await self._watch(commands, subscriptions, counts=counts)
        finally:
            self._commands = self._subscriptions = None
            commands.lose()

    async def _ask_who(self, commands: RedisCommands) -> bool:
        """Return whether this Redis knows all subscribers: in a Redis Cluster each server counts its own."""
        try:
            return counts_all(await commands.ask(pack(b"HELLO")))
        except ResponseError:  # a proxy, or a version before 6
            return True

    async def _watch(self, commands: RedisCommands, subscriptions: RedisSubscriptions, *, counts: bool) -> None:
        """Look every second whether Redis answers."""
        while True:
            await asyncio.sleep(TICK)
            commands.tick += 1
            if max(commands.age, subscriptions.open_pings * CHECK_EVERY) > GIVEN_UP_AFTER:
                raise RedisLost(f"it has not answered for {GIVEN_UP_AFTER} s")
            if commands.age >= STALLED_AFTER:
                self._lose(f"it has not answered for {STALLED_AFTER} s")
            elif self._is_lost and not commands.age:
                self._restore(counts=counts)
            if commands.tick % CHECK_EVERY == 0:
                commands.do(_check_role, pack(b"HELLO"))
                if not subscriptions.is_waiting:
                    subscriptions.ping()

    async def _follow(self, server: dict[str, Any]) -> None:
        """End with `RedisLost` when the Sentinels have made another Redis the master."""
        while True:
            await asyncio.sleep(FOLLOW_EVERY)
            with suppress(*_FAILURES):
                found = await self._address.find(0)
                if (found["host"], found["port"]) != (server["host"], server["port"]):
                    break
        raise RedisLost(f"the master is {found['host']}:{found['port']} now")

    async def _wait_until_confirmed(self) -> None:
        self._is_complete.clear()
        if self._unconfirmed:
            await self._is_complete.wait()

    def _confirmed(self, topic: bytes) -> None:
        self._listener.confirmed(topic)
        self._expect_no_more(topic)

    def _expect_no_more(self, topic: bytes) -> None:
        self._unconfirmed.discard(topic)
        if not self._unconfirmed:
            self._is_complete.set()

    def _lose(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            reason = self._address.without_passwords(reason)[:LOGGED_CHARACTERS]
            self._listener.lost(f"{self._address}: {reason}")

    def _restore(self, *, counts: bool) -> None:
        self._is_lost, self._was_up = False, True
        self._listener.restored(counts=counts)


def counts_all(about: Any) -> bool:
    """Return whether a Redis knows all subscribers, by its reply to HELLO; `RedisLost` for a replica."""
    _check_role(about, None)
    return _facts(about).get(b"mode") != b"cluster"


def _check_role(about: Any, error: Exception | None) -> None:
    """Raise `RedisLost` for what HELLO says of a replica: others do not get what is published there."""
    if error is None and _facts(about).get(b"role") in (b"replica", b"slave"):
        raise RedisLost("it is a replica, not the master")


def _facts(about: Any) -> dict[Any, Any]:
    """Return the answer to HELLO, a list of names and values in turn."""
    return dict(zip(about[::2], about[1::2], strict=False)) if isinstance(about, list) else {}


def _text_of(failures: BaseExceptionGroup[Exception]) -> str:
    """Return why it failed: the first reason, for the others follow from it."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, _FAILURES):
        return f"what it answers makes no sense: {first!r}"
    return str(first) or f"no answer within {CONNECT_WITHIN:g} s"
