"""Clients that subscribe at a path that was exposed: what the application sees of one, and what it reads.

A client of one channel is live like any other subscriber. One of several has an id made of theirs, which is another for
each client, so its readers take every entry themselves.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ..engine import STREAM_OVER, Ending, Pending, Prepared, Session, on_core
from ..engine.options import check_number
from ..types import Reason, Request
from .channel import Channel
from .forms import Form, Published
from .log import EARLIEST, Entry, Missed, write_id
from .readers import ChannelReader, LiveReader, SessionReader

if TYPE_CHECKING:
    from .exposures import Exposure

SUBSCRIBER = "subscriber"
"""Where a session's data has it: no namespace has such a name."""

_LAST_ID_IN = ("last_event_id", "lastEventId", "lastEventID", "Last-Event-ID", "evs_last_event_id")
_LONGEST_ID = 1200  # characters: of 16 channels
_PERMISSION_OVER = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=4401)
_CLOSED = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=4403)
_TOO_OLD = Ending(reason=Reason.FORCED_SERVER_CLOSE, code=1001)


class SubscriberTimer(Enum):
    """What a subscriber waits for."""

    UNTIL = "until"
    MAX_AGE = "max_age"


class SubscriberForm(Form, Protocol):
    """How a kind of subscriber is told what there is."""

    def write_open(self, channels: Sequence[Channel], id: str | None) -> Prepared | None:
        """Write that the stream begins, and the id from which; without one if a reset follows, which has it."""

    def write_combined(self, published: Published, id: str) -> Prepared:
        """Write a message to a client of several channels; the id is made of theirs."""

    def write_combined_reset(self, channel: Channel, reason: str, id: str, combined_id: str | None) -> Prepared:
        """Write a reset to a client of several channels; without an id of theirs if another reset follows."""


class Subscriber:
    """A client that has subscribed at an exposed path; what `on_subscribe` and `on_unsubscribe` are called with.

    It may be used from any thread.
    """

    __slots__ = ("__weakref__", "_exposure", "_form", "_readers", "_until", "_waits", "channels", "session")

    def __init__(
        self, exposure: "Exposure", session: Session, channels: tuple[Channel, ...], form: SubscriberForm
    ) -> None:
        self.channels = channels
        self.session = session
        self._exposure = exposure
        self._form = form
        self._until: float | None = None
        self._readers: list[SessionReader] = []
        self._waits: Pending[bool] | None = None  # until the channels' logs know its places

    def __repr__(self) -> str:
        return f"<Subscriber of {self._exposure.path!r} from {self.request.remote_address}>"

    @property
    def request(self) -> Request:
        """The request with which it has come; `request.data` is the application's own."""
        return self.session.request

    @property
    def until(self) -> float | None:
        """When its permission ends, in seconds since 1970; None is never.

        It is disconnected then, and has to ask anew. A `datetime` may be given, too; it needs a time zone.
        """
        return self._until

    @until.setter
    def until(self, until: "float | datetime | None") -> None:
        if isinstance(until, datetime):
            if until.tzinfo is None:
                raise ValueError(f"until is {until!r}: give a datetime with a time zone, or seconds since 1970")
            until = until.timestamp()
        if until is not None:
            check_number("until", until, "seconds since 1970, a datetime with a time zone, or None for no end")
        self._until = until
        on_core(self.session.table.driver, self._limit, until)

    def close(self) -> None:
        """Disconnect it; it may come back, and is asked anew then."""
        on_core(self.session.table.driver, self.session.close, _CLOSED)

    # What the server calls

    def begin(self, last_id: str | None) -> None:
        """Begin to read behind a last id, as soon as the channels' logs know its places."""
        self.session.data[SUBSCRIBER] = self
        self._waits = waits = await_ready(self.channels, last_id)
        if waits is None:
            self._begin(last_id)
        else:
            waits.when_done(lambda ready: self._begin(last_id) if ready.result() else None)

    def _begin(self, last_id: str | None) -> None:
        if not self.session.is_live:
            return
        starts = find_starts(self.channels, last_id)
        if is_over(self.channels, last_id, starts):
            self.session.close(STREAM_OVER)
        else:
            self._start(starts)

    def _start(self, starts: Sequence[Missed]) -> None:
        """Read each channel behind its place."""
        session, exposure = self.session, self._exposure
        if exposure.max_age is not None:
            session.table.deadlines.set(self, SubscriberTimer.MAX_AGE, session.now() + exposure.max_age)
        kind = SubscriberReader if len(self.channels) == 1 else CombinedReader
        self._readers = [kind(channel, self) for channel in self.channels]
        for reader, start in zip(self._readers, starts, strict=True):
            reader.offset = start.offset
        resets = [(reader, start) for reader, start in zip(self._readers, starts, strict=True) if start.reason]
        self._push(self._form.write_open(self.channels, None if resets else self.id))
        for number, (reader, start) in enumerate(resets, 1):
            assert start.reason is not None
            reader.channel.traffic.resets[start.reason] += 1
            self.push_reset(reader, start.reason, is_last=number == len(resets))
        exposure.tell("on_subscribe", self)
        for reader in self._readers:
            reader.channel.add(reader)

    @property
    def id(self) -> str:
        """The id that it would come back with."""
        return ",".join(write_id(reader.channel.log, reader.offset) for reader in self._readers)

    @property
    def form(self) -> SubscriberForm:
        """How it is told what there is."""
        return self._form

    def push_reset(self, reader: ChannelReader, reason: str, *, is_last: bool = True) -> None:
        """Tell it that something is missing in a channel."""
        channel, id = reader.channel, write_id(reader.channel.log, reader.offset)
        if len(self.channels) == 1:
            self._push(self._form.write_reset(channel, reason, id))
        else:
            self._push(self._form.write_combined_reset(channel, reason, id, self.id if is_last else None))

    def ended(self, reader: ChannelReader) -> None:
        """Called when a channel has ended for it: with the last one, the stream is over."""
        if all(reader.is_over for reader in self._readers):
            self.session.close(STREAM_OVER)

    def part(self, reason: Reason) -> None:
        """Called when its session is over."""
        deadlines = self.session.table.deadlines
        for kind in SubscriberTimer:
            deadlines.clear(self, kind)
        for reader in self._readers:
            reader.channel.remove(reader)
        if self._waits is not None:
            self._waits.resolve(False)
        has_read = bool(self._readers)
        self._readers.clear()  # they refer to this
        del self.session.data[SUBSCRIBER]
        if has_read:
            self._exposure.tell("on_unsubscribe", self)

    def due(self, kind: SubscriberTimer, at: float) -> None:
        """End it: its time is over."""
        self.session.close(_PERMISSION_OVER if kind is SubscriberTimer.UNTIL else _TOO_OLD)

    def _limit(self, until: float | None) -> None:
        deadlines, driver = self.session.table.deadlines, self.session.table.driver
        if until is None:
            deadlines.clear(self, SubscriberTimer.UNTIL)
        elif self.session.is_live:
            deadlines.set(self, SubscriberTimer.UNTIL, driver.now() + until - driver.wall())

    def _push(self, prepared: Prepared | None) -> None:
        if prepared is not None:
            self.session.push(prepared)


