"""Stores: what was submitted last, or in a queue, and to whom it is published."""

from typing import Any

from tornado.queues import Queue
from tornado.web import RequestHandler

from ...engine import Pending
from .publishing import Publisher, log
from .redischannel import RedisChannel

__all__ = ["BaseStore", "DataStore", "QueueStore", "RedisStore"]


class BaseStore:
    """Base of all stores. A class of yours has `submit` and `publish`, and `initialize` in the place of `__init__`.

    `subscribers` are the handlers that are registered. `publisher.push(message)` sends to all of them, and
    `publisher.wake()` has `publish` called at the end of the turn, unless it is still running.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.subscribers: set[Any] = set()
        self.publisher = Publisher(self)
        self.initialize(*args, **kwargs)

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Called with the arguments of the class. Override it at will."""

    def register(self, subscriber: RequestHandler) -> None:
        """Publish to a handler from now on. TypeError for what is none."""
        if not isinstance(subscriber, RequestHandler):
            raise TypeError(f"{subscriber!r} cannot subscribe: derive its class from tornado.web.RequestHandler")
        self.publisher.settle()
        self.subscribers.add(subscriber)
        log.debug("a subscriber is registered")

    def deregister(self, subscriber: RequestHandler) -> None:
        """Publish to a handler no longer; one that is not registered is only logged."""
        known = subscriber in self.subscribers
        self.subscribers.discard(subscriber)
        self.publisher.forget(subscriber)
        log.debug("a subscriber is deregistered" if known else "a subscriber that is not registered was to be removed")

    def submit(self, message: Any) -> Any:
        """Take what is new. To be implemented by classes of yours."""
        raise NotImplementedError("submit must be implemented")

    def publish(self) -> Any:
        """Push what is new to all subscribers. To be implemented by classes of yours."""
        raise NotImplementedError("publish must be implemented")


class DataStore(BaseStore):
    """The current value: each turn of the loop in which it was set publishes the last one.

    `DataStore(initial_data=None)`; the initial data is sent to nobody.
    """

    _data: Any = None

    def initialize(self, initial_data: Any = None) -> None:
        """Take the initial data."""
        self._data = initial_data

    @property
    def data(self) -> Any:
        """The current value; to set it publishes it."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self.set_data(data)

    def set_data(self, data: Any) -> None:
        """Set the value, whatever it is; from any thread."""
        self.publisher.call(self._set, data)

    def submit(self, message: Any) -> Any:
        """Set the text of a message as the value; from any thread. The result may be awaited."""
        return self.publisher.call(self.set_data, str(message))

    def publish(self) -> Any:
        """Push the current value. A subscriber that is slow gets the last one only."""
        self.publisher.push(self.data, latest=True)

    def _set(self, data: Any) -> None:
        self._data = data
        self.publisher.wake()


class QueueStore(BaseStore):
    """Every message in order, to each subscriber. What is submitted while there is none is dropped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.messages = MessageQueue(self)
        super().__init__(*args, **kwargs)

    def submit(self, message: Any) -> Any:
        """Put a message into the queue; from any thread. The result may be awaited, and need not be."""
        return self.messages.put(message)

    def publish(self) -> Any:
        """Push what is in the queue."""
        try:
            while not self.messages.empty():
                message = self.messages.get_nowait()
                self.messages.task_done()
                self.publisher.push(message)
        finally:
            if not self.messages.empty():
                self.publisher.wake()


class MessageQueue(Queue[Any]):
    """The `messages` of a store, a queue of Tornado's: what is put there is published."""

    def __init__(self, store: QueueStore) -> None:
        super().__init__()
        self._store = store

    def put(self, item: Any, timeout: object = None) -> Any:
        """Put a message at the end; from any thread, also before there is a loop. The result may be awaited."""
        return self._store.publisher.call(self.put_nowait, item)

    def put_nowait(self, item: Any) -> None:
        super().put_nowait(item)
        self._store.publisher.wake()


class RedisStore(QueueStore):
    """A queue that all processes share which have a store of the same channel of Redis.

    `RedisStore(channel="tornadose", **options)` takes the options of `redis.Redis`. RuntimeError without the package
    `redis` (`pip install waterspout[redis]`), its ConnectionError if the server does not answer. Any other client of
    Redis may publish to the channel, too; its last message is the value of the key of this name for 5 s.
    """

    def initialize(self, channel: str = "tornadose", **options: Any) -> None:
        """Connect to Redis, and subscribe."""
        self.channel = channel
        self._redis = RedisChannel(channel, options, self._received)

    def submit(self, message: Any, debug: bool = False) -> Any:
        """Publish the text of a message, with `debug` to the log as well; from any thread.

        The result may be awaited, and raises what `redis` does, of which the log says something, too. Where no loop
        runs, this blocks until Redis has answered.
        """
        text = str(message)
        if debug:
            log.info("submitted to %r: %s", self.channel, text)
        if self.publisher.loop is None:
            self.publisher.settle()
        if self.publisher.loop is None:
            return self.publisher.call(self._redis.send, text)
        driver = self.publisher.driver
        done: Pending[None] = Pending(driver)
        self._redis.send_later(text, lambda error: driver.soon(done.settle, None, error))
        return done

    def shutdown(self) -> None:
        """Publish what waits, and end the connections; nothing can be submitted any more."""
        self._redis.close()

    def _received(self, text: str) -> None:
        if self.publisher.loop is not None:  # else there is no subscriber yet
            self.messages.put(text)
