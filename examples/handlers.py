"""Ordered handlers, threaded handlers, a handler for any event, and one for errors: `waterspout serve handlers:server`.

socket.emit("append", "a long line that takes a while to store");
socket.emit("append", "short", (lines) => console.log(lines)); // 2: it is handled after the long line
socket.emit("digest", "secret", (digest) => console.log(digest)); // in a thread: other clients are served meanwhile
"""

import asyncio
import hashlib
from collections import Counter

import waterspout

server = waterspout.Server(cors_origins="*")
lines: list[str] = []
seen: Counter[str] = Counter()


@server.on("append", ordered=True)
async def append(socket: waterspout.Socket, line: str) -> int:
    await asyncio.sleep(len(line) / 1000)  # for example a database
    lines.append(line)
    return len(lines)


@server.on("digest", threaded=True)
def digest(socket: waterspout.Socket, password: str) -> str:
    return hashlib.scrypt(password.encode(), salt=b"waterspout", n=2**14, r=8, p=1).hex()


@server.on_any
def count(socket: waterspout.Socket, event: str, *args: object) -> None:
    seen[event] += 1


@server.on_error
def tell(socket: waterspout.Socket, event: str, error: Exception) -> None:
    socket.emit("sorry", event)
