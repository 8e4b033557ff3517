r"""JSONP: answers as scripts that call a function of the page, and payloads of POSTs as the only field of a form.

Engine.IO 3, "JSONP" and "Posting data"; the JavaScript server does the same for Engine.IO 4, and clients up to 4.2
use it.
"""

import re
from binascii import a2b_qp

from ..errors import DecodeError
from . import json

__all__ = ["is_index"]  # the rest is for the engine

_INDEX = re.compile("[0-9]{1,9}")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def is_index(text: str) -> bool:
    """Tell whether the parameter `j` is the index of a callback: 1 to 9 digits."""
    return _INDEX.fullmatch(text) is not None


def encode_script(index: int, payload: bytes) -> bytes:
    """Write a payload in UTF-8 as a script that passes it to callback number `index`.

    It is ASCII without "<", whatever the payload: valid in any charset and any element, and without line breaks such as
    U+2028. It begins with a comment, so that it is no valid file of another type, such as a Flash film (CVE-2014-4671).
    """
    return b"/**/___eio[%d](%b);" % (index, encode_literal(payload.decode()))


def encode_literal(text: str) -> bytes:
    """Write a text as a JavaScript string that is safe anywhere in a page: in ASCII, without "<"."""
    return json.encode_ascii(text).replace(b"<", rb"\u003c")


def decode_form(body: bytes) -> bytes:
    r"""Read the payload of a form, `d=<payload>` in application/x-www-form-urlencoded; raises DecodeError.

    Browsers change line breaks in a form, so clients write a line feed as `\n`, and `\n` as `\\n`. A backslash before a
    line feed is written like the latter, and read as `\n`; JSON has no line feeds, so this matters for bare Engine.IO
    only. Clients do not escape a carriage return, which arrives as CR LF (HTML, "Form submission").
    """
    payload = decode_field(body).replace(b"\r\n", b"\r")
    return payload.replace(rb"\n", b"\n").replace(b"\\\n", rb"\n")


def decode_field(body: bytes) -> bytes:
    """Read the only field of a form, `d`, unescaped; raises DecodeError."""
    value = body[2:]
    if not body.startswith(b"d=") or b"&" in value:
        raise DecodeError(f"a form has one field, d=..., and no more: {body[:20]!r}")
    broken = _BROKEN_ESCAPE.search(value)
    if broken is not None:
        raise DecodeError(f"a % in a form has two hex digits behind it, not {value[broken.end() :][:2]!r}")
    # Quoted-printable is the same with "=" for "%", and decoded in C: 3 ms for a megabyte of escapes, 50 ms by urllib.
    return a2b_qp(value.replace(b"+", b" ").replace(b"=", b"=3D").replace(b"%", b"="))
