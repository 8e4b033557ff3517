"""Server-Sent Events: prices for browsers without a library, and progress for each user.

const prices = new EventSource("http://localhost:8000/prices");
prices.onmessage = ({ data }) => console.log(JSON.parse(data));
prices.addEventListener("stream-reset", ({ data }) => console.log("some were missed", JSON.parse(data).reason));

curl -N http://localhost:8000/prices
curl -N http://localhost:8000/users/ada/notes?token=tea
"""

import asyncio
import random

import waterspout
from waterspout import HandshakeRefused, Request
from waterspout.server import Channel

TOKENS = {"ada": "tea", "bob": "milk"}

server = waterspout.Server(cors_origins="*")
prices = server.channel("prices", history=1000)
server.expose("/prices", prices)


@server.expose("/users/{name}/notes")
async def notes(request: Request, name: str) -> Channel:
    if request.param("token") != TOKENS.get(name, object()):
        raise HandshakeRefused(403, "the token is wrong")
    return server.channel(f"notes of {name}", delivery="latest")


@server.on_start
async def tick() -> None:
    while True:
        prices.publish({"ACME": round(random.uniform(99, 101), 2)})
        await asyncio.sleep(1)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
