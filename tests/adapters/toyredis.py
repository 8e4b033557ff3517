"""A Redis that does what a test says: it refuses, keeps silent, unsubscribes, or is a replica."""

import asyncio
from pathlib import Path
from typing import Any

import hiredis


class ToyRedis:
    """Listens at a Unix socket. `commands` are those that it has got, but for what connections begin with.

    While it is `silent`, it reads and answers nothing. `refused` has errors by command.
    """

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "toy.sock")
        self.url = f"unix://{self.path}"
        self.role, self.mode = b"master", b"standalone"
        self.refused: dict[bytes, bytes] = {}
        self.commands: list[list[bytes]] = []
        self.reads = 0
        self.connections: list[asyncio.StreamWriter] = []
        self._topics: dict[asyncio.StreamWriter, set[bytes]] = {}
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        Path(self.path).unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """End, with all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self.connections:
            writer.close()
        self.connections.clear()
        Path(self.path).unlink(missing_ok=True)

    @property
    def silent(self) -> bool:
        return not self._speaks.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        (self._speaks.clear if silent else self._speaks.set)()

    @property
    def subscriber(self) -> asyncio.StreamWriter:
        """The connection that has subscribed last."""
        return next(writer for writer in reversed(self.connections) if self._topics.get(writer))

    def unsubscribe(self, topic: bytes) -> None:
        """End a subscription without having been asked."""
        subscriber = self.subscriber
        self._topics[subscriber].discard(topic)
        subscriber.write(array(b"unsubscribe", topic))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        parser = hiredis.Reader()
        while data := await reader.read(65536):
            self.reads += 1
            parser.feed(data)
            while command := parser.gets():
                await self._speaks.wait()
                writer.write(self._answer(writer, command))
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, command: list[Any]) -> bytes:
        name = command[0].upper()
        if name not in (b"CLIENT", b"HELLO", b"PING", b"AUTH", b"SELECT"):
            self.commands.append(command)
        if name in self.refused:
            return b"-%b\r\n" % self.refused[name]
        if name == b"HELLO":
            return array(b"server", b"redis", b"mode", self.mode, b"role", self.role)
        if name == b"PING":
            return array(b"pong", b"") if self._topics.get(writer) else b"+PONG\r\n"
        if name == b"SUBSCRIBE":
            topics = self._topics.setdefault(writer, set())
            topics.update(command[1:])
            return b"".join(array(b"subscribe", topic) for topic in command[1:])
        if name == b"UNSUBSCRIBE":
            self._topics[writer].discard(command[1])
            return array(b"unsubscribe", command[1])
        if name == b"PUBLISH":
            hearers = [each for each, topics in self._topics.items() if command[1] in topics and not each.is_closing()]
            for each in hearers:
                each.write(array(b"message", command[1], command[2]))
            return b":%d\r\n" % len(hearers)
        return b"+OK\r\n"


def array(*values: bytes) -> bytes:
    """Write an array of texts."""
    return b"*%d\r\n" % len(values) + b"".join(b"$%d\r\n%b\r\n" % (len(value), value) for value in values)
