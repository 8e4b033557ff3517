"""The bytes of Socket.IO 0.7 to 0.9: packets, and what its transports put around them."""

from .envelopes import decode_policy_request, encode_policy
from .socketio import decode, decode_payload, encode_payload

__all__ = ["decode", "decode_payload", "decode_policy_request", "encode_payload", "encode_policy"]
