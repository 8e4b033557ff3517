"""Flash's WebSocketMain.swf over a real connection: it sends what the swf sends, and is as strict with the answer."""

import re
import socket
from hashlib import md5

from hosts.client import Wire
from vectors import load

SWF = load("hixie")["flash"]
KEY3 = bytes.fromhex(SWF["key3"])
DIGEST = md5((36342980 // 4).to_bytes(4, "big") + (1871).to_bytes(4, "big") + KEY3, usedforsecurity=False).digest()
CLOSING = b"\xff\x00"


def handshake(path: str, page: str = "http://localhost") -> bytes:
    """Write the opening handshake of a page that connects to its own host, with what comes behind its head."""
    keys = {"key1": SWF["key1"], "key2": SWF["key2"]}
    head: str = SWF["head"].format(path=path, host=page.partition("://")[2], origin=page, cookie="", **keys)
    return head.encode() + KEY3


def text(*messages: str) -> bytes:
    """Write text frames."""
    return b"".join(b"\x00" + message.encode() + b"\xff" for message in messages)


def ask(connection: socket.socket, path: str, page: str, packet: str) -> str:
    """Connect, send a packet and return what comes then, and close; all without a loop."""
    with connection, connection.makefile("rb") as file:
        connection.sendall(handshake(path, page))
        head = list(iter(file.readline, b"\r\n"))
        assert head[0].startswith(b"HTTP/1.1 101 "), head
        assert file.read(len(DIGEST)) == DIGEST
        assert file.read(5) == text("1::")
        connection.sendall(text(packet))
        said = b"".join(iter(lambda: file.read(1), b"\xff"))
        connection.sendall(CLOSING)
        assert file.read() == CLOSING
    return said[1:].decode()


class Flash:
    """The WebSocket of a page, on a connection that is its own."""

    def __init__(self, wire: Wire, page: str = "http://localhost") -> None:
        self.wire = wire
        self.page = page

    async def open(self, path: str) -> None:
        """Make the opening handshake; AssertionError for an answer that the swf would not take."""
        self.wire.send(handshake(path, self.page))
        await self.opened()

    async def opened(self) -> None:
        """Read the answer."""
        status, *lines = (await self.wire.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        assert re.match("HTTP/1.1 101 ", status), (status, lines)
        found = [re.match(r"(\S+): (.*)$", line) for line in lines]
        fields = {match[1].lower(): match[2].lower() for match in found if match is not None}
        assert len(fields) == len(lines)
        assert (fields["upgrade"], fields["connection"]) == ("websocket", "upgrade")
        assert fields["sec-websocket-origin"] == self.page
        assert await self.wire.reader.readexactly(16) == DIGEST

    def send(self, *messages: str) -> None:
        """Send each in a frame of its own."""
        self.wire.send(text(*messages))

    async def text(self) -> str:
        """Read a message."""
        frame = await self.wire.reader.readuntil(b"\xff")
        assert frame[0] == 0, frame
        return frame[1:-1].decode()

    async def closing(self) -> None:
        """Read the closing frame, and close as the swf does: with an answer, at once."""
        assert await self.wire.reader.readexactly(2) == CLOSING
        self.wire.send(CLOSING)
        assert await self.wire.rest() == b""
