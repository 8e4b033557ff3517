"""What the scenarios of features.mjs talk to, apart from events as such."""

import asyncio
import re
import threading
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from msgspec import Struct

import waterspout
from clients.servers import compressing, counted, limited, narrow, server, sixteen
from waterspout import Pending, Socket

FILLER = "x" * 20_000  # what a client that does not read is written to with
PATIENCE = 10.0  # s that a thread waits


def gate() -> Pending[None]:
    """Make something that handlers can wait for, on any host."""
    return Pending(server.engine.driver)


# Dynamic namespaces, and classes of sockets

rooms = server.of(re.compile(r"/room-\d+"))
server.of(re.compile(r"/one-of-many-\d+"))


async def invited(name: str, auth: dict[str, str]) -> bool:
    """Admit whoever knows the name of a party by heart."""
    await asyncio.sleep(0)
    return name.startswith("/party-") and auth.get("token") == name


parties = server.of(invited)


@rooms.on("say")
@parties.on("say")
def say(socket: Socket, *words: object) -> str:
    server.of(socket.namespace).emit("said", socket.namespace, *words)
    return socket.namespace


@rooms.on("say to all")
def say_to_all(socket: Socket, words: object) -> list[str]:
    rooms.emit("said to all", words)
    return sorted(one.name for one in rooms.namespaces())


@server.on("rooms and parties")
def rooms_and_parties(socket: Socket) -> list[str]:
    return [one.name for family in (rooms, parties) for one in family.namespaces()]


class Guest(Socket):
    """A client with a memory."""

    async def on_connect(self, auth: dict[str, str]) -> None:
        self.words = [auth["greeting"]]

    def on_disconnect(self, reason: waterspout.Reason) -> None:
        server.emit("left", f"{self.request.param('name')} as a guest", f"{reason} after {self.words}", to="watchers")

    @waterspout.event
    async def say(self, word: str) -> list[str]:
        """Remember a word."""
        self.words.append(word)
        return self.words

    @waterspout.event("kind of socket", ordered=True)
    def kind(self) -> list[str]:
        """Tell who serves the client."""
        return [type(self).__name__, self.namespace]


server.register("/guests", Guest)
server.register(re.compile(r"/guests-\d+"), Guest)

# What comes before handlers

strict = server.of("/strict")
watched = server.of("/watched")


@strict.use
async def ask_for_a_badge(socket: Socket, auth: dict[str, str]) -> None:
    await asyncio.sleep(0)
    if "badge" not in auth:
        raise waterspout.ConnectRefused({"missing": "badge"}, message="No badge")
    socket.data["badge"] = auth["badge"]


@strict.use
def look_at_it(socket: Socket, auth: dict[str, str]) -> bool:
    return bool(socket.data["badge"] != "forged")


@strict.use_event
async def look_at_the_event(socket: Socket, event: str, args: list[Any]) -> bool:
    await asyncio.sleep(0)
    if event == "rude":
        raise waterspout.EventRefused("Say it politely 🌊", word=args[0], badge=socket.data["badge"])
    return event != "dropped"


@strict.use_event
def whisper(socket: Socket, event: str, args: list[Any]) -> None:
    args[:] = [arg.lower() if isinstance(arg, str) else arg for arg in args]


@strict.on("say")
@strict.on("rude")
@strict.on("dropped")
def repeat(socket: Socket, *args: object) -> tuple[object, ...]:
    socket.emit("heard", *args)
    return args


@watched.on_any
def see(socket: Socket, event: str, *args: object) -> str:
    socket.emit("seen", event, *args)
    return "by the handler of any event"


@watched.on("known")
def known(socket: Socket, *args: object) -> str:
    socket.emit("handled", *args)
    return "by its own handler"


# Typed events

typed = server.of("/typed")


@dataclass
class Line:
    article: str
    price: float
    count: int = 1


class Order(Struct):
    customer: str
    lines: list[Line]


