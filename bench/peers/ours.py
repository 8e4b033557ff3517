"""Waterspout inside a Tornado application, on uvloop.

usage: ours.py PORT PUBLISH_PORT
"""

import asyncio
import gc
import sys

import msgspec
import tornado.web
import uvloop

from waterspout import Server, Socket
from waterspout.hosts import tornado as host

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


async def publish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Publish each line."""
    async for line in reader:
        news.publish(msgspec.json.decode(line))


async def main(port: int, publish_port: int) -> None:
    """Serve until the process is ended."""
    application = tornado.web.Application(host.routes(server), log_function=lambda handler: None)
    await asyncio.start_server(publish, "127.0.0.1", publish_port)
    application.listen(port, "127.0.0.1", backlog=4096)
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
