"""A session of Socket.IO 0.7 to 0.9, which outlives its transports (docs/protocol-1.md, WP-70 to WP-76).

It begins with a handshake and without a transport. Each transport takes over from the one before, with all that this
has not sent; without a transport, the session waits `resume_timeout` for the next.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from ...errors import ProtocolError
from ...types import Reason, Request
from ...wire.generations import Generation
from ..prepared import Prepared
from ..session import Session, SessionTimer
from ..states import State
from ..transports.interfaces import Transport
from ..transports.null import NOBODY
from .dialect import PROTOCOL_1
from .posts import Posts
from .replay import ReplayBuffer

if TYPE_CHECKING:
    from ..table import Table


class Resumable(Transport, Protocol):
    """A transport that another may take over from."""

    def unsent(self) -> list[Prepared]:
        """Give back, in order, what it took and has not sent; it sends nothing more."""

    def undelivered(self) -> Iterator[str | bytes] | None:
        """Hand over what was received and not delivered; None if there is nothing."""

    def leave(self) -> None:
        """Called when another transport takes over; the client may still read this one, so `retire` is called later."""


class ResumableSession(Session):
    """One connection of such a client, from its handshake to its end."""

    __slots__ = ("_handing_over", "_left", "_openings", "is_started", "posts", "replay")

    transport: Resumable
    max_early_events = 100  # these clients do not wait until they have entered

    def __init__(self, table: "Table", sid: str, generation: Generation, request: Request) -> None:
        super().__init__(table, sid, generation, request, PROTOCOL_1)
        self._left: dict[str, Resumable] = {}  # by their names, as the client may still listen there
        self._openings: set[Opening] | None = None
        self._handing_over = 0  # transports that are gone, while what they received is not all delivered
        self.is_started = False  # a transport has opened
        self.replay = ReplayBuffer(self.policy)
        self.posts = Posts(self)

    def attach(self, transport: Resumable) -> None:
        """Go on over this transport; nothing that the one before has not sent is lost, nor what it has brought."""
        before, self.transport = self.transport, transport
        brought = None
        if before is not transport:
            brought = before.undelivered()
            self.take_back(before)
            self._leave(before, transport.name)
        self.present()
        if not self.is_started:
            self.is_started = True
            self.table.greet(self)
        if brought is not None:
            self._hand_over(brought)
        if self.is_paused or self._handing_over:
            transport.pause()
        self.writable()

    def detach(self, transport: Transport) -> None:
        """Go on without this transport, unless another has taken over from it."""
        if transport is self.transport:
            before, self.transport = self.transport, NOBODY
            brought = before.undelivered()
            self.take_back(before)
            self.absent()
            if brought is not None:
                self._hand_over(brought)

    def add_opening(self, opening: "Opening") -> None:
        """End this WebSocket with the session, unless it is removed before."""
        if self.state is State.CLOSED:
            opening.retire()
        elif self._openings is None:
            self._openings = {opening}
        else:
            self._openings.add(opening)

    def remove_opening(self, opening: "Opening") -> None:
        """Forget a WebSocket that has opened, or has failed to."""
        if self._openings is not None:
            self._openings.discard(opening)

    def take_back(self, before: Resumable) -> bool:
        """Queue in front of all what this transport has not sent; tell whether there was anything."""
        unsent = before.unsent()
        self.replay.forget(len(unsent))
        self.give_back(unsent)
        return bool(unsent)

    def absent(self) -> None:
        """Called when the client has no transport or GET: it has `resume_timeout` to return, without a heartbeat."""
        if self.is_live:
            self.heartbeat.absent(self)
            self._await_return()

    def present(self) -> None:
        """Called when a transport or a GET arrives, which shows that the client lives."""
        self.wait_no_longer(SessionTimer.RESUME)
        if self.is_live:
            self.heartbeat.present(self, streams=not self.transport.fetches)

    def known(self) -> None:
        """Wait for the first transport of a client that the application has let in."""
        super().known()
        if self.state is not State.CLOSED:
            self.heartbeat.known(self)
            self._await_return()

    def begin_call(self, size_bytes: int = 0) -> None:
        """Count a call; with too many, POSTs wait, whatever else carries the session."""
        super().begin_call(size_bytes)
        if self.is_paused:
            self.posts.pause()

    def receive_text(self, text: str) -> None:
        """Take one packet, which also shows that what was sent arrives."""
        if not self.replay.is_over and self.is_live:
            self.replay.end()
        self.dialect.receive_text(self, text)

    def lost(self, reason: Reason) -> None:
        """The transport is gone, and the client may come back with another."""
        if self.is_live:
            self.detach(self.transport)
        else:
            super().lost(reason)

    def due(self, kind: SessionTimer, at: float) -> None:
        """Act on a deadline."""
        if kind is SessionTimer.RESUME:
            self.drop(Reason.TRANSPORT_CLOSE)
        else:
            super().due(kind, at)

    def _leave(self, before: Resumable, name: str) -> None:
        """Retire the transport before, or keep it where the client may still read it, now that this one took over."""
        is_next = self.replay.goes_on(name, self.now())
        if is_next:
            self.give_back(self.replay.take())
        if name in self._left:
            self._left.pop(name).retire()
        if is_next or before.fetches:
            before.leave()
            self._left[before.name] = before
        else:
            before.retire()

    def _await_return(self) -> None:
        if (patience := self.table.policy.protocol1.resume_timeout) is not None:
            self.wait(SessionTimer.RESUME, patience)

    def _hand_over(self, brought: Iterator[str | bytes]) -> None:
        """Deliver what a transport had brought, before anything that the next brings."""

        def done(error: ProtocolError | None) -> None:
            self._handing_over -= 1
            if error is not None:
                self.blame(error)
                self.drop(Reason.PARSE_ERROR, error.close_code)
            elif self.is_live:
                self._read_on()

        self._handing_over += 1
        if not self.posts.take(brought, done):
            done(ProtocolError("transports came and went while none was read"))

    def _read_on(self) -> None:
        if not self.is_paused:
            self.posts.resume()
        if not self.is_paused and not self._handing_over:
            super()._read_on()

    def _end(self) -> bool:
        ended = super()._end()
        self.posts.end()
        for left in self._left.values():
            left.retire()
        self._left.clear()
        openings, self._openings = self._openings, None
        for opening in openings or ():
            opening.retire()
        return ended


class Opening:
    """A WebSocket that opens, and does not carry the session yet. It ends with the session, or in `timeout` seconds."""

    __slots__ = ("_session",)

    def __init__(self, session: ResumableSession, timeout: float) -> None:
        self._session = session
        session.table.deadlines.set(self, "opening", session.now() + timeout)
        session.add_opening(self)

    def retire(self) -> None:
        """End it."""
        raise NotImplementedError

    def due(self, kind: str, at: float) -> None:
        """End it: the client says nothing, or not enough, and tries another transport."""
        self.retire()

    def _wait_no_longer(self) -> None:
        """Wait no longer: it carries the session now, or is gone."""
        self._session.table.deadlines.clear(self, "opening")
        self._session.remove_opening(self)
