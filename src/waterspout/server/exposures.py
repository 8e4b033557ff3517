"""What may be reached from outside without Socket.IO: a path, and the channels behind it.

How it works: an `Exposure` is one path, with channels or with a function that returns them for a request. The
`ExposureRoute` (exposureroute.py) finds it for a request. That is admitted like any handshake: `on_handshake` is asked,
then the exposure's function. When the answer has begun, a `Subscriber` reads the channels.
"""

import re
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from inspect import signature
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ..engine import Asker, Engine, Handshake, Refuse, UserFunction, refuse_text
from ..engine.dialects import Dialect
from ..engine.http.response import Headers
from ..engine.options import check_number
from ..errors import HandshakeRefused
from ..types import Request
from .channel import Channel
from .decorators import decorator
from .namespace import Namespace
from .signatures import Function, check_callable, check_plain, check_runs, read_function
from .weak import WeakTable

if TYPE_CHECKING:
    from .subscribers import Subscriber

Held = tuple[Channel, ...] | Namespace
"""What there is at a path for one request."""

MOST_CHANNELS = 16
"""Of one connection. A browser has six connections to a host over HTTP/1.1, so that pages need several on one."""

_PARAMETER = re.compile(r"\{([^{}]*)\}")
_SAFE = "/%:@!$&'()*+,;=~-._"  # in a path; RFC 3986, section 3.3
_PATH = re.compile(r"/[^?#\s]*")
_FOREIGN = re.compile(r"[<>\\]|\([.\[?]")  # a parameter as Flask or Tornado write it, which no client would ever send


