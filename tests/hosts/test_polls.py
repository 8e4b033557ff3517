"""Which requests are read as polls, without the HTTP of a server: those that any other parser reads in the same way."""

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waterspout import Server
from waterspout.hosts.polls import Poll, PollReader, Sender
from waterspout.hosts.residence import Residence
from waterspout.wire.heads import MAX_HEAD_BYTES, Fields

TARGET = b"/socket.io/?EIO=4&transport=polling&sid=abc"
GET = b"GET %b HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n" % TARGET
POST = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nOrigin: http://a\r\n\r\n40" % TARGET


class Reading:
    """A reader, and the header fields that it has asked about."""

    def __init__(self) -> None:
        self.asked: list[Fields] = []
        self.residence = Residence.of(Server().engine)
        self.reader = PollReader({b"/socket.io/": self.residence}, self.identify)

    def identify(self, fields: Fields) -> Sender:
        self.asked.append(fields)
        return Sender("192.0.2.1", None, fields)

    def read(self, data: bytes) -> Poll | None:
        return self.reader.read(data)


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_a_poll_is_read_with_its_fields_and_its_body(reading: Reading) -> None:
    poll = reading.read(POST + GET)
    assert poll is not None
    assert poll.residence is reading.residence
    assert (poll.start, poll.length) == (len(POST) - 2, 2)
    request = poll.request
    assert (request.method, request.target.encode(), request.remote_address) == ("POST", TARGET, "192.0.2.1")
    assert (request.host, request.header("ORIGIN"), request.param("sid")) == ("a", "http://a", "abc")


def test_lines_that_come_again_are_read_once_whatever_the_length_of_the_body(reading: Reading) -> None:
    lengths = []
    for length in (2, 7, 12, 1000, 3):
        poll = reading.read(POST.replace(b"Length: 2", b"Length: %d" % length))
        assert poll is not None
        lengths.append(poll.length)
        assert reading.read(GET.replace(b"sid=abc", b"sid=d%d" % length)) is not None
    assert lengths == [2, 7, 12, 1000, 3]
    assert len(reading.asked) == 2
    assert reading.read(GET.replace(b"Accept: */*", b"Accept: text/*")) is not None
    assert reading.read(POST.replace(b"http://a", b"http://b")) is not None
    assert len(reading.asked) == 4


def test_a_length_is_digits_and_nothing_else_where_lines_come_again(reading: Reading) -> None:
    assert reading.read(POST) is not None
    for length in (b"", b"+2", b"-2", b"2 ", b" 2", b"2, 3", b"0x2", b"2_0", "²".encode(), b"1" * 19):
        assert reading.read(POST.replace(b" 2\r\n", b" %b\r\n" % length)) is None or length == b" 2", length
    smuggled = POST.replace(b" 2\r\n", b" 2\r\nTransfer-Encoding: chunked\r\nX: 2\r\n")
    assert reading.read(smuggled) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GET[:-1],
        GET.replace(b"GET", b"HEAD"),
        GET.replace(b"GET", b"get"),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET.replace(b"sid=", b"t="),
        GET.replace(b"sid=abc", b"sid="),
        GET.replace(b"sid=abc", b"sid=&t=abc"),
        GET.replace(b"&sid=", b"&nosid="),
        GET.replace(b"/socket.io/", b"/socket.io"),
        GET.replace(b"/socket.io/", b"/socket%2Eio/"),
        GET.replace(b"/socket.io/", b"http://a/socket.io/"),
        GET.replace(b"abc", b"a#c"),
        GET.replace(b"abc", b"a\tc"),
        GET.replace(b"abc", "ä".encode()),
        GET.replace(b"GET ", b"GET  "),
        GET.replace(b"Host: a\r\n", b""),
        GET.replace(b"Host: a\r\n", b"Host: a\r\nHost: b\r\n"),
        GET.replace(b"Host: a\r\n", b"Host: a\n"),
        GET.replace(b"Host:", b"Host :"),
        GET.replace(b"*/*", b"*/*\r\n folded"),
        GET.replace(b"*/*", b"*/*\0"),
        GET.replace(b"Accept: */*", b"Connection: close"),
        GET.replace(b"Accept: */*", b"Connection: Upgrade\r\nUpgrade: websocket"),
        GET.replace(b"Accept: */*", b"X: " + b"x" * MAX_HEAD_BYTES),
        POST.replace(b"Origin: http://a", b"Expect: 100-continue"),
        POST.replace(b"Origin: http://a", b"Content-Length: 2"),
        POST.replace(b"Origin: http://a", b"Transfer-Encoding: chunked"),
        POST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
        POST.replace(b"Length: 2", b"Length: 2 "),
        POST.replace(b"Length: 2", b"Length: 2,2"),
    ],
)
def test_what_is_unusual_is_left_to_the_server(reading: Reading, data: bytes) -> None:
    assert reading.read(data) is None
    assert reading.read(GET) is not None
    assert reading.read(POST) is not None
    assert reading.read(data) is None


class Heard:
    """What httptools makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.url, self.body, self.has_ended = b"", b"", False
        self.fields: list[tuple[bytes, bytes]] = []
        self.parser: Any = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.has_ended = True


NAMES = [
    b"Host",
    b"Content-Length",
    b"content-length",
    b"Connection",
    b"Transfer-Encoding",
    b"Cookie",
    b"X",
    b"X:",
    b"",
]
VALUES = [
    b"",
    b" ",
    b"2",
    b" 2",
    b"02",
    b"2\t",
    b"close",
    b"keep-alive",
    b"chunked",
    b"a",
    "ä".encode(),
    b"a\r\n b",
    b"\n",
]
LINES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([b":", b": "]), st.sampled_from(VALUES)), max_size=4)


@given(st.sampled_from([b"GET", b"POST"]), st.lists(LINES, min_size=2, max_size=2))
@example(b"POST", [[(b"Content-Length", b": ", b"2")], [(b"Content-Length", b": ", b"02")]])
def test_what_is_read_is_what_another_parser_reads(
    method: bytes, heads: list[list[tuple[bytes, bytes, bytes]]]
) -> None:
    """Two requests of one connection, so that the second may be like the first."""
    reading = Reading()
    for lines in heads:
        fields = b"".join(b"%b%b%b\r\n" % line for line in lines)
        data = b"%b %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (method, TARGET, fields)
        poll = reading.read(data + b"xx")
        if poll is None:
            continue
        body = b"x" * poll.length
        heard = Heard(data + body)
        assert heard.has_ended
        assert (heard.parser.get_method(), heard.url, heard.body) == (method, TARGET, body)
        assert heard.parser.should_keep_alive()
        sent = {name.decode(): value.decode("latin-1").rstrip(" \t") for name, value in heard.fields}
        sent.pop("content-length", None)
        if len(sent) == len([name for name, _ in heard.fields if name != b"content-length"]):
            assert dict(poll.request.headers) == sent
