"""Server-Sent Events at an exposed path: from the request to the stream (docs/eventsource.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..engine import (
    EVENT_STREAM_DIALECT,
    Answer,
    Decision,
    Engine,
    EventStreamTransport,
    Exchange,
    Fed,
    Link,
    MessageTransport,
    Messenger,
    Pending,
    Prepared,
    Refuse,
    Response,
    Session,
    Stream,
    StreamLink,
    refuse_text,
    retry_of,
)
from ..engine.http.response import Headers
from ..engine.table import Table
from ..types import Request
from ..wire import json
from ..wire.generations import EVENT_STREAM
from ..wire.sse import encode_event
from .channel import Channel
from .exposures import ExposedRequest, Exposure
from .forms import END, OPEN, RESET, Published, told
from .namespace import Namespace
from .subscribers import Subscriber, await_ready, find_starts, is_over, last_id_of

CONTENT_TYPE = "text/event-stream"
METHODS = ("GET", "HEAD")
ANSWER_WITHIN = 3.0  # s for a broker to tell whether a channel has ended
Answered = Refuse | Answer | None
"""What becomes of a request; None begins its stream."""

_FIELDS: Headers = (
    ("Content-Type", CONTENT_TYPE),
    ("Cache-Control", "no-cache, no-transform"),  # some proxies compress, and then wait for more
    ("X-Accel-Buffering", "no"),  # nginx passes it on at once
    ("X-Content-Type-Options", "nosniff"),
)


class EventForm:
    """How messages are written as Server-Sent Events."""

    def write(self, published: Published) -> Prepared:
        """Write the data as it is, or the end."""
        entry = published.entry
        if entry.is_end:
            return _prepare(json.encode(published.ending), END, published.id)
        return _prepare(entry.data, entry.event, published.id, published.key)

    def write_reset(self, channel: Channel, reason: str, id: str) -> Prepared:
        """Write a reset."""
        return self.write_combined_reset(channel, reason, id, id)

    def write_open(self, channels: Sequence[Channel], id: str | None) -> Prepared:
        """Write the names of the channels, and when to come back: Chromium drops what precedes an incomplete end."""
        names = json.encode({"channels": [channel.name for channel in channels]})
        return Prepared(encode_event(names, OPEN, id, retry=retry_of(channels[0].driver.token())))

    def write_combined(self, published: Published, id: str) -> Prepared:
        """Write the channel's name beside the data."""
        entry = published.entry
        if entry.is_end:
            return _prepare(json.encode(published.ending), END, id)
        data = b'{"channel":%b,"data":%b}' % (json.encode(published.channel.name), published.json)
        return _prepare(data, entry.event, id)

    def write_combined_reset(self, channel: Channel, reason: str, id: str, combined_id: str | None) -> Prepared:
        """Write a reset."""
        return _prepare(json.encode(told(channel, reason, id)), RESET, combined_id)


def _prepare(data: bytes, event: str | None, id: str | None, key: str | None = None) -> Prepared:
    return Prepared(encode_event(data, event, id), key=key)


EVENT_FORM = EventForm()


class _Patience:
    """Waits for a broker before a request is answered, for a while."""

    def __init__(self, engine: Engine, waits: Pending[bool]) -> None:
        self.answer: Pending[Answered] = Pending(engine.driver)
        self._waits = waits
        self._deadlines = engine.deadlines
        self._deadlines.set(self, "answer", engine.driver.now() + ANSWER_WITHIN)

    def end(self, answer: Answered) -> None:
        """Answer."""
        self._deadlines.clear(self, "answer")
        self.answer.resolve(answer)

    def due(self, kind: str, at: float) -> None:
        """Let the stream begin without an answer."""
        self._waits.resolve(False)


@dataclass(slots=True)
class EventSourceRequest(ExposedRequest):
    """An admitted request of an EventSource, or a HEAD."""

    exposure: Exposure
    request: Request
    headers: Headers
    parameters: dict[str, str]
    session: Session | None = field(default=None, repr=False)  # its id is a secret
    channels: tuple[Channel, ...] = ()

    @property
    def greeting(self) -> Stream | None:
        """What is sent before the events."""
        return None if self.request.method == "HEAD" else Stream(self._fields)

    def begin(self, table: Table, request: Request) -> Decision | None:
        """Make the session, which waits for its transport."""
        if table.is_closing:
            return self.refuse_closing()
        self.session = Session(table, table.driver.token(), EVENT_STREAM, request, EVENT_STREAM_DIALECT)
        return None

    def answered(self, result: Any) -> Answered | Pending[Answered]:
        """Take the channels; a client that has got their end already is told to ask no more.

        Where a broker has to be asked for that, and does not answer in time, the stream begins, and waits for it.
        """
        held = self.exposure.check(result)
        if isinstance(held, Namespace):
            return only_for_websockets(self.headers)
        self.channels = held
        last_id = last_id_of(self.request)
        waits = await_ready(self.channels, last_id) if last_id else None
        if waits is None:
            return self._look_for_end(last_id)
        patience = _Patience(self.exposure.engine, waits)
        waits.when_done(lambda ready: patience.end(self._look_for_end(last_id) if ready.result() else None))
        return patience.answer

    def refuse_closing(self) -> "ClosingRequest":
        """Let the client come again: with a refusal it would not."""
        return ClosingRequest(self.exposure, self.request, self.headers, self.parameters)

    def respond(self, table: Table, exchange: Exchange, body: bytes) -> None:
        """Answer a HEAD."""
        self.abort(table)
        exchange.respond(Response(200, self._fields))

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Begin the stream."""
        session = self.session
        assert session is not None
        transport = EventStreamTransport(cast(StreamLink, link), session.id)  # behind a `Stream` it is one
        self.carry(table, transport)
        if session.is_live:
            Subscriber(self.exposure, session, self.channels, EVENT_FORM).begin(last_id_of(request))
        return transport

    def connect_messages(self, table: Table, request: Request, messenger: Messenger) -> MessageTransport:
        """Raise AssertionError: its host frames the content, and writes no messages."""
        raise AssertionError("an EventSource needs a link")

    def _look_for_end(self, last_id: str | None) -> Answer | None:
        if is_over(self.channels, last_id, find_starts(self.channels, last_id)):
            return Answer(Response(204, self.headers))
        return None

    @property
    def _fields(self) -> Headers:
        varies = () if any(name == "Vary" for name, _ in self.headers) else (("Vary", "Origin"),)
        return (*_FIELDS, *varies, *self.headers)


class ClosingRequest(EventSourceRequest):
    """One that has come while the server closes: its answer begins, and stays incomplete.

    fetch-event-source does not come back after an answer that is complete.
    """

    is_handshake = False

    def connect(self, table: Table, request: Request, link: Link) -> Fed:
        """Tell the client when to come back, and end."""
        transport = EventStreamTransport(cast(StreamLink, link), table.driver.token())
        transport.retire()
        return transport

    def refuse_body(self) -> None:
        """Do nothing: no session has begun."""


def only_for_websockets(headers: Headers) -> Refuse:
    """Refuse a request for what only a WebSocket can carry."""
    return refuse_text(426, "this is for WebSockets", (*headers, ("Upgrade", "websocket")))


def accepts(request: Request) -> bool:
    """Tell whether a client takes events: what it accepts has to name them, or everything."""
    accept = request.header("accept")
    if not accept:
        return True
    for one in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        if kind in (CONTENT_TYPE, "text/*", "*/*", "*") and not any(_is_zero(part) for part in parameters):
            return True
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip("0. ")
