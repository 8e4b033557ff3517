"""The bytes of Socket.IO 0.7 to 0.9: packets, and what its transports put around them."""

from .socketio import decode, decode_payload, encode_payload

__all__ = ["decode", "decode_payload", "encode_payload"]
