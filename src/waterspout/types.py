"""Values that every layer knows: why a socket left, and the request that opened its connection."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import unquote_plus

_MOST_PARAMETERS = 1000
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE).match


def split_target(target: str) -> tuple[str | None, str]:
    """Split a request's target into its host, if it is in absolute form, and the rest, from the path on.

    A client of a proxy writes `http://host/path`, and a server has to take it (RFC 9112, section 3.2.2).
    """
    found = None if target.startswith("/") else _ABSOLUTE(target)
    if found is None:
        return None, target
    rest = target[found.end() :]
    return found[1], rest if rest.startswith("/") else f"/{rest}"


def parse_query(query: str) -> dict[str, list[str]]:
    """Read the parameters of a query, each name with all its values; none of one that has more than a thousand."""
    params: dict[str, list[str]] = {}
    parts = query.split("&", _MOST_PARAMETERS)
    is_quoted = "%" in query or "+" in query
    for part in parts if len(parts) <= _MOST_PARAMETERS else ():
        if part:
            name, _, value = part.partition("=")
            if is_quoted:
                name, value = unquote_plus(name), unquote_plus(value)
            if name in params:
                params[name].append(value)
            else:
                params[name] = [value]
    return params


_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)", re.DOTALL)


def split_cookies(header: str) -> Iterator[tuple[str, str]]:
    """Split a Cookie field into names and values, as they are written (RFC 6265, section 5.4).

    Browsers send what they were given, so one odd cookie must not hide the others. Without an equals sign there is
    a value whose name is empty, as browsers have it.
    """
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        name, value = (name.strip(" \t"), value.strip(" \t")) if equals else ("", name.strip(" \t"))
        if name or value:
            yield name, value


def unquote_cookie(value: str) -> str:
    r"""Take a value out of its quotes, with `\"` and `\012` for characters that Python has escaped (RFC 2109)."""
    if len(value) < 2 or not value[0] == value[-1] == '"':
        return value
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)) if len(found[1]) == 3 else found[1], value[1:-1])


class Reason(StrEnum):
    """Why a socket was disconnected, in the words of the JavaScript server, and one of our own."""

    CLIENT_DISCONNECT = "client namespace disconnect"
    SERVER_DISCONNECT = "server namespace disconnect"
    SHUTDOWN = "server shutting down"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PARSE_ERROR = "parse error"
    FORCED_CLOSE = "forced close"
    FORCED_SERVER_CLOSE = "forced server close"
    SLOW_CONSUMER = "slow consumer"


class Headers(Mapping[str, str]):
    """The fields of an HTTP request, by name in any case; a repeated field's values are joined with a comma.

    Those of Cookie are joined with a semicolon (RFC 9113, section 8.2.3).
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields = _as_dict(tuple(fields))

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


Field = tuple[str, str]
RawField = tuple[bytes, bytes]


