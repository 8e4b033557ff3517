"""What is refused of every client of every generation, before anything of its request is looked at."""

from collections.abc import Callable
from dataclasses import replace

from ...types import Request
from ..policy import Policy
from .hostnames import Hostnames
from .origins import Cors
from .proxies import Proxies
from .refusals import Refuse, Subject
from .requests import show
from .routes import Route


class Screen:
    """Refuses too many header lines, of which nothing is made, hosts that are not this server's, and coded bodies.

    Behind the first it sets what trusted proxies say of the client. The request's route words the refusal.
    """

    __slots__ = ("_hosts", "_most_lines", "_proxies", "_route_of")

    def __init__(self, policy: Policy, route_of: Callable[[Request], Route]) -> None:
        self._route_of = route_of
        self._most_lines = policy.max_header_lines
        self._proxies = Proxies(policy.trusted_proxies) if policy.trusted_proxies else None
        self._hosts = None if policy.allowed_hosts is None else Hostnames(policy.allowed_hosts)

    def refuse(self, request: Request) -> Refuse | None:
        """Return the refusal of the request, None if there is nothing against it here."""
        if request.header_lines > self._most_lines:
            return self._refuse_lines(request)
        if self._proxies is not None:
            self._proxies.resolve(request)
        if self._hosts is not None and not self._hosts.allow(_host(request), secure=request.secure):
            return self._refuse_host(request)
        return None

    def refuse_coding(self, request: Request, cors: Cors) -> Refuse | None:
        """Refuse the body of a POST that would not be understood (RFC 9110, section 15.5.16); its session goes on."""
        coding = request.header("content-encoding")
        if coding is None or coding.strip(" \t").lower() in ("", "identity"):
            return None
        detail = f"the Content-Encoding is {show(coding)}, but only a body without one (identity) is accepted"
        headers = (("Accept-Encoding", "identity"), *cors.headers(request.header("origin")))
        return self._route_of(request).refuse(415, detail, headers)

    def _refuse_host(self, request: Request) -> Refuse:
        host = _host(request)
        subject = Subject("host", host) if host else None
        detail = f"the host {show(host)} is not allowed: add it to allowed_hosts"
        return replace(self._route_of(request).refuse(403, detail, request=request), subject=subject)

    def _refuse_lines(self, request: Request) -> Refuse:
        """Refuse with the status of RFC 6585, section 5."""
        detail = f"the request has {request.header_lines} header lines, more than the {self._most_lines} of "
        detail += "max_header_lines"
        return self._route_of(request).refuse(431, detail)


def _host(request: Request) -> str | None:
    """Return the host of a request; of a target that is neither in origin nor in absolute form, there is none."""
    return request.host if request.target.startswith("/") else None
