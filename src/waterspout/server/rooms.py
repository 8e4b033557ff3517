"""Who is in which room of a namespace, and whom a set of names means.

How it works: each member is in a room of its own, named by its id, so a socket, an id and a room are the same for
`to` and `except_`. A room exists while it has members. Whom a call means is an `Audience` of names, which can be
sent to other nodes; only `select` finds the members.
"""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from .member import Member

Room = str | int


class Identified(Protocol):
    """What has an id of its own."""

    id: str


Target = None | Room | Identified | Iterable[Room | Identified]
Except = None | Room | Identified | Iterable[Room | Identified]


class Audience(NamedTuple):
    """Whom something is for, by names of rooms and ids: everybody where `to` is None, but for `except_`."""

    to: tuple[Room, ...] | None
    except_: tuple[Room, ...] = ()

    def without(self, id: str) -> "Audience":
        """Leave out one member more."""
        return Audience(self.to, (id, *self.except_))


def audience(to: Target, except_: Except) -> Audience:
    """Read what a user says; TypeError for what can be neither a room nor a socket."""
    rooms = None if to is None else (to,) if isinstance(to, str) else tuple(map(_room, _each(to, "to")))
    return Audience(rooms, () if except_ is None else tuple(map(_room, _each(except_, "except_"))))


def _room(name: Any) -> Room:
    """Return the room, or the id of the socket."""
    return name if type(name) is str or isinstance(name, str | int) else name.id  # the type first: it is faster


def _each(names: Any, option: str) -> tuple[Any, ...]:
    one = isinstance(names, str | int | bytes) or hasattr(names, "id")
    try:
        return _checked((names,) if one else tuple(names))
    except TypeError:
        raise TypeError(f"{option} is {names!r}: give a room, a socket, its id, or several of them") from None


def _checked(names: tuple[Any, ...]) -> tuple[Any, ...]:
    for name in names:
        if not _is_room(name) and not isinstance(getattr(name, "id", None), str):
            raise TypeError
    return names


def check_rooms(rooms: tuple[Room, ...]) -> None:
    """Raise TypeError for what names no room."""
    for room in rooms:
        if not _is_room(room):
            several = isinstance(room, list | tuple | set | frozenset)
            remedy = "pass several as separate arguments: *rooms" if several else "give a string or a number"
            raise TypeError(f"{room!r} is not a room: {remedy}")


def _is_room(name: Any) -> bool:
    """Tell whether this names a room; True and False do not, which Python takes for 1 and 0."""
    return isinstance(name, str | int) and not isinstance(name, bool)


class Rooms:
    """The members of each room, in the order of their coming; an empty room does not exist.

    Each member is also reached by its own id, in a key space of its own: nobody enters that room by name.
    """

    __slots__ = ("_expected", "_members", "by_id")

    def __init__(self) -> None:
        self.by_id: dict[str, Member] = {}
        self._expected: set[str] = set()
        self._members: dict[Room, dict[Member, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_deserted(self) -> bool:
        """Tell whether nobody is here, and nobody on the way in."""
        return not self.by_id and not self._expected

    def expect(self, member_id: str) -> None:
        """Keep an id free for a member that is on its way in."""
        self._expected.add(member_id)

    def admit(self, member: "Member") -> None:
        """Add a member."""
        self._expected.discard(member.id)
        self.by_id[member.id] = member

    def dismiss(self, member_id: str) -> None:
        """Forget a member, or one that was expected."""
        self._expected.discard(member_id)
        self.by_id.pop(member_id, None)

    def check(self, room: Room, member: "Member") -> None:
        """Raise ValueError for another member's id, which is no room to join."""
        if room != member.id and (room in self.by_id or room in self._expected):
            raise ValueError(f"{room!r} is the id of another socket: a client's own room cannot be joined")

    def join(self, room: Room, member: "Member") -> None:
        """Add a member to a room."""
        members = self._members.get(room)
        if members is None:
            members = self._members[room] = {}
        members[member] = None

    def leave(self, room: Room, member: "Member") -> None:
        """Take a member out of a room; nothing happens if it is not there."""
        members = self._members.get(room)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[room]

    def select(self, whom: Audience) -> "Collection[Member]":
        """Return the members that are meant, each once."""
        members = self._named(whom.to)
        if not whom.except_:
            return members
        excluded = set(self._named(whom.except_))
        return [member for member in tuple(members) if member not in excluded]  # a copy: threads ask, too

    def _named(self, names: tuple[Room, ...] | None) -> "Collection[Member]":
        if names is None:
            return self.by_id.values()
        if len(names) == 1:
            return self._one(names[0])
        members: dict[Member, None] = {}
        for name in names:
            members.update(dict.fromkeys(self._one(name)))
        return members

    def _one(self, name: Room) -> "Collection[Member]":
        member = self.by_id.get(name) if isinstance(name, str) else None
        return self._members.get(name, ()) if member is None else (member,)
