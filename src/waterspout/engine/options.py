"""Checks of options: an invalid value is refused at once, with its name, the value and what to give instead.

Each check raises TypeError for a value of the wrong type, and ValueError for one out of range.
"""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import fields
from math import inf
from typing import Any
from urllib.parse import urlsplit

Rule = Callable[[str, object], None]

LONGEST = 3600  # seconds; a larger value was probably meant in milliseconds

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, section 5.6.2
_COOKIE_PATH = re.compile(r"/[ -:<-~]*", re.ASCII)
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#@\s]+)/?", re.ASCII)  # RFC 6454, section 6.2
_PORTS = {"http": ":80", "https": ":443"}
_AN_ORIGIN = "https://example.com"


def check_number(name: str, value: object, what: str = "a number of seconds above 0", *, or_zero: bool = False) -> None:
    """Accept finite numbers above 0, with `or_zero` 0 as well; `what` describes them in the error."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give {what}")
    if not (0 < value < inf or (or_zero and value == 0)):
        raise ValueError(f"{name} is {value!r}: give {what}")


def check_seconds(name: str, value: Any) -> None:
    """Accept seconds, above 0 and up to an hour."""
    check_number(name, value)
    if value > LONGEST:
        raise ValueError(f"{name} is {value!r}: give seconds, not milliseconds, and at most {LONGEST}")


def check_count(name: str, value: object) -> None:
    """Accept whole numbers from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give a whole number")
    if value < 1:
        raise ValueError(f"{name} is {value!r}: give a number of at least 1")


def check_rate(name: str, value: object) -> None:
    """Accept numbers above 0, and None for no limit."""
    if value is not None:
        check_number(name, value, "a number above 0, or None for no limit")


def check_patience(name: str, value: object) -> None:
    """Accept seconds, 0 included."""
    check_number(name, value, "a number of seconds, 0 or more", or_zero=True)


def check_switch(name: str, value: object) -> None:
    """Accept True and False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}: give True or False")


def one_of(*choices: str) -> Rule:
    """Return a check that accepts these words."""

    def check(name: str, value: object) -> None:
        if value not in choices:
            raise ValueError(f"{name} is {value!r}: choose from {', '.join(choices)}")

    return check


def or_none(check: Rule) -> Rule:
    """Return a check that accepts None as well."""

    def check_unless_none(name: str, value: object) -> None:
        if value is not None:
            check(name, value)

    return check_unless_none


def check_status(name: str, value: object) -> None:
    """Accept HTTP statuses of errors, and None."""
    if not isinstance(value, int) or value not in range(400, 600):
        raise ValueError(f"{name} is {value!r}: give a status from 400 to 599, or None")


def check_text(name: str, value: object) -> None:
    """Accept strings."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}: give a string")


_CHECKS: dict[object, Rule] = {
    float: check_seconds,
    float | None: or_none(check_seconds),
    int: check_count,
    int | None: or_none(check_count),
    bool: check_switch,
    str: check_text,
}


def check_fields(options: Any, **by_name: Rule) -> None:
    """Check each field of a dataclass by the rule for its name, or else by the rule for its type, if there is one."""
    for field in fields(options):
        check = by_name.get(field.name, _CHECKS.get(field.type))
        if check is not None:
            check(field.name, getattr(options, field.name))


