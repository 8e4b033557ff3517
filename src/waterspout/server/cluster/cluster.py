"""What a server has of the other nodes: it publishes to them, asks them, and delivers what they publish."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from ...engine import Driver, Engine, Pending
from ...errors import AdapterError
from ..fanout import ORDINARY, Delivery
from ..rooms import Audience
from .adapter import Adapter
from .connection import OPEN, NodeConnection
from .incoming import ClusterTraffic, Gap
from .members import Node
from .messages import (
    Ask,
    Broadcast,
    BroadcastHere,
    BusDisconnect,
    BusMessage,
    Count,
    Fetch,
    ForClients,
    Join,
    Leave,
    NodeAnswer,
    Question,
    address,
    answers,
    describe,
    encode,
    largest_message,
)
from .questions import End, Questions, Take

CONFIRM_WITHIN = 5.0  # s for other nodes to confirm that clients have joined rooms


class Clients(Protocol):
    """What a server does with messages of other nodes."""

    def deliver(self, message: ForClients) -> None:
        """Apply it to the clients that are here."""

    def asked(self, message: Question) -> Pending[list[msgspec.Raw]]:
        """Answer it, in items."""

    def lost(self, gap: Gap) -> None:
        """Tell whoever wants to know."""

    def reached(self) -> None:
        """The broker is there, for the first time or again."""

    def unreached(self) -> None:
        """The broker is lost."""

    def ended(self, failure: Exception | None) -> None:
        """The broker is used no more, because the node ends, or because of a failure that is final."""


class Cluster:
    """Joins one server to the others that its adapter reaches; without an adapter there are none.

    `largest` is how many bytes a message may have, None where there is no limit.
    `done` is one shared `Pending` that has its result. `subscribed` is done when the adapter has subscribed: from then
    on a client that has joined a room here is reached by what other nodes send to it. It is done, too, when the broker
    is lost before. Without an adapter it is `done`.
    """

    done: Pending[None]
    subscribed: Pending[None]

    def __init__(
        self, adapter: Adapter | None, topic: str, engine: Engine, clients: Clients, *, max_unpublished_bytes: int
    ) -> None:
        self._adapter = adapter
        self._topic = topic
        self._engine = engine
        self._clients = clients
        self._most_bytes = max_unpublished_bytes
        self.largest = None if adapter is None else largest_message(adapter.largest_word, topic)
        self._questions = Questions(engine)
        self._connection: NodeConnection | None = None
        self._is_early_reported = False
        self.traffic = ClusterTraffic()
        self._take(engine.driver)

    # The life of the node

    @property
    def is_alone(self) -> bool:
        """Whether there is no adapter."""
        return self._adapter is None

    @property
    def is_ready(self) -> bool:
        """Whether the node is in touch with the others, so that new clients may come."""
        return self._adapter is None or (self._connection is not None and self._connection.is_ready)

    @property
    def waiting_bytes(self) -> int:
        """The bytes that wait for the broker."""
        return 0 if self._connection is None else self._connection.outgoing.waiting_bytes

    def nodes(self) -> list[Node]:
        """Return the nodes that are known to live, this one first; none without an adapter."""
        connection = self._connection
        if connection is None:
            return []
        members, sessions = connection.members, len(self._engine.sessions)
        return [members.this(connection.name, sessions, is_ready=connection.is_ready), *members.others()]

    def attach(self, driver: Driver) -> None:
        """Begin as a node on this driver's loop."""
        self._take(driver)
        self._end(goodbye=False)  # its loop was not closed
        if self._adapter is not None:
            self._connection = NodeConnection(
                self._adapter, self._topic, self._engine, self, self.traffic, self._most_bytes
            )
            self._connection.begin()
            self.subscribed = self._connection.subscribed

    def leave(self) -> None:
        """Deliver nothing more, but go on publishing: the server is closing."""
        if self._connection is not None:
            self._connection.leave()

    def detach(self) -> bool:
        """End as a node, with the loop. What is published from now on is dropped, as are events to clients.

        Return whether the adapter needs longer: the driver waits for it then.
        """
        return self._end(goodbye=True)

    def _take(self, driver: Driver) -> None:
        self.done = Pending(driver)
        self.done.resolve(None)
        self.subscribed = self.done

    def _end(self, *, goodbye: bool) -> bool:
        if self._connection is None:
            return False
        needs_longer = self._connection.end(goodbye=goodbye)
        self._questions.close()
        return needs_longer

    # To the other nodes

    def prepare(
        self, namespace: str, event: str, args: Sequence[Any], to: Audience, how: Delivery = ORDINARY
    ) -> bytes | None:
        """Encode an event for the other nodes; None without an adapter. Any thread may call it.

        AdapterError for one that is too large, or that the queue for a lost broker cannot take any more.
        """
        if self._adapter is None:
            return None
        return self.address(Broadcast(event, list(args), *how, namespace=namespace), to)

    def address(self, message: Broadcast | ForClients | Question, to: Audience) -> bytes | None:
        """Encode a message for the other nodes, as `prepare` does."""
        if self._adapter is None:
            return None
        data = address(message, to, self.largest)
        waiting = self.waiting_bytes
        if waiting and waiting + len(data) > self._most_bytes and not isinstance(message, Question):
            self.traffic.refused += 1
            rule = f"{waiting} bytes wait already, of {self._most_bytes} (max_unpublished_bytes)"
            raise AdapterError(
                f"{describe(message)} is sent to nobody, for the other nodes are not reached, and {rule}"
            )
        return data

    def publish(self, message: bytes | None) -> None:
        """Publish to the other nodes."""
        if message is not None and (connection := self._connected()) is not None:
            connection.publish(message)

    def number(self) -> int:
        """Return the number of a new message that wants an answer; 0 without an adapter. Any thread may call it."""
        return 0 if self._adapter is None else self._questions.number()

    def confirm(self, number: int, message: bytes | None) -> Pending[None]:
        """Publish a message that wants an answer; done when all nodes have answered, or have had 5 s for it.

        The time begins when the broker is there. AdapterError, or the adapter's own, where it has failed for good.
        """
        if message is None or (connection := self._connected()) is None:
            return self.done
        pending: Pending[None] = Pending(self._engine.driver)

        def on_publish(failure: Exception | None) -> None:
            if failure is not None:
                pending.reject(failure)
            else:
                nodes = connection.members.names
                self._questions.open(number, nodes, CONFIRM_WITHIN, _ignore, lambda missing: pending.resolve(None))

        connection.publish(message, on_publish=on_publish)
        return pending

    def ask(self, number: int, question: bytes, timeout: float, take: Take, end: End) -> None:
        """Ask all other nodes; see `Questions.open`. While the broker is lost, all of them are missing."""
        connection = self._connected()
        nodes = () if connection is None else connection.members.names
        if connection is None or connection.state is not OPEN:
            end(nodes)
        else:
            self._questions.open(number, nodes, timeout, take, end)
            connection.publish(question)

    # From the other nodes

    def received(self, node: str, message: BusMessage) -> None:
        """Take a message: an answer, a question, or what is to be done with clients."""
        if type(message) is BroadcastHere or isinstance(message, BusDisconnect):  # nearly all are broadcasts
            self._clients.deliver(message)
        elif isinstance(message, NodeAnswer):
            self._questions.answered(node, message)
        elif isinstance(message, Join | Leave):
            try:
                self._clients.deliver(message)
            finally:
                if message.number:
                    self._answer(node, [NodeAnswer(message.number)])
        elif isinstance(message, Fetch | Count | Ask):
            self._answer_question(node, message)

    def unknown(self, node: str, number: int) -> None:
        """Answer that a question was not understood."""
        self._answer(node, [NodeAnswer(number, understood=False)])

    def gone(self, node: str) -> None:
        """Wait for a node no longer."""
        self._questions.gone(node)

    def lost(self, gap: Gap) -> None:
        """Tell of words that did not come."""
        self._clients.lost(gap)

    def reached(self) -> None:
        """Tell that the broker is there."""
        self._clients.reached()

    def unreached(self) -> None:
        """Tell that the broker is lost."""
        self._clients.unreached()

    def ended(self, failure: Exception | None) -> None:
        """Tell that the broker is used no more."""
        self._clients.ended(failure)

    # Below this line: how it is done

    def _connected(self) -> NodeConnection | None:
        """Return the connection; where there has been none yet, what was to be published is lost, which is reported."""
        if self._connection is None and not self._is_early_reported:
            self._is_early_reported = True
            self._engine.driver.report("a message to other nodes is lost: the server has not started on a loop yet")
        return self._connection

    def _answer_question(self, node: str, question: Question) -> None:
        number = question.number
        try:
            items = self._clients.asked(question)
        except (TypeError, ValueError):
            self.unknown(node, number)
            raise
        items.when_done(lambda items: self._answer(node, answers(number, items.result(), self.largest)))

    def _answer(self, node: str, parts: Iterable[NodeAnswer]) -> None:
        if self._connection is not None:
            for part in parts:
                self._connection.publish(encode(part), to=node)


def _ignore(items: list[msgspec.Raw]) -> None:
    """Take an answer without content."""
