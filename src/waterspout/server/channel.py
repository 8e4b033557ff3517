"""A channel: a room with a history, to which the server publishes.

How it works: every message is an entry of the channel's log. A reader is live, or behind (readers.py). All that are
live get an entry in one fan-out, when it is appended; nothing is kept or made for each of them. One that is behind is
sent what the log has beyond its offset, as far as its outbox takes it, and is live when it has got to the head. So
whoever resumes by a last id gets what it has missed, in order and once, or a reset with the reason, and nobody has more
in flight than half an outbox holds.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, WeakSet

from ..engine import Driver, Engine, Layer, Level, Pending, Session, done_on_core, push_to_all
from ..wire import json, surrogates
from ..wire.places import find_fault
from .channelstream import ChannelStream
from .fanout import UNSENDABLE
from .forms import Form, Published
from .life import GONE
from .log import ChannelLog, Entry, MemoryLog, write_id
from .readers import ChannelReader, LiveReader, SessionReader, SocketReader
from .shared import SharedLogs
from .ways import Ways, read_options

if TYPE_CHECKING:
    from .member import SocketMember

OWN = "stream-"
"""What the names of our own events begin with."""

_NO_NAME = ("\r", "\n", "\0")


class Text(str):
    """A text that goes out as it is, without the quotes of JSON, where the transport has plain text."""

    __slots__ = ()


@dataclass
class ChannelTraffic:
    """What all channels of a server have done: messages published, and resets by reason."""

    published: int = 0
    resets: Counter[str] = field(default_factory=Counter)


class Channel:
    """Messages for everybody who subscribes, with ids, and a history for those who come back; `Server.channel`.

    Every method may be called from any thread, but for `stream`, which is for the server's loop.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        options: Mapping[str, Any],
        keep: Callable[["Channel", bool], object],
        traffic: ChannelTraffic,
        logs: SharedLogs | None = None,
    ) -> None:
        self.name = name
        self.options = options
        self.engine = engine
        self.traffic = traffic
        self._keep = keep
        self._behave(Ways(**options))
        self.log: ChannelLog
        if logs is None:
            self.log = MemoryLog(lambda: engine.driver, self.limits, WeakMethod(self.appended))
        else:
            self.log = logs.open(name, options, self)
        self.last: Entry | None = None  # with which it has ended
        self._is_aging = False
        self._adopted: Mapping[str, Any] = {}
        self._live: dict[Form, dict[LiveReader, Session]] = {}
        self._behind: dict[LiveReader, None] = {}
        self._pulling: dict[SessionReader, None] = {}  # take each entry themselves, and so do streams
        self._streams: WeakSet[ChannelStream] = WeakSet()

    def __repr__(self) -> str:
        return f"<Channel {self.name!r}, {self.count} subscribers>"

    @property
    def count(self) -> int:
        """How many subscribers there are on this node."""
        live = sum(map(len, tuple(self._live.values())))
        return live + len(self._behind) + len(self._pulling) + len(self._streams)

    @property
    def kinds(self) -> list[str]:
        """The kind of each subscriber: the generation of its client, or "stream"."""
        return [reader.session.generation.name for reader in self._subscribed()] + ["stream"] * len(self._streams)

    @property
    def last_id(self) -> str:
        """The id of the last message, or of the state before the first.

        Where a broker keeps the channel, it is the last one that this node knows, and may be empty before a client of
        this node has subscribed.
        """
        return self.log.last_id

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self.last is not None

    @property
    def driver(self) -> Driver:
        """The driver of the server."""
        return self.engine.driver

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes: `end` was called, or the server closes."""
        return self.ended or self.engine.table.is_closing

    def publish(self, data: Any, event: str | None = None) -> Pending[str]:
        """Send data to all subscribers, and keep it for those who come back; the result is the message's id.

        Data is what JSON can carry; a `Text` goes out as it is where the transport has plain text. `event` names the
        message. TypeError, naming type and channel, for what JSON cannot carry; ValueError for a name that is empty,
        has a line break or NUL, or begins with "stream-", and for a channel that has ended. AdapterError if more than
        `max_unpublished_bytes` wait for a broker already. If another node has ended the channel, ValueError is the
        result.
        """
        check_event(event)
        encoded, is_text = encode_data(self.name, data)
        return done_on_core(self.engine.driver, self._publish, encoded, event, is_text, False)

    def end(self, data: Any = None) -> Pending[str]:
        """Tell all subscribers that no more comes, with some last data; ValueError if it has ended before."""
        encoded, is_text = (b"", False) if data is None else encode_data(self.name, data)
        return done_on_core(self.engine.driver, self._publish, encoded, None, is_text, True)

    def stream(self, last_event_id: str | None = None, *, greet: bool = True) -> ChannelStream:
        """Return an asynchronous iterator of `ChannelMessage`: what was missed since this id, and then what comes.

        It ends with the channel, and with the server. Where what was missed cannot be given, a message with the
        event "stream-reset" comes first; the last one of a channel that ends has the event "stream-end". A reader
        that is slow misses nothing while the history has it. Leaving the loop unsubscribes.
        """
        stream = ChannelStream(self, last_event_id, greet=greet)
        self._streams.add(stream)
        return stream

    def drain(self) -> Pending[None]:
        """Be done when every subscriber's outbox is less than half full: for a publisher that can wait."""
        return done_on_core(self.engine.driver, self._drain)

    # What the server calls

    def subscribe(self, member: "SocketMember", last_event_id: str | None, *, greet: bool) -> Pending[str]:
        """Let a client subscribe, from its last id on; a subscription that it has already begins anew."""
        done: Pending[str] = Pending(self.engine.driver)
        if member.life is GONE:
            done.resolve(self.last_id)
            return done
        self.unsubscribe(member)
        reader = SocketReader(self, member)
        if member.channels is None:
            member.channels = {}
        member.channels[self] = reader
        waits = self.log.ready(last_event_id)
        if waits is None:
            self._begin(reader, last_event_id, greet, done)
        else:
            begin = partial(self._begin, reader, last_event_id, greet, done)
            reader.wait_for(waits, begin, lambda: done.resolve(self.last_id))
        return done

    def unsubscribe(self, member: "SocketMember") -> None:
        """Let a client's subscription end, if it has one."""
        reader = None if member.channels is None else member.channels.pop(self, None)
        if reader is not None:
            self.remove(reader)

    def add(self, reader: SessionReader) -> None:
        """Serve a reader that knows its place, after what is running now."""
        if isinstance(reader, LiveReader):
            self._behind[reader] = None
        else:
            self._pulling[reader] = None
        self.engine.turn.add(reader.go_on)

    def remove(self, reader: ChannelReader) -> None:
        """Serve a reader no longer."""
        reader.is_over = True
        if reader.awaited is not None:
            reader.give_up()
        if isinstance(reader, ChannelStream):
            self._streams.discard(reader)
        elif isinstance(reader, LiveReader):
            self._behind.pop(reader, None)
            live = self._live.get(reader.form)
            if live is not None and live.pop(reader, None) is not None and not live:
                del self._live[reader.form]
        elif isinstance(reader, SessionReader):
            self._pulling.pop(reader, None)

    def due(self, kind: str, at: float) -> None:
        """Called when the entry that was the oldest is too old."""
        self._is_aging = False
        self._age()

    def close(self) -> None:
        """End the streams: the server closes."""
        for stream in list(self._streams):
            stream.end()

    # What a reader calls

    def arrived(self, reader: LiveReader) -> None:
        """Let a reader that is at the head be served with all others; there is nothing more of one that has ended."""
        self._behind.pop(reader, None)
        if self.ended:
            self.remove(reader)
            reader.ended()
        else:
            self._live.setdefault(reader.form, {})[reader] = reader.session

    # What its log calls

    def appended(self, entry: Entry) -> None:
        """Send an entry to all who are live."""
        if entry.is_end:
            self.last = entry
        if self._live:
            published = Published(self, entry)
            with self.engine.turn:
                for form, readers in self._live.items():
                    push_to_all(readers.values(), form.write(published))
        if entry.is_end:
            live, self._live = self._live, {}
            for reader in chain(*live.values()):
                self.remove(reader)
                reader.ended()
        for pulling in [*self._pulling, *self._streams]:
            pulling.go_on()
        self._age()

    def skipped(self) -> None:
        """Tell all who are live that entries are lost; the others find out when they get there."""
        if not self.is_latest:
            for reader in list(chain(*self._live.values())):
                self._restart(reader, "expired")

    def renewed(self, last: Entry | None) -> None:
        """Let all readers begin anew: the log is another one than before."""
        self.last = last
        for reader in [*self._subscribed(), *self._streams]:
            if reader.has_begun:
                self._restart(reader, "epoch")

    def adopt(self, options: Mapping[str, Any]) -> None:
        """Take the options that were given last, on any node."""
        if options == self._adopted:
            return
        self._adopted = options
        try:
            known = read_options(options)
        except (TypeError, ValueError) as error:
            self._warn("another node has given the channel %a options that are ignored: %a", self.name, str(error))
            return
        self._behave(Ways(**{**self.options, **known}))
        if any(self.options.get(option, value) != value for option, value in known.items()):
            text = "the channel %a has other options on another node, which count now: give it the same on all nodes"
            self._warn(text, self.name)

    # Below this line: how it is done

    def _begin(self, reader: SocketReader, last_id: str | None, greet: bool, done: Pending[str]) -> None:
        """Serve a client from its last id on."""
        reader.start(last_id, greet=greet)
        done.resolve(write_id(self.log, reader.offset))
        self.add(reader)  # which may send what was missed at once

    def _behave(self, how: Ways) -> None:
        self.how = how
        self.limits = how.limits
        self.is_latest = how.delivery == "latest"

    def _warn(self, text: str, *values: object) -> None:
        self.engine.log.note(Layer.SERVER, Level.WARNING, text, *values)

    def _restart(self, reader: ChannelReader, reason: str) -> None:
        """Let a reader go on behind the head, and tell it why."""
        if isinstance(reader, LiveReader):
            live = self._live.get(reader.form)
            if live is not None and live.pop(reader, None) is not None and not live:
                del self._live[reader.form]
            self._behind[reader] = None
        reader.restart(reason)
        reader.go_on()  # at once, so that it is live for the next entry

    def _publish(self, data: bytes, event: str | None, is_text: bool, is_end: bool) -> Pending[str]:
        if self.ended:
            raise ValueError(f"the channel {self.name!r} has ended, and nothing more can be published to it")
        appending = self.log.append(data, event, is_text=is_text, is_end=is_end)
        self.traffic.published += 1
        return appending

    def _age(self) -> None:
        """Drop what is too old, and come back when the next entry is."""
        at = self.log.trim()
        self._keep(self, self.log.first <= self.log.head)
        if at < inf and not self._is_aging:
            self._is_aging = True
            self.engine.deadlines.set(self, "age", at)

    def _subscribed(self) -> list[SessionReader]:
        """Return the clients that have subscribed; of copies, for other threads ask, too."""
        live = map(tuple, tuple(self._live.values()))
        return [*self._behind, *self._pulling, *chain.from_iterable(live)]

    def _drain(self) -> Pending[None]:
        done: Pending[None] = Pending(self.engine.driver)
        full = [reader.session for reader in self._subscribed() if not reader.session.has_room]
        left = len(full)

        def drained() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.resolve(None)

        for session in full:
            self.engine.table.when_drained(session, drained)
        if not full:
            done.resolve(None)
        return done


def encode_data(channel: str, data: Any) -> tuple[bytes, bool]:
    """Write the data of a message, and whether it is a `Text`; TypeError for what JSON cannot carry."""
    if isinstance(data, Text):
        return surrogates.encode(data), True
    try:
        encoded = json.encode_plain(data)
        if encoded is None:
            encoded, contents = json.encode_apart(data, lambda number: number)
            if contents:
                raise TypeError("bytes are not JSON: publish them as text, such as base64")
        return encoded, False
    except UNSENDABLE as error:
        raise TypeError(f"the channel {channel!r} cannot publish this: {error}{find_fault(data, 'data')}") from error


def check_event(event: object) -> None:
    """Raise TypeError or ValueError for what no message can be named."""
    if event is None:
        return
    if not isinstance(event, str):
        raise TypeError(f"event is {event!r}: give a string, or None for a message without a name")
    if not event or any(sign in event for sign in _NO_NAME) or event.startswith(OWN):
        raise ValueError(f'event is {event!r}: give a name in one line that does not begin with "{OWN}"')
