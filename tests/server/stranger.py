"""Somebody on the bus who is no node of the test: what it says, and what it has heard."""

from typing import Any

from waterspout.adapters import MemoryAdapter, MemoryBus
from waterspout.engine import Driver
from waterspout.server.cluster import encode, encode_word
from waterspout.server.cluster.messages import BusMessage, Hello, decode, decode_word

TOPIC = "waterspout/socket.io"


def word(message: Any, node: str = "another", n: int = 0, prev: int = 0) -> bytes:
    """Write a word of a stranger; a message may also be bytes."""
    return encode_word(node, n, prev, message if isinstance(message, bytes) else encode(message))


class Stranger(MemoryAdapter):
    """An adapter without a server; `heard` are the words that it hears, as the sender's name, number and message."""

    def __init__(self, bus: MemoryBus, driver: Driver, *topics: str) -> None:
        super().__init__(bus)
        self.attach(driver, lambda reason: None, lambda: None)
        self.heard: list[tuple[str, int, BusMessage]] = []
        for topic in topics:
            self.subscribe(topic, self._hear)

    def say(self, message: Any, topic: str = TOPIC, **numbers: Any) -> None:
        """Publish a word."""
        self.publish(topic, word(message, **numbers))

    def messages(self, kind: type = object) -> list[Any]:
        """Return what was heard of a kind, but for hellos, and forget all."""
        heard, self.heard = self.heard, []
        return [message for _, _, message in heard if isinstance(message, kind) and type(message) is not Hello]

    def _hear(self, data: bytes) -> None:
        found = decode_word(data)
        self.heard.append((found.node, found.n, decode(found.message)))
