"""What a connection is told of its client when it opens."""

from collections.abc import Mapping
from typing import Any

from ...types import parse_query


class ConnectionInfo:
    """Who connects: `ip`, the `arguments` of the query (to each name a list), and `cookies` (to each name a Morsel)."""

    def __init__(self, ip: str, arguments: Mapping[str, Any], cookies: Any) -> None:
        self.ip = ip
        self.arguments = {name: [_text(value) for value in values] for name, values in arguments.items()}
        self.cookies = cookies
        self._own = self.arguments

    def join(self, auth: Mapping[str, Any]) -> None:
        """Add the texts that a client says when it enters, instead of what it has said when it entered before."""
        own = self._own
        self.arguments = {**own, **{name: [*own.get(name, ()), text] for name, text in texts(auth).items()}}

    def get_argument(self, name: str, default: Any = None) -> Any:
        """Return the first value of an argument."""
        values = self.arguments.get(name)
        return values[0] if values else default

    def get_cookie(self, name: str) -> Any:
        """Return the Morsel of a cookie, which has its `value`, or None."""
        return self.cookies.get(name)


def parse(query: str) -> dict[str, list[str]]:
    """Return the arguments of a query."""
    arguments: dict[str, list[str]] = {}
    for name, value in parse_query(query):
        arguments.setdefault(name, []).append(value)
    return arguments


def texts(auth: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what of a client's auth can be arguments."""
    return {name: value for name, value in (auth or {}).items() if isinstance(value, str)}


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
