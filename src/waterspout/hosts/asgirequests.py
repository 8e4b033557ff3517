"""Requests of ASGI, as an engine needs them, and which of its paths they are for."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextvars import Context
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from ..engine import Engine
from ..types import Request
from .link import QueuedLink
from .loops import running_loop, settle
from .output import Output
from .residence import Residence
from .siblings import has_siblings

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
AsgiApplication = Callable[[Scope, Receive, Send], Awaitable[None]]
Offer = Callable[[Output, Callable[[], object]], QueuedLink | None]

OFFER = "waterspout.connection"
"""The name in a scope's `extensions` of an `Offer`: a function that gives the connection away, as a link.

Its arguments are the `Output` of the loop, and what is called when the server shuts down. None if it has ended, or has
bytes of the client's or for it that somebody else has to deliver.
"""

_SAFE = "/%:@!$&'()*+,;=~-._"  # in a path; RFC 3986, section 3.3
_OPENING = (  # what RFC 8441, and servers that keep these fields to themselves, leave out; test clients have odd keys
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),  # nobody answers it: the server has
)
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
_MOST_PATHS, _LONGEST_PATH = 256, 200  # that are remembered, and characters of one


class NotUpgraded(Request):
    """The opening handshake of a WebSocket that the ASGI server passes on as a request of HTTP."""

    __slots__ = ()

    no_upgrade = (
        "the ASGI server serves no WebSockets, and passes this one on as HTTP: on uvicorn, "
        "pip install 'uvicorn[standard]' (or websockets), and leave out --ws none"
    )


class Paths:
    """The path of each request as an engine serves it; it remembers some, since the same few come again and again.

    It is the path below `root_path`. An application that is mounted at one of the engine's own paths has that path in
    its `root_path`: then the end of `root_path` counts too, for each engine the shortest that it serves. `behind` are
    the engines of the Apps that get what is not this engine's: of several engines, the first that serves the path below
    `root_path` has the request, and else the one whose end is the longest.
    """

    def __init__(self, engine: Engine, *behind: Engine) -> None:
        self._engine = engine
        self._behind = behind
        self._known: dict[tuple[str | None, str, bytes | None], str] = {}

    def find(self, scope: Scope) -> str | None:
        """Return the path of a request as the engine serves it, or None for one that is not the engine's."""
        root, path, raw = key = scope.get("root_path"), scope["path"], scope.get("raw_path")
        found = self._known.get(key)
        if found is None:
            found = self._choose(scope)
            longest = max(len(root or ""), len(path), len(raw or b""))
            if found is not None and longest <= _LONGEST_PATH and len(self._known) < _MOST_PATHS:
                self._known[key] = found
        return found

    def _choose(self, scope: Scope) -> str | None:
        below, *ends = _readings(scope)
        if self._engine.serves(below):
            return below
        found = next(filter(self._engine.serves, ends), None)
        if found is None or any(each.serves(below) for each in self._behind):
            return None
        others = (next(filter(each.serves, ends), "") for each in self._behind)
        return found if all(len(other) <= len(found) for other in others) else None


def _readings(scope: Scope) -> Iterator[str]:
    """Write what the path of a request may be: that below the mount, and behind the ends of `root_path`."""
    path = sent_path(scope)
    if path.startswith("http"):  # in absolute form, which no mount has
        yield path
        return
    root = _sent_root(path, mounted.rstrip("/")) if (mounted := scope.get("root_path")) else ""
    rest = path[len(root) :] if root and path.startswith(f"{root}/") else "" if path == root else path
    yield rest
    root = root or _taken_off(scope, rest)
    if root:
        yield from _below(root, rest)


def _sent_root(path: str, mounted: str) -> str:
    """Write a `root_path`, which is not quoted, as the client has it: it may quote more than it must."""
    size = mounted.count("/") + 1
    sent = "/".join(path.split("/", size)[:size])
    return sent if unquote(sent) == mounted else quote(mounted, safe=_SAFE)


def _taken_off(scope: Scope, path: str) -> str:
    """Return what a mount has taken off the path without a word in `root_path`, as Litestar's does."""
    raw = scope.get("raw_path")
    sent: str = raw.partition(b"?")[0].decode("latin-1") if raw else path
    return sent.removesuffix(path).rstrip("/")


