"""All namespaces of a server: those with a name, and those that a pattern or a function makes."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Generic, cast

from ..engine import Driver, Engine
from .annotations import innermost
from .classes import check_class, read_class
from .cluster import Cluster
from .decorators import Events
from .fanout import delivery, prepare
from .handlers import Handlers, check_name
from .limits import Limits
from .namespace import Kind, Namespace, check_namespace, is_namespace
from .rooms import Except, Target, audience
from .signatures import check_plain, check_runs
from .socket import Socket
from .weak import WeakTable

Matcher = Callable[[str, Any], Any]

_REGEX = re.compile(r"[\\(\[*]|[.)\]]\+|\$$").search  # "/c++" is a name


class DynamicNamespace(Events, Generic[Kind]):
    """The namespaces whose names match a pattern as a whole, or that a function `(name, auth)` admits.

    They share their handlers, which are registered here and not with one of them. One begins when its first client
    comes, or when somebody asks for it by its name, and is gone when its last client has left and nobody keeps it.
    """

    def __init__(self, match: "re.Pattern[str] | Matcher", handlers: Handlers, *, engine: Engine) -> None:
        self.match = match
        self.threaded = False
        self._engine = engine
        self.children: dict[str, Namespace] = {}
        self._handlers = handlers

    @property
    def has_clients(self) -> bool:
        """Whether a client is in one of them, or on its way in."""
        return bool(self.children)

    def namespaces(self) -> list[Namespace[Kind]]:
        """Return those that have clients now."""
        return cast(list[Namespace[Kind]], list(self.children.values()))

    def emit(
        self,
        event: str,
        *args: Any,
        to: Target = None,
        except_: Except = None,
        volatile: bool = False,
        compress: bool = True,
        latest: str | None = None,
    ) -> None:
        """Send an event to the clients of all of them that have clients on this node; see `Namespace.emit`."""
        check_name(event)
        whom, how = audience(to, except_), delivery(volatile=volatile, compress=compress, latest=latest)
        namespaces = self.namespaces()
        if not namespaces:  # nobody there hides no TypeError
            prepare(self._engine.policy.generations[-1], "/", event, args, how=how)
        for namespace in namespaces:
            namespace.send(event, args, whom, how)

    def matches(self, name: str) -> bool:
        """Tell whether the pattern matches; a function has to be asked."""
        return isinstance(self.match, re.Pattern) and self.match.fullmatch(name) is not None


class Namespaces:
    """All namespaces of one server: finds them and makes them."""

    def __init__(self, engine: Engine, cluster: Cluster, limits: Limits) -> None:
        self._engine = engine
        self._cluster = cluster
        self._limits = limits
        self._named: dict[str, Namespace] = {}
        self._made = WeakTable[Namespace]()  # their clients keep them, or users
        self.dynamic: list[DynamicNamespace] = []

    def __iter__(self) -> Iterator[Namespace]:
        return iter([*self._named.values(), *self._made])

    def find(self, name: str) -> Namespace | None:
        """Return the namespace of this name, also one that a pattern makes; None if clients may not enter it."""
        found = self.existing(name)
        if found is None:
            families = self.dynamic if is_namespace(name) else ()
            family = next((one for one in families if one.matches(name)), None)
            found = None if family is None else self.make(family, name)
        return found

    def existing(self, name: str) -> Namespace | None:
        """Return the namespace of this name if there is one now."""
        named = self._named.get(name)
        return self._made.get(name) if named is None else named

    def follow(self, driver: Driver) -> None:
        """Follow a new driver, which may order events."""
        for place in (*self._named.values(), *self.dynamic):
            place._handlers.follow(driver.orders)

    def part_sessionless(self) -> None:
        """Remove the members that no session tells of the end of the server."""
        for namespace in self:
            namespace.part_sessionless()

    def of(self, name: str, *, ordered: bool | None = None, closed: bool | None = None) -> Namespace:
        """Return the namespace of this name; from its first mention on, clients may enter it."""
        check_namespace(name)
        found = self.find(name)
        if found is None:
            _check_literal(name)
            new = self._new(name, self._handlers(name, ordered, closed))
            found = self._named.setdefault(name, new)  # in one step: another thread may have asked, too
        _set_options(found, ordered, closed)
        return found

    def family(
        self,
        match: "re.Pattern[str] | Matcher",
        *,
        ordered: bool | None = None,
        closed: bool | None = None,
        threaded: bool = False,
    ) -> DynamicNamespace:
        """Return the namespaces of a pattern or a function."""
        if threaded:
            check_plain(cast(Matcher, match), "the function of a dynamic namespace")
        if callable(match):
            check_runs(self._engine.functions, match, "the function of a dynamic namespace")
        found = next((one for one in self.dynamic if one.match is match or one.match == match), None)
        if found is None:
            found = DynamicNamespace(match, self._handlers(self._title(match), ordered, closed), engine=self._engine)
            self.dynamic.append(found)
        _set_options(found, ordered, closed)
        found.threaded = found.threaded or threaded
        return found

    def register(
        self,
        name: "str | re.Pattern[str] | Matcher",
        kind: Any,
        *,
        ordered: bool | None = None,
        closed: bool | None = None,
    ) -> Namespace | DynamicNamespace:
        """Set the class of the sockets of a namespace, or of dynamic ones; ValueError for a second or late one."""
        if Socket not in getattr(kind, "__mro__", ())[1:]:
            raise TypeError(f"{kind!r} is not a class of sockets: derive one from waterspout.Socket")
        check_class(kind, Socket)  # again: a decorator may have changed it
        find: Callable[..., Namespace | DynamicNamespace] = self.of if isinstance(name, str) else self.family
        place = find(name, ordered=ordered, closed=closed)
        handlers = place._registry()
        if handlers.kind is not None:
            raise ValueError(f"{handlers.name} has the class {handlers.kind.__name__} already")
        if place.has_clients:
            remedy = "register it before clients connect, or disconnect them first"
            raise ValueError(f"clients are in {handlers.name} already, as objects of another class: {remedy}")
        read_class(kind, handlers)
        handlers.kind = kind
        return place

    def make(self, family: DynamicNamespace, name: str) -> Namespace:
        """Make a namespace of a family; it exists while something refers to it."""
        return self._made.add(name, self._new(name, family._handlers, family))

    def _new(self, name: str, handlers: Handlers, family: DynamicNamespace | None = None) -> Namespace:
        return Namespace(name, self._engine, self._cluster, handlers=handlers, limits=self._limits, family=family)

    def _title(self, match: "re.Pattern[str] | Matcher") -> str:
        """Return a unique name of a family, for metrics and `describe`."""
        title = match.pattern if isinstance(match, re.Pattern) else _name(match)
        alike = sum(one._handlers.name.partition(" #")[0] == title for one in (*self, *self.dynamic))
        return f"{title} #{alike + 1}" if alike else title

    def _handlers(self, name: str, ordered: bool | None, closed: bool | None) -> Handlers:
        limited = self._limits.max_events_per_second is not None
        return Handlers(name, self._engine, ordered=ordered, closed=closed, limited=limited)


def _set_options(place: Namespace | DynamicNamespace, ordered: bool | None, closed: bool | None) -> None:
    """Set what is said of a place that may exist already; ValueError where something else has been said before."""
    if ordered is not None and ordered is not place._handlers.ordered_option:
        place._registry().order(ordered)
    if closed is not None and closed is not place._handlers.closed:
        if closed and place.has_clients:
            remedy = "close it before clients connect, or disconnect them first"
            raise ValueError(f"clients are in {place._handlers.name} already, and may send all its events: {remedy}")
        place._registry().close(closed)


def _name(function: Matcher) -> str:
    """Name a function; of one that has no name, say where it stands."""
    function = innermost(function)
    name = str(getattr(function, "__qualname__", repr(function))).replace(".<locals>", "").removesuffix(".__call__")
    if not name.endswith("<lambda>"):
        return name
    return f"lambda at {function.__module__}:{function.__code__.co_firstlineno}"


def _check_literal(name: str) -> None:
    """Raise ValueError for a string that is meant as a pattern: no client would ever enter it."""
    if _REGEX(name):
        remedy = f"give re.compile({name!r}), or for this very name re.compile(re.escape({name!r}))"
        raise ValueError(f"{name!r} looks like a pattern, but a string is a single name: {remedy}")
