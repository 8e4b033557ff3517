"""Lone surrogates: a Python string may have them, UTF-8 has none (RFC 3629, section 3).

A browser writes U+FFFD for each (Encoding Standard, "utf-8 encode"), and reads a high one before a low one as the
character that the two are in UTF-16. So do we, both ways. What is here is called only where an encoder has failed.
"""

from typing import Any

__all__ = ["encode", "replace", "replace_all"]


def replace(text: str) -> str:
    """Return a text that UTF-8 can carry: pairs as their character, and U+FFFD for each surrogate that is alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def replace_all(value: Any) -> Any:
    """Copy a value of builtin types, with `replace` done to its strings and keys; all else is as it was."""
    match value:
        case str():
            return replace(value)
        case dict():
            return {replace_all(key): replace_all(item) for key, item in value.items()}
        case list() | tuple():
            return [replace_all(item) for item in value]
    return value


def encode(text: str) -> bytes:
    """Write a text as UTF-8, whatever is in it."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return replace(text).encode()
