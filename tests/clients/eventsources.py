"""The server of the EventSources, in a process of its own: `-m clients.eventsources HOST PORT` prints the port.

Any path /s/NAME is the channel NAME, which keeps all, /small/NAME the channel small/NAME, which keeps five, /new/NAME
the channel new/NAME, of which newcomers get nothing that is past, and /both/NAME has two in one connection. A client
of Socket.IO names its channel in the query. What the test tells it is a POST to /do/WHAT/CHANNEL.
"""

import json
import sys

import waterspout
from clients.servers import PAGES
from hosting import serve
from waterspout.server import Channel, Text

server = waterspout.Server(cors_origins=PAGES, cors_credentials=True)


def find(name: str) -> Channel:
    history = 5 if name.startswith("small/") else 10_000
    return server.channel(name, history=history, start="new" if name.startswith("new/") else "earliest")


@server.on("follow")
async def follow(socket: waterspout.Socket, last: str | None) -> str | None:
    return await socket.subscribe(find(socket.request.param("channel") or ""), last)


server.expose("/s/{name}")(lambda request, name: find(name))
server.expose("/small/{name}")(lambda request, name: find(f"small/{name}"))
server.expose("/new/{name}")(lambda request, name: find(f"new/{name}"))
server.expose("/both/{name}")(lambda request, name: [find(f"{name} a"), find(f"{name} b")])


@server.expose("/guarded/{name}")
def guarded(request: waterspout.Request, name: str) -> Channel:
    if request.header("authorization") != "Bearer me":
        raise waterspout.HandshakeRefused(401, "log in")
    return find(name)


def do(path: str, body: bytes) -> bytes | None:
    """Publish, or end."""
    _, verb, what, name = path.split("/", 3)
    if verb != "do":
        return None
    values, channel = json.loads(body or b"null"), find(name)
    if what == "end":
        channel.end(values)
    else:
        for value in values:
            channel.publish(Text(value) if what == "texts" else value)
    return b""


if __name__ == "__main__":
    serve(sys.argv[1], server, respond=do, port=int(sys.argv[2]))
