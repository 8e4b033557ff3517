"""The place of a value that cannot be encoded, within what a user sends: for error messages."""

from typing import Any

from . import json

MAX_LOOKS = 50_000
"""The limit of values that are checked, which takes 30 ms; those before the faulty one may come from a client."""

_FEW = 100  # containers up to this size are searched without encoding them as a whole first


def find_fault(value: Any, name: str) -> str:
    """Return the place of the first value that cannot be encoded, as in " (args[1]['users'][0])"; empty if unknown.

    It checks each container once, so that it ends for those that contain themselves, and at most MAX_LOOKS values.
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
