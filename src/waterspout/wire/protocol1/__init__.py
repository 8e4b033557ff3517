"""The bytes of Socket.IO 0.7 to 0.9: packets, and what its transports put around them."""

from .envelopes import (
    MULTIPART,
    PREAMBLE,
    decode_form,
    decode_policy_request,
    encode_chunk,
    encode_first_part,
    encode_part,
    encode_policy,
    encode_script,
)
from .socketio import as_json_message, decode, decode_payload, encode_payload

__all__ = [
    "MULTIPART",
    "PREAMBLE",
    "as_json_message",
    "decode",
    "decode_form",
    "decode_payload",
    "decode_policy_request",
    "encode_chunk",
    "encode_first_part",
    "encode_part",
    "encode_payload",
    "encode_policy",
    "encode_script",
]