@typed.on("order")
async def order(socket: Socket, order: Order, urgent: bool = False, *notes: str) -> tuple[object, ...]:
    socket.emit("reached", type(order).__name__)
    return order.customer, [line.count * line.price for line in order.lines], urgent, list(notes)


@typed.on("picture")
def picture(socket: Socket, data: bytes, taken: date) -> tuple[object, ...]:
    socket.emit("reached", "picture")
    return type(data).__name__, data, taken.year


@typed.on_error
def tell(socket: Socket, event: str, error: waterspout.ArgumentError) -> None:
    socket.emit("refused", event, error.argument, error.place)


# Order

turns = server.of("/turns")
queued = server.of("/queued", ordered=True)


@turns.on_connect
def prepare(socket: Socket, auth: object) -> None:
    socket.data.update(begun=[], gate=gate())


async def step(socket: Socket, number: int) -> list[int]:
    socket.data["begun"].append(number)
    await socket.data["gate"]
    return list(socket.data["begun"])


turns.on("step", ordered=True)(step)
turns.on("stroll", ordered=False)(step)


@turns.on("begun", ordered=False)
def begun(socket: Socket) -> list[int]:
    return list(socket.data["begun"])


@turns.on("go on", ordered=False)
def go_on(socket: Socket) -> None:
    socket.data["gate"].resolve(None)


@turns.on("block", threaded=True, ordered=False)
def block(socket: Socket, number: int) -> tuple[object, ...]:
    socket.data["gate"].wait(PATIENCE)
    socket.emit("from a thread", number)
    return number, threading.current_thread() is not threading.main_thread()


@queued.on("slow")
async def slow(socket: Socket) -> None:
    pause = gate()
    threading.Timer(0.02, server.engine.driver.soon, (pause.resolve, None)).start()
    await pause
    socket.emit("done", "slow")


@queued.on("fast")
def fast(socket: Socket) -> None:
    socket.emit("done", "fast")


# Clients that do not read


def find(sid: str) -> Socket:
    (found,) = server.sockets(to=sid)
    return found


@server.on("write in vain")
async def write_in_vain(socket: Socket, sid: str, room: str) -> tuple[int, int, int]:
    """Write to one client until something waits for it, then to a room.

    Return how often it was before, and how many were dropped and replaced then.
    """
    silent, fillers = find(sid), 0
    while not silent._member.session.outbox_bytes:
        silent.emit("filler", FILLER)
        fillers += 1
        await asyncio.sleep(0)
    traffic = server.engine.traffic  # not stats(), from which on handlers would be measured
    dropped, replaced = traffic.dropped, traffic.replaced
    for number in range(100):
        server.emit("volatile", number, to=room, volatile=True)
        server.emit("latest", number, to=room, latest="price")
        if number % 25 == 0:
            server.emit("ordinary", number, to=room)
    return fillers, traffic.dropped - dropped, traffic.replaced - replaced


@server.on("volatile and latest")
def volatile_and_latest(socket: Socket) -> None:
    socket.emit("volatile", "to a reader", volatile=True)
    socket.emit("latest", "to a reader", latest="price")


@server.on("drown")
async def drown(socket: Socket, sid: str, room: str) -> int:
    """Write to a room, as fast as the one who asks reads, until the other is gone; return how often."""
    silent, waves = find(sid), 0
    while not silent.gone:
        for _ in range(10):
            server.emit("wave", FILLER, to=room)
        waves += 10
        await socket.call("have you read", timeout=PATIENCE)
    return waves


# Acting on many

many = server.of("/many")


@many.on("enter")
def enter(socket: Socket, room: str, name: str) -> None:
    socket.data["name"] = name
    socket.join(room)


@many.on("fetch")
async def fetch(socket: Socket, room: str) -> dict[str, Any]:
    presence = await many.fetch_sockets(to=room)
    assert presence.missing == ()
    return {
        one.data["name"]: [one.id, one.transport, one.generation, sorted(map(str, one.rooms)), one.remote_address]
        for one in presence.sockets
    }


