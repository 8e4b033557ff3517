"""Channels: prices that every client gets, also those that it has missed while it was away.

let last = null; // the id of the last message
socket.on("connect", () => socket.emit("follow", last, (from) => (last ??= from)));
socket.on("prices", (price, id) => ((last = id), console.log(price)));
socket.on("stream-reset", ({ id, reason }) => ((last = id), console.log(`some were missed: ${reason}`)));
"""

import asyncio
import random

import waterspout

server = waterspout.Server(cors_origins="*")
prices = server.channel("prices", history=1000)


@server.on("follow")
async def follow(socket: waterspout.Socket, last: str | None) -> str:
    return await socket.subscribe(prices, last)


@server.on_start
async def tick() -> None:
    price = 100.0
    while True:
        price += random.uniform(-1, 1)
        prices.publish({"ACME": round(price, 2)})
        await asyncio.sleep(1)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
