"""A Quart application: a route emits to all clients.

Run it with `hypercorn quart_app:app`.
"""

from quart import Quart, request

from waterspout import Server, Socket
from waterspout.hosts.asgi import App

quart = Quart(__name__)
server = Server()


@server.on("say")
def say(socket: Socket, text: str) -> None:
    server.emit("said", text)


@quart.post("/news")
async def news() -> str:
    server.emit("news", request.args["text"])
    return "ok"


app = App(server, quart)  # all requests that are not the server's are Quart's
