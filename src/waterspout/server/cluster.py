"""The messages between nodes: their types and codec, and their way to the bus and from it.

A message that is received goes to `Server._deliver`, and all but broadcasts from there to `Namespace.apply`. The bus is
input like any other: what is not a message of this version is dropped, and reported once.

A node exists from the moment its server is bound to a loop until that loop ends; see `Cluster`.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, Protocol, runtime_checkable

import msgspec

from ..engine import Asker, Driver, Pending
from ..errors import DecodeError
from ..wire import surrogates
from ..wire.json import plain
from ..wire.socketio import RESERVED
from .fanout import ORDINARY, UNSENDABLE, Delivery
from .rooms import Audience, Room

Deliver = Callable[["BusMessage"], None]


@runtime_checkable
class Adapter(Protocol):
    """Carries bytes between nodes. It promises neither delivery nor order between different nodes.

    It belongs to one server. What its verbs return may be a `Pending`, another awaitable, or None for what is done:
    a failure there is reported.
    """

    def attach(self, driver: Driver) -> Awaitable[None] | None:
        """Connect: the server runs on this driver's loop now, on whose thread the callbacks are to be called.

        `subscribe` and `publish` may be called before the result has come.
        """

    def detach(self) -> Awaitable[None] | None:
        """Disconnect: the loop ends. The subscriptions are over; another `attach` may follow, with another loop.

        `Server.close` waits for the result for the rest of `shutdown_timeout`, at least for 1 s, and then cancels it.
        """

    def publish(self, topic: str, data: bytes) -> Pending[None]:
        """Give the data to all subscribers of the topic, the publisher's own included."""

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Pending[None]:
        """Call back with all data of the topic."""

    def unsubscribe(self, topic: str) -> Pending[None]:
        """End the subscription of this node."""


def check_adapter(adapter: object) -> None:
    """Refuse what is neither None nor an adapter, such as the address of a broker."""
    if adapter is not None and not isinstance(adapter, Adapter):
        raise TypeError(f"adapter is {adapter!r}: give an object, such as waterspout.adapters.MemoryAdapter(bus)")


class _BusMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """A message for the clients of a namespace, on all nodes but its sender.

    `to` and `except_` say for which clients. `Cluster.address` sets these and `node`, the sender's name.
    """

    node: str | None = None
    namespace: str
    to: list[Room] | None = None
    except_: list[Room] = []


class Broadcast(_BusMessage, frozen=True, tag="broadcast", forbid_unknown_fields=True):
    """An event."""

    event: str
    args: list[Any]
    volatile: bool = False
    compress: bool = True
    latest: str | None = None


class Join(_BusMessage, frozen=True, tag="join", forbid_unknown_fields=True):
    """The clients join rooms."""

    rooms: list[Room]


class Leave(_BusMessage, frozen=True, tag="leave", forbid_unknown_fields=True):
    """The clients leave rooms."""

    rooms: list[Room]


class BusDisconnect(_BusMessage, frozen=True, tag="part", forbid_unknown_fields=True):
    """The clients are disconnected from the namespace; with `close`, their connections are closed."""

    close: bool = False


BusMessage = Broadcast | Join | Leave | BusDisconnect

_encoder = msgspec.msgpack.Encoder(enc_hook=plain)
_KEPT = (bytes, bytearray, memoryview, datetime)
_decoder: msgspec.msgpack.Decoder[BusMessage] = msgspec.msgpack.Decoder(BusMessage)


def encode(message: BusMessage) -> bytes:
    """Write a message for the bus; TypeError, naming the event, for what it cannot carry: integers beyond 64 bits."""
    try:
        return _encode(message)
    except (*UNSENDABLE, OverflowError) as error:
        what = f"the event {message.event!r}" if isinstance(message, Broadcast) else "this"
        raise TypeError(f"{what} cannot be sent to other nodes: {error}") from error


def _encode(message: BusMessage) -> bytes:
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        if not isinstance(message, Broadcast):
            raise
        args = msgspec.to_builtins(message.args, builtin_types=_KEPT, str_keys=True, enc_hook=plain)
        event = surrogates.replace(message.event)
        return _encoder.encode(msgspec.structs.replace(message, event=event, args=surrogates.replace_all(args)))


def decode(data: bytes) -> BusMessage:
    """Read a message from the bus; DecodeError for whatever else is there."""
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"not a message of a node: {error}") from error
    if message.node is None:
        raise DecodeError("not a message of a node: it does not name its node")
    if isinstance(message, Broadcast) and message.event in RESERVED:
        raise DecodeError(f"not a message of a node: {message.event!r} is reserved by Socket.IO")
    return message


def whom(message: BusMessage) -> Audience:
    """Return whom a message is for."""
    return Audience(None if message.to is None else tuple(message.to), tuple(message.except_))


_attachments = count(1)


