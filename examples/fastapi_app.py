"""A FastAPI application: a route emits to all clients, and clients come in with a token.

Run it with `uvicorn fastapi_app:app`, and take a token from `/login/ann` for `io({auth: {token}})`.
"""

import jwt
from fastapi import FastAPI

from waterspout import ConnectRefused, Server, Socket
from waterspout.hosts.asgi import App

SECRET = "a secret of at least 32 characters"
server = Server()
app = FastAPI()
app.mount("/socket.io", App(server))


@server.on_connect
def connect(socket: Socket, auth: dict[str, str]) -> None:
    try:
        claims = jwt.decode(auth["token"], SECRET, algorithms=["HS256"])
    except (KeyError, jwt.InvalidTokenError):
        raise ConnectRefused("log in first") from None
    socket.data["name"] = claims["sub"]


@server.on("say")
def say(socket: Socket, text: str) -> None:
    server.emit("said", socket.data["name"], text)


@app.get("/login/{name}")
def login(name: str) -> str:
    return jwt.encode({"sub": name}, SECRET, algorithm="HS256")


@app.post("/news")
def news(text: str) -> None:
    server.emit("news", text)
