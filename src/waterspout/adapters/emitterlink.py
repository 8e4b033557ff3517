"""The connections of an `Emitter`, which blocks while it waits for Redis.

It publishes over one connection, one word after the other, for their numbers must arrive in order. A connection that
turns out to be lost is opened once more, and the same words are published again: a node that has them drops the second
ones by their numbers. Each question that is open has a connection of its own for the answers, kept for the next one.

A process that comes out of a fork uses no connection, no lock and no name of its parent's.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from time import monotonic
from typing import Any

from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ..engine import Engine
from ..server.cluster.survey import Survey, WordCounter
from ..server.shared import NewEntry
from .destination import PREFIX, Destination, destination
from .redisaddress import RedisAddress
from .redislink import counts_all

ANSWER_WITHIN = 5.0  # s for a reply of Redis

_links: "weakref.WeakSet[EmitterLink]" = weakref.WeakSet()


class EmitterLink:
    """What the emitters of one URL share, in all threads."""

    _connection: "_BlockingCommands | None"
    _owners: "dict[tuple[str, int], _BlockingCommands]"
    _idle: "list[_BlockingAnswers]"

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self._numbers = count(2, 2)
        self.begin()
        _links.add(self)

    def begin(self) -> None:
        """Begin anew, as a program that nobody knows yet."""
        self._lock = threading.Lock()
        self._counter = new_counter()
        self._connection = None
        self._owners = {}
        self._idle = []

    def number(self) -> int:
        """Return the number of a new question."""
        return next(self._numbers)

    def publish(self, message: bytes) -> int | None:
        """Publish to all nodes; return how many have received it, None where Redis does not know. AdapterError."""
        with self.destination.failures_told():
            return self._publish(self._counter, message)

    def append(self, name: str, entry: NewEntry) -> str:
        """Append a message to a channel; return its id. AdapterError, and ValueError for a channel that has ended."""
        with self.destination.failures_told(), self._lock:
            appending = self.destination.appending(name, entry, self._counter.name, self.number())
            try:
                reply = self._do_at_owner(appending.by_name)
            except NoScriptError:
                reply = self._do_at_owner(appending.by_text)
        return appending.read(reply)

    def ask(self, number: int, question: bytes, timeout: float) -> tuple[Survey, tuple[str, ...]]:
        """Ask all nodes, and wait for their answers; return these, and who has given none. AdapterError."""
        with self.destination.failures_told(), self._listening() as listener:
            receivers = self._publish(listener.counter, question, roll=Survey.roll(number))
            survey = Survey(number, receivers, monotonic(), timeout)
            while (left := survey.seconds_left(monotonic())) > 0:
                data = listener.receive(left)
                if data is not None:
                    survey.receive(data)
            return survey, survey.missing(self._names() if survey.lacks_names else ())

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        with self._lock:
            connections, self._connection = [self._connection, *self._owners.values(), *self._idle], None
            self._owners.clear()
            self._idle.clear()
        for each in connections:
            if each is not None:
                each.close()

    # Below this line: how it is done

    def _publish(self, counter: WordCounter, message: bytes, *, roll: bytes | None = None) -> int | None:
        with self._lock:
            connection = self._open()
            messages = [roll, message] if roll is not None and not connection.counts else [message]
            channel = self.destination.channel
            replies = self._do(*[("PUBLISH", channel, counter.word(each)) for each in messages])
            return replies[-1] if connection.counts else None

    def _names(self) -> list[str]:
        """Return the names of all nodes, as far as Redis tells them."""
        with suppress(ResponseError), self._lock:
            (channels,) = self._do(("PUBSUB", "CHANNELS", self.destination.pattern))
            return self.destination.nodes_of(channels)
        return []

    def _do(self, *commands: tuple[str | bytes, ...]) -> list[Any]:
        """Send commands, and once more if the connection was lost since it was used before."""
        connection = self._open()
        try:
            return connection.do(*commands)
        except (NotConnected, OSError):
            if connection.is_new:
                raise
            return self._open().do(*commands)

    def _do_at_owner(self, command: tuple[bytes, ...]) -> Any:
        """Send a command that has a key; in a Redis Cluster, to the server that has it, if that is another one."""
        try:
            return self._do(command)[0]
        except ResponseError as error:
            server = self.destination.moved_to(error)
        place = server["host"], server["port"]
        owner = self._owners.get(place)
        if owner is None or not owner.is_open:
            connection = self.destination.address.connect_blocking(server, ANSWER_WITHIN)
            owner = self._owners[place] = _BlockingCommands(connection)
        return owner.do(command)[0]

    def _open(self) -> "_BlockingCommands":
        if self._connection is None or not self._connection.is_open:
            self._connection = _BlockingCommands(open_connection(self.destination.address))
        return self._connection

    @contextmanager
    def _listening(self) -> Iterator["_BlockingAnswers"]:
        try:
            listener = self._idle.pop()
        except IndexError:
            listener = _BlockingAnswers(self.destination)
        is_whole = False
        try:
            listener.begin()
            yield listener
            is_whole = True
        finally:
            if is_whole:
                self._idle.append(listener)
            else:
                listener.close()


class _BlockingCommands:
    """An open connection for commands; it is closed by whatever interrupts it.

    `counts`: the replies to PUBLISH are the numbers of all subscribers. `is_new`: it has answered no command yet.
    """

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self.is_open = True
        try:
            (about,) = self.do(("HELLO",))
            self.counts = counts_all(about)
        except ResponseError:  # a proxy, or a version before 6
            self.counts = True
        self.is_new = True

    def do(self, *commands: tuple[str | bytes, ...]) -> list[Any]:
        """Send commands, and return their replies; ResponseError for the first that is one."""
        is_whole = False
        try:
            packed = [part for command in commands for part in self._redis.pack_command(*command)]
            self._redis.send_packed_command(packed, check_health=False)
            replies = [self._reply() for _ in commands]
            is_whole, self.is_new = True, False
        finally:
            if not is_whole:
                self.close()
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self._redis.disconnect()

    def _reply(self) -> Any:
        try:
            return self._redis.read_response()
        except ResponseError as error:
            return error


class _BlockingAnswers:
    """A connection that receives what nodes answer, under a name of its own."""

    def __init__(self, destination: Destination) -> None:
        self.counter = new_counter()
        self._address = destination.address
        self._channel = destination.channel_of(self.counter.name)
        self._redis: Any = None

    def begin(self) -> None:
        """Be subscribed, on a new connection if the one of before was lost; drop what has come late."""
        if self._redis is not None:
            with suppress(RedisError, OSError):
                self._subscribe()
                return
            self.close()
        self._redis = open_connection(self._address)
        self._subscribe()

    def receive(self, seconds: float) -> bytes | None:
        """Wait so long for the next word."""
        if not self._redis.can_read(timeout=seconds):
            return None
        kind, _, data = self._redis.read_response()
        if kind == b"unsubscribe":
            raise NotConnected("it has ended the subscription for the answers")
        return data if kind == b"message" else None

    def close(self) -> None:
        """Close the connection."""
        if self._redis is not None:
            self._redis.disconnect()
            self._redis = None

    def _subscribe(self) -> None:
        self._redis.send_command("SUBSCRIBE", self._channel, check_health=False)
        while self._redis.read_response()[0] != b"subscribe":
            pass


def open_link(url: str, path: str, prefix: str, largest_word: int) -> EmitterLink:
    """Read the options of an emitter; nothing is opened before the first call."""
    return EmitterLink(destination(url, path, prefix, largest_word))


def new_counter() -> WordCounter:
    """Return the counter of a new program, whose name nobody else has."""
    return WordCounter(f"{PREFIX}{Engine.default_driver().token()}")


def open_connection(address: RedisAddress) -> Any:
    """Connect to the first server that answers."""
    for attempt in range(len(address.hosts)):
        try:
            return address.connect_blocking(address.find_blocking(attempt), ANSWER_WITHIN)
        except (RedisError, OSError):
            if attempt + 1 == len(address.hosts) or address.has_sentinels:
                raise
    raise AssertionError


def _begin_all() -> None:
    for link in list(_links):
        link.begin()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_begin_all)
