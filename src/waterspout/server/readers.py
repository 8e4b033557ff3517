"""Who reads a channel: a client that has subscribed, or a loop in the server's own code.

How it works: a reader that is behind has the offset of the last entry that it was sent. `go_on` sends what the log has
beyond it, page by page, while there is room, and is called again when there is room anew. A reader whose next entry is
not kept any more is told with a reset, and goes on at the head.
"""

from collections import deque
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..engine import Pending
from ..wire import json
from ..wire.generations import Generation
from .fanout import prepare
from .life import CONNECTED
from .log import Entry, Missed, find, write_id

if TYPE_CHECKING:
    from .channel import Channel
    from .member import SocketMember

RESET = "stream-reset"
END = "stream-end"
EARLIEST = "earliest"

_PAGE = 100  # entries


class ChannelMessage(NamedTuple):
    """What a channel has published: its id, the name that `publish` gave it or None, and the data."""

    id: str
    event: str | None
    data: Any


class ChannelReader:
    """One reader of a channel, which knows where it is."""

    __slots__ = ("_is_reading", "channel", "is_over", "offset")

    def __init__(self, channel: "Channel") -> None:
        self.channel = channel
        self.offset = 0
        self.is_over = self._is_reading = False

    def start(self, last_id: object, *, greet: bool) -> None:
        """Find the place of a last id; of a newcomer, the one that the channel's options say."""
        channel = self.channel
        log = channel.log
        log.trim()
        if last_id is None or last_id == "":
            found = Missed(self._first_place())
        elif last_id == EARLIEST:
            found = Missed(log.first - 1)
        else:
            found = find(log, last_id if isinstance(last_id, str) else "")
        if channel.is_latest:  # the current value is all there is to miss
            has_it = found == (log.head, None) if last_id else not greet
            found = Missed(log.head if has_it else max(log.first, log.head) - 1)
        self._go_to(found)

    def go_on(self) -> None:
        """Send what there is, as far as there is room."""
        log = self.channel.log
        while not (self.is_over or self._is_reading) and self.has_room():
            if self.offset >= log.head:
                self.arrived()
                return
            if self.channel.last is not None and self.offset == log.head - 1:
                self._take([self.channel.last])  # the end is told to everybody, also when it is not kept any more
                continue
            if self.channel.is_latest:
                self.offset = max(self.offset, log.head - 1)
            if self.offset < log.first - 1:
                self._go_to(Missed(log.head, "expired"))
                continue
            page = log.read(self.offset, _PAGE)
            if not page.done:
                self._is_reading = True
                page.add_done_callback(self._read)
                return
            self._take(page.result())
            if len(page.result()) == _PAGE:  # a long history leaves the others their turns
                self.channel.driver.soon(self.go_on)
                return

    def has_room(self) -> bool:
        """Tell whether an entry can be sent now; if not, `go_on` is called when it can."""
        raise NotImplementedError

    def send(self, entry: Entry) -> None:
        """Send an entry."""
        raise NotImplementedError

    def send_reset(self, reason: str, id: str) -> None:
        """Tell that what was missed cannot be sent, and with which id the stream goes on."""
        raise NotImplementedError

    def arrived(self) -> None:
        """Called at the head of the log."""
        raise NotImplementedError

    def _first_place(self) -> int:
        log = self.channel.log
        if self.channel.how.start == EARLIEST:
            return log.first - 1
        return log.head - 1 if self.channel.ended else log.head  # the end is told to everybody who comes

    def _go_to(self, found: Missed) -> None:
        log = self.channel.log
        self.offset = found.offset
        if found.reason is not None:
            if self.channel.ended:
                self.offset = log.head - 1
            self.send_reset(found.reason, write_id(log, self.offset))

    def _read(self, page: Pending[list[Entry]]) -> None:
        self._is_reading = False
        self._take(page.result() if page.error is None else [])
        self.go_on()

    def _take(self, entries: list[Entry]) -> None:
        """Send entries while there is room; where the next one is not among them, it can be had no more."""
        if not entries or entries[0].offset != self.offset + 1:
            self._go_to(Missed(self.channel.log.head, "expired"))
            return
        for entry in entries:
            if self.is_over or not self.has_room():
                return
            self.offset = entry.offset
            self.send(entry)


