"""The base class of applications' connections: one object for a client, and one for each of its endpoints."""

from collections.abc import Callable, Mapping
from inspect import getattr_static
from threading import Lock
from typing import Any, ClassVar, TypeVar, overload

from ...drivers import logger
from ..complaints import ALONE
from . import proto
from .calls import handlers_of, mark, override_of, own_arguments

log = logger("tornadio2.conn")

MAX_ACKS = 10_000  # pending callbacks of acknowledgements, for each connection

_counting = Lock()  # for the ids of acknowledgements, which several threads may take at once

F = TypeVar("F", bound=Callable[..., Any])
AckCallback = Callable[[Any, list[Any] | None], object]


@overload
def event(name_or_func: F) -> F: ...


@overload
def event(name_or_func: str) -> Callable[[F], F]: ...


def event(name_or_func: Any) -> Any:
    """Make a method the handler of an event: `@event("name")`, or `@event` for the method's own name."""
    if callable(name_or_func):
        return mark(name_or_func, name_or_func.__name__)
    return lambda function: mark(function, name_or_func)


class EventMagicMeta(type):
    """A metaclass that collects `@event` methods in `_events`, for users' classes; connections do so without it."""

    _events: dict[str, Callable[..., Any]]

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, attrs, **options)
        cls._events = handlers_of(cls)


class SocketConnection:
    """A client, or one of its endpoints. Derive from it and define at least `on_message`.

    `__endpoints__` maps endpoints to their classes: {"/chat": ChatConnection}; the router's own class is for the main
    connection. Every `on_...` may be `async`. `send`, `emit`, `emit_ack` and `close` may be called from any thread;
    the messages of one thread arrive in order, each once.
    """

    __endpoints__: ClassVar[Mapping[str, "type[SocketConnection]"]] = {}
    _events: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._events = handlers_of(cls)
        override_of(getattr_static(cls, "on_event"))

    def __init__(self, session: Any, endpoint: str | None = None) -> None:
        self.session: Any = session
        self.endpoint = endpoint
        self.is_closed = False
        self.ack_id = 1
        self.ack_queue: dict[int, tuple[AckCallback, Any]] = {}

    def on_open(self, request: Any) -> Any:
        """Called when the client connects. Return False to refuse it with 401, or raise tornado.web.HTTPError.

        `request` is a ConnectionInfo: the client's address, the arguments of its query, and its cookies.
        """

    def on_message(self, message: Any) -> Any:
        """Called with a message: a string, or a value that was sent as JSON. The result is its acknowledgement."""
        raise NotImplementedError(f"{type(self).__name__} has no on_message")

    def on_event(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Called with an event; the result is its acknowledgement. By default it calls the method marked by `event`.

        The documented call is `on_event(name, args=[...], kwargs={...})`, where a single dictionary becomes `kwargs`.
        An override may have this signature, or `(name, *args, **kwargs)`, and call `super` with its own arguments.
        """
        override = type(self).on_event
        is_spread = override is not SocketConnection.on_event and override_of(override) in ("spread", "positional")
        values, by_name = own_arguments(args, kwargs, is_spread=is_spread)
        handler = self._events.get(name)
        if handler is None:
            self._complain("there is no handler for the event %a", name)
            return None
        try:
            return handler(self, *values, **by_name)
        except TypeError:
            count = len(values) + len(by_name)
            text = "the handler of the event %a of %s does not take what came (arguments: %d), or has failed"
            self._complain(text, name, type(self).__name__, count)
            raise

    def on_close(self) -> Any:
        """Called once, when the client has disconnected, or the endpoint is closed."""

    def get_endpoint(self, endpoint: str) -> "type[SocketConnection] | None":
        """Return the class of an endpoint, or None if it does not exist; called on the main connection."""
        return self.__endpoints__.get(endpoint)

    def send(self, message: Any, callback: AckCallback | None = None, force_json: bool = False) -> None:
        """Send a message: a string unchanged, bytes as UTF-8, any other value as JSON; None is not sent.

        `callback(message, ack_data)` is called when the client has received it. `force_json`: a string is JSON already.
        """
        if self.is_closed or message is None:
            return
        number = None if callback is None else self.queue_ack(callback, message)
        _send(self, proto.message(self.endpoint, message, number, force_json))

    def emit(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Send an event with positional arguments, or with one dictionary of the keyword arguments."""
        if not self.is_closed:
            _send(self, proto.event(self.endpoint, name, None, *args, **kwargs))

    def emit_ack(self, callback: AckCallback, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Send an event; when the client acknowledges it, `callback((name, args, kwargs), ack_data)` is called."""
        if not self.is_closed:
            number = self.queue_ack(callback, (name, args, kwargs))
            _send(self, proto.event(self.endpoint, name, f"{number}+", *args, **kwargs))

    def queue_ack(self, callback: AckCallback, message: Any) -> int:
        """Store the callback for the acknowledgement of a message, and return the message's id.

        Above MAX_ACKS, the oldest callback is dropped.
        """
        with _counting:
            is_full = len(self.ack_queue) >= MAX_ACKS
            if is_full:
                self.ack_queue.pop(next(iter(self.ack_queue)))
            number = self.ack_id
            self.ack_id += 1
            self.ack_queue[number] = callback, message
        if is_full:
            text = "a client acknowledges nothing: more than %d callbacks wait, the first is forgotten"
            self._complain(text, MAX_ACKS)
        return number

    def deque_ack(self, msg_id: int, ack_data: list[Any] | None) -> Any:
        """Call the callback of an acknowledgement, and return its result; an unknown id is logged."""
        if _is_posted(self, self.deque_ack, msg_id, ack_data):
            return None
        with _counting:
            callback, message = self.ack_queue.pop(msg_id, (None, None))
        if callback is not None:
            return callback(message, ack_data)
        self._complain("an acknowledgement came for %a, and nobody waits for it", msg_id)
        return None

    def close(self) -> None:
        """Close the endpoint; on the main connection, close the session."""
        if not self.is_closed and not _is_posted(self, self.close):
            self.session.close(self.endpoint)

    def _complain(self, text: str, *values: Any) -> None:
        """Log a mistake of the client by its session, if that can; a stand-in in unit tests may not."""
        getattr(self.session, "complain", ALONE.write)(log, text, *values)


def _send(connection: SocketConnection, pack: str) -> None:
    send = connection.session.send_message
    if not _is_posted(connection, send, pack):
        send(pack)


def _is_posted(connection: SocketConnection, function: Callable[..., Any], *args: Any) -> bool:
    """Post a call to the session's loop, if this is another thread; it is dropped if the connection is closed by then.

    False on the session's own thread, and for a stand-in in unit tests that has no driver.
    """
    driver = getattr(connection.session, "driver", None)
    if driver is None or not driver.foreign():
        return False
    values = [proto.settled(value) for value in args]
    driver.soon(lambda: connection.is_closed or function(*values))
    return True
