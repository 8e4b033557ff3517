"""The nodes of a cluster, as one of them knows them by their hellos.

Every second each node publishes a hello, which it receives itself. While it does not, it is deaf: it is not ready, and
considers nobody dead. Time is counted in seconds in which it has received its own hello, so a bus that stalls kills
nobody.
"""

from collections import deque
from dataclasses import dataclass

from .messages import VERSION, Hello

HELLO_EVERY = 1.0  # s
MISSED = 3  # hellos of its own after which a node is deaf, and of another one after which that is dead
REMEMBERED = 100  # nodes that have died, whose return is told


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its name, its `sessions` (connections of clients), the `version` of its messages, what it is doing.

    `is_self`: it is the one that was asked. `is_ready`: it takes new clients. Of other nodes this is known as of their
    last hello, at most some seconds ago.
    """

    name: str
    sessions: int
    version: int
    is_self: bool
    is_ready: bool


class Members:
    """The other nodes that live, by name, with their last hello; and whether this one receives anything.

    `has_own`: it has received its own hello, since the last second or since `expect_own`.
    """

    def __init__(self) -> None:
        self._others: dict[str, tuple[Hello, int]] = {}
        self._dead: deque[str] = deque(maxlen=REMEMBERED)
        self._seconds = 0  # in which this node received its own hello
        self.has_own = True
        self._missed = 0

    @property
    def is_deaf(self) -> bool:
        """Whether the bus brings nothing, not even this node's own hellos."""
        return self._missed >= MISSED

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those that can be asked: all but the leaving."""
        return tuple(name for name, (hello, _) in self._others.items() if not hello.leaving)

    @property
    def silent(self) -> list[str]:
        """The names of those whose last hello did not come: they are asked before they count as dead."""
        return [name for name, (_, seen) in self._others.items() if self._seconds - seen > 1]

    def update(self, name: str, hello: Hello) -> bool:
        """Take another node's hello; return whether the node has counted as dead."""
        self._others[name] = hello, self._seconds
        if name not in self._dead:
            return False
        self._dead.remove(name)
        return True

    def received_own(self) -> None:
        """Take this node's own hello."""
        self.has_own, self._missed = True, 0

    def expect_own(self) -> None:
        """Know no hello of this node's: it publishes a new one, to open."""
        self.has_own = False

    def be_deaf(self) -> None:
        """Be deaf until the next hello of this node's."""
        self._missed = MISSED

    def forget(self, name: str) -> None:
        """Take out a node that has ended."""
        self._others.pop(name, None)

    def tick(self, *, listens: bool) -> tuple[str, ...]:
        """Count a second; return the names of the nodes that have died, which are out. Without `listens` none has."""
        if not listens:
            return ()
        if not self.has_own:
            self._missed += 1
            return ()
        self.has_own = False
        self._seconds += 1
        dead = tuple(name for name, (_, seen) in self._others.items() if self._seconds - seen > MISSED)
        for name in dead:
            del self._others[name]
        self._dead.extend(dead)
        return dead

    def others(self) -> list[Node]:
        """Return what is known of the other nodes."""
        return [
            Node(name, hello.sessions, hello.version, is_self=False, is_ready=hello.ready)
            for name, (hello, _) in self._others.items()
        ]

    def this(self, name: str, sessions: int, *, is_ready: bool) -> Node:
        """Describe this node."""
        return Node(name, sessions, VERSION, is_self=True, is_ready=is_ready)
