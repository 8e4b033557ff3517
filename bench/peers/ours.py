"""Waterspout inside a Tornado application, on uvloop.

usage: ours.py PORT
"""

import asyncio
import gc
import sys

import tornado.web
import uvloop

from waterspout import Server, Socket
from waterspout.hosts import tornado as host

server = Server()


@server.on("echo")
def echo(socket: Socket, argument: object) -> object:
    return argument


@server.on("echo2")
def echo2(socket: Socket, argument: object) -> None:
    socket.emit("echo2", argument)


@server.on("bcast")
def bcast(socket: Socket, argument: object) -> None:
    server.emit("bcast", argument)


async def main(port: int) -> None:
    """Serve until the process is ended."""
    application = tornado.web.Application(host.routes(server), log_function=lambda handler: None)
    application.listen(port, "127.0.0.1", backlog=4096)
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
