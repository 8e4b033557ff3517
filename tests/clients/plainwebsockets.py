"""The server of plain WebSockets: `-m clients.plainwebsockets` prints its port and serves until SIGTERM.

The code of docs/websocket.md makes `server`, with its chat at /ws; the rest stands beside it.
"""

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

import waterspout
import waterspout.hosts.tornado as host

PAGE = Path(__file__).parents[2] / "docs/websocket.md"
[CODE, *_] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)

names: dict[str, Any] = {}
exec(compile(CODE, "docs/websocket.md", "exec"), names)
server: waterspout.Server = names["server"]
chat: waterspout.Namespace = names["chat"]
auths: list[object] = []
stop = asyncio.Event()

strict, failing, gateway = (server.of(name) for name in ("/strict", "/failing", "/gateway"))
server.expose("/strict", strict)
server.expose("/failing", failing)
server.expose("/gateway", gateway)
ended = server.channel("ended", start="earliest")
server.expose("/ended", ended)
pinging = waterspout.Server(path="/pinging.io", ping_interval=0.05, connect_timeout=0.2)
silent = pinging.of("/silent")
silent.on_connect(lambda socket, auth: None)
pinging.expose("/pinging", pinging.of("/pinging"))
pinging.expose("/silent", silent)


@server.expose("/rooms/{name}")
def room(request: waterspout.Request, name: str) -> waterspout.Namespace:
    raise waterspout.HandshakeRefused(403, f"not into {name}")


@strict.on_connect
def refuse(socket: waterspout.Socket, auth: object) -> None:
    auths.append(auth)
    raise waterspout.ConnectRefused("no seat", data={"left": 0})


@failing.on_connect
def fail(socket: waterspout.Socket, auth: object) -> None:
    raise waterspout.SocketClosed("what the handler needs is not there")


@chat.on("kick")
def kick(socket: waterspout.Socket) -> None:
    socket.disconnect()


@chat.on("auths")
def tell_auths(socket: waterspout.Socket) -> list[object]:
    return auths


@chat.on("double")
async def double(socket: waterspout.Socket) -> object:
    """Ask the client, and answer with its answer."""
    return await socket.call("double", 21, timeout=10)


@chat.on("close the server")
def close(socket: waterspout.Socket) -> None:
    server.close()  # and not the process, which the test ends


# What the gateway of a NestJS application does


@gateway.on_connect
def connect(socket: waterspout.Socket, auth: object) -> None: ...


@gateway.on("identity")
@gateway.on("nothing")
def answer(socket: waterspout.Socket, data: object = None) -> None:
    socket.emit("answer", data)


@gateway.on("all")
def broadcast(socket: waterspout.Socket, data: object) -> None:
    gateway.emit("all", data)


class Page(tornado.web.RequestHandler):
    """A page of the server's own origin."""

    def get(self) -> None:
        self.write("<!doctype html><body>")


async def main() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await ended.end()
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    application = tornado.web.Application([("/page", Page), *host.routes(server), *host.routes(pinging)])
    http = tornado.httpserver.HTTPServer(application)
    http.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    http.stop()
    for mounted in (server, pinging):
        await mounted.close()
        await host.drain(mounted)


if __name__ == "__main__":
    asyncio.run(main())
