"""python-socketio at its best: uvloop, msgspec for JSON, handlers called in place, in aiohttp, granian or uvicorn.

On gevent it has no loop, and handlers in greenlets.

usage: psio.py PORT aiohttp|granian|uvicorn|gevent
"""

import asyncio
import sys
from typing import Any

import msgspec
import socketio
import uvloop

HOST = "127.0.0.1"
BACKLOG = 4096


class Json:
    """msgspec in the shape of the module json, with what python-socketio calls."""

    @staticmethod
    def dumps(value: object, **options: object) -> str:
        """Encode, compact."""
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str, **options: object) -> Any:
        """Decode."""
        return msgspec.json.decode(text)


def build(async_mode: str, manager: socketio.AsyncManager | None = None) -> socketio.AsyncServer:
    """Make the server and its three handlers."""
    server = socketio.AsyncServer(
        async_mode=async_mode,
        client_manager=manager,
        async_handlers=False,  # a task for each event costs 15 %
        cors_allowed_origins="*",
        http_compression=False,
        json=Json,
    )

    async def echo(sid: str, argument: object) -> object:
        return argument

    async def echo2(sid: str, argument: object) -> None:
        await server.emit("echo2", argument, to=sid)

    async def bcast(sid: str, argument: object) -> None:
        await server.emit("bcast", argument)

    for handler in (echo, echo2, bcast):
        server.on(handler.__name__, handler)
    return server


def asgi() -> socketio.ASGIApp:
    """Make the application that granian's worker serves."""
    return socketio.ASGIApp(build("asgi"))


async def listen(server: socketio.AsyncServer, port: int) -> None:
    """Accept connections in aiohttp."""
    from aiohttp import web

    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=BACKLOG).start()


async def serve_aiohttp(port: int) -> None:
    """Serve until the process is ended."""
    await listen(build("aiohttp"), port)
    await asyncio.Event().wait()


def serve_granian(port: int) -> None:
    """Serve with one worker until the process is ended."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    server = Granian(
        "psio:asgi",
        factory=True,
        address=HOST,
        port=port,
        backlog=BACKLOG,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        log_enabled=False,
    )
    server.serve()


def serve_uvicorn(port: int) -> None:
    """Serve until the process is ended."""
    import uvicorn

    uvicorn.run(asgi(), port=port, backlog=BACKLOG, log_level="error", ws_per_message_deflate=False)


def serve_gevent(port: int) -> None:
    """Serve in gevent's own server until the process is ended."""
    from gevent.pywsgi import WSGIServer

    server = socketio.Server(
        async_mode="gevent", async_handlers=False, cors_allowed_origins="*", http_compression=False, json=Json
    )
    server.on("echo", lambda sid, argument: argument)
    server.on("echo2", lambda sid, argument: server.emit("echo2", argument, to=sid))
    server.on("bcast", lambda sid, argument: server.emit("bcast", argument))
    WSGIServer((HOST, port), socketio.WSGIApp(server), backlog=BACKLOG, log=None).serve_forever()


if __name__ == "__main__":
    if sys.argv[2] == "gevent":
        from gevent import monkey

        monkey.patch_all()
        serve_gevent(int(sys.argv[1]))
    elif sys.argv[2] == "aiohttp":
        uvloop.run(serve_aiohttp(int(sys.argv[1])))
    elif sys.argv[2] == "uvicorn":
        serve_uvicorn(int(sys.argv[1]))
    else:
        serve_granian(int(sys.argv[1]))
