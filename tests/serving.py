"""A `waterspout` command in a process of its own, and a client of it; both wait a bounded time."""

import os
import re
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

PATIENCE = 200.0  # s, ten times what a busy machine needs; no test waits this long unless something is wrong


class Command:
    """A running command: its output line by line, its end."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        assert process.stdout is not None
        self.process = process
        self.log = log
        self._output: IO[bytes] = process.stdout
        self._read = b""

    def line(self) -> str:
        """Return the next line of the output; AssertionError at its end."""
        while b"\n" not in self._read:
            self._read += self._more()
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def until(self, words: str) -> None:
        """Read lines until one has the words."""
        while words not in self.line():
            pass

    def rest(self) -> str:
        """Read until the output ends: until no process holds it any more."""
        try:
            while True:
                self._read += self._more()
        except EOFError:
            return self._read.decode()

    def address(self) -> str:
        """Return the first URL of the output, without the slash at its end."""
        found = re.search(r"https?://\S+|unix:\S+", self.line())
        assert found, self.log.read_text()
        return found[0].rstrip("/")

    def end(self) -> int:
        """Wait for the end of the process and return its status."""
        return self.process.wait(PATIENCE)

    def _more(self) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            assert selector.select(PATIENCE), f"no output for {PATIENCE} s:\n{self.log.read_text()}"
        read = os.read(self._output.fileno(), 4096)
        if not read:
            raise EOFError(f"the command has ended:\n{self.log.read_text()}")
        return read


@contextmanager
def running(
    folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "waterspout"), joined: bool = False
) -> Iterator[Command]:
    """Run `waterspout` with these arguments in a folder; what still runs afterwards is ended.

    The log goes to a file, or with `joined` into the output.
    """
    log = folder / f"log-{time.monotonic_ns()}"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if joined else errors,
        ) as process,
    ):
        try:
            yield Command(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()


class Client:
    """A client over WebSocket, blocking, in the language of Engine.IO 4: text in, text out."""

    def __init__(self, address: str, *, path: str = "/socket.io", cafile: Path | None = None) -> None:
        parts = urlsplit(address)
        assert parts.hostname
        assert parts.port
        plain = socket.create_connection((parts.hostname, parts.port), PATIENCE)
        if cafile is None:
            self._socket = plain
        else:
            context = ssl.create_default_context(cafile=cafile)
            self._socket = context.wrap_socket(plain, server_hostname=parts.hostname)
        self._stream = self._socket.makefile("rb")
        head = (
            f"GET {path}/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        self._socket.sendall("\r\n".join([*head, "", ""]).encode())
        while self._stream.readline().strip():
            pass
        self.opened = self.receive()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, text: str) -> None:
        """Send a text of less than 64 KB, masked with zeros."""
        payload = text.encode()
        short = len(payload) < 126
        length = bytes((0x80 | len(payload),)) if short else b"\xfe" + len(payload).to_bytes(2)
        self._socket.sendall(b"\x81" + length + bytes(4) + payload)

    def receive(self) -> str:
        """Return the next text; `close CODE` for a close frame, "" for the end."""
        head = self._stream.read(2)
        if not head:
            return ""
        length = head[1] if head[1] < 126 else int.from_bytes(self._stream.read(2))
        payload = self._stream.read(length)
        return f"close {int.from_bytes(payload[:2])}" if head[0] == 0x88 else payload.decode()

    def enter(self, auth: str = "") -> None:
        """Connect to the namespace "/"."""
        self.send("40" + auth)
        answer = self.receive()
        assert answer.startswith('40{"sid":"'), answer

    def ask(self, packet: str) -> str:
        """Send a text and return the next one."""
        self.send(packet)
        return self.receive()

    def until_closed(self) -> str:
        """Read up to the close frame, end, as clients do, and return it; "" if the connection ends without."""
        text = self.receive()
        while text and not text.startswith("close"):
            text = self.receive()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        return text
