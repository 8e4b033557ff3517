"""A shop of Flask's and its cooks, from one command: views run in threads, and reach all clients.

waterspout serve flask_app:server --app flask_app:app
"""

from typing import Any

from flask import Flask, request

from waterspout import Server, Socket

app = Flask(__name__)
server = Server()


@server.on("cook")
def cook(socket: Socket) -> None:
    socket.join("kitchen")


@app.get("/")
def home() -> str:
    return f"{len(server.sockets(to='kitchen'))} cooks are here"


@app.post("/orders")
def order() -> dict[str, Any]:
    dish = request.form["dish"]
    replies = server.call("how long", dish, to="kitchen", timeout=5).wait()  # it blocks this thread, and nobody else
    minutes = min(replies.answers.values(), default=None)
    server.emit("ordered", dish, minutes)
    return {"minutes": minutes}
