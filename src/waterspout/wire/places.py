"""Where in what a user sends the value is that JSON cannot carry: for the sentence that says so."""

from collections.abc import Iterable
from typing import Any

from . import json

MAX_LOOKS = 10_000
"""How many lists and dictionaries are searched, which takes 20 ms."""

_SCALARS = frozenset((str, int, float, bool, type(None)))


def find_fault(value: Any, name: str) -> str:
    """Return the place of the first value that cannot be encoded, as in " (args[1]['users'][0])"; empty if unknown.

    Looks at each container once, so that one that holds itself has an end, too, and at no more than MAX_LOOKS: what
    stands in the way may be what a client has sent.
    """
    waiting, seen = [(value, name)], set[int]()
    while waiting and len(seen) < MAX_LOOKS:
        one, place = waiting.pop()
        if not isinstance(one, dict | list | tuple):
            if _fails(one):
                return f" ({place})"
        elif id(one) not in seen:
            seen.add(id(one))
            if isinstance(one, dict) and _fails(dict.fromkeys(one)):
                key = next((key for key in one if _fails({key: None})), None)
                return f" (the key {_short(key)} of {place})"
            items = _suspects(one.items() if isinstance(one, dict) else enumerate(one))
            waiting += [(item, f"{place}[{_short(key)}]") for key, item in reversed(items)]
    return ""


def _suspects(items: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Leave out the scalars, if all of them can be encoded; else keep them for a closer look."""
    pairs = list(items)
    scalars = [item for _, item in pairs if type(item) in _SCALARS]
    return pairs if _fails(scalars) else [pair for pair in pairs if type(pair[1]) not in _SCALARS][:MAX_LOOKS]


def _fails(value: object) -> bool:
    try:
        json.encode(value)
    except Exception:  # also what a user's own type raises while it is encoded
        return True
    return False


def _short(key: object) -> str:
    return repr(key)[:80]
