"""Handlers in order, in threads, for any event, and for errors; run it with `waterspout serve handlers:server`.

socket.emit("append", "a long line that takes a while to store");
socket.emit("append", "short", (lines) => console.log(lines)); // 2: it has waited for its turn
socket.emit("digest", "secret", (digest) => console.log(digest)); // nobody else waited for it
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
    await asyncio.sleep(len(line) / 1000)  # a database, say
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
