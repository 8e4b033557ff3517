"""Whom to believe about the client's address, scheme and host: the `X-Forwarded-*` fields of proxies.

Each proxy appends to `X-Forwarded-For` the address that it was asked from. So the field is read from its end: past
the proxies that are trusted stands the client, and whatever the client wrote itself stands before that.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice

from ...types import Request

Network = IPv4Network | IPv6Network
TrustedProxies = int | str | Sequence[str | Network]

UNIX = "unix"
_MOST = 100  # proxies; what stands before that is as good as malformed

_ADDRESS = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?"  # with a port, perhaps
    r"|([0-9A-Fa-f:.]+)(?:%[\w.-]+)?",  # without; a zone is this machine's affair
    re.ASCII,
)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII)
_SECURE = {"https": True, "wss": True, "http": False, "ws": False}


class Proxies:
    """The proxies before a server: so many of them, or those in some networks.

    ValueError for what is neither. What is malformed in a field is as if it were not there.
    """

    def __init__(self, trusted: TrustedProxies) -> None:
        self._hops = 0
        self._unix = False
        self._networks: list[Network] = []
        if isinstance(trusted, int):
            if isinstance(trusted, bool) or trusted < 0:
                raise ValueError(f"trusted_proxies is {trusted!r}: give the number of proxies, or their addresses")
            self._hops = trusted
            return
        if not isinstance(trusted, str | Iterable):
            raise TypeError(f"trusted_proxies is {trusted!r}: give the number of proxies, or their addresses")
        for one in (trusted,) if isinstance(trusted, str) else trusted:
            if one == UNIX:
                self._unix = True
            else:
                self._networks.append(_network(one))

    def resolve(self, request: Request) -> None:
        """Set what is known of the client, whom the host knows only as the proxy next to it."""
        passed, client = 0, request.remote_address
        addresses = _from_the_end(request.header("x-forwarded-for"))
        while self._trusts(client, passed):
            passed += 1
            address = read_address(next(addresses, ""))
            if address is None:
                break
            client = str(address)
        if passed:
            request.remote_address = client
            self._take_scheme_and_host(request, passed)

    def _trusts(self, client: str, passed: int) -> bool:
        if self._hops:
            return passed < self._hops
        if client == UNIX:
            return self._unix
        address = read_address(client)
        return address is not None and any(address in network for network in self._networks)

    @staticmethod
    def _take_scheme_and_host(request: Request, passed: int) -> None:
        """Believe what the outermost of the trusted proxies says."""
        scheme = _SECURE.get(_nth(request.header("x-forwarded-proto"), passed).lower())
        if scheme is not None:
            request.secure = scheme
        host = _nth(request.header("x-forwarded-host"), passed)
        if _HOST.fullmatch(host):
            request.host = host


def _network(text: str | Network) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f'trusted_proxies has {text!r}: give addresses or networks, as in "10.0.0.0/8", or "unix"'
        ) from None


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, with or without a port; an IPv4 address in the clothes of IPv6 is one of IPv4."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    try:
        address = ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _from_the_end(field: str | None) -> Iterator[str]:
    return (value.strip() for value in reversed((field or "").rsplit(",", _MOST)))


def _nth(field: str | None, number: int) -> str:
    """Return the value that stands so many places from the end, or the first if there are fewer."""
    return list(islice(_from_the_end(field), number))[-1]
