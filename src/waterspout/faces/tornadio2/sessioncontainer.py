"""Sessions that expire if they are not promoted in time."""

import math
from time import time

from ...drivers import InlineDriver

_new_id = InlineDriver().token


class SessionBase:
    """A session in a container; derive from it to store more.

    `expiry`: the seconds until it expires without a promotion; None: never. `expiry_date`: the time at which the
    container checks it next, in seconds since 1970; `promoted`: None, or the time to which that is extended then.
    """

    def __init__(self, session_id: str | None = None, expiry: float | None = None) -> None:
        self.session_id = session_id or _new_id()
        self.expiry = expiry
        self.expiry_date = math.inf if expiry is None else time() + expiry
        self.promoted: float | None = None

    def is_alive(self) -> bool:
        """Tell whether the session has not expired."""
        return max(self.expiry_date, self.promoted or 0) > time()

    def promote(self) -> None:
        """Extend the session: it expires `expiry` seconds from now."""
        if self.expiry is not None:
            self.promoted = time() + self.expiry

    def on_delete(self, forced: bool) -> None:
        """Called when the session is removed (`forced`) or expires; then it may promote itself."""

    def __lt__(self, other: "SessionBase") -> bool:
        return self.expiry_date < other.expiry_date


class SessionContainer:
    """Sessions by id; `expire` ends those that have expired."""

    def __init__(self) -> None:
        self._items: dict[str, SessionBase] = {}

    def add(self, session: SessionBase) -> None:
        """Add a session; it replaces another one with this id."""
        self._items[session.session_id] = session

    def forget(self, session: SessionBase) -> None:
        """Remove a session without calling its `on_delete`."""
        if self._items.get(session.session_id) is session:
            del self._items[session.session_id]

    def get(self, session_id: str) -> SessionBase | None:
        return self._items.get(session_id)

    def remove(self, session_id: str) -> bool:
        """Remove a session, and return whether there was one."""
        session = self._items.pop(session_id, None)
        if session is None:
            return False
        session.on_delete(True)
        return True

    def expire(self, current_time: float | None = None) -> None:
        """End the sessions that have expired at `current_time`, in seconds since 1970; None is now.

        An exception of a session's `on_delete` is raised here: that session is removed, and the next call continues.
        """
        now = time() if current_time is None else current_time
        for session in sorted(session for session in self._items.values() if session.expiry_date <= now):
            if self._items.get(session.session_id) is session and not _renew(session, now):
                del self._items[session.session_id]
                session.on_delete(False)
                if _renew(session, now):
                    self._items[session.session_id] = session


def _renew(session: SessionBase, now: float) -> bool:
    """Apply a promotion; return whether it extends the session beyond `now`."""
    until, session.promoted = session.promoted, None
    if until is None or until <= now:
        return False
    session.expiry_date = until
    return True
