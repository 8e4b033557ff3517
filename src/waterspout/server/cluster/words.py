"""The words of a node: what it publishes is numbered, and what it receives is put in order before it is read."""

from typing import Any, Protocol

from ...engine import Engine, Pending
from ...errors import DecodeError
from .bus import Bus
from .incoming import ClusterTraffic, Gap, IncomingWords
from .messages import (
    Again,
    BroadcastHere,
    BusMessage,
    Forgotten,
    NotUnderstood,
    Repetition,
    Word,
    beginnings,
    decode,
    decode_word,
    encode,
    encode_word,
    node_topic,
)
from .outgoing import OutgoingWords

LOGGED_CHARACTERS = 300  # of what is wrong with a message: an event's name may be long


class WordReceiver(Protocol):
    """Takes what words contain."""

    def received(self, node: str, message: BusMessage) -> None:
        """A message, but for those about words; TypeError or ValueError for what clients cannot be sent."""

    def unknown(self, node: str, number: int) -> None:
        """A message that cannot be read, and wants an answer."""

    def lost(self, gap: Gap) -> None:
        """Words did not come."""


class Words:
    """Publishes and receives words under the `name` of the node, repeats its own, and asks for those of others.

    While it cannot publish, because there is no broker, it drops what has no number: hellos, questions for words.
    """

    can_publish: bool = False

    def __init__(self, bus: Bus, topic: str, engine: Engine, receiver: WordReceiver, traffic: ClusterTraffic) -> None:
        self._bus = bus
        self._topic = topic
        self._driver = engine.driver
        self._receiver = receiver
        self.take_name("")
        self.outgoing = OutgoingWords(topic)
        self.incoming = IncomingWords(engine, traffic, self._read, self._ask_again, receiver.lost)

    def take_name(self, name: str) -> None:
        """Publish under this name from now on."""
        self.name = name
        self._own, self._own_unnumbered = beginnings(name)

    def topic_of(self, node: str) -> str:
        """Return the topic of what is for one node."""
        return node_topic(self._topic, node)

    def publish(self, topic: str, message: bytes) -> None:
        """Publish a message as a word with a number."""
        self._bus.publish(topic, self.outgoing.number(topic, self.name, message, self._driver.now()))

    def publish_unnumbered(self, topic: str, message: BusMessage) -> Pending[Any]:
        """Publish a message as a word without a number, past what waits for the others; drop it without a broker."""
        if not self.can_publish:
            dropped: Pending[Any] = Pending(self._driver)
            dropped.resolve(None)
            return dropped
        return self._bus.publish(topic, encode_word(self.name, 0, 0, encode(message)))

    def receive(self, topic: str, data: bytes) -> None:
        """Take a word from the bus; drop this node's own, which have been delivered here."""
        if data.startswith(self._own) and not data.startswith(self._own_unnumbered):
            return
        try:
            word = decode_word(data)
        except DecodeError as error:
            self._drop(error)
        else:
            self._take(topic, word)

    def close(self) -> None:
        """Forget what was received."""
        self.incoming.close()

    # Below this line: how it is done

    def _take(self, topic: str, word: Word, *, is_repeated: bool = False) -> None:
        if word.n:
            self.incoming.receive(topic, word, is_repeated=is_repeated)
        elif not is_repeated:
            self._read(word.node, word.message, has_number=False)

    def _read(self, node: str, data: bytes, *, has_number: bool = True) -> None:
        try:
            self._handle(node, decode(data), has_number=has_number)
        except NotUnderstood as error:
            self._drop(error)
            self._receiver.unknown(node, error.number)
        except (DecodeError, TypeError, ValueError) as error:  # what clients cannot be sent, or rooms not entered
            self._drop(error)

    def _handle(self, node: str, message: BusMessage, *, has_number: bool) -> None:
        if type(message) is BroadcastHere:  # nearly all are
            self._receiver.received(node, message)
        elif isinstance(message, Again):
            self._repeat(node, message)
        elif isinstance(message, Repetition):
            if not has_number:  # so a repetition has none in it
                self._take_repeated(node, message)
        elif isinstance(message, Forgotten):
            self.incoming.forgotten(node, message.topic, message.last)
        else:
            self._receiver.received(node, message)

    def _take_repeated(self, node: str, message: Repetition) -> None:
        word = decode_word(message.word)
        if word.node == node and message.topic in (self._topic, self.topic_of(self.name)):
            self._take(message.topic, word, is_repeated=True)

    def _drop(self, error: Exception) -> None:
        why = error.outline if isinstance(error, DecodeError) else str(error)[:LOGGED_CHARACTERS]
        self._bus.report("dropped", f"a message from the bus is dropped, further ones are not logged: {why}")

    def _ask_again(self, node: str, topic: str, after: int, last: int) -> None:
        """Ask a node for its words; one that does not listen any more cannot repeat them."""

        def look(published: Pending[Any]) -> None:
            if published.error is None and published.result() == 0:
                self.incoming.forgotten(node, topic, last)

        self.publish_unnumbered(self.topic_of(node), Again(topic, after, last)).when_done(look)

    def _repeat(self, node: str, asked: Again) -> None:
        forgotten, words = self.outgoing.repeat(asked.topic, asked.after, asked.last)
        topic = self.topic_of(node)
        if forgotten:
            self.publish_unnumbered(topic, Forgotten(asked.topic, forgotten))
        for word in words:
            self.publish_unnumbered(topic, Repetition(asked.topic, word))
