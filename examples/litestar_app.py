"""A Litestar application: a route emits to all clients.

Run it with `uvicorn litestar_app:app`.
"""

from litestar import Litestar, asgi, post
from litestar.params import FromQuery
from litestar.types import Receive, Scope, Send

from waterspout import Server, Socket
from waterspout.hosts.asgi import App

server = Server()


@server.on("say")
def say(socket: Socket, text: str) -> None:
    server.emit("said", text)


@post("/news")
async def news(text: FromQuery[str]) -> str:
    server.emit("news", text)
    return text


@asgi("/socket.io", is_mount=True, copy_scope=True)
async def socketio(scope: Scope, receive: Receive, send: Send) -> None:
    await application(scope, receive, send)


application = App(server)
app = Litestar([news, socketio])
