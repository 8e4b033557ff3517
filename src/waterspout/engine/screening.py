"""What is refused of every client of every generation, before anything of its request is looked at."""

from dataclasses import replace

from ..types import Request
from . import requests1
from .admission import show
from .hostnames import Hostnames
from .policy import Policy
from .proxies import Proxies
from .refusals import Fault, Refuse, refuse
from .visits import refuse_text


class Screen:
    """Refuses too many header lines, of which nothing is made, and hosts that are not this server's.

    Between the two it sets what trusted proxies say of the client.
    """

    __slots__ = ("_hosts", "_most_lines", "_path", "_proxies")

    def __init__(self, policy: Policy, path: str) -> None:
        self._path = path
        self._most_lines = policy.max_header_lines
        self._proxies = Proxies(policy.trusted_proxies) if policy.trusted_proxies else None
        self._hosts = None if policy.allowed_hosts is None else Hostnames(policy.allowed_hosts)

    def refuse(self, request: Request) -> Refuse | None:
        """Return the refusal of the request, None if there is nothing against it here."""
        if request.header_lines > self._most_lines:
            return self._refuse_lines(request)
        if self._proxies is not None:
            self._proxies.resolve(request)
        if self._hosts is None or self._hosts.allow(_host(request), secure=request.secure):
            return None
        detail = f"the host {show(_host(request))} is not allowed: add it to allowed_hosts"
        subject = _host(request) or ""
        if requests1.is_old(request, self._path):
            return replace(requests1.refused(request, 403, detail, ()), subject=subject)
        return refuse(Fault.FORBIDDEN, detail, subject=subject)

    def _refuse_lines(self, request: Request) -> Refuse:
        """Refuse with the status of RFC 6585, section 5."""
        detail = f"the request has {request.header_lines} header lines, more than the {self._most_lines} of "
        detail += "max_header_lines"
        if requests1.is_old(request, self._path):
            return refuse_text(431, detail, ())
        return refuse(Fault.BAD_REQUEST, detail, status=431)


def _host(request: Request) -> str | None:
    """Return the host of a request: of a target that has one, Host says nothing (RFC 9112, section 3.2.2)."""
    if request.target.startswith("/"):
        return request.host
    return request.target.partition("://")[2].partition("?")[0].partition("/")[0]
