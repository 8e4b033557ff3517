"""The server of plain WebSockets: `-m clients.plainwebsockets HOST` prints its port and serves until SIGTERM.

The code of docs/websocket.md makes `server`, with its chat at /ws; the rest stands beside it.
"""

import re
import sys
from pathlib import Path
from typing import Any

import waterspout
from hosting import serve

PAGE = Path(__file__).parents[2] / "docs/websocket.md"
[CODE, *_] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)

names: dict[str, Any] = {}
exec(compile(CODE, "docs/websocket.md", "exec"), names)
server: waterspout.Server = names["server"]
chat: waterspout.Namespace = names["chat"]
auths: list[object] = []

strict, failing, gateway = (server.of(name) for name in ("/strict", "/failing", "/gateway"))
server.expose("/strict", strict)
server.expose("/failing", failing)
server.expose("/gateway", gateway)
ended = server.channel("ended", start="earliest")
server.on_start(ended.end)
server.expose("/ended", ended)
pinging = waterspout.Server(path="/pinging.io", ping_interval=0.05, connect_timeout=0.2)
silent = pinging.of("/silent")
silent.on_connect(lambda socket, auth: None)
pinging.expose("/pinging", pinging.of("/pinging"))
pinging.expose("/silent", silent)


@server.expose("/rooms/{name}")
def room(request: waterspout.Request, name: str) -> waterspout.Namespace:
    raise waterspout.HandshakeRefused(403, f"not into {name}")


@strict.on_connect
def refuse(socket: waterspout.Socket, auth: object) -> None:
    auths.append(auth)
    raise waterspout.ConnectRefused("no seat", data={"left": 0})


@failing.on_connect
def fail(socket: waterspout.Socket, auth: object) -> None:
    raise waterspout.SocketClosed("what the handler needs is not there")


@chat.on("kick")
def kick(socket: waterspout.Socket) -> None:
    socket.disconnect()


@chat.on("auths")
def tell_auths(socket: waterspout.Socket) -> list[object]:
    return auths


@chat.on("double")
async def double(socket: waterspout.Socket) -> object:
    """Ask the client, and answer with its answer."""
    return await socket.call("double", 21, timeout=10)


@chat.on("close the server")
def close(socket: waterspout.Socket) -> None:
    server.close()  # and not the process, which the test ends


# What the gateway of a NestJS application does


@gateway.on_connect
def connect(socket: waterspout.Socket, auth: object) -> None: ...


@gateway.on("identity")
@gateway.on("nothing")
def answer(socket: waterspout.Socket, data: object = None) -> None:
    socket.emit("answer", data)


@gateway.on("all")
def broadcast(socket: waterspout.Socket, data: object) -> None:
    gateway.emit("all", data)


def page(path: str, body: bytes) -> bytes | None:
    """Return a page of the server's own origin."""
    return b"<!doctype html><body>" if path == "/page" else None


if __name__ == "__main__":
    serve(sys.argv[1], server, pinging, respond=page)
