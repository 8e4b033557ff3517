"""The frames of a WebSocket as a client makes and reads them."""

from ..wire.deflate import inflate

_LARGEST = 1 << 30  # bytes that a server's message may unpack to


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Make a frame as a client does, masked with zeros so that its payload can be read in a failing test.

    `opcode` may have reserved bits beside it: 0x41 is a text whose payload is compressed.
    """
    first = opcode | (0x80 if final else 0)
    n = len(payload)
    if n < 126:
        head = bytes((first, 0x80 | n))
    elif n < 65_536:
        head = bytes((first, 0x80 | 126)) + n.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + n.to_bytes(8, "big")
    return head + bytes(4) + payload


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut a server's frames, which are whole and unmasked, into opcodes and payloads; compressed ones are unpacked."""
    frames = []
    while data:
        size, at = data[1], 2
        if size > 125:
            at += 2 if size == 126 else 8
            size = int.from_bytes(data[2:at], "big")
        payload = data[at : at + size]
        frames.append((data[0] & 0x0F, inflate(payload, _LARGEST) if data[0] & 0x40 else payload))
        data = data[at + size :]
    return frames
