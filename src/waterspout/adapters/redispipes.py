"""The two connections of a link to Redis, and what goes through each."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from redis.asyncio.connection import AbstractConnection, DefaultParser
from redis.exceptions import InvalidResponse, RedisError, ResponseError

if TYPE_CHECKING:
    from hiredis import Reader

READ_BYTES = 65_536
LOOK_EVERY = 0.01  # s, whether what was heard has been taken
_NOTHING = object()
_SPECIAL = str.maketrans({mark: f"\\{mark}" for mark in "*?[]\\"})

Answer = Callable[[Any, Exception | None], object]
"""Called with the reply to a command, or with its error; with neither where the connection was lost before."""


def pack(*command: bytes) -> bytes:
    """Write a command in RESP; the package's own function takes eight times as long."""
    return b"*%d\r\n%b" % (len(command), b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in command]))


def pack_publish(channel: str, data: bytes) -> bytes:
    """Write the command that publishes to a channel."""
    return b"%b$%d\r\n%b\r\n" % (_begin_publish(channel), len(data), data)


def literal(text: str) -> str:
    """Write a text as a pattern of Redis that nothing else matches."""
    return text.translate(_SPECIAL)


@lru_cache(64)
def _begin_publish(channel: str) -> bytes:
    return pack(b"PUBLISH", channel.encode(), b"")[: -len(b"$0\r\n\r\n")]


def _open_reader() -> "Reader | None":
    """Return a parser of replies, where there is hiredis."""
    try:
        from hiredis import Reader
    except ImportError:
        return None
    return Reader(InvalidResponse, DefaultParser.parse_error, notEnoughData=_NOTHING)


class RedisLost(Exception):
    """The connections are of no use any more; the text says why."""


class RedisPipe:
    """A connection. What is sent in one turn of the loop leaves together; nothing is repeated."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._stream = connection._reader
        self._reader = _open_reader()
        self._packed: list[bytes] = []
        self._has_packed = asyncio.Event()

    def send(self, command: bytes) -> None:
        """Send a packed command after those before."""
        self._packed.append(command)
        self._has_packed.set()

    async def write(self) -> None:
        """Write what is sent, for ever."""
        while True:
            await self._has_packed.wait()
            self._has_packed.clear()
            packed, self._packed = self._packed, []
            await self._connection.send_packed_command(packed, check_health=False)

    async def read(self) -> list[Any]:
        """Wait for replies, without a deadline, and return all that have come; errors are `RedisError`s among them.

        The package reads one at a time, in three coroutines for each.
        """
        if self._reader is None or self._stream is None:
            return [await self._read_one()]
        replies: list[Any] = []
        while not replies:
            data = await self._stream.read(READ_BYTES)
            if not data:
                raise RedisLost("it has closed the connection")
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                replies.append(reply)
        return replies

    async def _read_one(self) -> Any:
        """With a deadline the package would spin, or give up what it reads."""
        try:
            return await self._connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            return error


class RedisCommands(RedisPipe):
    """The connection for commands, which are answered in their order.

    `tick` is increased once a second by whoever watches; so a loop that was blocked takes no answer for late.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        super().__init__(connection)
        self._open: deque[tuple[Answer, int, int]] = deque()  # with the size of the command, and the tick
        self.open_bytes = 0
        self.tick = 0

    @property
    def age(self) -> int:
        """For how many ticks the oldest command has not been answered."""
        return self.tick - self._open[0][2] if self._open else 0

    def do(self, answer: Answer, command: bytes) -> None:
        """Send a packed command, and call `answer` with what comes of it."""
        size = len(command)
        self._open.append((answer, size, self.tick))
        self.open_bytes += size
        self.send(command)

    async def ask(self, command: bytes) -> Any:
        """Send a packed command, and return its reply; ResponseError if that is an error."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answer(value: Any, error: Exception | None) -> None:
            if reply.done():
                return
            if error is None:
                reply.set_result(value)
            else:
                reply.set_exception(error)

        self.do(answer, command)
        return await reply

    async def answer(self) -> None:
        """Read replies, for ever."""
        while True:
            for reply in await self.read():
                if not isinstance(reply, RedisError):
                    self._answer(reply, None)
                elif isinstance(reply, ResponseError):
                    self._answer(None, reply)
                else:  # it loads its data, or has too many clients
                    raise reply

    def lose(self) -> None:
        """Take the connection for lost: what was not answered never is."""
        while self._open:
            self._answer(None, None)

    def _answer(self, reply: Any, error: Exception | None) -> None:
        answer, size, _ = self._open.popleft()
        self.open_bytes -= size
        answer(reply, error)


class RedisSubscriptions(RedisPipe):
    """The connection that receives. `confirmed` is called with each topic, `heard` with messages: topics and data.

    While whoever hears them `is_behind`, it reads nothing, and `is_waiting`: so what is too much waits in Redis, which
    bounds it.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        confirmed: Callable[[bytes], object],
        heard: Callable[[list[tuple[bytes, bytes]]], object],
        is_behind: Callable[[], bool],
    ) -> None:
        super().__init__(connection)
        self._confirmed = confirmed
        self._heard = heard
        self._is_behind = is_behind
        self.is_waiting = False
        self._leaving: Counter[bytes] = Counter()
        self.open_pings = 0

    def subscribe(self, *topics: bytes) -> None:
        """Subscribe to topics, at least one."""
        self.send(pack(b"SUBSCRIBE", *topics))

    def match(self, *patterns: bytes) -> None:
        """Subscribe to all topics that match, of which `confirmed` is told the patterns; at least one."""
        self.send(pack(b"PSUBSCRIBE", *patterns))

    def unsubscribe(self, topic: bytes) -> None:
        """Unsubscribe from a topic."""
        self._leaving[topic] += 1
        self.send(pack(b"UNSUBSCRIBE", topic))

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.open_pings += 1
        self.send(pack(b"PING"))

    async def receive(self) -> None:
        """Read messages, for ever; `RedisLost` if Redis unsubscribes by itself."""
        while True:
            messages = []
            for reply in await self.read():
                if isinstance(reply, RedisError):
                    raise reply
                kind, topic = reply[0], reply[1]
                if kind == b"message":
                    messages.append((topic, reply[2]))
                elif kind == b"pmessage":
                    messages.append((reply[2], reply[3]))
                elif kind in (b"subscribe", b"psubscribe"):
                    if topic not in self._leaving:  # else it is about to end, and another one may follow
                        self._confirmed(topic)
                elif kind == b"pong":
                    self.open_pings = 0
                elif kind in (b"unsubscribe", b"punsubscribe"):
                    self._unsubscribed(topic)
            if messages:
                self._heard(messages)
            while self._is_behind():
                self.is_waiting = True
                await asyncio.sleep(LOOK_EVERY)
            self.is_waiting = False

    def _unsubscribed(self, topic: bytes) -> None:
        if not self._leaving[topic]:
            raise RedisLost(f"it has ended the subscription of {topic!r}")
        self._leaving[topic] -= 1
        if not self._leaving[topic]:
            del self._leaving[topic]
