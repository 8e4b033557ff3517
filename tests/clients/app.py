"""The server under test, in a process of its own: `-m clients.app HOST [msgpack] [deflate]` prints its port.

It serves until SIGTERM; with `deflate`, WebSockets are compressed. `hosting` has the names of hosts.
"""

import sys
from datetime import UTC, datetime
from decimal import Decimal

import clients.features  # noqa: F401  # it registers handlers
import waterspout
from clients.servers import SERVERS, bare, server
from hosting import serve

REFUSAL = {"code": 42, "why": ["full", "🌊"]}

chat = server.of("/chat")
guarded = server.of("/guarded")
closed = server.of("/closed")


@server.on_connect
def enter(socket: waterspout.Socket, auth: object) -> None:
    if socket.request.param("refuse"):
        raise waterspout.ConnectRefused(REFUSAL, message="No entry 🚧")
    if room := socket.request.param("room"):
        socket.join(room)
    if greeting := socket.request.param("greet"):
        socket.emit("greeting", greeting)


@server.on_disconnect
def leave(socket: waterspout.Socket, reason: str) -> None:
    server.emit("left", socket.request.param("name"), reason, to="watchers")


@server.on("echo")
def echo(socket: waterspout.Socket, *args: object) -> None:
    socket.emit("echo", *args)


@server.on("message")
def message(socket: waterspout.Socket, data: object) -> None:
    socket.emit("message", data)


@server.on("ack")
def acknowledge(socket: waterspout.Socket, *args: object) -> tuple[object, ...]:
    return args


@server.on("nothing")
def acknowledge_with_nothing(socket: waterspout.Socket) -> None:
    return None


@server.on("size")
def size(socket: waterspout.Socket, text: str) -> int:
    return len(text)


@server.on("code points")
def code_points(socket: waterspout.Socket, text: str) -> list[int]:
    return [ord(character) for character in text]


@server.on("text")
def text(socket: waterspout.Socket, points: list[int]) -> str:
    return "".join(map(chr, points))


@server.on("python values")
def python_values(socket: waterspout.Socket) -> tuple[object, ...]:
    return (
        datetime(2020, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC),
        datetime(2020, 1, 1),  # noqa: DTZ001  # one without a time zone is a value, too
        2**70,
        Decimal("1.10"),
        {1: b"x"},
    )


@server.on("ask")
async def ask(socket: waterspout.Socket, *args: object) -> object:
    return await socket.call("question", *args, timeout=10)


@server.on("ask in vain")
async def ask_in_vain(socket: waterspout.Socket) -> str:
    try:
        await socket.call("question without an answer", timeout=0.05)
    except waterspout.AckTimeout:
        return "AckTimeout"
    return "answered"


@server.on("join")
def join(socket: waterspout.Socket, room: str) -> None:
    socket.join(room)


@server.on("join and tell")
def join_and_tell(socket: waterspout.Socket, room: str) -> str:
    socket.join(room)
    return room


@server.on("leave")
def leave_room(socket: waterspout.Socket, room: str) -> None:
    socket.leave(room)


@server.on("shout")
def shout(socket: waterspout.Socket, room: str, *args: object) -> None:
    server.emit("shout", *args, to=room)


@server.on("broadcast")
def broadcast(socket: waterspout.Socket, room: str, *args: object) -> None:
    socket.broadcast("broadcast", *args, to=room)


@server.on("kick")
@chat.on("kick")
def kick(socket: waterspout.Socket) -> None:
    socket.disconnect()


@server.on("hang up")
def hang_up(socket: waterspout.Socket) -> None:
    socket.disconnect(close=True)


@chat.on_connect
def welcome(socket: waterspout.Socket, auth: object) -> None:
    socket.emit("welcome", auth)


@chat.on("say")
def say(socket: waterspout.Socket, words: object) -> None:
    chat.emit("said", words)


@guarded.on_connect
def refuse_with_data(socket: waterspout.Socket, auth: object) -> None:
    raise waterspout.ConnectRefused(REFUSAL, message="No entry 🚧")


@closed.on_connect
def refuse(socket: waterspout.Socket, auth: object) -> bool:
    return False


def page(path: str, body: bytes) -> bytes | None:
    """Return a page of the server's own origin."""
    return b"<!doctype html><script></script><body>" if path == "/page" else None


if __name__ == "__main__":
    serve(sys.argv[1], bare, *SERVERS, respond=page)
