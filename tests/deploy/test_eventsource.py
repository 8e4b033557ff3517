"""Server-Sent Events behind nginx, HAProxy and Apache: each event at once, and no query in the logs."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.backends import waterspout
from deploy.proxies import Front, proxied
from deploy.reports import lines, script
from deploy.visitor import Polling, Visitor
from server.listener import Heard, Reader

pytestmark = pytest.mark.parametrize(
    "kind",
    ["nginx", *(pytest.param(kind, marks=pytest.mark.hosts) for kind in ("haproxy", "apache2"))],
    indirect=True,
    scope="module",
)
IDLE_SECONDS = 3  # and the server sends a comment each 0.4 s
SECRETS = "token=T0ken-of-a-user", "last_event_id=earliest"


@pytest.fixture(scope="module")
def front(kind: str, folder: Path, host: str) -> Iterator[Front]:
    with (
        waterspout(folder, host=host).running() as backend,
        proxied(kind, [backend.address], folder, idle=f"{IDLE_SECONDS}s") as front,
    ):
        yield front


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def secure(request: pytest.FixtureRequest) -> bool:
    value: bool = request.param
    return value


class Stream:
    """An event stream that is read as it comes."""

    def __init__(self, response: http.client.HTTPResponse, last_id: str) -> None:
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
        assert response.headers["Content-Encoding"] is None
        self.response, self.reader = response, Reader(last_id)
        assert self.next().type == "stream-open"

    def next(self) -> Heard:
        """Wait for the next event."""
        while not self.reader.events:
            self.read()
        return self.reader.events.pop(0)

    def read(self) -> None:
        """Wait for some bytes; EOFError at an end that is complete, IncompleteRead at any other."""
        piece = self.response.read1()
        if not piece:
            raise EOFError
        self.reader.feed(piece)

    def read_until_cut(self) -> None:
        """Read to an end that is not complete."""
        with pytest.raises(http.client.IncompleteRead):
            self._read_on()

    def _read_on(self) -> None:
        while True:
            self.read()


@contextmanager
def streaming(front: Front, target: str, last_id: str = "", *, secure: bool = False) -> Iterator[Stream]:
    with Visitor(front, secure=secure) as visitor:
        fields = {"Last_Event_ID": last_id} if last_id else {}
        visitor.ask("GET", target, None, Accept_Encoding="gzip, deflate", **fields)
        yield Stream(visitor.begun(), last_id)


def test_events_come_one_by_one_and_who_comes_back_misses_none(front: Front, secure: bool) -> None:
    with Visitor(front) as visitor:
        beside = Polling(visitor)
        with streaming(front, "/prices", secure=secure) as stream:
            for value in range(3):  # each alone: the next is not published before it has come
                published = beside.call("publish", "prices", value)
                heard = stream.next()
                assert (heard.value, heard.id) == (value, published)
            last_id = stream.reader.last_id
        missed = [beside.call("publish", "prices", value) for value in (3, 4)]
        for target, field in ((f"/prices?last_event_id={last_id}", ""), ("/prices", last_id)):
            with streaming(front, target, field, secure=secure) as stream:
                assert [stream.next().id for _ in missed] == missed


def test_a_stream_lives_beyond_the_idle_limits_because_of_its_comments(front: Front) -> None:
    with streaming(front, "/prices?silent=1") as silent, streaming(front, "/prices") as stream:
        silent.read_until_cut()  # the limit is there
        comments = stream.reader.comments
        while stream.reader.comments < comments + 2 * IDLE_SECONDS / 0.4:
            stream.read()
        with Visitor(front) as visitor:
            Polling(visitor).call("publish", "prices", "late")
        assert stream.next().value == "late"


def test_an_end_is_complete_only_if_the_channel_has_ended(front: Front, secure: bool) -> None:
    name = f"{front.kind}-{secure}"
    with Visitor(front) as visitor:
        beside = Polling(visitor)
        with streaming(front, "/prices", secure=secure) as stream:
            beside.call("disconnect subscribers")
            stream.read_until_cut()
            assert stream.reader.retry is not None
        with streaming(front, f"/runs/{name}", secure=secure) as stream:
            last_id = beside.call("end", name)
            assert stream.next().id == last_id
            with pytest.raises(EOFError):
                stream.read()
        assert visitor.get(f"/runs/{name}?lastEventId={last_id}") == (204, b"")


def test_http2_carries_events_one_by_one(node: str, front: Front) -> None:
    with script(node, front, "http2events.mjs", front.url(secure=True)) as process:
        (seen,) = lines(process)
    assert seen["protocol"] == "h2"
    assert seen["values"] == [0, 1, 2]
    assert "connection" not in seen["headers"]
    assert seen["resetCode"] or front.kind == "haproxy"  # HAProxy 2.6 makes an incomplete end a complete one there


def test_pages_of_the_same_origin_may_subscribe_and_others_not(front: Front, secure: bool) -> None:
    for origin, status in ((front.url(secure=secure), 200), ("https://other.example", 403)):
        with Visitor(front, secure=secure) as visitor:
            visitor.ask("GET", "/prices", Origin=origin)
            assert visitor.begun().status == status


def test_the_logs_have_no_query_whatever_becomes_of_the_request(front: Front) -> None:
    query = "&".join(SECRETS)
    with Visitor(front) as visitor:
        beside = Polling(visitor)
        referring = {"Referer": f"{front.url()}/index.html?{query}"}
        for method, target in (("POST", "/prices"), ("GET", "/runs/a/b"), ("GET", "/index.html")):
            visitor.ask(method, f"{target}?{query}", None, **referring)
            assert visitor.answer()[0] in (404, 405)
        with streaming(front, f"/prices?{query}") as stream:
            beside.call("disconnect subscribers")
            stream.read_until_cut()
        with streaming(front, f"/prices?{query}&silent=1") as silent:  # which the proxy cuts by itself
            silent.read_until_cut()
    logged = front.logged()
    assert " 200 " in logged
    assert [secret for secret in SECRETS if secret.partition("=")[2] in logged] == []
