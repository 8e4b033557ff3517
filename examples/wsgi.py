"""A chat beside a WSGI application, on gevent: handlers are plain functions, and may block.

waterspout serve wsgi:server --host gevent --app wsgi:page
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from waterspout import Server, Socket

server = Server()


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Any WSGI application may stand here: Flask's, Django's, Pyramid's, Bottle's."""
    server.emit("visited", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{len(server.sockets())} are in the chat\n".encode()]


@server.on("say")
def say(socket: Socket, text: str) -> str:
    time.sleep(0.1)  # a database, say: it delays this client's next event, and nobody else
    socket.broadcast("said", text)
    return "ok"


@server.on("ask all", ordered=False)
def ask_all(socket: Socket, question: str) -> list[Any]:
    return [other.call("question", question).wait(5) for other in server.sockets() if other.id != socket.id]
