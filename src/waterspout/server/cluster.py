"""What nodes say to each other: values, their codec, and what each does to the node that hears it.

The bus is input like any other: what is not a message of this version is dropped, and reported once.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from ..engine import Driver, Pending
from ..errors import DecodeError
from .rooms import Room, Target

Deliver = Callable[["Broadcast"], None]


class Adapter(Protocol):
    """Carries bytes between nodes. It promises neither delivery nor order between different nodes."""

    def attach(self, driver: Driver) -> None:
        """Take the driver whose thread the callbacks are to be called on."""

    def publish(self, topic: str, data: bytes) -> Pending[None]:
        """Give the data to all subscribers of the topic, the publisher's own included."""

    def subscribe(self, topic: str, callback: Callable[[bytes], object]) -> Pending[None]:
        """Call back with all data of the topic."""

    def unsubscribe(self, topic: str) -> Pending[None]:
        """End the subscription of this node."""


class Broadcast(msgspec.Struct, frozen=True, tag="broadcast", forbid_unknown_fields=True):
    """An event for the clients of a namespace, on all nodes but the one that says it."""

    node: str
    namespace: str
    event: str
    args: list[Any]
    to: list[Room] | None = None
    except_: list[Room] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Broadcast)


def encode(message: Broadcast) -> bytes:
    """Write a message for the bus."""
    return _encoder.encode(message)


def decode(data: bytes) -> Broadcast:
    """Read a message from the bus; DecodeError for whatever else is there."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"no message of a node: {error}") from error


class Cluster:
    """The other nodes: tells them what happens here, and delivers what they tell. Without an adapter, nobody."""

    def __init__(self, adapter: Adapter | None, topic: str, deliver: Deliver) -> None:
        self._adapter = adapter
        self._topic = topic
        self._deliver = deliver
        self._node = ""
        self._reported = False
        self._driver: Driver | None = None

    def attach(self, driver: Driver) -> None:
        """Join the other nodes, once there is a driver."""
        self._driver = driver
        if self._adapter is not None:
            self._adapter.attach(driver)
            if not self._node:
                self._node = driver.token()
                self._adapter.subscribe(self._topic, self.receive)

    def emitted(self, namespace: str, event: str, args: Sequence[Any], to: Target, except_: list[Room]) -> None:
        """Tell the other nodes of an event that was emitted here."""
        if self._adapter is not None:
            rooms = None if to is None else [to] if isinstance(to, str | int) else list(to)
            message = Broadcast(self._node, namespace, event, list(args), rooms, except_)
            self._adapter.publish(self._topic, encode(message))

    def receive(self, data: bytes) -> None:
        """Take a message from the bus; our own are known here already."""
        try:
            message = decode(data)
        except DecodeError as error:
            self._report(str(error))
        else:
            if message.node != self._node:
                self._deliver(message)

    def leave(self) -> None:
        """Hear no more of the others."""
        if self._adapter is not None and self._node:
            self._adapter.unsubscribe(self._topic)

    def _report(self, text: str) -> None:
        if not self._reported and self._driver is not None:
            self._reported = True
            self._driver.report(f"the bus carries what is {text}; it is dropped, and not reported again")
