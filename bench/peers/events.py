"""Server-Sent Events by others: sse-starlette under uvicorn, or a Tornado handler that writes and flushes.

sse-starlette as its documentation shows: a queue for each client, and an event that the library encodes for each.

usage: events.py PORT starlette|tornado PUBLISH_PORT
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from itertools import count

import msgspec
import uvloop

HOST = "127.0.0.1"
BACKLOG = 4096


async def publish_lines(port: int, publish: Callable[[str, str], object]) -> None:
    """Call `publish` with each line that comes to this port, as JSON, and an id."""
    ids = count(1)

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            publish(msgspec.json.encode(msgspec.json.decode(line)).decode(), str(next(ids)))

    await asyncio.start_server(read, HOST, port)


async def serve_starlette(port: int, publish_port: int) -> None:
    """Serve until the process is ended."""
    import uvicorn
    from sse_starlette import EventSourceResponse, ServerSentEvent
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route

    queues: set[asyncio.Queue[ServerSentEvent]] = set()

    async def events() -> AsyncIterator[ServerSentEvent]:
        queue: asyncio.Queue[ServerSentEvent] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    async def news(request: Request) -> EventSourceResponse:
        return EventSourceResponse(events())

    def publish(data: str, id: str) -> None:
        event = ServerSentEvent(data=data, id=id)
        for queue in queues:
            queue.put_nowait(event)

    await publish_lines(publish_port, publish)
    application = Starlette(routes=[Route("/news", news)])
    config = uvicorn.Config(
        application,
        host=HOST,
        port=port,
        backlog=BACKLOG,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    await uvicorn.Server(config).serve()


async def serve_tornado(port: int, publish_port: int) -> None:
    """Serve until the process is ended."""
    from tornado.web import Application, RequestHandler

    handlers: set[RequestHandler] = set()

    class News(RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Type", "text/event-stream")
            self.set_header("Cache-Control", "no-cache")
            await self.flush()
            handlers.add(self)
            self.closed = asyncio.Event()
            await self.closed.wait()

        def on_connection_close(self) -> None:
            handlers.discard(self)
            self.closed.set()

    def publish(data: str, id: str) -> None:
        event = f"data: {data}\nid: {id}\n\n".encode()
        for handler in handlers:
            handler.write(event)
            handler.flush()

    await publish_lines(publish_port, publish)
    application = Application([("/news", News)], log_function=lambda handler: None)
    application.listen(port, HOST, backlog=BACKLOG)
    await asyncio.Event().wait()


if __name__ == "__main__":
    serve = serve_starlette if sys.argv[2] == "starlette" else serve_tornado
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[3])))
