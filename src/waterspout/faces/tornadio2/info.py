"""What a connection knows of its client: data of the handshake, and the latest request of its session."""

from collections.abc import Mapping
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any

from tornado.httputil import HTTPHeaders

from ...types import Request, split_cookies, unquote_cookie


class ConnectionInfo:
    """The client: `ip`, the `arguments` of the query (a list for each name), and `cookies` (a Morsel for each name)."""

    def __init__(self, ip: str, arguments: Mapping[str, Any], cookies: Any) -> None:
        self.ip = ip
        self.arguments = {name: [_text(value) for value in values] for name, values in arguments.items()}
        self.cookies = cookies
        self._own = self.arguments

    def join(self, auth: Mapping[str, Any]) -> None:
        """Add the strings of a client's `auth` to the arguments, replacing those of an earlier call."""
        own = self._own
        self.arguments = {**own, **{name: [*own.get(name, ()), text] for name, text in texts(auth).items()}}

    def get_argument(self, name: str, default: Any = None) -> Any:
        """Return the first value of an argument."""
        return next(iter(self.arguments.get(name) or ()), default)

    def get_cookie(self, name: str) -> Any:
        """Return the Morsel of a cookie, which has its `value`, or None."""
        return self.cookies.get(name)


class ActiveRequest:
    """The latest request of a session, with Tornado's names for its parts.

    `session_id`: in a handshake, the id of the engine's session.
    """

    def __init__(self, request: Request, session_id: str | None = None) -> None:
        self._request = request
        self.session_id = session_id
        self.method = request.method
        self.uri = request.target
        self.path, _, self.query = request.target.partition("?")
        self.remote_ip = request.remote_address
        self.protocol = "https" if request.secure else "http"
        self.host = request.host or ""

    @property
    def headers(self) -> HTTPHeaders:
        return HTTPHeaders(dict(self._request.headers))

    @property
    def arguments(self) -> dict[str, list[bytes]]:
        """The parameters of its query, as bytes."""
        return {name: [value.encode() for value in values] for name, values in self._request.query.items()}

    @property
    def cookies(self) -> SimpleCookie:
        """A Morsel for each cookie, also with names that `Morsel.set` refuses."""
        cookies = SimpleCookie()
        for name, value in split_cookies(self._request.header("cookie") or ""):
            morsel: Morsel[str] = Morsel()
            try:
                state = {"key": name, "value": unquote_cookie(value), "coded_value": value}
                morsel.__setstate__(state)  # type: ignore[attr-defined]  # not in typeshed
            except CookieError:  # newer versions of Python refuse control characters
                continue
            cookies[name] = morsel
        return cookies


def texts(auth: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the strings of a client's auth, which can be arguments."""
    return {name: value for name, value in (auth or {}).items() if isinstance(value, str)}


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
