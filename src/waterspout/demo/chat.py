"""A chat, written with the public API only: the part to learn from.

Every client of Socket.IO 0.7 to 4.x may talk here. It connects with {name, room} as its auth (0.7 to 2.x: its query)
and emits `say`, `enter` and `typing`; it hears `welcome`, `said`, `delivered`, `typing`, `came`, `changed`, `left` and
`pulse`.

    const socket = io("http://127.0.0.1:8000", { auth: { name: "Ada" } });
    socket.on("said", (message, received) => { console.log(message.name, message.text); received(); });
    socket.emit("say", "hello", (answer) => console.log(answer));
"""

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from waterspout import AckTimeout, ConnectRefused, Pending, Reason, Server, Socket, SocketClosed

from .names import MAX_NAME, clean, same
from .rates import Meter
from .room import Message, Person, Rooms

MAX_TEXT = 2000
MAX_KEY = 64
MAX_PEOPLE = 500
TYPING_INTERVAL = 1.0
GRACE = 30.0
RECEIPT_TIMEOUT = 10.0
PULSE_INTERVAL = 1.0


class Chat:
    """The chat's server and who is in it. Somebody has to call `pulse` every `PULSE_INTERVAL` seconds.

    `clock` returns the seconds since 1970; `allowed_hosts` are the server's.
    """

    def __init__(self, clock: Callable[[], float] = time.time, *, allowed_hosts: Sequence[str] | None = None) -> None:
        # Quicker than the defaults: a connection that dies in silence is known to be dead within 18 s.
        self.server = server = Server(ping_interval=10, ping_timeout=8, allowed_hosts=allowed_hosts)
        self.people: dict[str, Person] = {}
        self._rooms = Rooms()
        self._rooms_changed = False
        self._partly: dict[int, Message] = {}  # who has got it has grown since the last pulse, but not to everybody
        self._clock = clock
        self._meter = Meter(clock())
        self._live = server.channel("live", history=60)  # a minute
        server.expose("/live", self._live)
        self._person_ids, self._message_ids = count(1), count(1)
        server.on_connect(self.connect)
        server.on("say")(self.say)
        server.on("enter")(self.enter)
        server.on("typing")(self.typing)
        server.on("echo")(self.echo)
        server.on_disconnect(self.disconnect)

    # What clients do

    def connect(self, socket: Socket, auth: Any) -> None:
        """Take in a client by {name, room, page, since, turn}: somebody new, or a page that has lost its connection.

        `page` is the page's secret of 16 to 64 characters, `since` the id of the last message that it has, and `turn`
        is from its last `welcome`; a page that was loaded anew has none, and takes its place from the one before.
        """
        told = auth if isinstance(auth, dict) else {}
        page = _text(told.get("page"))
        page = page if 16 <= len(page) <= 64 else ""
        known = next((person for person in self.people.values() if page and person.page == page), None)
        if known is not None:
            self._come_back(known, socket, _number(told.get("since")), _number(told.get("turn")))
        else:
            self._come_new(socket, told, page)

    def say(self, socket: Socket, text: str, key: str = "") -> dict[str, Any]:
        """Send a text to the room; the answer, {id, key, at, got, of}, is the sender's first tick.

        `key` is the sender's own name for the message: what comes twice with the same key is said once.
        """
        person: Person = socket.data["person"]
        text, key = _text(text).strip(), _text(key)[:MAX_KEY]
        if not text:
            return {"error": "There is nothing in this message."}
        if len(text) > MAX_TEXT:
            return {"error": f"This message has {len(text)} characters; {MAX_TEXT} is the limit."}
        if said := person.room.find(person.id, key):
            return said.receipt()
        if not person.allowance.take(self._clock()):
            return {"error": "You write faster than the others can read. Wait a second."}
        person.typed_at = 0.0  # the next message may be announced at once
        return self._say(person, text, key).receipt()

    def enter(self, socket: Socket, room: str) -> dict[str, Any]:
        """Move to another room, made if need be; the answer is what there is to see, as in `welcome`."""
        person: Person = socket.data["person"]
        wanted = self._rooms.open(room)
        if isinstance(wanted, str):
            return {"error": wanted}
        if wanted is not person.room:
            socket.leave(person.room.topic)
            self._leave(person)
            person.room = wanted
            self._join(person, socket)
        return self._view(person, wanted.after(person.since))

    def typing(self, socket: Socket) -> None:
        """Tell the others that somebody writes; their pages forget it after a few seconds."""
        person: Person = socket.data["person"]
        now = self._clock()
        if now - person.typed_at >= TYPING_INTERVAL:
            person.typed_at = now
            socket.broadcast("typing", {"id": person.id, "name": person.name}, to=person.room.topic)

    def echo(self, socket: Socket) -> None:
        """Acknowledge: so a page measures how long the way to the server and back is."""

    def disconnect(self, socket: Socket, reason: Reason) -> None:
        """Keep the place of a page that has lost its connection; who cannot come back has left."""
        person: Person = socket.data["person"]
        if person.socket is not socket:
            return  # the page is back already, over another connection
        person.socket, person.away_at = None, self._clock()
        if person.page and reason is not Reason.CLIENT_DISCONNECT:
            self.server.emit("changed", person.seen(), to=person.room.topic)
        else:
            self._forget(person)

    # What time does

    def pulse(self) -> None:
        """Tell everybody the rate and, if they have changed, the rooms; notice upgrades, and who stays away."""
        now = self._clock()
        for person in tuple(self.people.values()):
            if person.socket is None:
                if now - person.away_at >= GRACE:
                    self._forget(person)
            elif person.transport != person.socket.transport:
                person.seat(person.socket)
                self.server.emit("changed", person.seen(), to=person.room.topic)
        for message in tuple(self._partly.values()):
            self._report(message)
        rooms = self._rooms.numbers() if self._rooms_changed else None
        self._rooms_changed = False
        rate = self._meter.tick(now)
        self.server.emit("pulse", {"rate": rate, "rooms": rooms})
        self._live.publish({"rate": rate, "connections": self._connections()})

    def _connections(self) -> list[tuple[str, str, int]]:
        """Count who is connected: by generation and transport."""
        return [
            (generation, transport, number)
            for generation, transports in sorted(self.server.stats().sessions.items())
            for transport, number in sorted(transports.items())
        ]

    # Messages and their ticks

    def _say(self, person: Person, text: str, key: str) -> Message:
        others = person.room.others(person)
        message = Message(
            id=next(self._message_ids),
            by=person.id,
            name=person.name,
            text=text,
            at=round(self._clock() * 1000),
            key=key,
            others=len(others),
            missing={other.id for other in others},
        )
        person.room.add(message)
        self._meter.add()
        for other in others:
            if other.socket is not None:  # else they get it when they are back
                self._tell(other, other.socket, "said", message.said(), [message])
        return message

    def _tell(self, person: Person, socket: Socket, event: str, what: dict[str, Any], messages: list[Message]) -> None:
        """Send an event with messages in it, and give their authors a second tick when it is acknowledged."""

        def settled(answer: Pending[Any]) -> None:
            try:
                answer.result()
            except (AckTimeout, SocketClosed):
                return  # whoever has lost the connection gets them again when they are back
            self._received(person, messages)

        self._meter.add(len(messages))
        socket.call(event, what, timeout=RECEIPT_TIMEOUT).add_done_callback(settled)

    def _received(self, person: Person, messages: list[Message]) -> None:
        for message in messages:
            if person.id in message.missing:
                message.missing.remove(person.id)
                self._partly[message.id] = message
                if not message.missing:
                    self._report(message)

    def _report(self, message: Message) -> None:
        """Tell the author how far a message has come: when it has come to all, and in between once a pulse."""
        self._partly.pop(message.id, None)
        author = self.people.get(message.by)
        if author is not None and author.socket is not None:
            author.socket.emit("delivered", message.receipt())

    # Coming and going

    def _come_new(self, socket: Socket, told: dict[str, Any], page: str) -> None:
        name = clean(told.get("name"))
        if not name:
            raise ConnectRefused(f"Choose a nickname of 1 to {MAX_NAME} characters.")
        if len(self.people) >= MAX_PEOPLE:
            raise ConnectRefused(f"The chat is full: {MAX_PEOPLE} people are here. Come back later.")
        if same(name) in {same(person.name) for person in self.people.values()}:
            raise ConnectRefused(f"“{name}” is taken by somebody who is here. Choose another nickname.")
        room = self._rooms.open(told.get("room"))
        person = Person(str(next(self._person_ids)), name, page, self._rooms.first() if isinstance(room, str) else room)
        person.seat(socket)
        self.people[person.id] = socket.data["person"] = person
        self._join(person, socket)
        socket.emit("welcome", {"back": False, "complete": True, **self._view(person, [])})

    def _come_back(self, person: Person, socket: Socket, since: int, turn: int) -> None:
        """Give a page its place again, and what was said meanwhile in its room."""
        if turn not in (0, person.turn):
            raise ConnectRefused({"replaced": True}, message="This chat goes on in another tab.")
        person.turn += turn == 0
        before = person.socket
        person.seat(socket)
        socket.data["person"] = person
        if before is not None:
            before.disconnect(close=True)
        since = max(person.since, since)
        missed = person.room.after(since)
        socket.join(person.room.topic)
        socket.broadcast("changed", person.seen(), to=person.room.topic)
        view = {"back": True, "complete": person.room.remembers(since), **self._view(person, missed)}
        self._tell(person, socket, "welcome", view, missed)

    def _join(self, person: Person, socket: Socket) -> None:
        person.since = person.room.last_id
        person.room.people[person.id] = person
        self._rooms_changed = True
        socket.join(person.room.topic)
        socket.broadcast("came", person.seen(), to=person.room.topic)

    def _leave(self, person: Person) -> None:
        del person.room.people[person.id]
        self._rooms.tidy(person.room)
        self._rooms_changed = True
        self.server.emit("left", {"id": person.id, "name": person.name}, to=person.room.topic)

    def _forget(self, person: Person) -> None:
        del self.people[person.id]
        self._leave(person)

    def _view(self, person: Person, messages: list[Message]) -> dict[str, Any]:
        room = person.room
        return {
            "id": person.id,
            "name": person.name,
            "turn": person.turn,
            "room": room.name,
            "rooms": self._rooms.numbers(),
            "here": [other.seen() for other in room.people.values()],
            "messages": [message.said() for message in messages],
            "receipts": [message.receipt() for message in room.of(person.id)],
        }


def _text(value: object) -> str:
    """Take a text as it is, and nothing else."""
    return value if isinstance(value, str) else ""


def _number(text: object) -> int:
    """Read an id as clients write it, in JSON or in a query; 0 for anything else."""
    digits = str(text)[:15]
    return int(digits) if digits.isdecimal() else 0
