"""The server of the EventSources, in a process of its own: `-m clients.eventsources PORT` prints the port.

Any path /s/NAME is a channel that keeps all, /small/NAME one that keeps five, /both/NAME two in one connection. What
the test tells it is a POST to /do/WHAT/NAME.
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


def kept(name: str) -> Channel:
    return server.channel(name, history=10_000, start="earliest")


def small(name: str) -> Channel:
    return server.channel(f"small {name}", history=5, start="earliest")


server.expose("/s/{name}")(lambda request, name: kept(name))
server.expose("/small/{name}")(lambda request, name: small(name))
server.expose("/both/{name}")(lambda request, name: [kept(f"{name} a"), kept(f"{name} b")])


@server.expose("/guarded/{name}")
def guarded(request: waterspout.Request, name: str) -> Channel:
    if request.header("authorization") != "Bearer me":
        raise waterspout.HandshakeRefused(401, "log in")
    return kept(name)


class Do(tornado.web.RequestHandler):
    """Publish or end, then say which."""

    async def post(self, what: str, name: str) -> None:
        values = json.loads(self.request.body or b"null")
        if what == "end":
            kept(name).end(values)
        elif what == "texts":
            for value in values:
                kept(name).publish(Text(value))
        elif what == "count":
            self.write(str(kept(name).count))
        else:
            channel = small(name) if what == "small" else kept(name)
            for value in values:
                channel.publish(value)


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
