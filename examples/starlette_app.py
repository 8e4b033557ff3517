"""A Starlette application with sessions: who has logged in to the pages is known to the server, too."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request as Page
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from waterspout import ConnectRefused, Request, Server, Socket
from waterspout.hosts.asgi import App

server = Server()


@server.on_handshake
def handshake(request: Request) -> None:
    request.data["name"] = request.native["session"].get("name")  # of the scope of the ASGI server


@server.on_connect
def connect(socket: Socket, auth: object) -> None:
    if socket.request.data["name"] is None:
        raise ConnectRefused("log in first")
    socket.join(socket.request.data["name"])


async def login(request: Page) -> Response:
    request.session["name"] = request.path_params["name"]
    server.emit("hello", to=request.session["name"])
    return JSONResponse("ok")


routes = [Route("/login/{name}", login, methods=["POST"]), Mount("/socket.io", app=App(server))]
app = Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, secret_key="example")])
