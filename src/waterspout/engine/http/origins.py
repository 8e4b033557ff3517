"""Who may come from where: the Origin header against the policy, and the CORS headers of every answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ...types import Request
from ...wire.websocket import DRAFT_VERSIONS
from ..policy import Origin
from .response import Headers

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_LONGEST = 1000  # characters of an origin: a name of DNS has 253, and each of a list of origins is compared
_SECURE = {"http": False, "https": True, "ws": False, "wss": True}
_ORIGIN = re.compile("https?://[^/?#]+")
VARY: Headers = (("Vary", "Origin"),)
_ANY: Headers = (("Access-Control-Allow-Origin", "*"),)
_CREDENTIALS: Headers = (("Access-Control-Allow-Credentials", "true"),)
_VISIBLE = re.compile("[!-~]*")
_FIELD_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:, *[A-Za-z0-9!#$%&'*+.^_`|~-]+){0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cors:
    """Which origins may connect, as the policy says; `admitted` is the one that its function has admitted, if any."""

    origins: Origin | Sequence[Origin] | None
    credentials: bool
    admitted: str | None = None

    def lists(self, origin: str) -> bool:
        """Tell whether this origin may connect although it is not the server's own."""
        return origin == self.admitted or _listed(origin, self.origins)

    def headers(self, origin: str | None, *, credentials: bool = False) -> Headers:
        """Return the CORS headers of the answer to an allowed request with this Origin (Fetch standard, section 3.2).

        With `credentials` a listed origin may send them whatever the policy says: for a client that always does.
        """
        if origin is None:
            return VARY if self.origins not in (None, "*") else ()
        if self.origins == "*":
            return _ANY
        if not self.lists(origin):
            return VARY
        allowed = _CREDENTIALS if credentials or self.credentials else ()
        return (("Access-Control-Allow-Origin", origin), *allowed, *VARY)


def to_ask(request: Request) -> str | None:
    """Return the origin about which a function of `cors_origins` is to be asked; None where it would change nothing."""
    origin = claimed(request)
    if origin is None and is_script(request):
        origin = _origin_of(request.header("referer") or "")
    if origin is None or not _is_visible(origin) or _same_origin(origin, request):
        return None
    return origin


def is_script(request: Request) -> bool:
    """Tell whether a request is, or may be, of a script element: JSONP of any generation."""
    query = request.query
    return "j" in query or "jsonp" in query or "/jsonp-polling/" in request.path


def admit(request: Request, cors: Cors, *, credentials: bool = False) -> Headers | None:
    """Return the CORS headers of the answer to a request, None if it may not be served; `credentials` as in `Cors`.

    One without an Origin comes from no browser's page, and may be served.
    """
    origin = request.header("origin")
    page = _draft_origin(request) if origin is None else origin
    if page is None or _same_origin(page, request) or cors.lists(page):
        return cors.headers(origin, credentials=credentials)
    return None


def claimed(request: Request) -> str | None:
    """Return the origin of a request, in whichever field it is."""
    origin = request.header("origin")
    return _draft_origin(request) if origin is None else origin


def _draft_origin(request: Request) -> str | None:
    """Return the origin of a draft of WebSocket (versions 7 and 8), which has a field of another name."""
    version = request.header("sec-websocket-version")
    if version is None or version.strip(" \t") not in DRAFT_VERSIONS:
        return None
    return request.header("sec-websocket-origin")


def allowed_script(request: Request, cors: Cors) -> bool:
    """Tell whether a request of a script element may be served, where `admit` has nothing against it.

    Such an element sends cookies but no Origin, and the page it stands in gets the answer. So that page has to be
    known: from Sec-Fetch-Site (Fetch Metadata, section 2.4), or from Referer, which older browsers send as well. One
    that hides itself is served where a list or a pattern admits "null", the origin of pages that hide theirs elsewhere.
    """
    if cors.origins == "*" or request.header("origin") is not None:
        return True
    if request.header("sec-fetch-site") == "same-origin":
        return True
    page = _origin_of(request.header("referer") or "")
    if page is None:
        return cors.lists("null")
    return _same_origin(page, request) or cors.lists(page)


def _origin_of(address: str) -> str | None:
    """Return the origin of an http or https address, else None."""
    found = _ORIGIN.match(address)
    return found[0] if found and _split(found[0]) else None


def preflight(request: Request) -> Headers:
    """Return what the answer to a preflight says beyond the CORS headers of any."""
    wanted = request.header("access-control-request-headers") or ""
    names = wanted if _FIELD_NAMES.fullmatch(wanted) else "Content-Type"
    return (
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Access-Control-Allow-Headers", names),
        ("Access-Control-Max-Age", "600"),
    )


def _same_origin(origin: str, request: Request) -> bool:
    """Host and port equal those of Host; the scheme is compared only where it is known.

    Programs say ws: or wss: (Starscream, for Swift) or no scheme (1.0 to 1.2 and 0.9 under Node) of the server they
    connect to, and no browser says either of a page; "null" without a scheme is what browsers say of pages that hide.
    """
    host, secure = request.host, request.secure
    if (origin == f"https://{host}" and secure is not False) or (origin == f"http://{host}" and not secure):
        return host is not None  # nearly always, and without taking them apart
    if "://" in origin:
        return _is_host(origin, request)
    return origin.lower() != "null" and any(_is_host(f"{scheme}://{origin}", request) for scheme in ("ws", "wss"))


def _is_host(origin: str, request: Request) -> bool:
    there, secure = _split(origin), request.secure
    if there is None or there.scheme not in _SECURE:
        return False
    if secure is not None and _SECURE[there.scheme] is not secure:
        return False
    here = _split(f"{there.scheme}://{request.host or ''}")
    return here is not None and _address(here) == _address(there)


def _split(origin: str) -> SplitResult | None:
    """Return the parts of scheme://host[:port], or None for anything that says more or less."""
    try:
        parts = urlsplit(origin)
        parts.port  # noqa: B018  (raises ValueError if it is no number)
    except ValueError:
        return None
    more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return None if more or not parts.hostname or not origin.isascii() else parts


def _address(parts: SplitResult) -> tuple[str | None, int | None]:
    return parts.hostname, parts.port if parts.port is not None else _PORTS.get(parts.scheme)


def _is_visible(origin: str) -> bool:
    """Tell whether an origin may come back in a header field."""
    return len(origin) <= _LONGEST and _VISIBLE.fullmatch(origin) is not None


def _listed(origin: str, origins: Origin | Sequence[Origin] | None) -> bool:
    if origins is None:
        return False
    if isinstance(origins, str):
        named = origins if origins.endswith("://") else origins.removesuffix("/")  # file:// is whole
        return origins == "*" or (len(origin) <= _LONGEST and named.lower() == origin.lower())
    if not _is_visible(origin):
        return False
    if isinstance(origins, re.Pattern):
        return origins.fullmatch(origin) is not None
    return any(_listed(origin, one) for one in origins)