class SubscriberReader(LiveReader):
    """Reads the one channel of a subscriber."""

    __slots__ = ("subscriber",)

    def __init__(self, channel: Channel, subscriber: Subscriber) -> None:
        super().__init__(channel)
        self.subscriber = subscriber

    @property
    def session(self) -> Session:
        """The session of the subscriber."""
        return self.subscriber.session

    @property
    def form(self) -> Form:
        """The form of all subscribers of its kind."""
        return self.subscriber.form

    def ended(self) -> None:
        """Let the subscriber know."""
        self.subscriber.ended(self)


class CombinedReader(SessionReader):
    """Reads one of several channels of a subscriber."""

    __slots__ = ("subscriber",)

    def __init__(self, channel: Channel, subscriber: Subscriber) -> None:
        super().__init__(channel)
        self.subscriber = subscriber

    @property
    def session(self) -> Session:
        """The session of the subscriber."""
        return self.subscriber.session

    def send(self, entry: Entry) -> None:
        """Send it with the ids of all channels."""
        subscriber = self.subscriber
        subscriber.session.push(subscriber.form.write_combined(Published(self.channel, entry), subscriber.id))

    def send_reset(self, reason: str, id: str) -> None:
        """Send it with the ids of all channels."""
        self.subscriber.push_reset(self, reason)

    def arrived(self) -> None:
        """Wait for the next entry, or leave a channel that has ended."""
        if self.channel.ended:
            self.channel.remove(self)
            self.subscriber.ended(self)


def last_id_of(request: Request) -> str | None:
    """Return the id of the last message that a client has got; an empty one is none."""
    last_id = request.header("last-event-id")
    if last_id:
        return last_id.encode("latin-1", "replace").decode("utf-8", "replace")
    return next(filter(None, map(request.param, _LAST_ID_IN)), None)


def _ids_of(channels: Sequence[Channel], last_id: str | None) -> Sequence[str | None]:
    """Return the part of a last id that is for each channel."""
    if len(channels) == 1 or last_id is None or last_id == EARLIEST:
        return [last_id] * len(channels)
    parts = last_id.split(",") if len(last_id) <= _LONGEST_ID else [""]
    by_epoch = {part.rpartition("-")[0]: part for part in parts}
    return [by_epoch.get(channel.log.epoch) or parts[0] or "?" for channel in channels]


def await_ready(channels: Sequence[Channel], last_id: str | None) -> Pending[bool] | None:
    """Return None if `find_starts` can be called now, or else what is done when it can; False if it never can."""
    ids = _ids_of(channels, last_id)
    waits = [channel.log.ready(one) for channel, one in zip(channels, ids, strict=True)]
    missing = [one for one in waits if one is not None]
    if len(missing) < 2:
        return missing[0] if missing else None
    ready: Pending[bool] = Pending(channels[0].driver)

    def look(one: Pending[bool]) -> None:
        if not one.result():
            ready.resolve(False)
        elif all(one.done for one in missing):
            ready.resolve(True)

    for one in missing:
        one.when_done(look)
    return ready


def find_starts(channels: Sequence[Channel], last_id: str | None) -> list[Missed]:
    """Find where a client goes on in each of its channels."""
    ids = _ids_of(channels, last_id)
    return [ChannelReader(channel).find_start(one, greet=True) for channel, one in zip(channels, ids, strict=True)]


def is_over(channels: Sequence[Channel], last_id: str | None, starts: Sequence[Missed]) -> bool:
    """Tell whether a client has got the end of all its channels already."""
    return bool(last_id) and all(
        channel.ended and start == (channel.log.head, None) for channel, start in zip(channels, starts, strict=True)
    )
