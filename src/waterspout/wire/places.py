"""Where in what a user sends the value is that JSON cannot carry: for the sentence that says so."""

from typing import Any

from . import json

MAX_LOOKS = 50_000
"""How many values are looked at, which takes 30 ms: what stands before the wrong one may be what a client has sent."""

_FEW = 100  # items that are looked at one by one, without trying all of them first


def find_fault(value: Any, name: str) -> str:
    """Return the place of the first value that cannot be encoded, as in " (args[1]['users'][0])"; empty if unknown.

    Looks at each container once, so that one that holds itself has an end, too, and at no more than MAX_LOOKS values.
    """
    waiting, seen, looks = [(value, name)], set[int](), 0
    while waiting and looks < MAX_LOOKS:
        one, place = waiting.pop()
        looks += 1
        if not isinstance(one, dict | list | tuple):
            if _fails(one):
                return f" ({place})"
        elif id(one) not in seen:
            seen.add(id(one))
            if len(one) > _FEW and not _fails(one):
                continue
            items = list(one.items()) if isinstance(one, dict) else list(enumerate(one))
            for key, _ in items if isinstance(one, dict) else ():
                if _fails({key: None}):
                    return f" (the key {_short(key)} of {place})"
            waiting += [(item, f"{place}[{_short(key)}]") for key, item in reversed(items)]
    return ""


def _fails(value: object) -> bool:
    try:
        json.encode(value)
    except Exception:  # also what a user's own type raises while it is encoded
        return True
    return False


def _short(key: object) -> str:
    return repr(key)[:80]