@many.on("others")
def others(socket: Socket, room: str) -> list[str]:
    return [one.data["name"] for one in many.sockets(to=room, except_=socket)]


@many.on("rooms")
def rooms_of(socket: Socket) -> list[str]:
    return sorted(map(str, socket.rooms))


@many.on("lead")
def lead(socket: Socket, room: str, other: str) -> None:
    many.join(other, "elsewhere", to=room)
    many.leave(room, to=other, except_=socket.id)


@many.on("close")
def close(socket: Socket, *names: str) -> None:
    for name in names:
        many.close_room(name)


@many.on("disconnect others")
def disconnect_others(socket: Socket, room: str) -> None:
    many.disconnect(to=room, except_=socket)


@many.on("close me")
def close_me(socket: Socket) -> None:
    many.disconnect(to=socket.id, close=True)


@many.on("ask")
async def ask(socket: Socket, question: str, room: str, timeout: float, *args: Any) -> tuple[object, ...]:
    names = {one.id: one.data["name"] for one in many.sockets(to=room)}
    replies = await many.call(question, *args, to=room, timeout=timeout)
    return {names[sid]: answer for sid, answer in replies.answers.items()}, [names[sid] for sid in replies.missing]


# Limits


@server.on("hold", ordered=False)
async def hold(socket: Socket, number: int) -> int:
    data = socket.data
    data["begun"] = data.get("begun", 0) + 1
    await data.setdefault("gate", gate())
    await asyncio.sleep(0)  # behind those that waited, also where tasks begin at once
    return number


@server.on("held")
def held(socket: Socket, sid: str) -> int:
    return int(find(sid).data.get("begun", 0))


@server.on("let go")
def let_go(socket: Socket, sid: str) -> None:
    find(sid).data["gate"].resolve(None)


@sixteen.on("burst")
def burst(socket: Socket, size: int) -> int:
    for number in range(size):
        socket.emit("said", number, *[b"x"] * (number % 3))
    return size


@limited.on("ack")
@counted.on("ack")
@narrow.on("ack")
def acknowledge(socket: Socket, *args: object) -> tuple[object, ...]:
    return args


@narrow.on_disconnect
def left(socket: Socket, reason: waterspout.Reason) -> None:
    server.emit("left", socket.request.param("name"), reason, to="watchers")


@narrow.on("ask")
async def ask_again_and_again(socket: Socket, count: int) -> list[str]:
    """Ask a client that does not answer, and return what comes of it at once."""
    asked = [socket.call("question", number, timeout=PATIENCE) for number in range(count)]
    await asyncio.sleep(0)
    socket.data["asked"] = [pending for pending in asked if not pending.done]
    return [await outcome(pending) if pending.done else "waits" for pending in asked]


@narrow.on("what came of it")
async def what_came_of_it(socket: Socket) -> list[str]:
    return [await outcome(pending) for pending in socket.data["asked"]]


async def outcome(pending: Pending[Any]) -> str:
    try:
        return str(await pending)
    except waterspout.WaterspoutError as error:
        return type(error).__name__


@narrow.on("write")
def write(socket: Socket, length: int) -> None:
    socket.emit("written", "x" * length)


@narrow.on("who am I")
def who(socket: Socket) -> tuple[object, ...]:
    request = socket.request
    return request.remote_address, request.secure, request.host


# Numbers


@counted.on_connect
def count(socket: Socket, auth: object) -> None:
    socket.join("all", "of us")


@server.on("numbers")
def numbers(socket: Socket) -> dict[str, Any]:
    return asdict(counted.stats())


# Compression


@compressing.on("text")
def text(socket: Socket, compress: bool) -> None:
    socket.emit("text", FILLER, compress=compress)
    compressing.emit("text", FILLER.encode(), to=socket.id, compress=compress)
