"""The server of the EventSources, in a process of its own: `-m clients.eventsources PORT` prints the port.

Any path /s/NAME is the channel NAME, which keeps all, /small/NAME the channel small/NAME, which keeps five, /new/NAME
the channel new/NAME, of which newcomers get nothing that is past, and /both/NAME has two in one connection. A client
of Socket.IO names its channel in the query. What the test tells it is a POST to /do/WHAT/CHANNEL.
"""

import asyncio
import json
import signal
import sys

import tornado.httpserver
import tornado.web

import waterspout
import waterspout.hosts.tornado as host
from clients.servers import PAGES
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


class Do(tornado.web.RequestHandler):
    """Publish, or end."""

    async def post(self, what: str, name: str) -> None:
        values = json.loads(self.request.body or b"null")
        channel = find(name)
        if what == "end":
            channel.end(values)
        else:
            for value in values:
                channel.publish(Text(value) if what == "texts" else value)


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sockets = tornado.netutil.bind_sockets(int(sys.argv[1]), "127.0.0.1")
    http = tornado.httpserver.HTTPServer(tornado.web.Application([(r"/do/(\w+)/(.+)", Do), *host.routes(server)]))
    http.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    http.stop()
    await server.close()
    await host.drain(server)


if __name__ == "__main__":
    asyncio.run(main())
