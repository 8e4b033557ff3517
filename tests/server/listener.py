"""An EventSource in memory, which reads what comes as the standard says."""

from dataclasses import dataclass
from typing import Any

from waterspout import Server
from waterspout.engine import ANSWERED, Fed, Prepared, Response, Stream
from waterspout.testing import MemoryExchange, admit
from waterspout.testing.links import perform, respond
from waterspout.types import Request
from waterspout.wire import json


@dataclass
class Heard:
    """An event: its type, its data and the last id."""

    type: str
    data: str
    id: str

    @property
    def value(self) -> Any:
        return json.decode(self.data)


class Reader:
    """Reads an event stream (WHATWG HTML, section 9.2.6); what is incomplete at the end is dropped."""

    def __init__(self, last_id: str = "") -> None:
        self.events: list[Heard] = []
        self.began_with = self.last_id = last_id
        self.retry: int | None = None
        self.comments = 0
        self._text = ""
        self._type, self._data, self._id = "", "", last_id

    def feed(self, content: bytes) -> None:
        self._text += content.decode()
        *lines, self._text = self._text.split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            self.last_id = self._id
            if self._data:
                self.events.append(Heard(self._type or "message", self._data[:-1], self.last_id))
            self._type = self._data = ""
        elif not name:
            self.comments += 1
        elif name == "event":
            self._type = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id":
            self._id = value
        elif name == "retry":
            self.retry = int(value)


class Listener:
    """A request at an exposed path, and what comes of it: a `response`, or a stream."""

    def __init__(
        self, server: Server, target: str, last_id: str | None = None, *, method: str = "GET", **fields: str
    ) -> None:
        self.engine = server.engine
        self.reader = Reader(last_id or "")
        self.written = bytearray()
        self.blocked = self.is_closed = self.is_complete = False
        self.transport: Fed | None = None
        self.response: Response | None = None
        headers = [("Host", "here"), *((name.replace("_", "-"), value) for name, value in fields.items())]
        if last_id:
            headers.append(("Last-Event-ID", last_id))
        self.request = Request(method, target, headers, remote_address="192.0.2.1")
        decision = admit(self.engine, self.request)
        if isinstance(decision, ANSWERED):
            self.response = decision.response
        elif decision.greeting is None:
            exchange = MemoryExchange(self.request)
            respond(self.engine, decision, exchange)
            self.response = exchange.response
        else:
            assert isinstance(decision.greeting, Stream)
            self.headers = dict(decision.greeting.headers)
            self.transport = perform(self.engine, self.engine.connect, decision, self.request, self)

    @property
    def events(self) -> list[Heard]:
        return self.reader.events

    def take(self) -> list[tuple[str, Any]]:
        """Return the types and values of the events that have come since the last time, but not `stream-open`."""
        events, self.reader.events = self.reader.events, []
        return [(event.type, event.value) for event in events if event.type != "stream-open"]

    @property
    def last_id(self) -> str:
        return self.reader.last_id

    def lose(self) -> None:
        """Cut the connection."""
        assert self.transport is not None
        self.is_closed = True
        transport, self.transport = self.transport, None
        perform(self.engine, transport.lost)

    def unblock(self) -> None:
        assert self.transport is not None
        self.blocked = False
        perform(self.engine, self.transport.writable)

    # A link

    unsent_bytes = 0

    def send(self, prepared: Prepared) -> bool:
        return self.write(prepared.text)

    def write(self, data: bytes) -> bool:
        if self.is_closed:
            return True
        if self.blocked:
            return False
        self.written += data
        self.reader.feed(data)
        return True

    def finish(self, data: bytes) -> None:
        self.cut(data)
        self.is_complete = True

    def cut(self, data: bytes) -> None:
        self.blocked = False
        self.write(data)
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True

    def pause(self) -> None: ...

    def resume(self) -> None: ...
