"""A channel of Redis that a store publishes to, and reads in a thread.

How it works: Redis keeps no messages for who is not connected, so what is published while the connection is lost is
lost, too, and the log says so. The thread connects again after a pause that doubles with each attempt. Other processes
may publish to the channel by whatever client.
"""

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..complaints import ALONE
from .publishing import MOST_WAITING, log

PATIENCE = 5.0  # s for an answer of Redis
KEPT = 5  # s that the last message can be read from the key with the channel's name
POLL = 0.5  # s that the thread waits for a message before it looks whether it is to end
PAUSES = 0.1, 10.0  # s before the first attempt to connect again, and at most

_ALIVE = {socket.TCP_USER_TIMEOUT: 30_000} if hasattr(socket, "TCP_USER_TIMEOUT") else {}  # ms; Linux
_OPTIONS: dict[str, Any] = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "health_check_interval": 15}


class RedisChannel:
    """Connects at once: RuntimeError without the package `redis`, its ConnectionError if Redis cannot be reached.

    `received` is called in a thread with the text of each message.
    """

    def __init__(self, name: str, options: dict[str, Any], received: Callable[[str], object]) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise RuntimeError("RedisStore needs the package redis: pip install 'waterspout[redis]'") from error
        self._name = name
        self._received = received
        self._failures = redis.RedisError, OSError
        self._unsent = 0
        alive = {} if "unix_socket_path" in options else {"socket_keepalive": True, "socket_keepalive_options": _ALIVE}
        once = Retry(NoBackoff(), 0)  # what fails is said at once, and tried again here
        self._redis: Any = redis.Redis(**{**_OPTIONS, **alive, "retry": once, **options})
        self._ended = threading.Event()
        self._redis.ping()
        self._subscription = self._subscribe()
        self._sender = ThreadPoolExecutor(1, "tornadose-redis-send")
        threading.Thread(target=self._listen, name="tornadose-redis", daemon=True).start()

    def send(self, text: str) -> None:
        """Publish a text, and wait for that; raises what `redis` does, after saying so in the log."""
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.set(self._name, text, ex=KEPT)
            pipeline.publish(self._name, text)
            pipeline.execute()
        except self._failures as error:
            self._complain("a message was not published to the Redis channel %r: %s", error)
            raise

    def send_later(self, text: str, sent: Callable[[Exception | None], object]) -> None:
        """Publish a text in a thread, and call `sent` there with None or the error."""
        if self._unsent >= MOST_WAITING:
            error = ConnectionError(f"{MOST_WAITING} messages wait already")
            self._complain("a message was not published to the Redis channel %r: %s", error)
            sent(error)
            return
        self._unsent += 1
        self._sender.submit(self.send, text).add_done_callback(lambda future: self._sent(future, sent))

    def close(self) -> None:
        """Send what waits, and read no more."""
        self._ended.set()
        self._sender.shutdown()

    # Below this line: how it is done

    def _sent(self, future: "Future[None]", sent: Callable[[Exception | None], object]) -> None:
        self._unsent -= 1
        error = future.exception()
        sent(error if isinstance(error, Exception) else None)

    def _subscribe(self) -> Any:
        subscription = self._redis.pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(self._name)
        return subscription

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                message = self._subscription.get_message(timeout=POLL)
            except self._failures as error:
                self._connect_again(error)
            else:
                if message is not None:
                    data = message["data"]
                    self._received(data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data))
        self._subscription.close()
        self._redis.close()

    def _connect_again(self, error: Exception) -> None:
        pause, longest = PAUSES
        while not self._ended.wait(pause):
            try:
                self._subscription.close()
                self._subscription = self._subscribe()
            except self._failures as again:
                pause = min(2 * pause, longest)
                self._complain("the Redis channel %r cannot be reached, and is tried again: %s", again)
            else:
                self._complain("the Redis channel %r was lost and is back; messages may be missing: %s", error)
                return

    def _complain(self, text: str, error: BaseException) -> None:
        ALONE.write(log, text, self._name, str(error), level=logging.WARNING)
