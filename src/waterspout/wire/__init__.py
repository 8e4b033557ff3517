"""Bytes to values and back: pure functions and tiny decoders."""