def _below(root: str, rest: str) -> Iterator[str]:
    """Write the ends of `root_path`, the shortest first, each with the rest of the path behind it."""
    end = ""
    for name in reversed(root.split("/")[1:]):
        end = f"/{name}{end}"
        yield end + rest
        if rest == "/":  # a mount may answer for its own path only with a slash behind it
            yield end


def sent_path(scope: Scope) -> str:
    """Return the path as it was sent, not unquoted, as far as the server says so."""
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"]
    if raw is None:
        return quote(path, safe=_SAFE)
    sent = raw.partition(b"?")[0].decode("latin-1")
    if sent == path or ("%" in sent and unquote(sent) == path):
        return sent
    return quote(path, safe=_SAFE)  # somebody has changed it


def read(residence: Residence, scope: Scope, path: str) -> Request:
    """Make a request of a scope; RuntimeError on another loop than that which the engine runs on."""
    if residence.home is not running_loop():
        Context().run(settle, residence)  # what this request has set is not for all that come later
    if not residence.has_looked:
        _look_around(residence, scope)
    is_websocket, kind = scope["type"] == "websocket", Request
    if is_websocket:
        fields = _opening(scope)
    else:  # whoever would upgrade here cannot: the server has no WebSockets, or it is HTTP/1.0
        sent = [*scope["headers"]]
        fields = [field for field in sent if field[0] != b"upgrade"]
        if len(fields) != len(sent) and _is_opening(scope, sent):
            kind = NotUpgraded
    if residence.engine.policy.trusted_proxies:
        fields = unforwarded(scope, fields)
    address, secure = sender_of(scope)
    query = scope.get("query_string", b"").decode("latin-1")
    return kind(
        "GET" if is_websocket else scope["method"],
        f"{path}?{query}" if query else path,
        fields,
        remote_address=address,
        secure=secure,
        native=scope,
    )


def sender_of(scope: Scope) -> tuple[str, bool | None]:
    """Return the address of a request's client, and True where it came by TLS, None where nobody knows."""
    client = scope.get("client")
    return client[0] if client and client[0] else "unix", True if scope.get("scheme") in ("https", "wss") else None


def unforwarded(scope: Scope, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Leave out a proxy's fields which the server has evaluated: to count them twice would be to believe a client."""
    client = scope.get("client")
    if client and _is_forwarded(client, fields):
        return [field for field in fields if field[0] not in _FORWARDED]
    return fields


def _opening(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return the fields of a handshake that the server has checked, with those that it has kept to itself."""
    fields = [*scope["headers"]]
    if OFFER not in (scope.get("extensions") or {}):  # else whoever takes the connection answers the key
        fields = [field for field in fields if field[0] != b"sec-websocket-key"]
    offered = [(b"sec-websocket-protocol", each.encode("latin-1")) for each in scope.get("subprotocols") or ()]
    known = {name for name, _ in fields}
    return fields + [field for field in (*_OPENING, *offered) if field[0] not in known]


def _is_opening(scope: Scope, fields: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether an ASGI server that has WebSockets would have taken a request of HTTP for one."""
    if scope["method"] != "GET" or scope.get("http_version", "1.1") != "1.1":
        return False
    values = {name: value.lower() for name, value in fields if name in (b"connection", b"upgrade")}
    return values[b"upgrade"] == b"websocket" and b"upgrade" in values.get(b"connection", b"")


def _is_forwarded(client: tuple[str, int], fields: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether the server has the client's address from a proxy: then it has no port, or that which is told."""
    host, port = client
    told = {f"{host}:{port}".encode(), f"[{host}]:{port}".encode()}
    return port == 0 or any(
        not told.isdisjoint(map(bytes.strip, value.split(b","))) for name, value in fields if name == b"x-forwarded-for"
    )


def _look_around(residence: Residence, scope: Scope) -> None:
    """Warn, at the first request, if this is one of several processes that no adapter joins."""
    residence.has_looked = True
    place = scope.get("server")
    if place and place[1] and has_siblings(int(place[1])):  # granian has a str
        residence.warn_of("this is one of several processes of this server")


@lru_cache(64)
def encoded(fields: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Encode header fields for ASGI, whose names are in lower case; nearly all answers have the same few."""
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields)
