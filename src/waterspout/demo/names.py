"""What people and rooms may be called."""

import unicodedata

MAX_NAME = 24


def clean(name: object) -> str:
    """Return a name without control characters and surplus spaces, cut to `MAX_NAME`; "" for what is no text."""
    words = unicodedata.normalize("NFC", name).split() if isinstance(name, str) else []
    return "".join(char for char in " ".join(words) if char.isprintable())[:MAX_NAME].strip()


def same(name: str) -> str:
    """Return what names have in common that a reader takes for each other: "Ada", "ADA", and "Ada" in wide letters."""
    return unicodedata.normalize("NFKC", name).casefold()
