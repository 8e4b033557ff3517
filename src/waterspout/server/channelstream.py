"""A channel as an asynchronous iterator, for the server's own code and for a framework's own response."""

from collections import deque
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..engine import Pending
from .forms import END, RESET, told, value_of
from .log import Entry, write_id
from .readers import ChannelReader

if TYPE_CHECKING:
    from .channel import Channel


class ChannelMessage(NamedTuple):
    """What a channel has published: its id, the name that `publish` gave it or None, and the data."""

    id: str
    event: str | None
    data: Any


class ChannelStream(ChannelReader):
    """An asynchronous iterator of a channel's messages."""

    __slots__ = ("__weakref__", "_pending", "_resets")

    def __init__(self, channel: "Channel", last_id: object, *, greet: bool) -> None:
        super().__init__(channel)
        self._pending: Pending[ChannelMessage | None] | None = None  # resolved with None at the end
        self._resets: deque[ChannelMessage] = deque()
        waits = channel.log.ready(last_id)
        if waits is None:
            self.start(last_id, greet=greet)
        else:
            self.wait_for(waits, lambda: self._start_late(last_id, greet=greet), self.end)

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
        self.channel.remove(self)
        self.end()
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
        message = ChannelMessage(id, RESET, told(self.channel, reason, id))
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

    def _start_late(self, last_id: object, *, greet: bool) -> None:
        self.start(last_id, greet=greet)
        self.go_on()

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