class SocketReader(ChannelReader):
    """A client of Socket.IO that has subscribed, in one of its namespaces."""

    __slots__ = ("_is_waiting", "is_live", "member")

    def __init__(self, channel: "Channel", member: "SocketMember") -> None:
        super().__init__(channel)
        self.member = member
        self.is_live = False  # served by the channel's fan-out, which leaves `offset` as it is
        self._is_waiting = False

    @property
    def kind(self) -> tuple[Generation, str]:
        """Who gets the same bytes: clients of a generation, in a namespace."""
        return self.member.generation, self.member.namespace.name

    def has_room(self) -> bool:
        """Wait for the client to be let in, and for its outbox to be less than half full; a live one needs nothing."""
        member = self.member
        if self.is_live or self._is_waiting or member.life is not CONNECTED:
            return False
        if member.session.has_room:
            return True
        self._is_waiting = True
        member.session.table.when_drained(member.session, self._drained)
        return False

    def send(self, entry: Entry) -> None:
        """Send it as an event."""
        self.member.push(self.channel.prepare(*self.kind, entry, value_of(entry)))

    def send_reset(self, reason: str, id: str) -> None:
        """Send it as an event."""
        told = {"channel": self.channel.name, "reason": reason, "id": id}
        self.member.push(prepare(*self.kind, RESET, (told,)))

    def arrived(self) -> None:
        """Be served with all others."""
        self.is_live = True
        self.channel.arrived(self)

    def _drained(self) -> None:
        self._is_waiting = False
        self.go_on()


class ChannelStream(ChannelReader):
    """An asynchronous iterator of a channel's messages."""

    __slots__ = ("__weakref__", "_pending", "_resets")

    def __init__(self, channel: "Channel", last_id: object, *, greet: bool) -> None:
        super().__init__(channel)
        self._pending: Pending[ChannelMessage | None] | None = None  # resolved with None at the end
        self._resets: deque[ChannelMessage] = deque()
        self.start(last_id, greet=greet)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> "_Next":
        if self._pending is None:  # else somebody has waited in vain, and what came is for the next
            self._pending = Pending(self.channel.driver)
            if self._resets:
                self._pending.resolve(self._resets.popleft())
        self.go_on()
        return _Next(self, self._pending)

    def aclose(self) -> Pending[None]:
        """End the loop from elsewhere, as `contextlib.aclosing` does; done at once."""
        self.is_over = True
        self.end()
        self.channel.forget(self)
        done: Pending[None] = Pending(self.channel.driver)
        done.resolve(None)
        return done

    def taken(self) -> None:
        """Called when a message has reached who has waited for it."""
        self._pending = None

    def has_room(self) -> bool:
        """Tell whether somebody waits for the next message."""
        return self._pending is not None and not self._pending.done

    def send(self, entry: Entry) -> None:
        """Give an entry to who waits."""
        name = END if entry.is_end else entry.event
        self._give(ChannelMessage(write_id(self.channel.log, entry.offset), name, value_of(entry)))

    def send_reset(self, reason: str, id: str) -> None:
        """Give it as a message before all others."""
        message = ChannelMessage(id, RESET, {"channel": self.channel.name, "reason": reason, "id": id})
        if self.has_room():
            self._give(message)
        else:
            self._resets.append(message)

    def arrived(self) -> None:
        """Wait for the next message, unless none comes."""
        if self.channel.is_over:
            self.end()

    def end(self) -> None:
        """End the loop."""
        if self._pending is not None:
            self._pending.resolve(None)

    def _give(self, message: ChannelMessage) -> None:
        if self._pending is not None:
            self._pending.resolve(message)


class _Next(Awaitable[ChannelMessage]):
    """The next message, which is only taken when whoever waits has got it: a wait that is cancelled loses nothing."""

    __slots__ = ("_pending", "_stream")

    def __init__(self, stream: ChannelStream, pending: Pending[ChannelMessage | None]) -> None:
        self._stream = stream
        self._pending = pending

    def __await__(self) -> Generator[Any, Any, ChannelMessage]:
        stream, pending = self._stream, self._pending
        del self  # a traceback of what ends the wait would keep the stream subscribed
        try:
            message = yield from pending.__await__()
            stream.taken()
        finally:
            del stream
        if message is None:
            raise StopAsyncIteration
        return message


def value_of(entry: Entry) -> Any:
    """Return the data of an entry, as subscribers get it; None of an end without data."""
    if entry.is_text:
        return entry.data.decode()
    return json.decode(entry.data) if entry.data else None
