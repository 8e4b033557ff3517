"""JSON as gevent-socketio writes it: compact, in ASCII, keys in their order, a Decimal as a number."""

from typing import Any

from ...errors import DecodeError
from ...wire import json

__all__ = ["default_json_dumps", "default_json_loads"]


def default_json_dumps(value: Any) -> str:
    """Encode a value; bytes are a text in base64. TypeError for what JSON does not have."""
    return json.encode_sorted(value)


def default_json_loads(text: str | bytes) -> Any:
    """Decode a text; ValueError for what is no JSON."""
    try:
        return json.decode(text)
    except DecodeError as error:
        raise ValueError(str(error)) from error
