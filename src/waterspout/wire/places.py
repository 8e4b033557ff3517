"""Where in what a user sends the value is that JSON cannot carry: for the sentence that says so."""

from typing import Any

from . import json


def find_fault(value: Any, name: str) -> str:
    """Return the place of the first value that cannot be encoded, as in " (args[1]['users'][0])"; empty if unknown.

    Looks at each container once, so that one that holds itself has an end, too.
    """
    waiting, seen = [(value, name)], set()
    while waiting:
        one, place = waiting.pop()
        if not isinstance(one, dict | list | tuple):
            if _fails(one):
                return f" ({place})"
        elif id(one) not in seen:
            seen.add(id(one))
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
