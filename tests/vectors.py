"""The vectors of tests/data: literal strings of the wire, each with its source."""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


def load(name: str) -> Any:
    """Read the file of one module of wire/."""
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def name(value: Any) -> str | None:
    """Name a test after the text or the body of its vector."""
    return ascii(value.get("text", value.get("body", "")))[:60] if isinstance(value, dict) else None


def text_of(value: Any) -> str:
    """The text that a vector means: [piece, times] pairs save space for bombs."""
    return value if isinstance(value, str) else "".join(piece * times for piece, times in value)


def bytes_of(value: Any) -> bytes:
    """The bytes that a vector means: {"hex": "0102"}, or text in UTF-8."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else text_of(value).encode()


def value_of(value: Any) -> Any:
    """The value that a vector means: {"hex": "0102"} stands for bytes, wherever it is."""
    match value:
        case {"hex": content}:
            return bytes.fromhex(content)
        case dict():
            return {key: value_of(item) for key, item in value.items()}
        case list():
            return [value_of(item) for item in value]
    return value
