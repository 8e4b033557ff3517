"""A chat and prices for plain WebSockets: no library in the browser, and the same rooms as for Socket.IO.

const ws = new WebSocket("ws://localhost:8000/ws?name=Ada");
ws.onmessage = ({ data }) => console.log(JSON.parse(data));
ws.onopen = () => ws.send(JSON.stringify({ event: "say", data: "hello", id: 1 }));
"""

import asyncio
from typing import Any

import waterspout
from waterspout import Socket

server = waterspout.Server(cors_origins="*")
chat, prices = server.of("/chat"), server.channel("prices")
server.expose("/ws", chat)
server.expose("/prices", prices)  # "ws://localhost:8000/prices?fields=id,data"


@chat.on_connect
def connect(socket: Socket, auth: dict[str, Any]) -> None:
    socket.data["name"] = auth.get("name", "somebody")


@chat.on("say")
def say(socket: Socket, text: str) -> str:
    chat.emit("said", {"name": socket.data["name"], "text": text})
    return "ok"


@server.on_start
async def tick() -> None:
    while True:
        prices.publish({"ACME": len(chat.sockets())})
        await asyncio.sleep(1)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
