"""A room: its people, and a bounded memory of what was said in it."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from waterspout import Socket

from .names import MAX_NAME, clean, same
from .rates import Allowance

MAX_ROOMS = 50
HISTORY = 200
ALWAYS = ("Harbour", "Lighthouse", "Workshop")


class Person:
    """Somebody in a room. Without a socket they are away: the connection is lost, and their place is kept a while.

    The id is the chat's own: that of a 1.x or 2.x client's socket is also the secret of its session. `page` is the
    secret by which a page that comes back is known as the same; without one nobody can come back.
    """

    def __init__(self, id: str, name: str, page: str, room: "Room") -> None:
        self.id = id
        self.name = name
        self.page = page
        self.room = room
        self.turn = 1  # which of the tabs that share the page's secret is here: each takes the place of the one before
        self.since = 0  # the id of the last message before they came into the room
        self.socket: Socket | None = None
        self.transport = self.generation = ""
        self.away_at = self.typed_at = 0.0
        self.allowance = Allowance()

    def seat(self, socket: Socket) -> None:
        """Give them a connection, their first or another."""
        self.socket, self.transport, self.generation = socket, socket.transport, socket.generation

    def seen(self) -> dict[str, Any]:
        """Tell what everybody in the room may know."""
        return {
            "id": self.id,
            "name": self.name,
            "transport": self.transport,
            "generation": self.generation,
            "away": self.socket is None,
        }


@dataclass(slots=True, eq=False)
class Message:
    """Something said. `missing` are the ids of those who were in the room and have not confirmed it yet."""

    id: int
    by: str
    name: str
    text: str
    at: int  # milliseconds since 1970, as JavaScript counts
    key: str
    others: int
    missing: set[str] = field(default_factory=set)

    def said(self) -> dict[str, Any]:
        """Tell it to the room."""
        return {"id": self.id, "by": self.by, "name": self.name, "text": self.text, "at": self.at}

    def receipt(self) -> dict[str, Any]:
        """Tell its author how far it has come: to `got` of `of` others."""
        got = self.others - len(self.missing)
        return {"id": self.id, "key": self.key, "at": self.at, "got": got, "of": self.others}


class Room:
    """People by id, and the last `HISTORY` messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.people: dict[str, Person] = {}
        self._history: deque[Message] = deque(maxlen=HISTORY)
        self._forgotten = 0  # the id of the last message that the memory has lost

    @property
    def topic(self) -> str:
        """Its name among the server's rooms, where no client's id can be mistaken for it."""
        return f"room {same(self.name)}"

    @property
    def last_id(self) -> int:
        """The id of the last message, 0 if there is none."""
        return self._history[-1].id if self._history else 0

    def others(self, person: Person) -> list[Person]:
        """Return everybody else."""
        return [other for other in self.people.values() if other is not person]

    def add(self, message: Message) -> None:
        """Remember a message, and forget the oldest when there are too many."""
        if len(self._history) == HISTORY:
            self._forgotten = self._history[0].id
        self._history.append(message)

    def find(self, by: str, key: str) -> Message | None:
        """Return what somebody has sent with this key before: it comes again when its tick got lost."""
        return next((message for message in self.of(by) if message.key == key), None) if key else None

    def of(self, by: str) -> list[Message]:
        """Return what somebody has said."""
        return [message for message in self._history if message.by == by]

    def after(self, id: int) -> list[Message]:
        """Return what was said after a message."""
        return [message for message in self._history if message.id > id]

    def remembers(self, id: int) -> bool:
        """Tell whether all that was said after a message is still there."""
        return id >= self._forgotten


class Rooms:
    """All rooms: those that are always there, and those that are there as long as somebody is in them."""

    def __init__(self) -> None:
        self._rooms = {same(name): Room(name) for name in ALWAYS}

    def open(self, name: object) -> Room | str:
        """Return the room of this name, made if need be; or a sentence that says why there is none."""
        cleaned = clean(name)
        if not cleaned:
            return f"Give the room a name of 1 to {MAX_NAME} characters."
        key = same(cleaned)
        if key not in self._rooms:
            if len(self._rooms) == MAX_ROOMS:
                return f"There are {MAX_ROOMS} rooms already. Join one of them."
            self._rooms[key] = Room(cleaned)
        return self._rooms[key]

    def first(self) -> Room:
        """Return the room for those who chose none."""
        return self._rooms[same(ALWAYS[0])]

    def tidy(self, room: Room) -> None:
        """Close a room in which nobody is left, with its history."""
        if not room.people and room.name not in ALWAYS:
            self._rooms.pop(same(room.name), None)

    def numbers(self) -> list[dict[str, Any]]:
        """List the rooms, each with how many people are in it."""
        return [{"name": room.name, "people": len(room.people)} for room in self._rooms.values()]