def transports(value: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Return names of transports as a tuple; accept one or more of the `known` ones."""
    if isinstance(value, str) and value in known:
        raise TypeError(f"transports is the string {value!r}: give a tuple, ({value!r},)")
    if not isinstance(value, Sequence | Set) or not value or any(each not in known for each in value):
        raise ValueError(f"transports are {value!r}: choose from {', '.join(known)}")
    return tuple(value)


def mount_path(value: object) -> str:
    """Return a path with a slash at its beginning and none at its end."""
    if not isinstance(value, str):
        raise TypeError(f"path is {value!r}: give a string, such as '/socket.io'")
    if not value or any(mark in value for mark in "?#") or not value.isprintable() or " " in value:
        raise ValueError(f"path is {value!r}: give a path such as '/socket.io', without a query ('/' is the root)")
    return "/" + value.strip("/")


def check_cookie(name: object, path: object, same_site: object) -> None:
    """Accept what a Set-Cookie field may contain (RFC 6265, section 4.1.1)."""
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ValueError(f"the cookie's name is {name!r}: give letters, digits and hyphens, such as 'io'")
    if not isinstance(path, str) or not _COOKIE_PATH.fullmatch(path):
        raise ValueError(f"the cookie's path is {path!r}: begin it with a slash, without semicolons")
    if same_site not in ("Strict", "Lax", "None"):
        raise ValueError(f"the cookie's same_site is {same_site!r}: choose from 'Strict', 'Lax' and 'None'")


def check_subprotocols(value: object) -> None:
    """Accept names of subprotocols (RFC 6455, section 4.1, item 10), and None."""
    if value is None:
        return
    if not isinstance(value, tuple | list):
        raise TypeError(f'subprotocols is {value!r}: give a tuple, ("chat",), or None for what the client offers first')
    for one in value:
        if not isinstance(one, str) or not _TOKEN.fullmatch(one):
            raise ValueError(f"subprotocols has {one!r}: give names of letters, digits, dots and hyphens")


def check_origins(value: Any, credentials: bool) -> None:
    """Accept origins as browsers write them, patterns, functions, "*" and None; "*" excludes credentials."""
    if value == "*" and credentials:
        raise ValueError('cors_origins="*" with cors_credentials=True: name the origins that may use credentials')
    if value is None and credentials:
        raise ValueError("cors_credentials=True without cors_origins: name the origins that may use credentials")
    if value is None or value == "*" or callable(value):
        return
    several = isinstance(value, Sequence | Set) and not isinstance(value, str | bytes)
    for one in value if several else (value,):
        if several and one == "*":
            raise ValueError(f'cors_origins is {value!r}: give "*" alone, not in a list')
        _check_origin(one, value)


def _check_origin(one: object, value: object) -> None:
    if isinstance(one, re.Pattern) and isinstance(one.pattern, str):
        return
    if not isinstance(one, str):
        raise TypeError(
            f'cors_origins is {value!r}: give "*" for every page, an origin such as {_AN_ORIGIN!r}, a compiled pattern '
            "of text, several of these, or a function of the origin"
        )
    remedy = _remedy(one)
    if remedy is not None:
        raise ValueError(f"cors_origins has {one!r}: {remedy}")


def _remedy(origin: str) -> str | None:
    """Return what to correct in an origin, or None; browsers write scheme://host, and a port unless it is default."""
    if origin == "null" or origin.lower() == "file://":
        return None
    if origin.lower().startswith("file:"):
        return "what comes from a file has the origin 'file://' or 'null', whatever its path"
    if "*" in origin:
        pattern = re.escape(origin.rstrip("/")).replace(r"\*", "[a-z0-9.-]+")
        return f'an asterisk stands for nothing here, give a pattern: re.compile(r"{pattern}")'
    if not origin.isascii():
        return "browsers write hosts in ASCII, give it as they do (xn--...)"
    found = _ORIGIN.fullmatch(origin)
    if found is not None:
        scheme, place = found[1].lower(), found[2]
        port = _PORTS.get(scheme)
        if port is None or not place.endswith(port):
            return None
        return f"browsers leave out the default port of a scheme, give '{scheme}://{place.removesuffix(port)}'"
    parts = urlsplit(origin if "://" in origin else f"https://{origin}")
    if not parts.netloc or "@" in parts.netloc:
        return f"give an origin such as {_AN_ORIGIN!r}"
    return f"an origin is a scheme and a host, without a path: give '{parts.scheme}://{parts.netloc}'"
