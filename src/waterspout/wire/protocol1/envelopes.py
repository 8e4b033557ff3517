r"""The envelopes of payloads of Socket.IO 0.7 to 0.9: scripts, forms, pages, parts; and Flash's socket policy.

The sources are the rows (WP-...) of docs/protocol-1.md. Payloads for transports of browsers consist of packets that
`socketio1.as_json_message` has returned.
"""

from collections.abc import Sequence
from html import escape

from ...errors import DecodeError
from .. import json
from ..engineio4 import decode_text
from ..jsonp import decode_field, encode_literal

POLICY_REQUEST = b"<policy-file-request/>\0"

PREAMBLE = b"<html><body><script>function _(text){parent.s._(text,document)}</script>".ljust(256)
"""The beginning of an htmlfile: the function that its chunks call, and blanks up to 256 bytes, before which Internet
Explorer runs no script (WP-34).
"""

_DELIMITER = b"--socketio\r\n"
_PART_HEAD = b"Content-Type: text/plain; charset=UTF-8\r\n\r\n"

MULTIPART = 'multipart/x-mixed-replace;boundary="socketio"'
"""The content type of an answer with parts of `encode_part` (WP-35)."""


def encode_script(index: int, payload: bytes) -> bytes:
    """Write a payload, or the answer to a handshake, as a script for callback number `index` (WP-4, WP-32).

    It is ASCII without "<", whatever the payload, and begins with a comment (CVE-2014-4671).
    """
    return b"/**/io.j[%d](%b);" % (index, encode_literal(payload.decode()))


def encode_script_error(index: int, message: str) -> bytes:
    """Write the refusal of a handshake as a script (WP-5)."""
    return b"/**/io.j[%d](new Error(%b));" % (index, encode_literal(message))


def decode_form(body: bytes) -> bytes:
    r"""Read the payload of a form, `d=<payload>` in application/x-www-form-urlencoded (WP-33); raises DecodeError.

    From 0.8 on it is a JSON string; old browsers may write it without its quotes, but with `\ufffd` in front. 0.7 sends
    the text itself, with CR LF for every line break.
    """
    text = decode_text(decode_field(body))
    if not text.startswith(('"', "\\")):
        return text.replace("\r\n", "\n").encode()
    payload = json.decode(text if text[0] == '"' else f'"{text}"')
    if not isinstance(payload, str):
        raise DecodeError(f"the d of a form is a JSON string, not {text[:20]!r}")
    return payload.encode()


def encode_chunk(payload: bytes) -> bytes:
    """Write a payload as a script element, in ASCII; the payload cannot end the element (WP-34)."""
    return b"<script>_(%b);</script>" % encode_literal(payload.decode())


def encode_first_part(sid: str) -> bytes:
    """Write the beginning of an xhr-multipart answer: its first part is the session's id (WP-35)."""
    return _DELIMITER + encode_part(sid.encode())


def encode_part(payload: bytes) -> bytes:
    """Write a payload as a part with the delimiter behind it, so that the client gets it at once (WP-35).

    ValueError for a payload that contains the delimiter (RFC 2046, section 5.1.1), which `socketio1.as_json_message`
    prevents.
    """
    if b"\n--socketio" in b"\n" + payload:
        raise ValueError("the payload would begin a part of its own: use as_json_message")
    return b"%b%b\r\n%b" % (_PART_HEAD, payload, _DELIMITER)


def decode_policy_request(data: bytes) -> bool:
    """Tell whether Flash's policy request is complete; False if more may follow (WP-60).

    DecodeError for any other data, and for bytes behind the request.
    """
    if not POLICY_REQUEST.startswith(data):
        raise DecodeError(f"Flash asks for a policy with {POLICY_REQUEST!r}, not {data[:30]!r}")
    return data == POLICY_REQUEST


def encode_policy(domains: Sequence[str] = ("*",), ports: str = "*") -> bytes:
    """Write the policy that lets films of these domains connect to ports ("80,8000-8010"); it ends with NUL (WP-60)."""
    grants = "".join(f'<allow-access-from domain="{escape(domain)}" to-ports="{escape(ports)}"/>' for domain in domains)
    return f"<cross-domain-policy>{grants}</cross-domain-policy>\0".encode()
