"""Who is in which room of a namespace, and whom a set of names means."""

from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

Room = str | int
M = TypeVar("M")


class Rooms(Generic[M]):
    """The members of each room, in the order of their coming; an empty room does not exist.

    Each member is also reached by its own id, in a key space of its own: nobody enters that room by name.
    """

    __slots__ = ("_members", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[str, M] = {}
        self._members: dict[Room, dict[M, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, room: Room, member: M) -> None:
        """Add a member to a room."""
        members = self._members.get(room)
        if members is None:
            members = self._members[room] = {}
        members[member] = None

    def leave(self, room: Room, member: M) -> None:
        """Take a member out of a room; nothing happens if it is not there."""
        members = self._members.get(room)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[room]

    def select(self, names: "Target") -> Collection[M]:
        """Return the members that the names mean, each once: all for None, else rooms and ids."""
        if names is None:
            return self.by_id.values()
        if isinstance(names, str | int):
            return self._one(names)
        members: dict[M, None] = {}
        for name in names:
            members.update(dict.fromkeys(self._one(name)))
        return members

    def _one(self, name: Room) -> Collection[M]:
        members = self._members.get(name)
        if members is not None:
            return members
        member = self.by_id.get(name) if isinstance(name, str) else None
        return () if member is None else (member,)


Target = None | Room | Iterable[Room]
