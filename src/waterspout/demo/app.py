"""A small chat, written with the public API only: rooms, who is here, typing, and a tick for each delivery."""

import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import tornado.web

from waterspout import ConnectRefused, Server, Socket
from waterspout.hosts.listeners import CannotStart

ROOMS = ("Harbour", "Lighthouse", "Workshop")
MAX_NAME = 24
MAX_TEXT = 2000
TRANSPORTS = ("polling", "websocket", "webtransport")

PAGE = Path(__file__).parent / "page"
CLIENT = Path(".demo/node_modules/socket.io-client/dist/socket.io.min.js")
CDN = "https://cdn.socket.io/4.8.4/socket.io.min.js"
POLICY = "default-src 'self'; script-src 'self' https://cdn.socket.io; connect-src 'self' ws: wss:; base-uri 'none'"


@dataclass(slots=True)
class Person:
    """Somebody in a room, as everybody there may see them.

    The id is the chat's own: that of a 1.x or 2.x client's socket is also the secret of its session.
    """

    id: str
    name: str
    room: str
    transport: str
    generation: str


class Chat:
    """The chat's server and who is in it; each page shows one person in one room."""

    def __init__(self) -> None:
        self.server = server = Server()
        self.people: dict[str, Person] = {}
        self.pages: dict[str, Socket] = {}
        self._numbers = count(1)
        server.on_connect(self.connect)
        server.on("say")(self.say)
        server.on("enter")(self.enter)
        server.on("typing")(self.typing)
        server.on("transport")(self.transport)
        server.on_disconnect(self.disconnect)

    def connect(self, socket: Socket, auth: Any) -> None:
        """Take in a client; `auth` (for Socket.IO 1.x and 2.x, the query) is {name, room, page}."""
        told = auth if isinstance(auth, dict) else {}
        name = clean_name(told.get("name"))
        if not name:
            raise ConnectRefused(f"Choose a nickname of 1 to {MAX_NAME} characters.")
        self._replace(told.get("page"), socket)
        request = socket.request
        self.people[socket.id] = person = Person(
            id=str(next(self._numbers)),
            name=name,
            room=told["room"] if told.get("room") in ROOMS else ROOMS[0],
            transport=request.param("transport") or "",
            generation=f"Engine.IO {request.param('EIO')}",
        )
        self._come(socket, person)
        socket.emit("welcome", {"id": person.id, **self._view(person.room)})

    def enter(self, socket: Socket, room: Any) -> dict[str, Any]:
        """Move to another room, and answer with who is there."""
        person = self.people[socket.id]
        if room not in ROOMS:
            return {"error": f"There is no such room; the rooms are {', '.join(ROOMS)}."}
        if room != person.room:
            self._go(socket, person)
            person.room = room
            self._come(socket, person)
        return self._view(room)

    def say(self, socket: Socket, text: Any) -> dict[str, Any]:
        """Send a text to the room; the answer is the sender's tick."""
        person = self.people[socket.id]
        if not isinstance(text, str) or not text.strip():
            return {"error": "There is nothing in this message."}
        if len(text) > MAX_TEXT:
            return {"error": f"This message has {len(text)} characters; {MAX_TEXT} is the limit."}
        at = round(time.time() * 1000)
        socket.broadcast("said", {"id": person.id, "name": person.name, "text": text.strip(), "at": at}, to=person.room)
        return {"at": at, "others": len(self._here(person.room)) - 1}

    def typing(self, socket: Socket, *_: Any) -> None:
        """Tell the others that somebody writes; their pages forget it after a few seconds."""
        person = self.people[socket.id]
        socket.broadcast("typing", {"id": person.id, "name": person.name}, to=person.room)

    def transport(self, socket: Socket, name: Any) -> None:
        """Take a page's word for the transport it has upgraded to."""
        person = self.people[socket.id]
        if name in TRANSPORTS and name != person.transport:
            person.transport = name
            self.server.emit("changed", person, to=person.room)

    def disconnect(self, socket: Socket, reason: str) -> None:
        """Forget somebody who is gone, unless that has happened already."""
        if person := self.people.pop(socket.id, None):
            self._go(socket, person)
        self.pages = {page: owner for page, owner in self.pages.items() if owner is not socket}

    def _come(self, socket: Socket, person: Person) -> None:
        socket.join(person.room)
        socket.broadcast("came", person, to=person.room)
        socket.broadcast("rooms", self._counts())

    def _go(self, socket: Socket, person: Person) -> None:
        socket.leave(person.room)
        self.server.emit("left", {"id": person.id, "name": person.name}, to=person.room)
        self.server.emit("rooms", self._counts())

    def _view(self, room: str) -> dict[str, Any]:
        return {"room": room, "rooms": self._counts(), "here": self._here(room)}

    def _here(self, room: str) -> list[Person]:
        return [person for person in self.people.values() if person.room == room]

    def _counts(self) -> dict[str, int]:
        return {room: len(self._here(room)) for room in ROOMS}

    def _replace(self, page: Any, socket: Socket) -> None:
        """End the connection that the same page had before, rather than show its ghost until the ping timeout."""
        if isinstance(page, str) and 16 <= len(page) <= 64:
            if before := self.pages.get(page):
                self.disconnect(before, "replaced")
                before.disconnect(close=True)
            self.pages[page] = socket


class Page(tornado.web.StaticFileHandler):
    """The page's files, never stale and with a policy that allows no other scripts."""

    def set_extra_headers(self, path: str) -> None:
        """Add the headers to each answer."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")


class Client(tornado.web.RequestHandler):
    """The official client library: npm's file where it is installed, else the way to the CDN."""

    def initialize(self, file: Path | None) -> None:
        """Take the local file."""
        self.file = file

    def get(self) -> None:
        """Send the library or redirect to it."""
        if self.file is None:
            self.redirect(CDN)
            return
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.write(self.file.read_bytes())


def clean_name(name: Any) -> str:
    """Return a nickname without control characters and surplus spaces, cut to its greatest length."""
    words = name.split() if isinstance(name, str) else []
    return "".join(char for char in " ".join(words) if char.isprintable())[:MAX_NAME].strip()


def client_file(chosen: str | None) -> Path | None:
    """Return the client library to serve: the chosen file, else the one that npm installed under .demo, else None."""
    if chosen is None:
        return CLIENT.resolve() if CLIENT.is_file() else None
    if not Path(chosen).is_file():
        raise CannotStart(f"cannot read {chosen!r}: there is no such file; give --client a socket.io.min.js")
    return Path(chosen).resolve()


def page_routes(client: Path | None) -> list[Any]:
    """Return Tornado routes for the page and the client library."""
    return [
        (r"/client\.js", Client, {"file": client}),
        (r"/(|chat\.css|chat\.js|icon\.svg)", Page, {"path": PAGE, "default_filename": "index.html"}),
    ]
