"""Request handlers that subscribe to a store."""

import asyncio
from typing import Any

from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from ...engine import check_seconds
from ...hosts.handlerstreams import EventStreamHandler, close_streams
from .publishing import as_event
from .stores import BaseStore

__all__ = ["BaseHandler", "EventSource", "WebSocketSubscriber", "close_streams"]


class BaseHandler(RequestHandler):
    """Base of all subscribers: `(pattern, Handler, {"store": store})`. A class of yours has `submit` and `publish`.

    It is registered from the beginning of its request to the end, whatever that is.
    """

    store: Any = None

    def initialize(self, store: BaseStore) -> None:
        """Subscribe to a store. TypeError for what is none."""
        if not isinstance(store, BaseStore):
            raise TypeError(f"store is {store!r}: give the route a store")
        self.store = store
        store.publisher.settle()
        store.register(self)

    def submit(self, message: Any) -> Any:
        """Take a message from the store. To be implemented by classes of yours."""
        raise NotImplementedError("submit must be implemented")

    def publish(self, message: Any) -> Any:
        """Send a message to the client. To be implemented by classes of yours."""
        raise NotImplementedError("publish must be implemented")

    def ended(self) -> None:
        """Unsubscribe: nothing more can be sent."""
        if self.store is not None and self in self.store.subscribers:
            self.store.deregister(self)

    # What Tornado calls

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """End the answer, and unsubscribe; a WebSocket only begins then."""
        try:
            return super().finish(chunk)
        finally:
            if self.get_status() != 101:
                self.ended()

    def on_connection_close(self) -> None:
        """Called when the client is gone."""
        self.ended()
        super().on_connection_close()


class EventSource(BaseHandler, EventStreamHandler):
    """Server-Sent Events: `(pattern, EventSource, {"store": store})`, and `"period": seconds` at will.

    All methods may be overridden, also as coroutines. If `submit` and `publish` are not, each message is written once
    for all clients. A `get` of yours awaits `super().get()`, which is done when the client is gone.
    """

    takes_events = True
    """Whether what is written once for many is sent here."""

    period: float | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.takes_events = cls.submit is EventSource.submit and cls.publish is EventSource.publish

    def initialize(self, store: BaseStore, period: float | None = None) -> None:
        """Subscribe to a store. Between two messages are at least `period` seconds, if that is given.

        Of a `DataStore`, the last one comes then; of a `QueueStore` all do, until too many wait.
        """
        if period:
            check_seconds("period", period)
            self.period, self.takes_events = period, False
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # nginx passes it on at once
        super().initialize(store)

    def submit(self, message: Any) -> Any:
        """Take a message from the store, and publish it."""
        return self.publish(message)

    def publish(self, message: Any) -> Any:
        """Send the text of a message to the client; the result is done when there is room for more."""
        return self.send(as_event(message))


class WebSocketSubscriber(BaseHandler, WebSocketHandler):
    """A WebSocket that sends `{"data": message}`. What clients send is ignored, unless `on_message` is overridden."""

    def initialize(self, store: BaseStore) -> None:
        """Subscribe to a store."""
        self._opened = asyncio.get_running_loop().create_future()
        super().initialize(store)

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Register with the store, and send what has come since the request began."""
        self.store.register(self)
        self._let_go_on()

    def submit(self, message: Any) -> Any:
        """Take a message from the store, and publish it, once the WebSocket is open."""
        return self.publish(message) if self._opened.done() else self._publish_later(message)

    def publish(self, message: Any) -> Any:
        """Send a message to the client, as JSON; the result is done when it has left."""
        return self.write_message({"data": message})

    def on_message(self, message: str | bytes) -> Any:
        """Ignore it. Override it at will."""

    def ended(self) -> None:
        super().ended()
        self._let_go_on()

    def _let_go_on(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    async def _publish_later(self, message: Any) -> None:
        await self._opened
        await self.publish(message)
