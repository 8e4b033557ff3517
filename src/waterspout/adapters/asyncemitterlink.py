"""The connections of an `AsyncEmitter`: what emitterlink.py does, on an asyncio loop.

They belong to the loop that runs; on another one it begins anew.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from time import monotonic
from typing import Any

from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ..server.cluster.survey import Survey, WordCounter
from ..server.shared import NewEntry
from .destination import Destination, destination
from .emitterlink import ANSWER_WITHIN, new_counter
from .redisaddress import RedisAddress, close
from .redislink import counts_all


class AsyncEmitterLink:
    """What the emitters of one URL share, in all tasks of a loop."""

    _connection: "_AwaitedCommands | None"
    _owners: "dict[tuple[str, int], _AwaitedCommands]"
    _idle: "list[_AwaitedAnswers]"

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self._numbers = count(2, 2)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin()

    def number(self) -> int:
        """Return the number of a new question."""
        return next(self._numbers)

    async def publish(self, message: bytes) -> int | None:
        """Publish to all nodes; return how many have received it, None where Redis does not know. AdapterError."""
        self._settle()
        with self.destination.failures_told():
            return await self._publish(self._counter, message)

    async def append(self, name: str, entry: NewEntry) -> str:
        """Append a message to a channel; return its id. AdapterError, and ValueError for a channel that has ended."""
        self._settle()
        with self.destination.failures_told():
            async with self._lock:
                appending = self.destination.appending(name, entry, self._counter.name, self.number())
                try:
                    reply = await self._do_at_owner(appending.by_name)
                except NoScriptError:
                    reply = await self._do_at_owner(appending.by_text)
        return appending.read(reply)

    async def ask(self, number: int, question: bytes, timeout: float) -> tuple[Survey, tuple[str, ...]]:
        """Ask all nodes, and wait for their answers; return these, and who has given none. AdapterError."""
        self._settle()
        with self.destination.failures_told():
            async with self._listening() as listener:
                receivers = await self._publish(listener.counter, question, roll=Survey.roll(number))
                survey = Survey(number, receivers, monotonic(), timeout)
                while (left := survey.seconds_left(monotonic())) > 0:
                    data = await listener.receive(left)
                    if data is not None:
                        survey.receive(data)
                return survey, survey.missing(await self._names() if survey.lacks_names else ())

    async def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        if self._loop is not asyncio.get_running_loop():
            return
        async with self._lock:
            connections, self._connection = [self._connection, *self._owners.values(), *self._idle], None
            self._owners.clear()
            self._idle.clear()
        for each in connections:
            if each is not None:
                await each.close()

    # Below this line: how it is done

    def _begin(self) -> None:
        """Begin anew, as a program that nobody knows yet."""
        self._lock = asyncio.Lock()
        self._counter = new_counter()
        self._connection = None
        self._owners = {}
        self._idle = []

    def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._begin()

    async def _publish(self, counter: WordCounter, message: bytes, *, roll: bytes | None = None) -> int | None:
        async with self._lock:
            connection = await self._open()
            messages = [roll, message] if roll is not None and not connection.counts else [message]
            channel = self.destination.channel
            replies = await self._do(*[("PUBLISH", channel, counter.word(each)) for each in messages])
            return replies[-1] if connection.counts else None

    async def _names(self) -> list[str]:
        """Return the names of all nodes, as far as Redis tells them."""
        with suppress(ResponseError):
            async with self._lock:
                (channels,) = await self._do(("PUBSUB", "CHANNELS", self.destination.pattern))
                return self.destination.nodes_of(channels)
        return []

    async def _do(self, *commands: tuple[str | bytes, ...]) -> list[Any]:
        """Send commands, and once more if the connection was lost since it was used before."""
        connection = await self._open()
        try:
            return await connection.do(*commands)
        except TimeoutError:  # which is an OSError
            raise
        except (NotConnected, OSError):
            if connection.is_new:
                raise
            return await (await self._open()).do(*commands)

    async def _do_at_owner(self, command: tuple[bytes, ...]) -> Any:
        """Send a command that has a key; in a Redis Cluster, to the server that has it, if that is another one."""
        try:
            return (await self._do(command))[0]
        except ResponseError as error:
            server = self.destination.moved_to(error)
        place = server["host"], server["port"]
        owner = self._owners.get(place)
        if owner is None or not owner.is_open:
            owner = self._owners[place] = _AwaitedCommands(await self.destination.address.connect(server))
            await owner.begin()
        return (await owner.do(command))[0]

    async def _open(self) -> "_AwaitedCommands":
        if self._connection is None or not self._connection.is_open:
            self._connection = _AwaitedCommands(await open_connection(self.destination.address))
            await self._connection.begin()
        return self._connection

    @asynccontextmanager
    async def _listening(self) -> "AsyncIterator[_AwaitedAnswers]":
        listener = self._idle.pop() if self._idle else _AwaitedAnswers(self.destination)
        is_whole = False
        try:
            await listener.begin()
            yield listener
            is_whole = True
        finally:
            if is_whole:
                self._idle.append(listener)
            else:
                await listener.close()


class _AwaitedCommands:
    """An open connection for commands, as emitterlink.py has it."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self.is_open = self.is_new = self.counts = True

    async def begin(self) -> None:
        """Ask whether the replies to PUBLISH are the numbers of all subscribers."""
        with suppress(ResponseError):  # a proxy, or a version before 6
            (about,) = await self.do(("HELLO",))
            self.counts = counts_all(about)
        self.is_new = True

    async def do(self, *commands: tuple[str | bytes, ...]) -> list[Any]:
        """Send commands, and return their replies; ResponseError for the first that is one."""
        is_whole = False
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                packed = [part for command in commands for part in self._redis.pack_command(*command)]
                await self._redis.send_packed_command(packed, check_health=False)
                replies = [await self._reply() for _ in commands]
            is_whole, self.is_new = True, False
        finally:
            if not is_whole:
                await self.close()
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def close(self) -> None:
        """Close it."""
        self.is_open = False
        await close(self._redis)

    async def _reply(self) -> Any:
        try:
            return await self._redis.read_response()
        except ResponseError as error:
            return error


