"""One event to many members: encoded once for each generation, the same bytes to everybody.

How it works: the namespace counts its members by generation, so that `rows` knows without looking at the members
which encodings are needed. All of them are made before anything is queued: a value that one codec cannot carry is an
error, and nobody gets anything. Then one loop for each generation pushes its `Prepared` to the sessions. In this loop
nothing is made for a member that the garbage collector would have to track.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine import Prepared, Session, Turn, push_to_all
from ..wire.generations import Generation
from ..wire.places import find_fault

if TYPE_CHECKING:
    from .member import Member

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
    """Delivers the events of a namespace. `present` counts its members by generation.

    `spoken` are the generations that its members may have: those of the policy, and any other that has been here.
    """

    __slots__ = ("_sessionless", "_turn", "present", "spoken")

    def __init__(self, turn: Turn, spoken: Iterable[Generation]) -> None:
        self._turn = turn
        self._sessionless = 0  # members
        self.present: Counter[Generation] = Counter()
        self.spoken = dict.fromkeys(spoken)

    def rows(self, members: Collection["Member"]) -> Collection[Generation]:
        """Return the generations of these members."""
        return self.present if len(self.present) == 1 else {member.generation for member in members}

    def push(self, members: Collection["Member"], forms: dict[Generation, Prepared]) -> None:
        """Queue the event for each member, in its generation's form.

        Nothing else happens meanwhile: a client whose outbox is full is cut afterwards.
        """
        with self._turn:
            if len(forms) == 1 and not self._sessionless:
                push_to_all([member.session for member in members], *forms.values())  # type: ignore[misc]
                return
            sessions: dict[Generation, list[Session]] = {row: [] for row in forms}
            for member in members:
                if member.session is None:
                    member.push(forms[member.generation])
                else:
                    sessions[member.generation].append(member.session)
            for row, alike in sessions.items():
                push_to_all(alike, forms[row])

    def count(self, member: "Member", change: int) -> None:
        """Count a member that came (1) or went (-1)."""
        row = member.generation
        self.spoken.setdefault(row)
        self.present[row] += change
        if not self.present[row]:
            del self.present[row]
        if member.session is None:
            self._sessionless += change


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
