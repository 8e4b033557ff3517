"""Clients that a test reads all at once, in its one thread, until something has happened."""

import json
import selectors
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from typing import Any

WATCHDOG = 120.0  # s; ten times what the slowest wait takes
LOOK_EVERY = 0.05  # s, for what no socket tells


class Watch:
    """Reads everything that is added, while the test waits."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._files: set[Any] = set()

    def add(self, file: Any, readable: Callable[[], object]) -> None:
        self._files.add(file)
        self._selector.register(file, selectors.EVENT_READ, readable)

    def remove(self, file: Any) -> None:
        self._files.remove(file)
        self._selector.unregister(file)

    def until(self, condition: Callable[[], object], what: Callable[[], object] | str) -> None:
        """Read until the condition is true; AssertionError, with `what` was awaited, after the watchdog's time."""
        end = time.monotonic() + WATCHDOG
        while not condition():
            assert time.monotonic() < end, what if isinstance(what, str) else what()
            self._read(LOOK_EVERY)

    def during(self, seconds: float) -> None:
        """Read for as long as something that a test does to the nodes is to last."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            self._read(rest)

    def close(self) -> None:
        """Close everything that was added."""
        for file in tuple(self._files):
            self.remove(file)
            file.close()
        self._selector.close()

    def _read(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            key.data()


class Observer:
    """A client of Socket.IO 4 over WebSocket, without a library: `events` that it has got, `numbers` by their sender.

    `address` is "unix:/path" or "127.0.0.1:8000". `cookie` is what a balancer has set.
    """

    def __init__(self, watch: Watch, address: str) -> None:
        self.watch = watch
        self.events: list[list[Any]] = []
        self.numbers: defaultdict[str, list[int]] = defaultdict(list)
        self.is_open = True
        self._answers: dict[int, list[Any]] = {}
        self._calls = count(1)
        self._id = ""
        self._read = b""
        self._socket = _connect(address)
        self._socket.settimeout(WATCHDOG)
        self._socket.sendall(_REQUEST)
        while b"\r\n\r\n" not in self._read:
            self._read += self._socket.recv(65536)
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._socket.setblocking(False)
        watch.add(self._socket, self._receive)
        self._send("40")
        self._take_frames()
        watch.until(lambda: self._id, "a client connects")
        self.node, self.id = self.ask("where")

    def close(self) -> None:
        if self.is_open and self._socket.fileno() >= 0:
            self._lose()

    def ask(self, event: str, *args: Any) -> Any:
        """Emit an event, and return the answer."""
        number = self.ask_later(event, *args)
        self.watch.until(lambda: number in self._answers or not self.is_open, f"an answer to {event!r}")
        return self.answer(number)

    def ask_later(self, event: str, *args: Any) -> int:
        """Emit an event whose `answer` may be awaited by its number."""
        number = next(self._calls)
        self._send(f"42{number}{json.dumps([event, *args])}")
        return number

    def has_answer(self, number: int) -> bool:
        return number in self._answers

    def answer(self, number: int) -> Any:
        (answer,) = self._answers.pop(number)
        return answer

    def named(self, event: str) -> list[list[Any]]:
        """Return the arguments of the events of this name."""
        return [args for name, *args in self.events if name == event]

    # Below this line: how it is done

    def _send(self, text: str) -> None:
        payload = text.encode()
        length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self._socket.sendall(b"\x81" + length + bytes(4) + payload)

    def _receive(self) -> None:
        try:
            read = self._socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            read = b""
        if not read:
            self._lose()
            return
        self._read += read
        self._take_frames()

    def _lose(self) -> None:
        self.is_open = False
        self.watch.remove(self._socket)
        self._socket.close()

    def _take_frames(self) -> None:
        data, at = self._read, 0
        while len(data) >= at + 2 and self.is_open:
            length, start = data[at + 1], at + 2
            if length > 125:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start])
            if len(data) < start + length:
                break
            kind, payload, at = data[at], data[start : start + length], start + length
            if kind == 0x81:
                self._take(payload.decode())
            elif kind == 0x88:
                self._lose()
        self._read = data[at:]

    def _take(self, text: str) -> None:
        if text == "2":
            self._send("3")
        elif text.startswith("40"):
            self._id = json.loads(text[2:])["sid"]
        elif text.startswith(("42", "45")):
            event = json.loads(text[text.index("[") :])
            if event[0] == "n":
                self.numbers[event[1]].append(event[2])
            else:
                self.events.append(event)
                if event[0] == "question":
                    self._send(f"43{text[2 : text.index('[')]}{json.dumps([self.id])}")
        elif text.startswith("43"):
            start = text.index("[")
            self._answers[int(text[2:start])] = json.loads(text[start:]) or [None]
        elif text.startswith("41"):
            self.events.append(["disconnected"])


_REQUEST = b"\r\n".join(
    [
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        b"Host: waterspout",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"",
        b"",
    ]
)


def _connect(address: str) -> socket.socket:
    kind, _, path = address.partition("unix:")
    if kind:
        host, _, port = kind.partition(":")
        return socket.create_connection((host, int(port)), WATCHDOG)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection
