"""One of several nodes that a Redis connects: Waterspout, or python-socketio with its manager for Redis.

A client says `follow` to enter the room; each line that comes to the publish port is emitted to the room.

usage: nodes.py PORT ours|gevent|psio PUBLISH_PORT URL
"""

import asyncio
import sys

import msgspec

ROOM = "news"


def serve_ours(variant: str, port: int, publish_port: int, url: str) -> None:
    """Serve with our adapter until the process is ended."""
    from ours import run

    from waterspout import Server, Socket

    server = Server(adapter=url)

    @server.on("follow")
    def follow(socket: Socket) -> None:
        socket.join(ROOM)

    def publish(message: object) -> None:
        server.emit("news", message, to=ROOM)

    run(variant, server, publish, port, publish_port)


async def serve_psio(port: int, publish_port: int, url: str) -> None:
    """Serve python-socketio in aiohttp until the process is ended."""
    import socketio
    from psio import build, listen

    server = build("aiohttp", socketio.AsyncRedisManager(url))
    server.manager_initialized = True  # as by a first client: a node without clients would not listen at all
    server.manager.initialize()

    async def follow(sid: str) -> None:
        await server.enter_room(sid, ROOM)

    async def publish_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            await server.emit("news", msgspec.json.decode(line), to=ROOM)

    server.on("follow", follow)
    await asyncio.start_server(publish_lines, "127.0.0.1", publish_port)
    await listen(server, port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    port, variant, publish_port, url = sys.argv[1:]
    if variant == "psio":
        import uvloop

        uvloop.run(serve_psio(int(port), int(publish_port), url))
    else:
        serve_ours(variant, int(port), int(publish_port), url)
