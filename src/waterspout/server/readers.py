"""Who reads a channel, and how far each has got.

How it works: a reader that is behind has the offset of the last entry that it was sent. `go_on` sends what the log has
beyond it, page by page, while there is room, and is called again when there is room anew. A reader whose next entry is
not kept any more is told with a reset, and goes on at the head. There, a `LiveReader` becomes live: the channel's
fan-out sends it what comes. Any other kind of reader is told of each new entry (`go_on`), and takes it itself.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..engine import Pending, Prepared, Session
from .forms import Form, Published, SocketForm
from .life import CONNECTED
from .log import EARLIEST, Entry, Missed, find, write_id

if TYPE_CHECKING:
    from .channel import Channel
    from .member import SocketMember

_PAGE = 100  # entries
_NOWHERE = -1  # the offset of a reader that has not begun


class ChannelReader:
    """One reader of a channel, which knows where it is."""

    __slots__ = ("awaited", "channel", "is_over", "offset")

    def __init__(self, channel: "Channel") -> None:
        self.channel = channel
        self.offset = _NOWHERE
        self.is_over = False
        self.awaited: Pending[Any] | None = None  # what the log was asked, before which nothing is sent

    @property
    def has_begun(self) -> bool:
        """Whether it knows its place."""
        return self.offset != _NOWHERE

    def wait_for(self, ready: Pending[bool], begin: Callable[[], object], end: Callable[[], object]) -> None:
        """Begin when the log knows the reader's place, or end, where it does not come to that."""
        self.awaited = ready

        def go_on(ready: Pending[bool]) -> None:
            self.awaited = None
            (begin if ready.result() and not self.is_over else end)()

        ready.when_done(go_on)

    def start(self, last_id: object, *, greet: bool) -> None:
        """Begin behind a last id, or where a newcomer does."""
        self.begin(self.find_start(last_id, greet=greet))

    def give_up(self) -> None:
        """Called when it is served no longer: wait no more for its place."""
        if self.awaited is not None and not self.has_begun:
            self.awaited.resolve(False)

    def find_start(self, last_id: object, *, greet: bool) -> Missed:
        """Find the place of a last id; of a newcomer, the one that the channel's options say."""
        channel = self.channel
        log = channel.log
        log.trim()
        if last_id is None or last_id == "":
            found = Missed(self._first_place())
        elif last_id == EARLIEST:
            found = Missed(self._earliest_place())
        else:
            found = find(log, last_id if isinstance(last_id, str) else "")
        if channel.is_latest:  # the current value is all there is to miss
            has_it = found == (log.head, None) if last_id else not greet
            found = Missed(log.head if has_it else max(log.first, log.head) - 1)
        if found.reason is not None and channel.ended:
            found = Missed(log.head - 1, found.reason)  # the end is told to everybody
        return found

    def begin(self, found: Missed) -> None:
        """Go on behind this place; what cannot be sent is told."""
        self.offset = found.offset
        if found.reason is not None:
            self.channel.traffic.resets[found.reason] += 1
            self.send_reset(found.reason, write_id(self.channel.log, self.offset))

    def restart(self, reason: str) -> None:
        """Go on behind the head of a log that has lost what this reader was to get next."""
        log, self.awaited = self.channel.log, None
        if self.channel.is_latest:
            self.begin(Missed(max(log.first, log.head) - 1))
        else:
            self.begin(Missed(log.head - 1 if self.channel.ended else log.head, reason))

    def go_on(self) -> None:
        """Send what there is, as far as there is room."""
        log = self.channel.log
        while not self.is_over and self.awaited is None and self.has_room():
            if self.offset >= log.head:
                self.arrived()
                return
            if self.channel.last is not None and self.offset == log.head - 1:
                self._take([self.channel.last])  # the end is told to everybody, also when it is not kept any more
                continue
            if self.channel.is_latest:
                self.offset = max(self.offset, log.head - 1)
            if self.offset < log.first - 1:
                self._expire()
                continue
            page = log.read(self.offset, _PAGE)
            if not page.done:
                self.awaited = page
                page.when_done(self._read)
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

    def end(self) -> None:
        """Called when the server closes."""

    def _first_place(self) -> int:
        log = self.channel.log
        if self.channel.how.start == EARLIEST:
            return self._earliest_place()
        return log.head - 1 if self.channel.ended else log.head  # the end is told to everybody who comes

    def _earliest_place(self) -> int:
        log = self.channel.log
        return min(log.first - 1, log.head - 1) if self.channel.ended else log.first - 1

    def _expire(self) -> None:
        """Go on at the head: what comes next is not kept any more."""
        head = self.channel.log.head
        reason = None if self.channel.is_latest else "expired"
        self.begin(Missed(head - 1 if self.channel.ended else head, reason))

    def _read(self, page: Pending[list[Entry]]) -> None:
        if page is not self.awaited:
            return  # it was restarted
        self.awaited = None
        self._take(page.result() if page.error is None else [])
        self.go_on()

    def _take(self, entries: list[Entry]) -> None:
        """Send entries while there is room; where the next one is not among them, it can be had no more."""
        if not entries or entries[0].offset != self.offset + 1:
            self._expire()
            return
        for entry in entries:
            if self.is_over or not self.has_room():
                return
            self.offset = entry.offset
            self.send(entry)


