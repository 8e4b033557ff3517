"""Which hosts a request may ask for: the names that are this server's, against pages that give it one of theirs.

A page may let its own name point at another machine's address once it is loaded (DNS rebinding). Its browser then
takes that machine's server for the page's own: Host and Origin both have the page's name, and are equal. Only the
server knows that this is no name of its own. An address is never one of a stranger's: what points at it needs a name.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from .proxies import Network, read_address

AllowedHosts = str | Network | Sequence[str | Network] | None

_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|([A-Za-z0-9_-][A-Za-z0-9._-]{0,252}))(?::([0-9]{1,5}))?", re.ASCII
)
_SCHEMES_OWN = {True: (443,), False: (80,), None: (80, 443)}  # the ports that browsers leave out, by `secure`
_REMEDY = 'give names, "example.com" or "example.com:8000", ".example.com" for all below it too, addresses or networks'


class Hostnames:
    """The hosts that are allowed. TypeError or ValueError for what no Host field can equal."""

    __slots__ = ("_domains", "_names", "_networks")

    def __init__(self, allowed: AllowedHosts) -> None:
        self._names: set[tuple[str, int | None]] = set()
        self._domains: list[tuple[str, int | None]] = []
        self._networks: list[tuple[Network, int | None]] = []
        several: Iterable[object] = (allowed,)
        if isinstance(allowed, Iterable) and not isinstance(allowed, str | Network):  # a network is iterable, too
            several = allowed
        for one in several:
            self._add(one, allowed)
        if not (self._names or self._domains or self._networks):
            raise ValueError(f"allowed_hosts is {allowed!r}: {_REMEDY}, or None for every host")

    def allow(self, host: str | None, *, secure: bool | None = None) -> bool:
        """Tell whether a request for this host may be served; without one there is nothing to allow.

        Case and a dot at the end count for nothing. A port counts where it was given here.
        """
        found = None if host is None else _HOST.fullmatch(host)
        if found is None:
            return False
        ports = {None, int(found[3])} if found[3] else {None, *_SCHEMES_OWN[secure]}
        name = (found[1] or found[2]).lower().removesuffix(".")
        if any((name, port) in self._names for port in ports):
            return True
        if any(port in ports and f".{name}".endswith(domain) for domain, port in self._domains):
            return True
        address = read_address(name) if self._networks else None
        return address is not None and any(port in ports and address in net for net, port in self._networks)

    def _add(self, one: object, allowed: AllowedHosts) -> None:
        if isinstance(one, Network):
            self._networks.append((one, None))
            return
        if not isinstance(one, str):
            raise TypeError(f"allowed_hosts is {allowed!r}: {_REMEDY}")
        if (network := _network(one)) is not None:
            self._networks.append((network, None))
            return
        found = _HOST.fullmatch(one.removeprefix("."))
        if found is None or (found[3] and not 0 < int(found[3]) < 65536):
            raise ValueError(f"allowed_hosts has {one!r}: {_remedy(one)}")
        name, port = (found[1] or found[2]).lower().removesuffix("."), int(found[3]) if found[3] else None
        if (network := _network(name)) is not None:
            self._networks.append((network, port))
        elif found[1]:
            raise ValueError(f"allowed_hosts has {one!r}: what stands in brackets is an address of IPv6")
        elif one.startswith("."):
            self._domains.append((f".{name}", port))
        else:
            self._names.add((name, port))


def _network(text: str) -> Network | None:
    """Read an address, which is a network of one, or a network."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _remedy(one: str) -> str:
    if one == "*":
        return "leave allowed_hosts out, or give None, to allow every host"
    if one.startswith("*."):
        return f"an asterisk stands for nothing here, give {one[1:]!r} for this domain and all below it"
    if not one.isascii():
        return "browsers write hosts in ASCII, give it as they do (xn--...)"
    if "://" in one and one.partition("://")[2]:
        return f"a host has no scheme and no path, give {one.partition('://')[2].partition('/')[0]!r}"
    return _REMEDY
