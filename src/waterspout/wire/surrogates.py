"""Lone surrogates: Python strings may contain them, UTF-8 may not (RFC 3629, section 3).

A browser writes U+FFFD for each (Encoding Standard, "utf-8 encode"), and reads a high one before a low one as the
character of that pair in UTF-16. These functions do the same. They are called only after an encoder has failed.
"""

from typing import Any

__all__ = ["encode", "replace", "replace_all"]


def replace(text: str) -> str:
    """Return a text that UTF-8 can encode: pairs become their character, and lone surrogates U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def replace_all(value: Any) -> Any:
    """Copy a value of builtin types, with `replace` applied to its strings and keys."""
    match value:
        case str():
            return replace(value)
        case dict():
            return {replace_all(key): replace_all(item) for key, item in value.items()}
        case list() | tuple():
            return [replace_all(item) for item in value]
    return value


def encode(text: str) -> bytes:
    """Write any text as UTF-8, with `replace` if necessary."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return replace(text).encode()
