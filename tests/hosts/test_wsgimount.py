"""A WSGI application beside a server in a process of its own: bodies on their way to it, and what it may be."""

import threading
from functools import partial
from tempfile import TemporaryFile
from typing import Any

import pytest

from hosts.client import Wire, request
from hosts.suite.bodies import AT_ONCE
from hosts.suite.echo import Echo
from hosts.suite.polling import chunked, head
from hosts.tornado_host import LOOPS
from hosts.web_host import WebHost
from waterspout import CannotStart, Server
from waterspout.hosts import spools, wsgimount
from waterspout.hosts.wsgimount import AppMount, check_wsgi
from waterspout.hosts.wsgithreads import ThreadedWSGI

LIMIT = 200_000


@pytest.fixture
def host() -> WebHost:
    return WebHost(LOOPS["asyncio"])


def measuring(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with what the body was, read in three ways."""
    source = environ["wsgi.input"]
    read = source.read(2) + source.readline(3) + b"".join(source)
    assert len(read) == int(environ["CONTENT_LENGTH"])
    start_response("200 OK", [])
    return [b"%d %s" % (len(read), bytes(sorted(set(read))))]


async def serve(host: WebHost, application: Any = measuring) -> ThreadedWSGI:
    container = ThreadedWSGI(application, 1, max_bytes=LIMIT)
    host.behind = AppMount(container).routes
    await host.serve(Echo().server)
    return container


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, LIMIT])
@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_a_body_is_whole_before_a_thread_takes_it(host: WebHost, size: int, framing: str) -> None:
    container = await serve(host)
    wire = await host.connect()
    body = b"x" * size
    wire.send(request("POST", "/", body=body) if framing != "chunked" else chunked("/", *filter(None, [body]), b""))
    answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b"%d %s" % (size, b"x" if size else b""))
    assert container.store.stored_bytes == 0


async def test_a_body_that_is_long_waits_in_a_file_and_holds_no_thread(host: WebHost) -> None:
    container = await serve(host)
    slow, other = await host.connect(), await host.connect()
    slow.send(head("/", ("Content-Length", "100000")) + b"x" * 80_000)
    await host.until(lambda: container.store.stored_bytes == 80_000)
    assert (await other.ask("POST", "/", body=b"ab")).body == b"2 ab"
    slow.send(b"y" * 20_000)
    assert (await slow.answer()).body == b"100000 xy"
    assert container.store.stored_bytes == 0


async def refused(wire: Wire, status: int, text: bytes) -> None:
    answer = await wire.answer()
    assert (answer.status, answer.body) == (status, text)
    assert await wire.rest() == b""


@pytest.mark.parametrize("kind", ["announced", "chunked", "far too long", "with Expect"])
async def test_a_body_that_is_too_long_is_refused(host: WebHost, kind: str) -> None:
    container = await serve(host)
    wire = await host.connect()
    too_long = b"the body has more than 200000 bytes"
    if kind == "announced":  # the client reads when it has sent, and goes on
        assert (await wire.ask("POST", "/", body=b"x" * (LIMIT + 1))).body == too_long
        assert (await wire.ask("POST", "/", body=b"ab")).body == b"2 ab"
        return
    if kind == "chunked":
        wire.send(chunked("/", *[b"x" * 100_000] * 9))
    elif kind == "far too long":
        wire.send(head("/", ("Content-Length", "100000000000")))
    else:
        wire.send(head("/", ("Content-Length", str(LIMIT + 1)), ("Expect", "100-continue")))
    await refused(wire, 413, too_long)
    assert container.store.stored_bytes == 0


async def test_bodies_that_wait_have_a_limit_in_all(host: WebHost) -> None:
    container = await serve(host)
    container.store.max_stored_bytes = 150_000
    first, second = await host.connect(), await host.connect()
    first.send(head("/", ("Content-Length", "100001")) + b"x" * 100_000)
    await host.until(lambda: container.store.stored_bytes == 100_000)
    answer = await second.ask("POST", "/", body=b"x" * 100_000)
    assert (answer.status, answer.body, answer.field("retry-after")) == (503, b"there is no room for the body", "5")
    assert (await second.ask("POST", "/", body=b"x" * 60_000)).status == 200
    first.abort()
    await host.until(lambda: container.store.stored_bytes == 0)
    assert (await second.ask("POST", "/", body=b"x" * 100_000)).status == 200


@pytest.mark.parametrize("buffering", [4096, 1_000_000], ids=["when it is written", "at the end"])
@pytest.mark.parametrize("place", ["body", "answer"])
async def test_a_full_disk_is_told_and_costs_nothing(
    host: WebHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str, buffering: int
) -> None:
    files = [partial(open, "/dev/full", "r+b", buffering)]
    files.insert(0 if place == "answer" else 1, partial(TemporaryFile))

    def large(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * 80_000]

    container = await serve(host, large)
    wire = await host.connect()
    with monkeypatch.context() as patch:
        patch.setattr(spools, "SpooledTemporaryFile", lambda size: files.pop(0)())
        answer = await wire.ask("POST", "/", body=b"x" * 80_000)
    assert answer.status == (503 if place == "body" else 500)
    assert ("No space left on device" in caplog.text) == (place == "answer")
    assert container.store.stored_bytes == 0
    again = await host.connect()
    assert (await again.ask("POST", "/", body=b"x" * 80_000)).body == b"x" * 80_000
    assert container.store.stored_bytes == 0


async def test_half_a_body_ends_the_connection_and_one_that_comes_fast_enough_has_more_time(
    host: WebHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgimount, "BODY_TIMEOUT", AT_ONCE)
    container = await serve(host)
    idle, steady = await host.connect(), await host.connect()
    monkeypatch.setattr(wsgimount, "BODY_RATE", 1000)  # so 80,000 bytes give 80 s
    steady.send(head("/", ("Content-Length", "80001")) + b"x" * 80_000)
    await host.until(lambda: container.store.stored_bytes == 80_000)
    idle.send(head("/", ("Content-Length", "9")))
    assert await idle.rest() == b""
    steady.send(b"y")
    assert (await steady.answer()).body == b"80001 xy"


@pytest.mark.parametrize("what", ["early", "in the body"])
async def test_a_client_that_leaves_costs_nothing(host: WebHost, what: str) -> None:
    called = []
    container = await serve(host, lambda environ, start_response: called.append(1))
    wire = await host.connect()
    wire.send(head("/", ("Content-Length", "100000")) + b"x" * (80_000 if what == "in the body" else 0))
    await host.until(lambda: container.store.stored_bytes == (80_000 if what == "in the body" else 0))
    wire.abort()
    await host.until(lambda: not host.web._server._connections)
    assert (container.store.stored_bytes, called) == (0, [])


async def test_header_lines_have_the_limit_of_the_server(host: WebHost) -> None:
    await serve(host)
    wire = await host.connect()
    assert (await wire.ask("POST", "/", *[("X-Same", "a")] * 101, body=b"x")).status == 431


async def test_a_view_emits_to_a_room_and_waits_for_the_answers_of_clients(host: WebHost) -> None:
    views: list[threading.Thread] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        views.append(threading.current_thread())
        (echoed,) = echo.server.call("question", to="kitchen", timeout=10).wait().answers.values()
        echo.server.emit("answered", echoed, to="kitchen")
        start_response("200 OK", [])
        return [echoed.encode()]

    echo = Echo()
    echo.server.on_connect(lambda socket, auth: socket.join("kitchen"))
    host.behind = AppMount(ThreadedWSGI(application, 1)).routes
    await host.serve(echo.server)
    cook, page = await host.session(), await host.connect()
    page.send(request("GET", "/"))
    assert await cook.get() == '421["question"]'
    assert (await cook.post('431["soup"]')).body == b"ok"
    assert (await page.answer()).body == b"soup"
    assert await cook.get() == '42["answered","soup"]'
    assert views[0] is not threading.current_thread()


# What may be an application


class Callable2:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Asgi2:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Iterated:
    def __init__(self, environ: Any, start_response: Any) -> None: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def wrapped(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


def make_app(config: Any = None) -> Any:
    return measuring


def make_bare() -> Any:
    return measuring


@pytest.mark.parametrize("application", [measuring, Callable2(), Iterated, lambda *args: [], print])
def test_a_function_an_object_and_a_class_may_be_an_application(application: Any) -> None:
    check_wsgi(application, "it")


@pytest.mark.parametrize(
    ("application", "sentence"),
    [
        (asgi, "cannot serve it: that is an ASGI application, and here is the place of a WSGI application: give that"),
        (Asgi(), "cannot serve it: that is an ASGI application"),
        (Asgi2, "cannot serve it: that is an ASGI application"),
        (wrapped, "cannot serve it: that is an ASGI application"),
        (make_app, "cannot serve it: that can be called without arguments, as a function that makes an application"),
        (make_bare, "cannot serve it: that can be called without arguments, as a function that makes an application"),
        (lambda a, b, c, d: 1, "cannot serve it: that takes the arguments (a, b, c, d), and a WSGI application"),
        (Server(), "cannot serve it: that is of type 'Server', and a WSGI application can be called"),
    ],
)
def test_what_is_no_application_is_refused_with_a_remedy(application: Any, sentence: str) -> None:
    with pytest.raises(CannotStart) as refusal:
        check_wsgi(application, "it")
    assert str(refusal.value).startswith(sentence)
