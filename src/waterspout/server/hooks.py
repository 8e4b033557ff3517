"""The hooks of a namespace, beside events: who has disconnected, and what has failed."""

from typing import TYPE_CHECKING, Any

from ..engine import Asker, Engine, Layer
from ..errors import ArgumentError, EventRefused
from ..wire.socketio import RESERVED
from .dispatch import plain, shorten
from .handlers import ON_ERROR, Handlers, Hook
from .life import CountingAsker

if TYPE_CHECKING:
    from .member import SocketMember

HookToken = tuple[Hook, "SocketMember"]

_SERVER = Layer.SERVER  # see life.py


COOKIES_FROM_EVERYWHERE = (
    'a connect step of %s reads cookies, and cors_origins="*" lets the pages of all sites connect: browsers send a '
    "user's cookies with a WebSocket of any page (cors_credentials=False does not prevent it), so any page that the "
    'user visits can act as the user. List the origins that may connect: cors_origins=["https://example.com"]'
)
"""The warning of `cookies_used`, with the namespace."""


class Hooks:
    """Calls the hooks of one namespace, each after what is running now. Their results are not used."""

    __slots__ = ("_engine", "_handlers", "_name")

    def __init__(self, name: str, engine: Engine, handlers: Handlers) -> None:
        self._name = name
        self._engine = engine
        self._handlers = handlers

    def tell(self, kind: Hook, member: "SocketMember", *args: Any) -> None:
        """Call a hook after what is running now, if one is registered."""
        handler = self._handlers.hooks.get(kind)
        if handler is not None:
            driver = self._engine.driver
            self._engine.turn.add(lambda: handler.run(driver, (member.socket, *args), self, (kind, member)))

    def event_failed(self, member: "SocketMember", event: str, error: BaseException) -> None:
        """Report the exception of an event's handler, once, and tell the user's error handler."""
        handlers = self._handlers
        handlers.errors += 1
        _hint(error)
        known = event in handlers.events or event in RESERVED  # all others are names that clients have chosen
        text = f"the handler of {shorten(event)!a} in {plain(self._name)} failed"
        kind = handlers.name, event if known else None, type(error)
        self._engine.log.report(kind, text, error)
        self.tell(ON_ERROR, member, event, error)

    def event_refused(self, member: "SocketMember", event: str, error: EventRefused) -> None:
        """Tell the user's error handler of an event that was refused; warn once of arguments that do not fit."""
        if isinstance(error, ArgumentError) and error.outline:
            key = self._handlers.name, error.event, error.argument
            text = "an event in %s is refused, and its handler is not called: %s"
            self._engine.log.warn_of(_SERVER, key, text, self._handlers.name, error.outline, kind=self._handlers.name)
        self.tell(ON_ERROR, member, event, error)

    def event_unknown(self, event: str) -> None:
        """Warn, once, of an event that has no handler: nothing else becomes of it."""
        name = self._handlers.name
        text = "a client sends the event %a in %s, which has no handler for it: register one with on(...) or on_any"
        self._engine.log.warn_of(_SERVER, event, text, shorten(event), name, kind=name)

    def cookies_used(self) -> None:
        """Warn, once, of cookies that a step reads where pages of all origins may connect: they count as the user's."""
        if self._engine.policy.cors_origins == "*":
            self._engine.log.warn_of(_SERVER, self._handlers.name, COOKIES_FROM_EVERYWHERE, self._handlers.name)

    # What the driver answers

    def answered(self, token: HookToken, result: Any) -> None:
        """Do nothing: the result of a hook is not used."""

    def failed(self, token: HookToken, error: BaseException) -> None:
        """Report the failure of a hook; it changes nothing."""
        kind, member = token
        if kind is ON_ERROR:
            text = f"the on_error handler in {plain(self._name)} failed"
            self._engine.log.report((self._handlers.name, kind, type(error)), text, error)
        else:
            self.event_failed(member, kind.name.lower(), error)

    def later(self, token: HookToken) -> Asker:
        """Count the call: a client may cause more calls than have ended."""
        return CountingAsker(self, token[1].session)

    def describe(self, token: HookToken) -> str:
        """Name a hook, for a warning."""
        return f"the {token[0].name.lower()} handler of {plain(self._name)}"


def _hint(error: BaseException) -> None:
    """Add to the report of a handler that has awaited None what that probably was."""
    words = error.args[0] if type(error) is TypeError and error.args else None
    if isinstance(words, str) and words in _NONE_AWAITED and not hasattr(error, "__notes__"):
        error.add_note(_NOTHING_TO_AWAIT)


_NONE_AWAITED = ("object NoneType can't be used in 'await' expression", "'NoneType' object can't be awaited")
_NOTHING_TO_AWAIT = (
    "emit, broadcast and disconnect return None: call them without `await`; "
    "call, fetch_sockets, close, join and leave can be awaited"
)