class Cluster:
    """The node that this server is: publishes to the others, and delivers what they publish. It needs an adapter.

    A node begins when its server is bound to a loop: then it gets its name, and its adapter is attached. It ends with
    the loop. The name is the driver's random token, which differs between processes, forked ones too, and a number,
    which differs between servers of one process whose drivers' tokens do not (those of a `Clock` count).

    `done` is one shared `Pending` that has its result. `subscribed` is done when the adapter has subscribed: from then
    on a client that has joined a room here is reached by what other nodes send to it. Without an adapter it is `done`.
    """

    done: Pending[None]
    subscribed: Pending[None]

    def __init__(self, adapter: Adapter | None, topic: str, deliver: Deliver, driver: Driver) -> None:
        self._adapter = adapter
        self._topic = topic
        self._deliver = deliver
        self._node = ""
        self._is_attached = self._listens = False
        self._reported: set[object] = set()
        self._take(driver)

    def attach(self, driver: Driver) -> None:
        """Begin as a node on this driver's loop."""
        self._take(driver)
        self.detach()  # its loop was not closed
        if self._adapter is not None:
            self._node = f"{driver.token()}-{next(_attachments)}"
            self._watch("attach to", self._adapter.attach(driver))
            self._is_attached = self._listens = True
            self.subscribed = self._watch("subscribe to", self._adapter.subscribe(self._topic, self.receive))

    def _take(self, driver: Driver) -> None:
        self._driver = driver
        self.done = Pending(driver)
        self.done.resolve(None)
        self.subscribed = self.done

    def prepare(
        self, namespace: str, event: str, args: Sequence[Any], to: Audience, how: Delivery = ORDINARY
    ) -> bytes | None:
        """Encode an event for the other nodes; None without an adapter."""
        if self._adapter is None:
            return None
        return self.address(Broadcast(event, list(args), *how, namespace=namespace), to)

    def address(self, message: BusMessage, to: Audience) -> bytes | None:
        """Encode a message for the other nodes; None without an adapter."""
        if self._adapter is None:
            return None
        rooms = None if to.to is None else list(to.to)
        return encode(msgspec.structs.replace(message, node=self._node, to=rooms, except_=list(to.except_)))

    def publish(self, message: bytes | None) -> Pending[None]:
        """Publish to the other nodes; the result is the adapter's."""
        if self._adapter is None or message is None:
            return self.done
        if self._is_attached:
            return self._watch("publish to", self._adapter.publish(self._topic, message))
        if not self._node:
            self._report("early", "a message to other nodes is lost: the server has not started on a loop yet")
        return self.done

    def tell(self, message: bytes | None) -> Pending[None]:
        """Publish to the other nodes; done when the adapter has published, and has subscribed."""
        published, subscribed = self.publish(message), self.subscribed
        if subscribed.done:
            return published
        both: Pending[None] = Pending(self._driver)
        published.when_done(lambda published: both.follow(published if published.error else subscribed))
        return both

    def receive(self, data: bytes) -> None:
        """Deliver a message from the bus; drop this node's own, which have been delivered here."""
        try:
            message = decode(data)
            if message.node != self._node:
                self._deliver(message)
        except (DecodeError, TypeError, ValueError) as error:  # what clients cannot be sent, or rooms not entered
            text = f"a message from the bus is dropped, further ones are not logged: {error}"
            self._report("dropped", text)

    def leave(self) -> None:
        """Unsubscribe: deliver nothing more, but go on publishing."""
        adapter, topic = self._adapter, self._topic
        if adapter is not None and self._listens:
            self._listens = False
            self._run("unsubscribe from", lambda: adapter.unsubscribe(topic))

    def detach(self) -> bool:
        """End as a node, with the loop. What is published from now on is dropped, as are events to clients.

        Return whether the adapter needs longer: the driver waits for it then.
        """
        if self._adapter is None or not self._is_attached:
            return False
        self._is_attached = self._listens = False
        return not self._run("detach from", self._adapter.detach).done

    def _watch(self, verb: str, result: object) -> Pending[None]:
        """Make a `Pending` of what a method of the adapter has returned, and report its failure."""
        if isinstance(result, Pending):
            pending = result
        elif isinstance(result, Awaitable):
            return self._run(verb, lambda: result)
        else:
            return self.done
        if pending.done and pending.error is None:
            return self.done
        pending.when_done(partial(self._look_at, verb))
        return pending

    def _run(self, verb: str, function: Callable[[], object]) -> Pending[None]:
        """Call a function through the driver, await what it returns (as does `finish`), and report its failure."""
        pending: Pending[None] = Pending(self._driver)
        self._driver.run(function, (), _AdapterCall(pending), verb)
        return self._watch(verb, pending)

    def _look_at(self, verb: str, pending: Pending[None]) -> None:
        error = pending.error
        if error is not None:
            text = f"the adapter could not {verb} {self._topic!r}, further failures of this kind are not logged"
            self._report((verb, type(error)), text, error)

    def _report(self, kind: object, text: str, error: Exception | None = None) -> None:
        if kind not in self._reported:
            self._reported.add(kind)
            self._driver.report(text, error)


class _AdapterCall(Asker):
    """Waits for what an asynchronous adapter has returned; the token says what it does."""

    def __init__(self, pending: Pending[None]) -> None:
        self._pending = pending

    def answered(self, token: str, result: object) -> None:
        self._pending.resolve(None)

    def failed(self, token: str, error: BaseException) -> None:
        self._pending.reject(error if isinstance(error, Exception) else RuntimeError(f"it ended with {error!r}"))

    def describe(self, token: str) -> str:
        return f"the adapter, asked to {token} a topic,"
