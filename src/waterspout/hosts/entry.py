"""A local entry: a Unix socket at which other processes of the same user publish and emit, by lines of JSON.

How it works: a connection sends commands, one in a line, and each is answered by a line, in order (server/commands.py).
While one waits for its answer, and while the client does not read its answers, no more is read. One command is carried
out in a turn of the loop, so that a client that sends thousands at once holds up nobody else.

Only the process's own user and root get in: the socket's file has the mode 0600 before anybody can connect, and the
kernel is asked who has connected (SO_PEERCRED), in case the mode was changed later.
"""

import asyncio
import os
import socket
import struct
from contextlib import ExitStack
from typing import cast

from ..engine import Layer, Pending
from ..errors import CannotStart
from ..server import Server
from ..server.commands import CommandAnswer, perform, refusal
from ..wire import json
from .listeners import unix_listener
from .loops import settle
from .residence import Residence
from .tornado import Mountable

__all__ = ["EntryConnection", "LocalEntry", "serve_entry"]

PATIENCE = 60.0  # s from one answer to the end of the next line
MAX_CONNECTIONS = 64

_OWNER_ONLY = 0o600
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): process, user, group


async def serve_entry(server: Mountable, path: str) -> "LocalEntry":
    """Take commands at a Unix socket, until the server or the returned entry is closed; then its file is removed.

    A file that a dead process has left is replaced. `CannotStart`, with a sentence, where the path cannot be had, as
    where another process has it: each process needs a path of its own; and for what is no `waterspout.Server`.
    RuntimeError for a server that is in use on another loop.
    """
    if not isinstance(server, Server):
        raise CannotStart(
            f"cannot open the entry {path!r}: it is for a waterspout.Server, which has channels and rooms, and this is "
            f"of type {type(server).__name__!r}; leave it out"
        )
    with ExitStack() as stack:
        listener = stack.enter_context(unix_listener(os.path.abspath(path), mode=_OWNER_ONLY))
        settle(Residence.of(server.engine))
        entry = LocalEntry(server, path)
        listening = await asyncio.get_running_loop().create_unix_server(lambda: EntryConnection(entry), sock=listener)
        stack.callback(listening.close)
        entry.resources = stack.pop_all()
    server.engine.when_closing(entry.close)
    return entry


class LocalEntry:
    """An open entry, with its connections."""

    resources: ExitStack

    def __init__(self, server: Server, path: str) -> None:
        self.server = server
        self.path = path
        self.connections: set[EntryConnection] = set()

    def close(self) -> None:
        """Take no more commands, and remove the file; answers that are written still leave."""
        self.resources.close()
        for connection in list(self.connections):
            connection.close()


class EntryConnection(asyncio.Protocol):
    """One client of an entry: lines in, lines out.

    A line has at most `max_payload_bytes`, and `PATIENCE` seconds from the answer before it; what is longer is refused,
    and ends the connection. The last line may end with the client's half of the connection.
    """

    def __init__(self, entry: LocalEntry) -> None:
        self._entry = entry
        self._most = entry.server.engine.policy.max_payload_bytes
        self._unread = bytearray()
        self._searched = 0  # bytes of it that have no line feed, so that a slow line is not searched again and again
        self._is_busy = False  # a command waits for its answer, or the next one for its turn
        self._is_blocked = False  # the client does not read its answers
        self._is_complete = False  # the client sends no more
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client in, or refuse it."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing
        problem = self._stranger()
        if problem is None and len(self._entry.connections) >= MAX_CONNECTIONS:
            problem = f"the entry has {MAX_CONNECTIONS} connections already: close some, and try again"
        self._entry.connections.add(self)
        if problem is None:
            self._wait()
        else:
            log = self._entry.server.engine.log
            log.warn_of(Layer.HOST, problem, "a client of the entry %r is refused: %s", self._entry.path, problem)
            self._end(problem)

    def data_received(self, data: bytes) -> None:
        """Take a part of some lines."""
        if not self._transport.is_closing():
            self._unread += data
            self._go_on()

    def eof_received(self) -> bool:
        """CommandAnswer what has come, and then end."""
        self._is_complete = True
        self._go_on()
        return not self._transport.is_closing()

    def pause_writing(self) -> None:
        """Carry out nothing more until the client has read its answers."""
        self._is_blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_blocked = False
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """Drop what was not carried out."""
        self._entry.connections.discard(self)
        self._unread.clear()
        if self._deadline is not None:
            self._deadline.cancel()

    # What the entry calls

    def close(self) -> None:
        """End, behind what was written."""
        self._unread.clear()
        self._transport.close()

    # Below this line: how it is done

    def _stranger(self) -> str | None:
        """Say who the client is, if it is neither this process's user nor root. Only Linux can tell."""
        if not hasattr(socket, "SO_PEERCRED"):
            return None
        connection = self._transport.get_extra_info("socket")
        _, user, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if user in (0, os.geteuid()):
            return None
        return f"it has the user id {user}, and this entry is for {os.geteuid()} and root: run it as one of them"

    def _go_on(self) -> None:
        """Carry out the next command, if nothing is in its way."""
        if self._is_busy or self._is_blocked or self._transport.is_closing():
            return
        line = self._take()
        if self._transport.is_closing():
            return
        if line is not None:
            self._is_busy = True
            self._read(False)
            perform(self._entry.server, line).when_done(self._answered)
        elif self._is_complete:
            self._transport.close()
        else:
            self._read(True)

    def _take(self) -> bytes | None:
        """Take the next line, if it is complete; end the connection for one that is too long."""
        end = self._unread.find(b"\n", self._searched)
        if end < 0:
            end = self._searched = len(self._unread)
        if end > self._most:
            self._end(f"the line has more than {self._most} bytes (max_payload_bytes): send less in one command")
            return None
        if end == len(self._unread) and not (self._is_complete and end):
            return None
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        self._searched = 0
        return line

    def _answered(self, done: Pending[CommandAnswer]) -> None:
        if not self._transport.is_closing():
            self._write(done.result())
            self._wait()
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._is_busy = False
        self._go_on()

    def _read(self, goes_on: bool) -> None:
        if not self._is_complete:
            (self._transport.resume_reading if goes_on else self._transport.pause_reading)()

    def _write(self, answer: CommandAnswer) -> None:
        self._transport.write(json.encode(answer) + b"\n")

    def _end(self, problem: str) -> None:
        self._write(refusal(problem))
        self.close()

    def _wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(PATIENCE, self._transport.abort)
