"""Requests of HTTP/1: heads and chunks, and what is refused of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waterspout.errors import DecodeError
from waterspout.wire.heads import MAX_HEAD_BYTES, ChunkDecoder, Head, HeadDecoder, HeadTooLarge

GET = b"GET /a?b=%2f HTTP/1.1\r\nHost: here\r\nX-Both: one \r\nx-both:\ttwo\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"


def take(data: bytes) -> Head | None:
    return HeadDecoder().take(bytearray(data))


def chunks(data: bytes) -> tuple[bytes, bytes, bool]:
    """Return the content, what is left behind it, and whether it is complete."""
    decoder, buffer, content = ChunkDecoder(), bytearray(data), b""
    while part := decoder.take(buffer, 3):
        content += part
    return content, bytes(buffer), decoder.is_complete


def test_a_head_is_cut_from_what_follows() -> None:
    buffer = bytearray(b"\r\n" + GET + b"next")
    head = HeadDecoder().take(buffer)
    assert head is not None
    assert (head.method, head.target, head.version) == ("GET", "/a?b=%2f", "HTTP/1.1")
    assert head.fields == [("Host", "here"), ("X-Both", "one"), ("x-both", "two")]
    assert head.values("x-both") == ["one", "two"]
    assert (head.length, head.keeps_open) == (0, True)
    assert buffer == b"next"


def test_a_head_byte_by_byte_is_the_same_and_the_next_one_is_read_too() -> None:
    decoder, buffer = HeadDecoder(), bytearray()
    found = []
    for byte in GET + GET:
        buffer.append(byte)
        found.append(decoder.take(buffer))
    heads = [head for head in found if head is not None]
    assert heads == [take(GET)] * 2
    assert found.index(heads[0]) == len(GET) - 1


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        (b"", 0),
        (b"Content-Length: 0\r\n", 0),
        (b"Content-Length: 007\r\n", 7),
        (b"Content-Length:7\t\r\n", 7),
        (b"Content-Length: 7, 7,7\r\n", 7),
        (b"Transfer-Encoding: chunked\r\n", None),
        (b"transfer-encoding: Chunked\r\n", None),
    ],
)
def test_the_length_of_a_body(fields: bytes, length: int | None) -> None:
    head = take(POST + fields + b"\r\n")
    assert head is not None
    assert head.length == length


@pytest.mark.parametrize(
    ("head", "keeps_open"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost:\r\nConnection: upgrade, Close\r\n\r\n", False),
        (b"GET / HTTP/1.9\r\nHost: a\r\n\r\n", True),
    ],
)
def test_whether_the_connection_is_kept(head: bytes, keeps_open: bool) -> None:
    found = take(head)
    assert found is not None
    assert found.keeps_open is keeps_open


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3\r\nContent-Length: 3\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: 3, 4\r\n",
        b"Content-Length: +3\r\n",
        b"Content-Length: -3\r\n",
        b"Content-Length: 3 4\r\n",
        b"Content-Length: 0x3\r\n",
        b"Content-Length: 3_0\r\n",
        b"Content-Length: \xb3\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 9999999999999999999\r\n",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding:\r\n",
        b"Content-Length : 3\r\n",
        b" Content-Length: 3\r\n",
        b"\tContent-Length: 3\r\n",
        b"Host: there\r\n",
        b"A: b\r\n c\r\n",
        b"A: b\0c\r\n",
        b"A: b\rc\r\n",
        b"A: b\x7f\r\n",
        b"A\xa0: b\r\n",
        b": b\r\n",
        b"A\r\n",
        b"A: b\n",
    ],
)
def test_what_is_framed_wrongly_or_twice_is_refused(fields: bytes) -> None:
    for data in (POST + fields + b"\r\n", POST + b"X: y\r\n" + fields + b"Z: z\r\n\r\n"):
        with pytest.raises(DecodeError):
            take(data)


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /\r\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET / http/1.1\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET\t/ HTTP/1.1\r\n",
        b"GET /\0 HTTP/1.1\r\n",
        b"G@T / HTTP/1.1\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        b"\x16\x03\x01\n",
        b"GET / HTTP/1.1\r\nHost: a\n",
    ],
)
def test_a_beginning_that_becomes_no_request_is_refused_at_once(beginning: bytes) -> None:
    with pytest.raises(DecodeError):
        take(beginning)


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_what_a_version_does_not_allow_is_refused(head: bytes) -> None:
    with pytest.raises(DecodeError):
        take(head)


def test_a_head_is_bounded_and_no_byte_is_searched_twice() -> None:
    decoder, buffer = HeadDecoder(), bytearray(POST)
    for _ in range(MAX_HEAD_BYTES // 1000 + 1):
        assert decoder.take(buffer) is None
        assert decoder._searched == len(buffer)
        buffer += b"X" * 1000
    with pytest.raises(HeadTooLarge) as refused:
        decoder.take(buffer)
    assert refused.value.status == 431


def test_chunks_are_joined_and_what_is_behind_them_is_left() -> None:
    data = b"5;a=b\r\nhello\r\n00A \r\n0123456789\r\n0\r\nTrailer: a\r\n\r\nnext"
    assert chunks(data) == (b"hello0123456789", b"next", True)


def test_chunks_byte_by_byte_are_the_same() -> None:
    decoder, buffer, content = ChunkDecoder(), bytearray(), b""
    for byte in b"3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n":
        buffer.append(byte)
        content += decoder.take(buffer, 10)
    assert (content, decoder.is_complete) == (b"abcd", True)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"g\r\n",
        b"+3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b" 3\r\nabc\r\n",
        b"3\nabc\r\n",
        b"3;a\nb\r\nabc\r\n",
        b"3;a\x00\r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"f" * 16 + b"\r\n",
        b"0\r\n a\r\n\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        b"1;" + b"a" * 5000,
        (b"1;" + b"a" * 4000 + b"\r\nx\r\n") * 5,
        b"0\r\n" + (b"A: " + b"b" * 4000 + b"\r\n") * 5,
    ],
    ids=lambda data: ascii(data[:20]),
)
def test_chunks_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        chunks(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_refused(data: bytes) -> None:
    for prefix in (b"", b"GET ", POST, b"3\r\n"):
        for decode in (take, chunks):
            try:
                decode(prefix + data)
            except DecodeError:
                pass
