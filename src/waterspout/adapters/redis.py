"""Redis, or Valkey, as the broker of several nodes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..engine import Driver, Pending
from ..errors import AdapterError, CannotStart, DecodeError
from ..server.cluster.adapter import LEAST_LARGEST_WORD, check_free
from .crossing import home_of
from .noderedis import NodeEmitters
from .redisaddress import RedisAddress
from .rediscluster import ClusterCommands
from .redislink import RedisLink
from .redislog import RedisLogs
from .redispipes import pack, pack_publish

OWN_OPTIONS = frozenset({"prefix", "largest_word", "node_emitters"})
"""What the query of a URL may have for the adapter itself."""
MOST_READS = 256  # of 64 KB, or of a message that is larger, that may wait for the server


class RedisAdapter:
    """Carries messages between nodes through the channels of a Redis or Valkey, from version 6.2 on.

    The URL is one of

    - `redis://[user:password@]host[:6379][/database]`, or `rediss://` with TLS;
    - `unix:///path/of/the.sock`;
    - `redis://a:7000,b:7001`: several servers of one Redis Cluster, of which any that answers is used;
    - `redis+sentinel://[user:password@]a:26379,b:26379/service[/database]`, or `rediss+sentinel://`: the master that
      the Sentinels name. Their own credentials are `sentinel_username` and `sentinel_password` in the query.

    Its query may have what connections of the package `redis` take, such as `ssl_ca_certs`, and the options below.

    - `prefix` is what the names of all channels begin with. Servers with the same prefix and `path` are one cluster,
      whatever the number of the database, which Redis ignores in this.
    - `largest_word`: the bytes of one message at most, from 131,072 on. Redis closes the connections of subscribers
      that have more than 32 MB, or 8 MB for a minute, waiting for them (`client-output-buffer-limit pubsub`).
    - `node_emitters`: the key of emitters of Node, "socket.io" if they were given none. What `@socket.io/redis-emitter`
      publishes reaches the clients of the server then; None is off.

    It connects again by itself. Raises ValueError for what is no such URL, and TypeError or ValueError for options.
    """

    def __init__(
        self, url: str, *, prefix: str = "", largest_word: int = 4_000_000, node_emitters: str | None = None
    ) -> None:
        self._address = RedisAddress(url, OWN_OPTIONS)
        own = self._address.own
        self._prefix = own.get("prefix", prefix)
        self.largest_word: int | None = check_size(own.get("largest_word", largest_word))
        key = own.get("node_emitters", node_emitters)
        self._node_emitters = None if key is None else NodeEmitters(key)
        self.logs = RedisLogs(self._prefix, self.largest_word or 0, self._attached)
        self._attachment: _Attachment | None = None

    def __repr__(self) -> str:
        return f"<RedisAdapter {self._address}>"

    def attach(
        self, driver: Driver, on_lost: Callable[[str], object], on_restored: Callable[[], object]
    ) -> Pending[None]:
        """Connect: on the running asyncio loop, or else on a loop in a thread of its own.

        CannotStart on a `Clock`; RuntimeError if it is attached already.
        """
        if not driver.reaches_network:
            raise CannotStart(
                f"a server with {self!r} cannot be tested in memory, where time stands still: make it without an "
                "adapter in tests, as with Server(adapter=os.environ.get('REDIS_URL')), or with a MemoryAdapter"
            )
        check_free(None if self._attachment is None else self._attachment.driver)
        self.detach()
        self._attachment = _Attachment(self._address, self._node_emitters, driver, on_lost, on_restored)
        return self._attachment.attached

    def detach(self) -> Pending[None] | None:
        """Disconnect, when Redis has answered what was published before, or after a second."""
        attachment, self._attachment = self._attachment, None
        return None if attachment is None else attachment.end()

    def publish(self, topic: str, data: bytes) -> Pending[int | None]:
        """Publish; the result is the number of subscribers, or None where Redis does not know all of them."""
        return self._attached().publish(f"{self._prefix}{topic}", data)

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Pending[None]:
        """Subscribe; done when Redis has confirmed it."""
        return self._attached().subscribe(self._channel(topic), callback)

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe."""
        self._attached().unsubscribe(self._channel(topic))

    def _channel(self, topic: str) -> bytes:
        return f"{self._prefix}{topic}".encode()

    def _attached(self) -> "_Attachment":
        assert self._attachment is not None, "an adapter works for a server that has a loop: attach it first"
        return self._attachment


