"""A node's connection to the others, from the beginning of its server's loop to the end.

It takes a name, attaches the adapter, subscribes to the cluster's topic and to one of its own, and publishes a `Hello`
that asks for those of the others. It is `OPEN` when all have answered, or after 2 s. What is to be published before
that waits, and so it does while the broker is `LOST`. When the broker is back, the node asks again, and is open when
the nodes of before have answered, or after 4 s.

Once a second it publishes its hello to all, and expects to receive it: `Members` judges by that whether the node
receives anything at all, and which of the others have died.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial
from itertools import count
from typing import Any, Protocol

from ...engine import Engine, Layer, Level, Pending
from .adapter import Adapter
from .bus import Bus
from .incoming import ClusterTraffic, Gap
from .members import HELLO_EVERY, Members
from .messages import VERSION, BusMessage, Hello
from .words import WordReceiver, Words

ALONE_AFTER = 2.0  # s without all answers to the first hello, where the broker cannot count those who receive it
RETURN_WITHIN = 4.0  # s for the nodes of before, when the broker is back


class Receiver(WordReceiver, Protocol):
    """Takes what a connection receives, but for hellos."""

    def gone(self, node: str) -> None:
        """A node has died, or ended."""

    def reached(self) -> None:
        """The broker is there, for the first time or again."""

    def unreached(self) -> None:
        """The broker is lost."""

    def ended(self, failure: Exception | None) -> None:
        """The broker is used no more, because the node ends, or because of a failure that is final."""


class NodeState(Enum):
    """Whether a node can publish; one whose adapter has failed for good never can."""

    JOINING = "joining"
    OPEN = "open"
    LOST = "lost"
    FAILED = "failed"
    ENDED = "ended"


JOINING, OPEN, LOST, FAILED, ENDED = NodeState  # names of a module are faster to look up than members of an Enum

OnPublish = Callable[[Exception | None], object]
"""Called just before a message is published, or with the reason why it never will be."""

_lives = count(1)


class NodeConnection:
    """One life of a node, from `begin` to `end`.

    `subscribed` is done when the adapter has subscribed, or has lost its broker before: then nothing reaches this node
    that clients could miss. `failure` is the error of an adapter that has failed for good.
    """

    subscribed: Pending[None]

    def __init__(
        self, adapter: Adapter, topic: str, engine: Engine, receiver: Receiver, traffic: ClusterTraffic, most_bytes: int
    ) -> None:
        self._topic = topic
        self._engine = engine
        self._receiver = receiver
        self._traffic = traffic
        self._most_bytes = most_bytes
        self.members = Members()
        self.state = JOINING
        self.is_leaving = False
        self.failure: Exception | None = None
        self._is_loss_noted = self._is_deafness_noted = False
        self._opened_at: float | None = None  # for the first time; since then its name is its own
        self._answered: set[str] = set()
        self._expected: int | None = None
        self._former: set[str] | None = None  # the nodes of before the broker was lost; None if it was never open
        self._bus = Bus(adapter, topic, engine.driver)
        self._words = Words(self._bus, topic, engine, self, traffic)
        self.outgoing = self._words.outgoing
        self._take_name()

    # What the cluster calls

    def begin(self) -> None:
        """Attach the adapter."""
        self.subscribed = Pending(self._engine.driver)
        attached = self._bus.attach(self._lost, self._restored)
        subscribed = self._bus.subscribe(self._topic, partial(self._receive, self._topic))
        subscribed.when_done(self._tell_subscribed)
        self._when(attached, subscribed, self._subscribe_own())

    @property
    def is_ready(self) -> bool:
        """Whether the node is in touch with the others."""
        return self.state is OPEN and not self.members.is_deaf and not self.is_leaving

    def publish(self, message: bytes, *, to: str | None = None, on_publish: OnPublish | None = None) -> None:
        """Publish to all, or to one node, as soon as the broker is there."""
        topic = self._topic if to is None else self._words.topic_of(to)
        if self.state is OPEN:
            self._publish(topic, message, on_publish)
        elif self.state in (JOINING, LOST):
            self.outgoing.wait(topic, message, on_publish)
        elif on_publish is not None:
            on_publish(self.failure)

    def leave(self) -> None:
        """Tell the others that the server is closing: receive nothing more from all, but go on publishing."""
        if not self.is_leaving and self.state is not ENDED:
            self.is_leaving = True
            self._send_hello()
            self._bus.unsubscribe(self._topic)

    def end(self, *, goodbye: bool) -> bool:
        """Disconnect; return whether the adapter needs longer: the driver waits for it then."""
        if self.state is ENDED:
            return False
        if goodbye and self.state is OPEN:
            self._send_hello(gone=True)
        self.state = ENDED
        self._stop()
        return not self._bus.detach(self._engine.driver).done

    def _stop(self) -> None:
        self._receiver.ended(self.failure)
        self._words.can_publish = False
        for kind in ("second", "opening"):
            self._engine.deadlines.clear(self, kind)
        for _, _, on_publish in self.outgoing.take():
            if on_publish is not None:
                on_publish(self.failure)
        self._words.close()

    # Names and topics

    def _take_name(self) -> None:
        token = self._engine.driver.token()
        self._words.take_name(token[-8:])
        self._life = f"{token}-{next(_lives)}"

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._words.name

    def _tell_subscribed(self, subscribed: Pending[Any]) -> None:
        if subscribed.error is None:
            self.subscribed.resolve(None)
        else:
            self.subscribed.reject(subscribed.error)

    def _subscribe_own(self) -> Pending[Any]:
        topic = self._words.topic_of(self.name)
        return self._bus.subscribe(topic, partial(self._receive, topic))

    def _meet_namesake(self, hello: Hello) -> None:
        """Take another name, or keep it: the node that has been open keeps it, or else the one whose life is less."""
        is_settled = self._opened_at is not None
        yields = self._life > hello.life if is_settled is hello.settled else hello.settled
        if yields:
            self._note(Level.WARNING, "the name %a of this node is another's: it takes a new one", self.name)
            self._bus.unsubscribe(self._words.topic_of(self.name))
            self._take_name()
            self._when(self._subscribe_own())
        elif not hello.settled:
            self._send_hello()

    # Opening, and the way back

    def _when(self, *pendings: Pending[Any]) -> None:
        """Say hello when all of this is done."""
        for pending in pendings:
            if not pending.done:
                pending.when_done(lambda _: self._when(*pendings))
                return
        self.failure = next((pending.error for pending in pendings if pending.error), None)
        if self.state is JOINING and self.failure is None:
            self._ask()
        elif self.state in (JOINING, LOST) and self.failure is not None:
            self.state = FAILED
            self._stop()

    def _ask(self) -> None:
        """Ask all others for their hello, to open when they have answered."""
        now = self._engine.driver.now()
        self._receiver.reached()
        self._words.can_publish = True
        self._answered.clear()
        self.members.expect_own()
        self._engine.deadlines.set(self, "second", now + HELLO_EVERY)
        self._engine.deadlines.set(self, "opening", now + (ALONE_AFTER if self._former is None else RETURN_WITHIN))
        self._send_hello(asks=True).when_done(self._count)

    def _count(self, published: Pending[Any]) -> None:
        """Expect as many answers as others have received the hello, where the broker has counted them."""
        receivers = None if published.error else published.result()
        self._expected = receivers - 1 if isinstance(receivers, int) else None
        self._look()

    def _look(self) -> None:
        if self.state is not JOINING:
            return
        if self._former is not None:
            is_complete = self._former <= self._answered
        else:
            is_complete = self._expected is not None and len(self._answered) >= self._expected
        if is_complete:
            self._open()

    def _open(self) -> None:
        """Publish from now on; first what waits."""
        self._engine.deadlines.clear(self, "opening")
        if self._is_loss_noted:
            self._note(Level.WARNING, "the other nodes are reached again")
            self._is_loss_noted = self._is_deafness_noted = False
        self.state, self._former = OPEN, None
        if self._opened_at is None:
            self._opened_at = self._engine.driver.now()
            self._note(Level.INFO, "this node is %a, other nodes: %d", self.name, len(self.members.names))
        self.members.received_own()
        for topic, message, on_publish in self.outgoing.take():
            self._publish(topic, message, on_publish)

    def _lost(self, reason: str) -> None:
        if self.state not in (JOINING, OPEN):
            return
        if not self._is_loss_noted:  # it may be lost again before the node has opened
            text = "the other nodes are not reached: %s; up to %d bytes for them are kept"
            self._note(Level.ERROR, text, reason, self._most_bytes)
            self._is_loss_noted = True
        self._traffic.broker_losses += 1
        self.subscribed.resolve(None)
        if self.state is OPEN:
            self._former = set(self.members.names)
        self.state = LOST
        self._receiver.unreached()
        self._words.can_publish = False
        self._engine.deadlines.clear(self, "opening")

    def _restored(self) -> None:
        if self.state is LOST:
            self.state = JOINING
            self.outgoing.refresh(self._engine.driver.now())
            self._ask()

    # Hellos

    def due(self, kind: str, at: float) -> None:
        """Act: a second is over, or the others have had their time to answer."""
        if kind == "opening":
            hears = self.members.has_own
            self._open()
            if not hears:
                self._note_deafness()
            return
        self._engine.deadlines.set(self, "second", self._engine.driver.now() + HELLO_EVERY)
        was_deaf = self.members.is_deaf
        for name in self.members.tick(listens=self.state is OPEN and not self.is_leaving):
            self._note(Level.WARNING, "the node %a is silent: it counts as dead", name)
            self._receiver.gone(name)
        if was_deaf and self.members.is_deaf and self.state is OPEN:  # a second later, for an adapter to tell of a loss
            self._note_deafness()
        self._send_hello(asks=self.state is JOINING)
        for name in self.members.silent:
            self._send_hello(to=name, asks=True)

    def _send_hello(self, to: str | None = None, *, asks: bool = False, gone: bool = False) -> Pending[Any]:
        hello = Hello(
            life=self._life,
            version=VERSION,
            sessions=len(self._engine.sessions),
            heads=self.outgoing.heads(self._engine.driver.now()),
            asks=asks,
            ready=self.is_ready,
            age=self._age,
            leaving=self.is_leaving,
            gone=gone,
        )
        return self._words.publish_unnumbered(self._topic if to is None else self._words.topic_of(to), hello)

    def _receive_hello(self, node: str, hello: Hello) -> None:
        for topic in (self._topic, self._words.topic_of(self.name)):
            self._words.incoming.learn(node, topic, hello.heads.get(topic), is_younger=self._is_older_than(hello))
        if hello.gone:
            self.members.forget(node)
            self._receiver.gone(node)
            return
        if self.members.update(node, hello):
            self._note(Level.WARNING, "the node %a is a member again", node)
        if hello.asks:
            self._send_hello(to=node)
        self._answered.add(node)
        self._look()

    def _is_older_than(self, hello: Hello) -> bool:
        """Tell whether another node has opened after this one, which then has to know all of its words."""
        age = self._age
        return age is not None and hello.age is not None and hello.age < age

    @property
    def _age(self) -> float | None:
        """For how many seconds this node has been open."""
        return None if self._opened_at is None else self._engine.driver.now() - self._opened_at

    def _receive_own_hello(self, hello: Hello) -> None:
        if hello.life != self._life:
            self._meet_namesake(hello)
            return
        if self._is_deafness_noted:
            self._is_deafness_noted = False
            self._note(Level.WARNING, "the bus delivers what this node publishes again")
        self.members.received_own()

    # What words contain

    def received(self, node: str, message: BusMessage) -> None:
        """Take a message: a hello is this connection's, and all else its receiver's."""
        if not isinstance(message, Hello):
            self._receiver.received(node, message)
        elif node == self.name:
            self._receive_own_hello(message)
        else:
            self._receive_hello(node, message)

    def unknown(self, node: str, number: int) -> None:
        """Pass on that a question was not understood."""
        self._receiver.unknown(node, number)

    def lost(self, gap: Gap) -> None:
        """Pass on that words did not come."""
        self._receiver.lost(gap)

    def _receive(self, topic: str, data: bytes) -> None:
        if self.state not in (FAILED, ENDED):
            self._words.receive(topic, data)

    def _publish(self, topic: str, message: bytes, on_publish: OnPublish | None) -> None:
        if on_publish is not None:
            on_publish(None)
        self._words.publish(topic, message)

    def _note_deafness(self) -> None:
        self.members.be_deaf()
        if not self._is_deafness_noted:
            self._is_deafness_noted = True
            self._note(Level.ERROR, "the bus delivers nothing, not even what this node publishes: it is not ready")

    def _note(self, level: Level, text: str, *values: object) -> None:
        self._engine.log.note(Layer.SERVER, level, text, *values)
