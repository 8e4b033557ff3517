r"""JSONP: a payload as a script that calls a function of the page, and as the only field of a form.

Engine.IO 3, "JSONP" and "Posting data"; the JavaScript server does the same for Engine.IO 4, and clients up to 4.2
ask for it.
"""

import re
from urllib.parse import unquote_to_bytes

from ..errors import DecodeError
from . import json

_INDEX = re.compile("[0-9]{1,9}")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def is_index(text: str) -> bool:
    """Tell whether the parameter `j` is the index of a callback: 1 to 9 digits."""
    return _INDEX.fullmatch(text) is not None


def encode_script(index: int, payload: bytes) -> bytes:
    """Write a payload in UTF-8 as a script that hands it to callback number `index`.

    It is ASCII without "<", whatever the payload says: right in any charset and in any element, and no line ends in it
    (U+2028). Whoever takes it for something else (CVE-2014-4671 made it a Flash film) finds a comment first.
    """
    return b"/**/___eio[%d](%b);" % (index, encode_literal(payload.decode()))


def encode_literal(text: str) -> bytes:
    """Write a text as a string of JavaScript that may stand anywhere in a page: in ASCII, without "<"."""
    return json.encode_ascii(text).replace(b"<", rb"\u003c")


def decode_form(body: bytes) -> bytes:
    r"""Read the payload of a form, `d=<payload>` in application/x-www-form-urlencoded; raises DecodeError.

    Browsers change line ends in a form, so clients write a line feed as `\n`, and `\n` as `\\n`: the text of a
    backslash before a line feed is the same as the latter, and read as `\n`. JSON has no line feeds, so this is only of
    bare Engine.IO. A carriage return, which clients leave alone, comes as CR LF (HTML, "Form submission").
    """
    payload = decode_field(body).replace(b"\r\n", b"\r")
    return payload.replace(rb"\n", b"\n").replace(b"\\\n", rb"\n")


def decode_field(body: bytes) -> bytes:
    """Read the only field of a form, `d`, as the browser has sent it; raises DecodeError."""
    value = body[2:]
    if not body.startswith(b"d=") or b"&" in value:
        raise DecodeError(f"a form has one field, d=..., and no more: {body[:20]!r}")
    broken = _BROKEN_ESCAPE.search(value)
    if broken is not None:
        raise DecodeError(f"a % in a form has two hex digits behind it, not {value[broken.end() :][:2]!r}")
    return unquote_to_bytes(value.replace(b"+", b" "))
