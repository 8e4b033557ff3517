"""python-socketio on uvloop, in the HTTP server named: aiohttp, uvicorn or granian.

usage: psio.py PORT aiohttp|uvicorn|granian
"""

import asyncio
import sys

import socketio
import uvloop

variant = sys.argv[2]
kw={}
for a in sys.argv[3:]:
    if a=='handlers': kw['async_handlers']=False
    if a=='msgspec':
        import msgspec
        class J:
            @staticmethod
            def dumps(o, *a, **k): return msgspec.json.encode(o).decode()
            @staticmethod
            def loads(s, *a, **k): return msgspec.json.decode(s)
        kw['json']=J
    if a=='nomon': kw['monitor_clients']=False
server = socketio.AsyncServer(async_mode="aiohttp" if variant == "aiohttp" else "asgi", cors_allowed_origins="*", http_compression=False, **kw)


@server.on("echo")
async def echo(sid: str, argument: object) -> object:
    return argument


@server.on("echo2")
async def echo2(sid: str, argument: object) -> None:
    await server.emit("echo2", argument, to=sid)


@server.on("bcast")
async def bcast(sid: str, argument: object) -> None:
    await server.emit("bcast", argument)


async def serve_aiohttp(port: int) -> None:
    from aiohttp import web

    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    if 'freeze' in sys.argv:
        import gc; gc.freeze()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()

if variant != "aiohttp":
    application = socketio.ASGIApp(server)

if __name__ == "__main__":
    port = int(sys.argv[1])
    if variant == "aiohttp":
        uvloop.run(serve_aiohttp(port))
    elif variant == "uvicorn":
        import uvicorn
        uvicorn.run(application, host="127.0.0.1", port=port, log_level="error", access_log=False, loop="uvloop", http="httptools", ws="websockets" if "wslib" in sys.argv else "wsproto" if 'wsproto' in sys.argv else "websockets-sansio" if 'sansio' in sys.argv else 'auto', ws_per_message_deflate=False)
