"""One event to many sockets: encoded once for each generation, the same bytes to everybody."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from ..engine import Prepared, Session, Turn
from ..wire.generations import Generation

UNSENDABLE = (TypeError, ValueError, RecursionError)  # what an encoder raises for values that JSON cannot carry


class Member(Protocol):
    """What the fan-out needs of a socket."""

    session: Session


class Fanout:
    """Delivers the events of a namespace. `present` counts its sockets by generation."""

    __slots__ = ("_turn", "present")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.present: Counter[Generation] = Counter()

    def deliver(self, members: Collection[Member], namespace: str, event: str, args: Sequence[Any]) -> None:
        """Queue the event for each member.

        What cannot be encoded for one of the generations raises TypeError before anything is queued.
        Nothing else happens meanwhile: whoever must be cut for its full outbox is cut afterwards.
        """
        forms = {row: prepare(row, namespace, event, args) for row in self.present}
        with self._turn:
            if len(forms) == 1:
                self._to_one_generation(members, *forms.values())
            else:
                for member in members:
                    member.session.push(forms[member.session.generation])

    @staticmethod
    def _to_one_generation(members: Iterable[Member], prepared: Prepared) -> None:
        for member in members:
            member.session.push(prepared)

    def count(self, generation: Generation, change: int) -> None:
        """Count a socket that came (1) or went (-1)."""
        self.present[generation] += change
        if not self.present[generation]:
            del self.present[generation]


def prepare(
    generation: Generation, namespace: str, event: str, args: Sequence[Any], number: int | None = None
) -> Prepared:
    """Encode an event; TypeError, naming type and event, for what JSON cannot carry."""
    try:
        return Prepared(*generation.socketio.encode_event(namespace, event, args, number))
    except UNSENDABLE as error:
        raise TypeError(f"the event {event!r} cannot be sent: {error}") from error