class _RawFields:
    """Fields that came as bytes, of which each is decoded when it is looked up."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self._fields = fields

    def get(self, name: str) -> str | None:
        value = self._fields.get(name.encode("latin-1", "replace"))
        return None if value is None else value.decode("latin-1")

    def items(self) -> Iterator[Field]:
        return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._fields.items())


def _by_name(lines: Sequence[Field | RawField]) -> dict[str, str] | _RawFields:
    if lines and isinstance(lines[0][0], bytes):
        raw: dict[bytes, bytes] = dict(lines)  # type: ignore[arg-type]
        if len(raw) == len(lines) and b"host" in raw:  # each request has it: without it, the names have capitals
            return _RawFields(raw)
    return _as_dict(_as_texts(lines))


def _as_dict(lines: Sequence[Field]) -> dict[str, str]:
    fields = {name.lower(): value for name, value in lines}
    if len(fields) == len(lines):
        return fields
    fields = {}
    for name, value in lines:
        key = name.lower()
        joint = "; " if key == "cookie" else ", "
        fields[key] = f"{fields[key]}{joint}{value}" if key in fields else value
    return fields


def _as_texts(lines: Sequence[Field | RawField]) -> Sequence[Field]:
    if lines and isinstance(lines[0][0], bytes):
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]  # type: ignore[union-attr]
    return lines  # type: ignore[return-value]


class SharedFields:
    """Header fields that several requests of one connection have in common, taken apart once."""

    __slots__ = ("by_name", "lines")

    def __init__(self, lines: Iterable[Field]) -> None:
        self.lines = tuple(lines)
        self.by_name = _as_dict(self.lines)


class Request:
    """An HTTP request as its connection keeps it: its head, which `forget` packs, parsed when somebody looks.

    `path` is the target's part before the question mark, not unquoted. The `fields` are texts, or the bytes that came,
    each decoded when it is asked for, or shared with other requests. `remote_address` is the client's, as far as the
    host or a trusted proxy knows; "unix" stands for a Unix socket. `secure` is True where the host itself ends TLS or a
    trusted proxy has ended it, False where such a proxy has ended none, None where nobody knows. `native` is the host's
    own object (Tornado's `HTTPServerRequest`) until the handshake is answered: a function of `on_handshake` and the
    `open` of an engine's application see it. Then it is None, for it is ten times as large as all the rest, and a
    client may have nothing but its handshake. `cookies_used` tells whether `cookies` was read and was not empty.
    """

    __slots__ = (
        "_data",
        "_head",
        "_headers",
        "_host",
        "_query",
        "cookies_used",
        "method",
        "native",
        "path",
        "remote_address",
        "secure",
    )

    no_upgrade: ClassVar[str] = ""
    """Why the host makes no WebSocket of a request that asks for one; a host has a class of its own that says it."""

    def __init__(
        self,
        method: str,
        target: str,
        fields: Iterable[Field] | Iterable[RawField] | SharedFields = (),
        *,
        remote_address: str = "",
        secure: bool | None = None,
        native: object = None,
    ) -> None:
        self._host, target = split_target(target)  # Host says nothing then
        path, mark, query = target.partition("?")
        self.path = sys.intern(path)  # one string for all connections
        self._head: bytes | tuple[str, str, Sequence[Field | RawField]]
        self._headers: dict[str, str] | _RawFields | None
        if isinstance(fields, SharedFields):
            self._head, self._headers = (mark, query, fields.lines), fields.by_name
        else:
            self._head, self._headers = (mark, query, tuple(fields)), None
        self._query: dict[str, list[str]] | None = None
        self._data: dict[str, Any] | None = None
        self.cookies_used = False
        self.method = method
        self.remote_address = remote_address
        self.secure = secure
        self.native = native

    @property
    def data(self) -> dict[str, Any]:
        """A dictionary for the application's own use, as long as the connection lives."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def target(self) -> str:
        """Path and query as they were sent, without the host that a target in absolute form has before them."""
        head = self._head
        behind = head[0] + head[1] if isinstance(head, tuple) else _text(head.partition(b"\n")[0])
        return self.path + behind

    @property
    def header_lines(self) -> int:
        """How many lines of header fields were sent; nothing is made of them to count them."""
        head = self._head
        return len(head[2]) if isinstance(head, tuple) else head.count(b"\n")

    @property
    def query(self) -> dict[str, list[str]]:
        """All query parameters; each name with all its values."""
        if self._query is None:
            head = self._head
            self._query = parse_query(head[1] if isinstance(head, tuple) else _text(head.partition(b"\n")[0])[1:])
        return self._query

    def param(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        values = self.query.get(name)
        return None if values is None else values[0]

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return Headers(self._by_name().items())

    def header(self, name: str) -> str | None:
        """One header field's value, or None."""
        return (self._headers or self._by_name()).get(name.lower())

    @property
    def host(self) -> str | None:
        """Host and port that the client has asked for: what a trusted proxy says, else the target or the Host field."""
        return self.header("host") if self._host is None else self._host

    @host.setter
    def host(self, host: str) -> None:
        self._host = host

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by their names, the odd ones too; of several with one name, the last."""
        cookies = {name: unquote_cookie(value) for name, value in split_cookies(self.header("cookie") or "")}
        self.cookies_used = self.cookies_used or bool(cookies)
        return cookies

    def forget(self) -> None:
        """Drop what only the moment of the request needed, the host's object and the parsed fields; pack the rest."""
        self.native = self._headers = self._query = None
        if isinstance(self._head, tuple):
            mark, query, fields = self._head
            lines = [mark + query, *(f"{name}:{value}" for name, value in _as_texts(fields))]
            self._head = "\n".join(lines).encode("utf-8", "surrogateescape")

    def _by_name(self) -> dict[str, str] | _RawFields:
        if self._headers is None:
            head = self._head
            self._headers = _by_name(head[2] if isinstance(head, tuple) else list(_unpack(head)))
        return self._headers


def _unpack(head: bytes) -> Iterator[Field]:
    for line in _text(head).split("\n")[1:]:
        name, _, value = line.partition(":")
        yield name, value


def _text(packed: bytes) -> str:
    return packed.decode("utf-8", "surrogateescape")