class _Attachment:
    """The time from `attach` to `detach`. Its methods run on the server's thread; the link's may be another."""

    def __init__(
        self,
        address: RedisAddress,
        node_emitters: NodeEmitters | None,
        driver: Driver,
        on_lost: Callable[[str], object],
        on_restored: Callable[[], object],
    ) -> None:
        self._node_emitters = node_emitters
        self._is_fault_told = False
        self.driver = driver
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._is_lost = self._is_over = False
        self._counts = True
        self._callbacks: dict[bytes, Callable[[bytes], object]] = {}
        self._first: bytes | None = None  # the channel of all nodes
        self._unconfirmed: dict[bytes, Pending[None]] = {}
        self.attached: Pending[None] = Pending(driver)
        self._ended: Pending[None] = Pending(driver)
        self._home = home_of(driver)
        spread = 0.5 + hash(driver.token()) % 1000 / 1000  # so that many nodes do not come back at once
        self._cluster = ClusterCommands(address)
        patterns = () if node_emitters is None else node_emitters.patterns
        self._back: Callable[..., None] = self._home.back
        self._link = RedisLink(address, _Listener(self, self._back), spread, patterns)
        self._do = self._home.reach(self._link.do)
        self._home.begin(self._run())

    async def _run(self) -> None:
        try:
            await self._link.run()
            await self._cluster.close()
        finally:
            self._back(self._ended.resolve, None)

    def end(self) -> Pending[None] | None:
        self._is_over = True
        if self._home.is_over:
            return None
        self._home.reach(self._link.end)()
        return self._ended

    def publish(self, channel: str, data: bytes) -> Pending[int | None]:
        published: Pending[int | None] = Pending(self.driver)
        self._do(partial(self._back, self._answered, published), pack_publish(channel, data))
        return published

    def command(self, *parts: bytes) -> Pending[Any]:
        """Send a command: where Redis is a Redis Cluster, to the server of its key."""
        done: Pending[Any] = Pending(self.driver)
        answer = partial(self._back, _settle, done)
        if self._counts:
            self._do(answer, pack(*parts))
        else:
            self._home.reach(self._cluster.do)(answer, *parts)
        return done

    def subscribe(self, channel: bytes, callback: Callable[[bytes], object]) -> Pending[None]:
        self._callbacks[channel] = callback
        self._first = self._first or channel
        confirmed = self._unconfirmed[channel] = Pending(self.driver)
        self._home.reach(self._link.subscribe)(channel)
        return confirmed

    def unsubscribe(self, channel: bytes) -> None:
        self._callbacks.pop(channel, None)
        self._unconfirmed.pop(channel, None)
        self._home.reach(self._link.unsubscribe)(channel)

    def _answered(self, published: Pending[int | None], count: Any, error: Exception | None) -> None:
        if error is None:
            published.resolve(count if self._counts else None)
        else:
            published.reject(AdapterError(f"Redis refuses to publish: {error}"))

    # What the link tells

    def lost(self, reason: str) -> None:
        if not self._is_over:
            self._is_lost = True
            self._on_lost(reason)

    def restored(self, counts: bool) -> None:
        self._counts = counts
        self.attached.resolve(None)
        if self._is_lost and not self._is_over:
            self._is_lost = False
            self._on_restored()

    def confirmed(self, channel: bytes) -> None:
        confirmed = self._unconfirmed.pop(channel, None)
        if confirmed is not None:
            confirmed.resolve(None)

    def heard(self, messages: list[tuple[bytes, bytes]]) -> None:
        for channel, data in messages:
            callback = self._callbacks.get(channel)
            if self._is_over:
                return
            if callback is not None:
                callback(data)
            elif self._node_emitters is not None:
                self._read_foreign(self._node_emitters, channel, data)

    def _read_foreign(self, emitters: NodeEmitters, channel: bytes, data: bytes) -> None:
        """Give what an emitter of Node has published to the server, unless that has ended its first subscription."""
        callback = self._callbacks.get(self._first or b"")
        try:
            word = emitters.read(channel, data)
        except DecodeError as error:
            if not self._is_fault_told:
                self._is_fault_told = True
                self.driver.report(f"a message is dropped, further ones are not logged: {error}")
            return
        if word is not None and callback is not None:
            callback(word)


class _Listener:
    """Brings what the link tells to the server's thread.

    A server on gevent that is busy for long does not keep the link's thread from reading: so what waits is counted, in
    reads. Each of the two counts is written by one thread.
    """

    def __init__(self, attachment: _Attachment, back: Callable[..., None]) -> None:
        self._attachment = attachment
        self._back = back
        self._heard = self._taken = 0
        self.lost = partial(back, attachment.lost)
        self.confirmed = partial(back, attachment.confirmed)
        self._restored = partial(back, attachment.restored)

    def heard(self, messages: list[tuple[bytes, bytes]]) -> None:
        self._heard += 1
        self._back(self._take, messages)

    def _take(self, messages: list[tuple[bytes, bytes]]) -> None:
        self._taken += 1
        self._attachment.heard(messages)

    def is_behind(self) -> bool:
        return self._heard - self._taken >= MOST_READS

    def restored(self, *, counts: bool) -> None:
        self._restored(counts)


def _settle(done: Pending[Any], reply: Any, error: Exception | None) -> None:
    if reply is None and error is None:
        error = ConnectionError("the connection to Redis was lost before it had answered")
    done.settle(reply, error)


def check_size(size: int | str) -> int:
    """Return the bytes of a message at most, as a number or in a query; ValueError for too few."""
    number = int(size) if isinstance(size, str) and size.isdecimal() else size
    if not isinstance(number, int) or number < LEAST_LARGEST_WORD:
        raise ValueError(f"largest_word is {size!r}: give the bytes of a message, from {LEAST_LARGEST_WORD} on")
    return number