class _AwaitedAnswers:
    """A connection that receives what nodes answer, under a name of its own."""

    def __init__(self, destination: Destination) -> None:
        self.counter = new_counter()
        self._address = destination.address
        self._channel = destination.channel_of(self.counter.name)
        self._redis: Any = None

    async def begin(self) -> None:
        """Be subscribed, on a new connection if the one of before was lost; drop what has come late."""
        if self._redis is not None:
            with suppress(RedisError, OSError):
                await self._subscribe()
                return
            await self.close()
        self._redis = await open_connection(self._address)
        await self._subscribe()

    async def receive(self, seconds: float) -> bytes | None:
        """Wait so long for the next word."""
        try:
            async with asyncio.timeout(seconds):
                kind, _, data = await self._redis.read_response(disconnect_on_error=False)
        except TimeoutError:
            return None
        if kind == b"unsubscribe":
            raise NotConnected("it has ended the subscription for the answers")
        return bytes(data) if kind == b"message" else None

    async def close(self) -> None:
        """Close the connection."""
        if self._redis is not None:
            redis, self._redis = self._redis, None
            await close(redis)

    async def _subscribe(self) -> None:
        async with asyncio.timeout(ANSWER_WITHIN):
            await self._redis.send_command("SUBSCRIBE", self._channel, check_health=False)
            while (await self._redis.read_response())[0] != b"subscribe":
                pass


def open_async_link(url: str, path: str, prefix: str, largest_word: int) -> AsyncEmitterLink:
    """Read the options of an emitter; nothing is opened before the first call."""
    return AsyncEmitterLink(destination(url, path, prefix, largest_word))


async def open_connection(address: RedisAddress) -> Any:
    """Connect to the first server that answers."""
    for attempt in range(len(address.hosts)):
        try:
            return await address.connect(await address.find(attempt))
        except (RedisError, OSError):
            if attempt + 1 == len(address.hosts) or address.has_sentinels:
                raise
    raise AssertionError
