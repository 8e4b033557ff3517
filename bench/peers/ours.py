"""Waterspout inside a Tornado application, on uvloop or asyncio's own loop, on gevent, or on uvicorn.

usage: ours.py PORT [asyncio|gevent|uvicorn|asgi] PUBLISH_PORT

On uvicorn its WebSockets are ours, with "asgi" they are uvicorn's own.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from waterspout import Server, Socket

server = Server()
news = server.channel("news")
server.expose("/news", news)


@server.on("echo")
def echo(socket: Socket, argument: object) -> object:
    return argument


@server.on("echo2")
def echo2(socket: Socket, argument: object) -> None:
    socket.emit("echo2", argument)


@server.on("bcast")
def bcast(socket: Socket, argument: object) -> None:
    server.emit("bcast", argument)


@server.on("follow")
def follow(socket: Socket) -> None:
    socket.subscribe(news)


Publish = Callable[[Any], object]


class Lines(asyncio.Protocol):
    """Publishes each line; a StreamReader would take as long for one as an emit does."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Publish the lines that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._publish(msgspec.json.decode(line))


async def main(server: Server, publish: Publish, port: int, publish_port: int) -> None:
    """Serve until the process is ended."""
    import tornado.web

    from waterspout.hosts import tornado as host

    application = tornado.web.Application(host.routes(server), log_function=lambda handler: None)
    await asyncio.get_running_loop().create_server(lambda: Lines(publish), "127.0.0.1", publish_port)
    application.listen(port, "127.0.0.1", backlog=4096)
    gc.freeze()
    await asyncio.Event().wait()


def serve_on_gevent(server: Server, publish: Publish, port: int, publish_port: int) -> None:
    """The same, in the hub."""
    from gevent.server import StreamServer

    from waterspout.hosts.gevent import serve

    def publish_lines(connection: Any, address: object) -> None:
        for line in connection.makefile("rb"):
            publish(msgspec.json.decode(line))

    StreamServer(("127.0.0.1", publish_port), publish_lines).start()
    gc.freeze()
    serve(server, host="127.0.0.1", port=port)


def serve_on_uvicorn(server: Server, port: int, **protocols: str) -> None:
    """The same inside an ASGI application; nothing is published."""
    import uvicorn

    from waterspout.hosts.asgi import App

    gc.freeze()
    options = {"backlog": 4096, "log_level": "error", "ws_per_message_deflate": False}
    uvicorn.run(App(server), port=port, **protocols, **options)


def run(variant: str, server: Server, publish: Publish, port: int, publish_port: int) -> None:
    """Serve on uvloop, or as the variant says."""
    if variant == "gevent":
        from gevent import monkey

        monkey.patch_all()
        serve_on_gevent(server, publish, port, publish_port)
    elif variant == "uvicorn":
        ours = "waterspout.hosts.uvicorn"
        serve_on_uvicorn(server, port, ws=f"{ours}:WebSocketProtocol", http=f"{ours}:HttpProtocol")
    elif variant == "asgi":
        serve_on_uvicorn(server, port)
    elif variant == "asyncio":
        asyncio.run(main(server, publish, port, publish_port))
    else:
        import uvloop

        uvloop.run(main(server, publish, port, publish_port))


if __name__ == "__main__":
    port, *variants, publish_port = sys.argv[1:]
    run("".join(variants), server, news.publish, int(port), int(publish_port))
