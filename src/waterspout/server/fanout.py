"""One event to many sockets: encoded once for each generation, the same bytes to everybody.

How it works: the namespace counts its clients by generation, so that `rows` knows without looking at the members
which encodings are needed. All of them are made before anything is queued: a value that one codec cannot carry is an
error, and nobody gets anything. Then one loop pushes the `Prepared` of its generation to each session. In this loop
nothing is made for a member that the garbage collector would have to track.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine import Prepared, Turn, push_to_all
from ..wire.generations import Generation
from ..wire.places import find_fault

if TYPE_CHECKING:
    from .socket import Socket

UNSENDABLE = (TypeError, ValueError, RecursionError)  # what an encoder raises for values that JSON cannot carry


class Delivery(NamedTuple):
    """How a message waits where it cannot leave at once, and whether it may be compressed."""

    volatile: bool = False
    compress: bool = True
    latest: str | None = None  # the key of which the latest message of a namespace counts


ORDINARY = Delivery()


def delivery(*, volatile: bool, compress: bool, latest: str | None) -> Delivery:
    """Read what a user says."""
    if not volatile and compress and latest is None:
        return ORDINARY
    if latest is not None and not isinstance(latest, str):
        raise TypeError(f"latest is {latest!r}: give a string, the key whose latest message counts")
    return Delivery(volatile, compress, latest)


class Fanout:
    """Delivers the events of a namespace. `present` counts its sockets by generation."""

    __slots__ = ("_turn", "present")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.present: Counter[Generation] = Counter()

    def rows(self, members: Collection["Socket"]) -> Collection[Generation]:
        """Return the generations that these members speak."""
        return self.present if len(self.present) == 1 else {member._session.generation for member in members}

    def push(self, members: Collection["Socket"], forms: dict[Generation, Prepared]) -> None:
        """Queue the event for each member, in its generation's form.

        Nothing else happens meanwhile: a client whose outbox is full is cut afterwards.
        """
        with self._turn:
            if len(forms) == 1:
                push_to_all([member._session for member in members], *forms.values())
            else:
                for member in members:
                    member._session.push(forms[member._session.generation])

    def count(self, generation: Generation, change: int) -> None:
        """Count a socket that came (1) or went (-1)."""
        self.present[generation] += change
        if not self.present[generation]:
            del self.present[generation]


def prepare(
    generation: Generation,
    namespace: str,
    event: str,
    args: Sequence[Any],
    ack_id: int | None = None,
    how: Delivery = ORDINARY,
) -> Prepared:
    """Encode an event; TypeError, naming type and event, for what JSON cannot carry."""
    try:
        text, attachments = generation.socketio.encode_event(namespace, event, args, ack_id)
    except UNSENDABLE as error:
        raise TypeError(f"the event {event!r} cannot be sent: {error}{find_fault(args, 'args')}") from error
    if how is ORDINARY:
        return Prepared(text, attachments)
    key = None if how.latest is None else (namespace, how.latest)
    return Prepared(text, attachments, compress=how.compress, volatile=how.volatile, key=key)
