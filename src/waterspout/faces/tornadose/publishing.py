"""How what a store has reaches its subscribers.

How it works: something new wakes the store's `Publisher`, which calls the store's `publish` at the end of the turn, on
the loop of the subscribers, unless it is still running: so `publish` may return at once or be a coroutine that never
ends. Without a loop it is called at once. A subscriber whose class has no `submit` or `publish` of its own is sent what
is written once for all. Any other has a `Delivery`, which calls its `submit` with one message after the other.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from tornado.gen import is_coroutine_function
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ...drivers import InlineDriver, logger
from ...engine import SLOW_CONSUMER, Driver, Pending, Prepared, on_core, push_to_all
from ...hosts.handlerstreams import EventStreamHandler, stream_engine
from ...wire import surrogates
from ...wire.sse import encode_event
from ..complaints import ALONE

if TYPE_CHECKING:
    from .stores import BaseStore

log = logger("tornadose.stores")

MOST_WAITING = 1000
"""How many messages wait for a subscriber's `submit`; one that is slower is dropped."""

_GONE = (StreamClosedError, WebSocketClosedError)


def as_event(message: Any) -> bytes:
    """Write a message as an event: the text of whatever it is."""
    return encode_event(surrogates.encode(str(message)))


class Publisher:
    """Publishes for one store."""

    def __init__(self, store: "BaseStore") -> None:
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driver: Driver = InlineDriver()
        self._is_due = self._is_running = False
        self._deliveries: dict[Any, Delivery] = {}

    def settle(self) -> None:
        """Publish on the running loop from now on; RuntimeError while there are subscribers on another."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is not self._loop:
            if self._loop is not None and self._store.subscribers and not self._driver.is_over(idle=False):
                raise RuntimeError("this store has subscribers on another event loop: make one store for each loop")
            self._loop, self._driver, self._is_running = loop, stream_engine().driver, False
            if self._is_due:
                self._driver.soon(self._publish)

    def wake(self) -> None:
        """Call the store's `publish` at the end of this turn: there is something new."""
        driver = self.driver
        if self._loop is None and self._needs_loop():
            self.settle()  # else what is new would wait for the first subscriber, without a limit
            driver = self._driver
        if not self._is_due:
            self._is_due = True
            if not self._is_running:
                driver.soon(self._publish)

    def call(self, function: Callable[..., object], *args: object) -> Pending[None]:
        """Call a function on the store's loop, from any thread; the result may be awaited."""
        driver = self.driver
        done: Pending[None] = Pending(driver)

        def call() -> None:
            function(*args)
            done.resolve(None)

        on_core(driver, call)
        return done

    def push(self, message: Any, *, latest: bool = False) -> None:
        """Send a message to all subscribers; with `latest`, only the last one waits for those who read slowly."""
        subscribers = self._store.subscribers
        shared = []
        for subscriber in tuple(subscribers):
            if getattr(subscriber, "takes_events", False):
                shared.append(subscriber.session)
            else:
                self._deliver(subscriber, message, latest=latest)
        if shared:
            prepared = Prepared(as_event(message), key="message" if latest else None)
            with shared[0].table.turn:
                push_to_all(shared, prepared)
        if len(self._deliveries) > len(subscribers):
            self._deliveries = {one: delivery for one, delivery in self._deliveries.items() if one in subscribers}

    def forget(self, subscriber: Any) -> None:
        """Drop what waits for a subscriber that is deregistered."""
        self._deliveries.pop(subscriber, None)

    @property
    def driver(self) -> Driver:
        """The driver of the store's loop; one without a loop before there is one, and after its end."""
        if self._driver.is_over(idle=not self._store.subscribers):
            self._loop, self._driver, self._is_running = None, InlineDriver(), False
        return self._driver

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The store's loop, if there is one."""
        return self._loop

    # What the driver answers

    def answered(self, token: None, result: object) -> None:
        """Called when `publish` has ended."""
        self._is_running = False
        if self._is_due:
            self.driver.soon(self._publish)

    def failed(self, token: None, error: BaseException) -> None:
        """Report what `publish` has raised, and go on with what comes."""
        if not isinstance(error, asyncio.CancelledError):
            ALONE.write(log, "publish of a store failed", error=error)
        self.answered(token, None)

    def later(self, token: None) -> "Publisher":
        """Wait for a coroutine."""
        return self

    # Below this line: how it is done

    def _needs_loop(self) -> bool:
        publish = self._store.publish
        return iscoroutinefunction(publish) or is_coroutine_function(publish)

    def _publish(self) -> None:
        if self._is_due and not self._is_running and not (self._loop is None and self._needs_loop()):
            self._is_due, self._is_running = False, True
            self.driver.run(self._store.publish, (), self, None)

    def _deliver(self, subscriber: Any, message: Any, *, latest: bool) -> None:
        delivery = self._deliveries.get(subscriber)
        if delivery is None:
            delivery = self._deliveries[subscriber] = Delivery(self, self._store, subscriber)
        delivery.add(message, latest=latest)


class Delivery:
    """Calls the `submit` of one subscriber with one message after the other, and its `period` lies between them."""

    def __init__(self, publisher: Publisher, store: "BaseStore", subscriber: Any) -> None:
        self._publisher = publisher
        self._store = store
        self._subscriber = subscriber
        self._waiting: deque[Any] = deque()
        self._is_busy = False

    def add(self, message: Any, *, latest: bool) -> None:
        """Deliver a message; with `latest`, in the place of those that wait."""
        if latest:
            self._waiting.clear()
        self._waiting.append(message)
        if not self._is_busy:
            self._go_on()
        elif len(self._waiting) > MOST_WAITING:
            self._drop()

    # What the driver answers

    def answered(self, token: None, result: object) -> None:
        """Go on with the next message, when it is time."""
        period, loop = getattr(self._subscriber, "period", None), self._publisher.loop
        if period and loop is not None:
            loop.call_later(period, self._go_on)
        elif self._waiting:
            self._publisher.driver.soon(self._go_on)
        else:
            self._is_busy = False

    def failed(self, token: None, error: BaseException) -> None:
        """Report what `submit` has raised; the other subscribers get the message nevertheless."""
        if isinstance(error, _GONE):
            self._store.deregister(self._subscriber)
        elif not isinstance(error, asyncio.CancelledError):
            ALONE.write(log, "submit of a subscriber failed", error=error)
        self.answered(token, None)

    def later(self, token: None) -> "Delivery":
        """Wait for a coroutine."""
        return self

    # Below this line: how it is done

    def _go_on(self) -> None:
        self._is_busy = bool(self._waiting) and self._subscriber in self._store.subscribers
        if self._is_busy:
            self._publisher.driver.run(self._subscriber.submit, (self._waiting.popleft(),), self, None)

    def _drop(self) -> None:
        self._waiting.clear()
        self._store.deregister(self._subscriber)
        ALONE.write(log, "a subscriber is dropped, because more than %d messages wait for it", MOST_WAITING)
        if isinstance(self._subscriber, EventStreamHandler):
            self._subscriber.session.close(SLOW_CONSUMER)
        elif isinstance(self._subscriber, WebSocketHandler):
            self._subscriber.close(SLOW_CONSUMER.code, "slow consumer")
