"""Sessions that end when nothing has promoted them for a while."""

import math
from time import time

from ...drivers import InlineDriver

_new_id = InlineDriver().token


class SessionBase:
    """A session in a container; derive from it to store more.

    `expiry` is the seconds that it lives without a promotion, None for ever; `expiry_date` (seconds since 1970) is when
    the container looks at it next, and `promoted`, if it is not None, until when it lives then.
    """

    def __init__(self, session_id: str | None = None, expiry: float | None = None) -> None:
        self.session_id = session_id or _new_id()
        self.expiry = expiry
        self.expiry_date = math.inf if expiry is None else time() + expiry
        self.promoted: float | None = None

    def is_alive(self) -> bool:
        """Tell whether the time of the session is not over yet."""
        return max(self.expiry_date, self.promoted or 0) > time()

    def promote(self) -> None:
        """Let the session live for `expiry` seconds from now."""
        if self.expiry is not None:
            self.promoted = time() + self.expiry

    def on_delete(self, forced: bool) -> None:
        """The session is removed (`forced`) or its time is over; in the second case it may promote itself."""

    def __lt__(self, other: "SessionBase") -> bool:
        return self.expiry_date < other.expiry_date


class SessionContainer:
    """Sessions by id; `expire` ends those whose time is over."""

    def __init__(self) -> None:
        self._items: dict[str, SessionBase] = {}

    def add(self, session: SessionBase) -> None:
        """Take a session; it replaces another one of this id."""
        self._items[session.session_id] = session

    def forget(self, session: SessionBase) -> None:
        """Let a session go, which is not told so."""
        if self._items.get(session.session_id) is session:
            del self._items[session.session_id]

    def get(self, session_id: str) -> SessionBase | None:
        return self._items.get(session_id)

    def remove(self, session_id: str) -> bool:
        """End a session, and tell whether there was one."""
        session = self._items.pop(session_id, None)
        if session is None:
            return False
        session.on_delete(True)
        return True

    def expire(self, current_time: float | None = None) -> None:
        """End the sessions whose time is over at `current_time`, in seconds since 1970; None is now.

        What a session's `on_delete` raises comes out of here; that session has ended, and the next call goes on.
        """
        now = time() if current_time is None else current_time
        for session in sorted(session for session in self._items.values() if session.expiry_date <= now):
            if self._items.get(session.session_id) is session and not _renew(session, now):
                del self._items[session.session_id]
                session.on_delete(False)
                if _renew(session, now):
                    self._items[session.session_id] = session


def _renew(session: SessionBase, now: float) -> bool:
    """Extend the time of a session that has been promoted to live beyond now."""
    until, session.promoted = session.promoted, None
    if until is None or until <= now:
        return False
    session.expiry_date = until
    return True
