"""A clock: a background task that starts with the server, and an event at shutdown.

waterspout serve background:server
"""

import asyncio
import logging

from waterspout import Server

server = Server()


@server.on_start
def ready() -> None:
    logging.info("the server has started")


@server.on_start
async def tick() -> None:
    count = 0
    try:
        while True:
            await asyncio.sleep(1)
            count += 1
            server.emit("tick", count, volatile=True)
    finally:
        logging.info("%d ticks", count)


@server.on_stop
async def farewell() -> None:
    server.emit("farewell", "back in a minute")
    await asyncio.sleep(0.1)  # cleanup before the clients are disconnected
