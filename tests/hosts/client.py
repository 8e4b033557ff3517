"""A client over a real connection: it sends bytes as they are, and reads what a server writes."""

import asyncio
import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from waterspout.testing import client_frame
from waterspout.wire.deflate import inflate

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the nonce of RFC 6455, section 1.3, and its answer
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
)

BUFFER_BYTES = 1 << 22  # what a client reads ahead, and what a message may unpack to

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """An HTTP response. `head` is its lines as they came."""

    status: int
    head: list[str]
    body: bytes

    def field(self, name: str) -> str | None:
        """The value of a field that may stand there once; AssertionError for more."""
        values = [line.partition(":")[2].strip() for line in self.head[1:] if line.lower().startswith(f"{name}:")]
        assert len(values) < 2, self.head
        return values[0] if values else None


def request(method: str, target: str, *fields: tuple[str, str], body: bytes = b"", version: str = "1.1") -> bytes:
    """Write a request; its length is given if it has a body or is a POST."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *(f"{name}: {value}" for name, value in fields)]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def target(transport: str, sid: str = "", *, eio: int = 4, path: str = "/socket.io", more: str = "") -> str:
    """Write the target of a request of Engine.IO."""
    return f"{path}/?EIO={eio}&transport={transport}" + (f"&sid={sid}" if sid else "") + more


def opening(sid: str = "", *fields: tuple[str, str], eio: int = 4, path: str = "/socket.io", more: str = "") -> bytes:
    """Write the opening handshake of a WebSocket; with a `sid` it is to upgrade that session."""
    return request("GET", target("websocket", sid, eio=eio, path=path, more=more), *HANDSHAKE, *fields)


def text(*messages: str) -> bytes:
    """Write text frames."""
    return b"".join(client_frame(1, message.encode()) for message in messages)


class Wire:
    """One connection."""

    def __init__(self, sock: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sock, self.reader, self.writer = sock, reader, writer
        self.compressed = False

    def send(self, data: bytes) -> None:
        """Send this in one piece."""
        self.writer.write(data)

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """Read a response; its body ends where it says, or with the connection."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        status = int(head[0].split()[1])
        answer = Answer(status, head, b"")
        if bodiless or status in (101, 204):
            return answer
        length = answer.field("content-length")
        body = await self.reader.read() if length is None else await self.reader.readexactly(int(length))
        return Answer(status, head, body)

    async def ask(self, method: str, target: str, *fields: tuple[str, str], body: bytes = b"") -> Answer:
        """Send a request and read its response."""
        self.send(request(method, target, *fields, body=body))
        return await self.answer(bodiless=method == "HEAD")

    async def frame(self) -> tuple[int, bytes]:
        """Read a frame: its opcode and its payload. Servers send them whole and unmasked.

        `compressed` then tells whether it was; its payload is unpacked.
        """
        first, size = await self.reader.readexactly(2)
        assert first & 0x80
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        payload = await self.reader.readexactly(size)
        self.compressed = bool(first & 0x40)
        return first & 0x0F, inflate(payload, BUFFER_BYTES) if self.compressed else payload

    async def text(self) -> str:
        """Read a text message."""
        opcode, payload = await self.frame()
        assert opcode == 1, (opcode, payload)
        return payload.decode()

    async def rest(self) -> bytes:
        """Read until the end; a reset is an end, too, and what TLS makes of an end at both ends at once."""
        with suppress(OSError):
            return await self.reader.read()
        return b""

    async def closing(self) -> int:
        """Read up to the close frame, give its answer, and return its code once the connection has ended."""
        opcode, payload = await self.frame()
        while opcode != 8:
            opcode, payload = await self.frame()
        self.send(client_frame(8, payload[:2]))
        assert await self.rest() == b""
        return int.from_bytes(payload[:2], "big")

    def end(self) -> None:
        """Say that no more comes, where the transport can; what is on its way is still read."""
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()

    def abort(self) -> None:
        """Close at once."""
        self.writer.transport.abort()

    def cut(self) -> None:
        """Close at once, even where uvloop waits for the last words of TLS."""
        self.abort()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close at once, with a RST where that exists."""
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort()


class Session:
    """A client of Engine.IO over polling, on a connection of its own for each of its two directions."""

    def __init__(self, polling: Wire, posting: Wire, *, eio: int = 4, path: str = "/socket.io") -> None:
        self.polling, self.posting = polling, posting
        self.eio, self.path = eio, path
        self.sid = ""

    def target(self, transport: str = "polling") -> str:
        return target(transport, self.sid, eio=self.eio, path=self.path)

    async def open(self) -> str:
        """Make the handshake, and return what came with it."""
        answer = await self.polling.ask("GET", self.target())
        assert answer.status == 200, answer
        found = re.search(r'"sid":"([\w-]{22})"', answer.body.decode())
        assert found, answer
        self.sid = found[1]
        return answer.body.decode()

    def poll(self) -> None:
        """Send a GET."""
        self.polling.send(request("GET", self.target()))

    async def polled(self) -> str:
        """Return the body of the answer to a GET."""
        answer = await self.polling.answer()
        assert answer.status == 200, answer
        return answer.body.decode()

    async def get(self) -> str:
        """Poll once."""
        self.poll()
        return await self.polled()

    async def post(self, body: str) -> Answer:
        """Send a body."""
        return await self.posting.ask("POST", self.target(), body=body.encode())

    async def enter(self) -> None:
        """Open, and enter "/"."""
        opened = await self.open()
        if self.eio == 3:
            assert opened.endswith("2:40") or await self.get() == "2:40"
        else:
            assert (await self.post("40")).body == b"ok"
            assert (await self.get()).startswith('40{"sid":"')