class SessionReader(ChannelReader):
    """A client that has subscribed, over its session, whose outbox has to have room."""

    __slots__ = ("_is_waiting",)

    def __init__(self, channel: "Channel") -> None:
        super().__init__(channel)
        self._is_waiting = False

    @property
    def session(self) -> Session:
        """The client's session."""
        raise NotImplementedError

    def has_room(self) -> bool:
        """Tell whether the client's outbox is less than half full; if not, wait for that."""
        if self._is_waiting:
            return False
        session = self.session
        if session.has_room:
            return True
        self._is_waiting = True
        session.table.when_drained(session, self._drained)
        return False

    def _drained(self) -> None:
        self._is_waiting = False
        self.go_on()


class LiveReader(SessionReader):
    """A client that the channel's fan-out serves with all others of its kind, when it has arrived at the head."""

    __slots__ = ("is_live",)

    def __init__(self, channel: "Channel") -> None:
        super().__init__(channel)
        self.is_live = False  # served by the fan-out, which leaves `offset` as it is

    @property
    def form(self) -> Form:
        """How messages are written for it."""
        raise NotImplementedError

    @property
    def is_ready(self) -> bool:
        """Whether anything may be sent to it yet."""
        return True

    def push(self, prepared: Prepared) -> None:
        """Send what was written for it alone."""
        self.session.push(prepared)

    def ended(self) -> None:
        """Called when it was sent the end of the channel."""
        raise NotImplementedError

    def has_room(self) -> bool:
        """Tell whether an entry can be sent to it alone: a live one needs nothing."""
        return not self.is_live and self.is_ready and super().has_room()

    def send(self, entry: Entry) -> None:
        """Send it in the form of the client's kind."""
        self.push(self.form.write(Published(self.channel, entry)))

    def send_reset(self, reason: str, id: str) -> None:
        """Send it in the form of the client's kind."""
        self.push(self.form.write_reset(self.channel, reason, id))

    def restart(self, reason: str) -> None:
        """Go on behind the head, and be served with all others when it has got there."""
        self.is_live = False
        super().restart(reason)

    def arrived(self) -> None:
        """Be served with all others."""
        self.is_live = True
        self.channel.arrived(self)


class SocketReader(LiveReader):
    """A client of Socket.IO that has subscribed, in one of its namespaces."""

    __slots__ = ("member",)

    def __init__(self, channel: "Channel", member: "SocketMember") -> None:
        super().__init__(channel)
        self.member = member

    @property
    def session(self) -> Session:
        """The session of the member."""
        return self.member.session

    @property
    def form(self) -> Form:
        """An event of its generation, in its namespace."""
        return SocketForm(self.member.generation, self.member.namespace.name)

    @property
    def is_ready(self) -> bool:
        """Whether the client was let in."""
        return self.member.life is CONNECTED

    def push(self, prepared: Prepared) -> None:
        """Queue it, behind the acceptance of a client that is connecting."""
        self.member.push(prepared)

    def ended(self) -> None:
        """End the subscription."""
        self.channel.unsubscribe(self.member)
