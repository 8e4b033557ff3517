"""The logs of channels in Redis: what `RedisAdapter.logs` is."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from redis.exceptions import NoScriptError

from ..engine import Driver, Pending
from ..errors import AdapterError, DecodeError
from ..server.log import EPOCH_CHARACTERS
from ..server.shared import Appended, Batch, Page, StoredEntry
from ..server.ways import Ways
from .redisstreams import APPEND, READ, Script, append_arguments, keys_of, read_arguments, read_entry, read_options

T = TypeVar("T")
Reply = Any

OVERHEAD = 1000  # bytes of a message beside the entry


class RedisWay(Protocol):
    """What carries commands and topics: the adapter, while it is attached."""

    driver: Driver

    def command(self, *parts: bytes) -> Pending[Reply]:
        """Send a command to the server of the key that is its fourth part.

        The result has a ConnectionError where there is no answer, and a ResponseError of the package `redis` where
        that is an error.
        """

    def subscribe(self, channel: bytes, callback: Callable[[bytes], object]) -> Pending[None]:
        """Subscribe; done when Redis has confirmed it."""

    def unsubscribe(self, channel: bytes) -> None:
        """Unsubscribe."""


class RedisLogs:
    """A `LogStore` whose logs are streams of Redis; `way` is asked for each call."""

    def __init__(self, prefix: str, largest: int, way: Callable[[], RedisWay]) -> None:
        self.largest_entry: int | None = largest - OVERHEAD
        self._prefix = prefix
        self._way = way
        self._is_broken_reported = False

    def append(self, name: str, batch: Batch, options: Mapping[str, Any]) -> Pending[Appended]:
        """Append entries, and publish each of them."""
        topic = self._key(name)
        limits = Ways(**options).limits if options else batch.retention
        arguments = append_arguments(topic, batch, options, limits, self._token())
        return self._run(APPEND, keys_of(topic), arguments, read_appended)

    def read(self, name: str, after: int, limit: int, options: Mapping[str, Any]) -> Pending[Page]:
        """Read what a log is, and entries."""
        limits = Ways(**options).limits  # they count with the options alone
        arguments = read_arguments(after, limit, options, limits, self._token())
        return self._run(READ, keys_of(self._key(name)), arguments, self._read_page)

    def follow(self, name: str, received: Callable[[str, StoredEntry], object]) -> Pending[None]:
        """Subscribe to the topic of a log."""
        return self._way().subscribe(self._key(name), partial(self._receive, received))

    def unfollow(self, name: str) -> None:
        """Unsubscribe."""
        self._way().unsubscribe(self._key(name))

    # Below this line: how it is done

    def _key(self, name: str) -> bytes:
        return topic_of(self._prefix, name)

    def _token(self) -> str:
        return self._way().driver.token()[-EPOCH_CHARACTERS:]

    def _run(
        self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes], read: Callable[[Reply], T]
    ) -> Pending[T]:
        """Run a script by its name, or by its text where Redis does not know it yet."""
        way = self._way()
        result: Pending[T] = Pending(way.driver)
        rest = (b"%d" % len(keys), *keys, *arguments)

        def answered(reply: Pending[Reply], *, may_repeat: bool) -> None:
            if reply.error is None:
                self._settle(result, read, reply.result())
            elif may_repeat and isinstance(reply.error, NoScriptError):  # nothing was done
                way.command(b"EVAL", script.text, *rest).when_done(partial(answered, may_repeat=False))
            elif isinstance(reply.error, ConnectionError):
                result.reject(reply.error)
            else:
                what = keys[0].decode(errors="replace")
                result.reject(AdapterError(f"Redis refuses a script for the log of a channel, {what!a}: {reply.error}"))

        way.command(b"EVALSHA", script.name, *rest).when_done(partial(answered, may_repeat=True))
        return result

    def _settle(self, result: Pending[T], read: Callable[[Reply], T], reply: Reply) -> None:
        try:
            value = read(reply)
        except (DecodeError, TypeError, ValueError) as error:
            result.reject(AdapterError(f"Redis has the log of a channel in a form that is not known: {error}"))
        else:
            result.resolve(value)

    def _read_page(self, reply: Reply) -> Page:
        epoch, head, first, now, end, options, entries = reply
        found = [entry for entry in map(self._read_entry, entries) if entry is not None]
        last = self._read_entry(end) if end else None
        return Page(_text(epoch), int(head), int(first), now / 1000, last, read_options(options), found)

    def _read_entry(self, data: bytes) -> StoredEntry | None:
        """Read an entry; None, reported once, for what is none."""
        try:
            return read_entry(data)
        except DecodeError as error:
            if not self._is_broken_reported:
                self._is_broken_reported = True
                self._way().driver.report("an entry in Redis is dropped, and no more of these are logged", error)
            return None

    def _receive(self, received: Callable[[str, StoredEntry], object], data: bytes) -> None:
        epoch, _, rest = data.partition(b" ")
        entry = self._read_entry(rest)
        if entry is not None:
            received(_text(epoch), entry)


def topic_of(prefix: str, name: str) -> bytes:
    """Return the topic of a log, which is what its keys are made of."""
    return f"{prefix}{name}".encode(errors="surrogatepass")


def read_appended(reply: Reply) -> Appended:
    """Read what the script that appends has returned."""
    epoch, first, taken = reply
    return Appended(_text(epoch), int(first), int(taken))


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")
