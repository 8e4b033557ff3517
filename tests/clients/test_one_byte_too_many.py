"""`max_payload_bytes` as bytes on the wire: one more is answered 413, or ends the WebSocket with 1009."""

import http.client
import json
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest

LIMIT = 1_000_000
WATCHDOG_SECONDS = 10
TEXT, CONTINUATION, BINARY, CLOSE = 1, 0, 2, 8


class Polling:
    """A session over one kept-alive HTTP connection."""

    def __init__(self, generation: int, connection: http.client.HTTPConnection) -> None:
        self.generation = generation
        self.connection = connection
        self.path = f"/socket.io/?EIO={generation}&transport=polling"
        _, body = self.request("GET")
        handshake, _ = json.JSONDecoder().raw_decode(body.decode(), body.index(b"{"))
        self.path += f"&sid={handshake['sid']}"

    def request(self, method: str, body: bytes | Iterable[bytes] = b"") -> tuple[int, bytes]:
        self.connection.request(method, self.path, body, encode_chunked=not isinstance(body, bytes))
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def payload(self, size: int) -> bytes:
        """Return that many bytes, one packet that a client may send first: an event, or a CONNECT."""
        prefix, suffix = b'40{"token":"', b'"}'
        if self.generation == 3:
            prefix, suffix = b'%d:42["echo","' % (size - len("999993:")), b'"]'
        return prefix + b"x" * (size - len(prefix) - len(suffix)) + suffix

    def close(self) -> tuple[int, bytes]:
        return self.request("POST", b"1:1" if self.generation == 3 else b"1")


@pytest.fixture(params=[3, 4])
def polling(request: pytest.FixtureRequest, port: int) -> Iterator[Polling]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WATCHDOG_SECONDS)) as connection:
        yield Polling(request.param, connection)


def test_a_post_of_the_limit_is_taken(polling: Polling) -> None:
    assert polling.request("POST", polling.payload(LIMIT)) == (200, b"ok")
    assert polling.close() == (200, b"ok")


def test_a_post_of_one_byte_more_is_answered_413_and_the_session_lives(polling: Polling) -> None:
    status, _ = polling.request("POST", polling.payload(LIMIT + 1))
    assert status == 413
    assert polling.close() == (200, b"ok")


def test_a_chunked_post_of_one_byte_more_is_answered_413_too(polling: Polling) -> None:
    body = polling.payload(LIMIT + 1)
    status, _ = polling.request("POST", (body[at : at + 50_000] for at in range(0, len(body), 50_000)))
    assert status == 413
    assert polling.close() == (200, b"ok")


@pytest.fixture(params=[3, 4])
def websocket(request: pytest.FixtureRequest, port: int) -> Iterator[socket.socket]:
    """A WebSocket whose client is connected to "/", which takes a packet in Engine.IO 4 only."""
    with closing(socket.create_connection(("127.0.0.1", port), WATCHDOG_SECONDS)) as connection:
        connection.sendall(
            b"GET /socket.io/?EIO=%d&transport=websocket HTTP/1.1\r\nHost: test\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % request.param
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += read(connection, 1)
        assert head.startswith(b"HTTP/1.1 101 ")
        if request.param == 4:
            connection.sendall(frame(TEXT, b"40"))
        while not next_frame(connection)[1].startswith(b"40"):
            pass
        yield connection


def read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        received = connection.recv(size - len(data))
        assert received, "the server closed the connection without a close frame"
        data += received
    return data


def frame(opcode: int, data: bytes = b"", *, announced: int | None = None, final: bool = True) -> bytes:
    """Return a client's frame under the mask 0."""
    size = len(data) if announced is None else announced
    length = bytes([0x80 | size]) if size < 126 else struct.pack("!BQ", 0xFF, size)
    return bytes([opcode | final << 7]) + length + bytes(4) + data


def next_frame(connection: socket.socket) -> tuple[int, bytes]:
    first, size = read(connection, 2)
    if size == 126:
        (size,) = struct.unpack("!H", read(connection, 2))
    return first & 0x0F, read(connection, size)


def close_code(connection: socket.socket) -> int:
    while (received := next_frame(connection))[0] != CLOSE:
        pass
    return int.from_bytes(received[1][:2])


def test_a_message_of_the_limit_is_taken(websocket: socket.socket) -> None:
    prefix, suffix = b'420["size","', b'"]'
    text = b"x" * (LIMIT - len(prefix) - len(suffix))
    websocket.sendall(frame(TEXT, prefix + text + suffix))
    while not (received := next_frame(websocket)[1]).startswith(b"43"):
        pass
    assert received == b"430[%d]" % len(text)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_one_byte_more_is_closed_with_1009(websocket: socket.socket, opcode: int) -> None:
    websocket.sendall(frame(opcode, b"4" * (LIMIT + 1)))
    assert close_code(websocket) == 1009


def test_the_header_of_one_byte_more_is_enough(websocket: socket.socket) -> None:
    websocket.sendall(frame(TEXT, announced=LIMIT + 1))
    assert close_code(websocket) == 1009


def test_fragments_are_counted_together(websocket: socket.socket) -> None:
    websocket.sendall(frame(TEXT, b"4" * LIMIT, final=False) + frame(CONTINUATION, b"4"))
    assert close_code(websocket) == 1009
