"""What a connection can know of its client: the handshake, and the request that carries its session."""

from collections.abc import Mapping
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Any

from tornado.httputil import HTTPHeaders

from ...types import Request, split_cookies, unquote_cookie


class ConnectionInfo:
    """Who connects: `ip`, the `arguments` of the query (to each name a list), and `cookies` (to each name a Morsel)."""

    def __init__(self, ip: str, arguments: Mapping[str, Any], cookies: Any) -> None:
        self.ip = ip
        self.arguments = {name: [_text(value) for value in values] for name, values in arguments.items()}
        self.cookies = cookies
        self._own = self.arguments

    def join(self, auth: Mapping[str, Any]) -> None:
        """Add the texts of a client's `auth`, in the place of those that were added before."""
        own = self._own
        self.arguments = {**own, **{name: [*own.get(name, ()), text] for name, text in texts(auth).items()}}

    def get_argument(self, name: str, default: Any = None) -> Any:
        """Return the first value of an argument."""
        return next(iter(self.arguments.get(name) or ()), default)

    def get_cookie(self, name: str) -> Any:
        """Return the Morsel of a cookie, which has its `value`, or None."""
        return self.cookies.get(name)


class ActiveRequest:
    """The request that carries a session, or the last one that did, with Tornado's names for its parts.

    `session_id` is that of the engine's session in a handshake.
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
        """A Morsel of each cookie, also of those whose names `Morsel.set` refuses."""
        cookies = SimpleCookie()
        for name, value in split_cookies(self._request.header("cookie") or ""):
            morsel: Morsel[str] = Morsel()
            try:
                state = {"key": name, "value": unquote_cookie(value), "coded_value": value}
                morsel.__setstate__(state)  # type: ignore[attr-defined]  # typeshed does not know it
            except CookieError:  # newer versions of Python take no control characters
                continue
            cookies[name] = morsel
        return cookies


def texts(auth: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what of a client's auth can be arguments."""
    return {name: value for name, value in (auth or {}).items() if isinstance(value, str)}


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
