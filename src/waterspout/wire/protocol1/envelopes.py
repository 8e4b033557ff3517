r"""What the transports of Socket.IO 0.7 to 0.9 put around a payload: scripts, forms, pages, parts, and Flash's policy.

The sources are the rows (WP-...) of docs/protocol-1.md. Payloads that go into what only browsers read are made of
packets that `socketio1.as_json_message` has seen.
"""

from collections.abc import Sequence
from html import escape

from ...errors import DecodeError
from .. import json
from ..engineio4 import decode_text
from ..jsonp import decode_field, encode_literal

POLICY_REQUEST = b"<policy-file-request/>\0"

PREAMBLE = b"<html><body><script>function _(text){parent.s._(text,document)}</script>".ljust(256)
"""The beginning of an htmlfile: what its chunks call, and blanks, for Internet Explorer runs nothing before 256 bytes
(WP-34).
"""

_DELIMITER = b"--socketio\r\n"
_PART_HEAD = b"Content-Type: text/plain; charset=UTF-8\r\n\r\n"

MULTIPART = 'multipart/x-mixed-replace;boundary="socketio"'
"""The content type of what `encode_part` writes (WP-35)."""


def encode_script(index: int, payload: bytes) -> bytes:
    """Write a payload, or the answer to a handshake, as a script for callback number `index` (WP-4, WP-32).

    It is ASCII without "<", whatever the payload says, and begins with a comment (CVE-2014-4671).
    """
    return b"/**/io.j[%d](%b);" % (index, encode_literal(payload.decode()))


def encode_script_error(index: int, message: str) -> bytes:
    """Write the refusal of a handshake as a script (WP-5)."""
    return b"/**/io.j[%d](new Error(%b));" % (index, encode_literal(message))


def decode_form(body: bytes) -> bytes:
    r"""Read the payload of a form, `d=<payload>` in application/x-www-form-urlencoded (WP-33); raises DecodeError.

    From 0.8 on it is a JSON string, as old browsers write it perhaps without its quotes but with `\ufffd` in front.
    0.7 sends it as it is, and browsers make CR LF of every line end.
    """
    text = decode_text(decode_field(body))
    if not text.startswith(('"', "\\")):
        return text.replace("\r\n", "\n").encode()
    payload = json.decode(text if text[0] == '"' else f'"{text}"')
    if not isinstance(payload, str):
        raise DecodeError(f"the d of a form is a JSON string, not {text[:20]!r}")
    return payload.encode()


def encode_chunk(payload: bytes) -> bytes:
    """Write a payload as a script element, in ASCII, that nothing in the payload can end (WP-34)."""
    return b"<script>_(%b);</script>" % encode_literal(payload.decode())


def encode_first_part(sid: str) -> bytes:
    """Write the beginning of an xhr-multipart answer, whose first part has the session's id (WP-35)."""
    return _DELIMITER + encode_part(sid.encode())


def encode_part(payload: bytes) -> bytes:
    """Write a payload as a part, delimited at its end: the client sees it at once (WP-35; RFC 2046, section 5.1.1).

    ValueError for a payload that has the delimiter in it; there is none after `socketio1.as_json_message`.
    """
    if b"\n--socketio" in b"\n" + payload:
        raise ValueError("the payload would begin a part of its own: use as_json_message")
    return b"%b%b\r\n%b" % (_PART_HEAD, payload, _DELIMITER)


def decode_policy_request(data: bytes) -> bool:
    """Tell whether Flash's question for a policy is complete, False if there may be more (WP-60).

    Raises DecodeError for anything else, and for what comes behind it.
    """
    if not POLICY_REQUEST.startswith(data):
        raise DecodeError(f"Flash asks for a policy with {POLICY_REQUEST!r}, not {data[:30]!r}")
    return data == POLICY_REQUEST


def encode_policy(domains: Sequence[str] = ("*",), ports: str = "*") -> bytes:
    """Write which domains' films may connect to which ports ("80,8000-8010"); a NUL ends it (WP-60)."""
    grants = "".join(f'<allow-access-from domain="{escape(domain)}" to-ports="{escape(ports)}"/>' for domain in domains)
    return f"<cross-domain-policy>{grants}</cross-domain-policy>\0".encode()
