"""The inner loops of a WebSocket's reader, in Python: what stands in where `_frames.c` could not be compiled.

Both do the same, and share their tests. Compiled, an acknowledged event costs a sixth less.
"""

_FINAL_TEXT = 0x81


def cut(data: bytes, at: int, limit: int, messages: list[str]) -> int:
    """Append the messages of the common frames that begin at `at`; return where the first other one begins.

    Common is whole, unfragmented, masked text, short, of at most `limit` bytes, and valid. Whatever else is
    there, broken or only unusual or not complete, is left to the caller (RFC 6455, section 5.2).
    """
    n = len(data)
    while at + 6 <= n and data[at] == _FINAL_TEXT:
        size, body = data[at + 1] - 0x80, at + 6
        end = body + size
        if not 0 <= size < 126 or end > n or size > limit:
            break
        try:
            messages.append(unmask(data[at + 2 : body], data[body:end]).decode())
        except UnicodeDecodeError:
            break
        at = end
    return at


def unmask(mask: bytes, data: bytes) -> bytes:
    """Exclusive-or the data with the four bytes of the mask; ValueError for another number (section 5.3)."""
    if len(mask) != 4:
        raise ValueError(f"the mask has {len(mask)} bytes: give 4")
    n = len(data)
    key = int.from_bytes((mask * (n // 4 + 1))[:n], "little")
    return (int.from_bytes(data, "little") ^ key).to_bytes(n, "little")