class Exposure:
    """One path that was exposed; `Server.expose`."""

    by_events = by_websocket = True  # which kinds of clients may come

    def __init__(self, engine: Engine, path: str, *, threaded: bool = False, max_age: float | None = None) -> None:
        if max_age is not None:
            check_number("max_age", max_age, "seconds above 0, or None for no limit")
        self.engine = engine
        self.path = path
        self.max_age = max_age
        self.parameters = _read_path(path)
        self._threaded = threaded
        self._held: Held = ()
        self._function: Callable[..., Any] | None = None
        self._hooks: dict[str, Function] = {}
        self._pattern = re.compile(_pattern(path))

    def __repr__(self) -> str:
        return f"<Exposure {self.path!r}>"

    def __call__(self, function: Any) -> Any:
        """Let this function decide which channels a request gets; as a decorator, it returns the function."""
        what = f"the function of expose({self.path!r})"
        if self.is_complete:
            raise ValueError(f"{what} is there already: one function decides about a path")
        check_callable(function, what)
        if self._threaded:
            check_plain(function, what)
        check_runs(self.engine.functions, function, what)
        try:
            signature(function).bind(None, **dict.fromkeys(self.parameters, ""))
        except TypeError:
            wanted = ", ".join(("request", *self.parameters))
            raise TypeError(f"{what} is called with ({wanted}), parameters by name: {function!r} cannot be") from None
        except ValueError:
            pass  # a builtin that does not say
        self._function = function
        return function

    @decorator
    def on_subscribe(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called when a client has subscribed: `(subscriber)`, plain or async; see `Subscriber`."""
        self._hook("on_subscribe", function, threaded=threaded)

    @decorator
    def on_unsubscribe(self, function: Callable[..., Any], *, threaded: bool) -> None:
        """Register what is called when a client that had subscribed is gone: `(subscriber)`, plain or async."""
        self._hook("on_unsubscribe", function, threaded=threaded)

    # What the server calls

    def hold(self, what: Any) -> None:
        """Expose channels or a namespace to everybody, or what a function returns."""
        if isinstance(what, Channel | Namespace | list | tuple):
            self._held = self.check(what)
        elif callable(what):
            self(what)
        else:
            wanted = "a channel, a list of them, a namespace or a function"
            raise TypeError(f"expose({self.path!r}) is given {what!r}: give {wanted}")

    @property
    def is_namespace(self) -> bool:
        """Whether there is a namespace at the path, for everybody."""
        return isinstance(self._held, Namespace)

    def check(self, what: Any) -> Held:
        """Return a namespace, or channels as a tuple; TypeError for what is none, ValueError for too many or twice."""
        if isinstance(what, Namespace):
            if what.engine is not self.engine:
                raise ValueError(f"{self.path!r} gives the namespace {what.name}, which is one of another server")
            return what
        channels = tuple(what) if isinstance(what, list | tuple) else (what,)
        for channel in channels:
            if not isinstance(channel, Channel):
                remedy = "return a channel, a list of them or a namespace, or raise HandshakeRefused(404)"
                raise TypeError(f"{self.path!r} gives {channel!r}, which is no channel: {remedy}")
            if channel.engine is not self.engine:
                raise ValueError(f"{self.path!r} gives {channel!r}, which is a channel of another server")
        if len(set(channels)) != len(channels) or not 1 <= len(channels) <= MOST_CHANNELS:
            raise ValueError(f"{self.path!r} gives {len(channels)} channels: give 1 to {MOST_CHANNELS}, each once")
        return channels

    def find(self, path: str) -> dict[str, str] | None:
        """Return the parameters in a path, unquoted; None if it is another path, or not in UTF-8."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        try:
            return {name: unquote(value, errors="strict") for name, value in found.groupdict().items()}
        except UnicodeDecodeError:
            return None

    def question(self, request: Request, parameters: dict[str, str]) -> UserFunction:
        """Return what to ask about a request: the user's function, or one that gives everybody the same."""
        if self._function is None:
            return lambda: self._held, False
        return partial(self._function, request, **parameters), self._threaded

    def dialect_of(self, namespace: Namespace) -> Dialect | None:
        """Return the dialect of a client of the namespace, where it is not that of `waterspout.json.v1`."""
        return None

    @cached_property
    def dialects(self) -> WeakTable[Dialect]:
        """Those of the namespaces that it has given to clients, which share them."""
        return WeakTable()

    @property
    def shape(self) -> str:
        """The path without the names of its parameters: two of one shape serve the same paths."""
        return _PARAMETER.sub("{}", self.path)

    @property
    def example(self) -> str:
        """A path that it serves."""
        return quote(_PARAMETER.sub("x", self.path), safe=_SAFE)

    @property
    def is_complete(self) -> bool:
        """Whether it is known what there is at the path."""
        return bool(self._held) or self._function is not None

    def tell(self, hook: str, subscriber: "Subscriber") -> None:
        """Call a hook after what is running now, if there is one."""
        function = self._hooks.get(hook)
        if function is not None:
            driver = self.engine.driver
            self.engine.turn.add(lambda: function.run(driver, (subscriber,), self, hook))

    # What the driver answers

    def answered(self, token: str, result: Any) -> None:
        """Do nothing: the result of a hook is not used."""

    def failed(self, token: str, error: BaseException) -> None:
        """Report the failure of a hook; it changes nothing."""
        self.engine.log.report((self.path, token, type(error)), f"{self.describe(token)} failed", error)

    def later(self, token: str) -> Asker:
        """Wait for an asynchronous hook."""
        return self

    def describe(self, token: str) -> str:
        """Name a hook, for a warning."""
        return f"{token} of {self.path!r}"

    def _hook(self, name: str, function: Callable[..., Any], *, threaded: bool) -> None:
        what = f"{name} of {self.path!r}"
        if name in self._hooks:
            raise ValueError(f"{what} has a function already")
        self._hooks[name] = read_function(self.engine.functions, function, what, ("subscriber",), threaded=threaded)


class ExposedRequest(Handshake):
    """A handshake at an exposed path: the exposure decides about it."""

    __slots__ = ()

    exposure: Exposure
    request: Request
    headers: Headers
    parameters: dict[str, str]

    @property
    def question(self) -> UserFunction:
        """The exposure's function."""
        return self.exposure.question(self.request, self.parameters)

    def refuse(self, error: HandshakeRefused) -> Refuse:
        """Refuse in words."""
        return refuse_text(error.status, error.text, (*self.headers, *error.headers))


def _read_path(path: object) -> Sequence[str]:
    """Return the names of the parameters in a path; TypeError or ValueError for what is no path."""
    if not isinstance(path, str):
        raise TypeError(f"the path is {path!r}: give a string that begins with a slash")
    names = _PARAMETER.findall(path)
    rest = _PARAMETER.sub("", path)
    if not _PATH.fullmatch(path) or "{" in rest or "}" in rest or _FOREIGN.search(rest):
        raise ValueError(f'the path is {path!r}: begin it with a slash, and write parameters as in "/runs/{{run_id}}"')
    if any(len(_PARAMETER.findall(segment)) > 1 for segment in path.split("/")):  # to tell them apart takes n² steps
        raise ValueError(
            f"the path is {path!r}: put a slash between two parameters, and divide them yourself if needed"
        )
    if not all(name.isidentifier() for name in names) or len(set(names)) != len(names) or "request" in names:
        raise ValueError(f"the path is {path!r}: its parameters need names of their own, such as {{run_id}}")
    return names


def _pattern(path: str) -> str:
    """Return the regular expression for paths as clients send them: a parameter has no slash, and is not empty."""
    parts = _PARAMETER.split(path)
    texts = [re.escape(quote(part, safe=_SAFE)) for part in parts[::2]]
    names = [f"(?P<{name}>[^/]+)" for name in parts[1::2]]
    return "".join(text + name for text, name in zip(texts, [*names, ""], strict=True))
