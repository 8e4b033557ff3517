"""WSGI behind Tornado, in threads."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.web import FallbackHandler

from hosts.client import Wire, request
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout.hosts import wsgithreads
from waterspout.hosts.wsgithreads import ThreadedWSGI


@pytest.fixture
def host() -> TornadoHost:
    return TornadoHost(LOOPS["asyncio"])


async def serve(host: TornadoHost, application: Any, threads: int = 2, max_bytes: int = 1_000_000) -> ThreadedWSGI:
    container = ThreadedWSGI(application, threads, max_bytes=max_bytes)
    host.other_routes = [(".*", FallbackHandler, {"fallback": container})]
    await host.serve()
    return container


async def test_a_response_is_made_and_closed_in_one_thread_and_a_blank_before_a_cookie_is_no_fault(
    host: TornadoHost,
) -> None:
    threads = []

    class Response:
        def __iter__(self) -> Iterator[bytes]:
            threads.append(threading.current_thread())
            yield b"a"
            yield b"b"

        def close(self) -> None:
            threads.append(threading.current_thread())

    def application(environ: Any, start_response: Any) -> Response:
        threads.append(threading.current_thread())
        start_response("200 OK", [("Set-Cookie", " a=1; Path=/"), ("Set-Cookie", "\tb=2")])
        return Response()

    await serve(host, application)
    answer = await (await host.connect()).ask("GET", "/")
    assert answer.body == b"ab"
    assert [line for line in answer.head if "ookie" in line] == ["Set-Cookie: a=1; Path=/", "Set-Cookie: b=2"]
    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon


@pytest.mark.parametrize("fields", [[], [("content-length", "2")]])
async def test_an_answer_to_head_has_the_length_of_one_to_get_but_no_body(
    host: TornadoHost, fields: list[tuple[str, str]]
) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(fields))(b"a")
        return [b"b"]

    await serve(host, application)
    wire = await host.connect()
    for method, body in [("HEAD", b""), ("GET", b"ab")]:
        answer = await wire.ask(method, "/")
        assert (answer.field("content-length"), answer.body) == ("2", body)


@pytest.mark.parametrize("fields", [[], [("Content-Length", "2")]])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_without_a_body_leaves_its_connection_to_the_next_one(
    host: TornadoHost, status: str, fields: list[tuple[str, str]]
) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status if environ["PATH_INFO"] == "/none" else "200 OK", list(fields))
        return [b"ab"]

    await serve(host, application)
    wire = await host.connect()
    wire.send(request("GET", "/none"))
    assert (await wire.answer(bodiless=True)).head[0] == f"HTTP/1.1 {status}"
    answer = await wire.ask("GET", "/")
    assert (answer.head[0], answer.body) == ("HTTP/1.1 200 OK", b"ab")


async def test_no_more_requests_run_at_once_than_there_are_threads_and_the_end_waits_for_them(
    host: TornadoHost,
) -> None:
    gate, running, most = threading.Event(), [], []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        running.append(1)
        most.append(len(running))
        gate.wait(30)
        running.pop()
        start_response("200 OK", [])
        return [b"done"]

    container = await serve(host, application)
    wires = [await host.connect() for _ in range(5)]
    for wire in wires:
        wire.send(request("GET", "/"))
    await host.until(lambda: len(running) == 2 and len(container._running) == 5)
    asyncio.get_running_loop().call_soon(gate.set)
    await container.drain()
    assert not container._running
    assert [(await wire.answer()).body for wire in wires] == [b"done"] * 5
    assert max(most) == 2


@pytest.mark.parametrize("at", ["once", "in the middle"])
async def test_an_application_that_raises_is_answered_for_with_500_and_logged(
    host: TornadoHost, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("a fault")

    def application(environ: Any, start_response: Any) -> Any:
        if at == "once":
            raise ValueError("a fault")
        start_response("200 OK", [])
        return parts()

    container = await serve(host, application)
    wire = await host.connect()
    for method, body in [("GET", b"the application failed"), ("HEAD", b"")]:
        answer = await wire.ask(method, "/page")
        assert (answer.status, answer.field("content-length"), answer.body) == (500, "22", body)
    assert [record.getMessage() for record in caplog.records if record.name == "waterspout.host"] == [
        "the WSGI application failed at GET /page",
        "the WSGI application failed at HEAD /page",
    ]
    assert "ValueError: a fault" in caplog.text
    assert not container._running


def answering(status: str, fields: list[tuple[str, str]], body: list[bytes]) -> Any:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, fields)
        return body

    return application


async def whole(host: TornadoHost, first: bytes) -> list[bytes]:
    """Return the answer to a request, and that to a GET behind it, split into head and body."""
    wire = await host.connect()
    wire.send(first + request("GET", "/", ("Connection", "close")))
    return (await wire.rest()).split(b"\r\n\r\n")


async def test_the_answer_to_a_head_has_no_body_and_the_connection_goes_on(host: TornadoHost) -> None:
    await serve(host, answering("200 OK", [("X-Is", "it")], [b"a page"]))
    head, next_head, body = await whole(host, request("HEAD", "/"))
    assert b"\r\nContent-Length: 6\r\n" in head
    assert b"\r\nX-Is: it\r\n" in head
    assert next_head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"a page"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_that_can_have_no_body_is_not_followed_by_the_next_answer_of_an_attacker(
    host: TornadoHost, status: str
) -> None:
    await serve(host, answering(status, [("Content-Length", "27")], [b"HTTP/1.1 200 OK\r\n\r\nforged"]))
    first, second, nothing = await whole(host, request("GET", "/"))
    for head in (first, second):
        assert head.startswith(f"HTTP/1.1 {status}".encode())
        assert b"Content-Length" not in head
    assert nothing == b""


async def test_what_an_application_says_of_the_connection_is_left_out(host: TornadoHost) -> None:
    fields = [("Transfer-Encoding", "chunked"), ("connection", "upgrade"), ("Keep-Alive", "5")]
    await serve(host, answering("200", fields, [b"a", b"b"]))
    first, second, body = await whole(host, request("GET", "/"))
    assert first.splitlines()[0] == b"HTTP/1.1 200 "
    assert b"chunked" not in first + second
    assert b"upgrade" not in first
    assert b"eep-" not in first
    assert body == b"ab"


@pytest.mark.parametrize(
    ("status", "fields", "body", "reason"),
    [
        ("200 OK", [("Content-Length", "3")], [b"ab"], "Content-Length: 3, and its answer has 2 bytes"),
        ("200 OK", [("Content-Length", "1")], [b"ab"], "Content-Length: 1, and its answer has 2 bytes"),
        ("200 OK", [("X", "a\r\nY: b")], [], "which is no line of a head"),
        ("200 OK", [("X", "\u0416")], [], "which is no line of a head"),
        ("200 OK\r\nX: y", [], [], "write one as in '200 OK'"),
        ("OK", [], [], "write one as in '200 OK'"),
        ("101 Switching Protocols", [], [], "write one as in '200 OK'"),
        ("200 OK", [], [b"abc", b"def"], "a body of more than 5 bytes, which is the limit"),
        ("200 OK", [], ["abc"], "a bytes-like object is required, not 'str'"),
    ],
)
async def test_what_is_no_answer_is_answered_for_with_500(
    host: TornadoHost, status: str, fields: Any, body: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    await serve(host, answering(status, fields, body), max_bytes=5)
    wire = await host.connect()
    assert (await wire.ask("GET", "/")).body == b"the application failed"
    assert (await wire.ask("GET", "/")).status == 500
    assert reason in caplog.text


async def test_an_error_replaces_the_head_only_where_nothing_of_the_body_is_there(host: TornadoHost) -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        if environ["PATH_INFO"] == "/late":
            write(b"a")
        try:
            raise ValueError("a fault")
        except ValueError:
            start_response("502 Bad Gateway", [], sys.exc_info())
        yield b"sorry"

    await serve(host, application)
    wire = await host.connect()
    assert (await wire.ask("GET", "/")).head[0] == "HTTP/1.1 502 Bad Gateway"
    assert (await wire.ask("GET", "/late")).body == b"the application failed"


async def slow_wire(host: TornadoHost) -> Wire:
    """Open a connection whose client reads nothing for now."""
    wire = await host.connect()
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    return wire


async def test_a_long_answer_waits_in_a_file_for_a_client_that_is_slow_and_all_files_have_a_limit(
    host: TornadoHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 6_000_000  # more than the kernel takes
    monkeypatch.setattr(wsgithreads, "_STORED", 1.5)
    container = await serve(host, answering("200 OK", [], [b"x" * 1_000_000] * 6), max_bytes=size)
    slow, other = await slow_wire(host), await host.connect()
    slow.send(request("GET", "/"))
    await host.until(lambda: container.store.stored_bytes == size and not container._waiting)
    refused = await other.ask("GET", "/")
    assert (refused.status, refused.body) == (500, b"the application failed")
    slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert (await slow.answer()).body == b"x" * size
    await container.drain()
    assert container.store.stored_bytes == 0
    assert (await other.ask("GET", "/")).body == b"x" * size


async def test_a_long_answer_is_given_up_when_its_client_reads_nothing_or_leaves(
    host: TornadoHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = await serve(host, answering("200 OK", [], [b"x" * 1_000_000] * 6), max_bytes=6_000_000)
    leaving = await slow_wire(host)
    leaving.send(request("GET", "/"))
    await host.until(lambda: container.store.stored_bytes and not container._waiting)
    leaving.abort()
    await container.drain()
    monkeypatch.setattr(wsgithreads, "_READ_TIMEOUT", 0.001)
    idle = await slow_wire(host)
    idle.send(request("GET", "/"))
    await host.until(lambda: container.store.stored_bytes)
    await container.drain()
    assert container.store.stored_bytes == 0
    idle.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert len(await idle.rest()) < 6_000_000


async def test_an_answer_at_the_end_closes_its_connection_and_what_does_not_end_is_given_up(host: TornadoHost) -> None:
    gate = threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        gate.wait(30)
        start_response("200 OK", [])
        return [b"done"]

    container = await serve(host, application, threads=1)
    wire, late = await host.connect(), await host.connect()
    wire.send(request("GET", "/"))
    await host.until(lambda: container._running)
    draining = asyncio.ensure_future(container.drain())
    await asyncio.sleep(0)
    gate.set()
    assert (await wire.answer()).field("connection") == "close"
    await draining
    gate.clear()
    late.send(request("GET", "/") * 2)
    await host.until(lambda: container._running)
    container.close()
    assert await late.rest() == b""
    gate.set()
    await host.until(lambda: not container._running)


async def test_an_event_stream_of_a_view_is_warned_of_once(host: TornadoHost, caplog: pytest.LogCaptureFixture) -> None:
    await serve(host, answering("200 OK", [("Content-Type", "text/event-stream")], [b"data: 1\n\n"]))
    wire = await host.connect()
    for _ in range(2):
        assert (await wire.ask("GET", "/")).body == b"data: 1\n\n"
    (warning,) = (record for record in caplog.records if record.name == "waterspout.host")
    assert warning.getMessage().startswith(
        "a view has answered with an event stream, which is sent when it is complete"
    )


async def told(host: TornadoHost, raw: bytes) -> dict[str, Any]:
    environs: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environs.append({**environ, "body": environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))})
        start_response("200 OK", [])
        return []

    await serve(host, application)
    wire = await host.connect()
    wire.send(raw)
    assert (await wire.answer()).status == 200
    return environs[0]


async def test_a_chunked_body_is_whole_and_has_a_length(host: TornadoHost) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
    environ = await told(host, head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert (environ["body"], environ["CONTENT_TYPE"]) == (b"abcde", "text/plain")
    assert "HTTP_TRANSFER_ENCODING" not in environ


async def test_a_field_with_an_underscore_cannot_pass_for_one_of_a_proxy(host: TornadoHost) -> None:
    fields = b"X-Remote-User: me\r\nX_Remote-User: root\r\nX_Forwarded_Proto: https\r\n"
    environ = await told(host, b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    assert environ["HTTP_X_REMOTE_USER"] == "me"
    assert "HTTP_X_FORWARDED_PROTO" not in environ


async def test_cookies_that_a_proxy_has_not_joined_are_all_there(host: TornadoHost) -> None:
    environ = await told(host, b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n")
    assert environ["HTTP_COOKIE"] == "a=1; b=2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a:b", ("a:b", "80")), ("[::1]:8000", ("[::1]", "8000")), ("[::1]", ("[::1]", "80")), ("a:81", ("a", "81"))],
)
async def test_any_host_is_told(host: TornadoHost, name: str, expected: tuple[str, str]) -> None:
    environ = await told(host, f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == expected


async def test_a_stop_iteration_that_an_application_lets_go_leaves_nobody_waiting(host: TornadoHost) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        return [next(iter(()))]

    container = await serve(host, application)
    assert (await (await host.connect()).ask("GET", "/")).status == 500
    assert not container._running


async def test_requests_of_clients_that_have_left_run_no_more_and_an_endless_response_ends(host: TornadoHost) -> None:
    begun, closed, gate = [], [], threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                gate.wait(30)
                yield b"a"

        def close(self) -> None:
            closed.append(1)

    def application(environ: Any, start_response: Any) -> Endless:
        begun.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        return Endless()

    container = await serve(host, application, threads=1)
    wires = [await host.connect() for _ in range(5)]
    for number, wire in enumerate(wires):
        wire.send(request("GET", f"/{number}"))
        await host.until(lambda number=number: len(container._running) == number + 1)  # type: ignore[misc]
    for wire in wires:
        wire.abort()
    await host.until(lambda: len(container._running) == 1)  # those that wait are dropped, what runs is waited for
    asyncio.get_running_loop().call_soon(gate.set)
    await container.drain()
    assert (begun, closed) == (["/0"], [1])


async def test_a_bounded_number_of_requests_waits(host: TornadoHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgithreads, "_MOST_WAITING", 2)
    gate = threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        gate.wait(30)
        start_response("200 OK", [])
        return [b"done"]

    container = await serve(host, application, threads=1)
    wires = [await host.connect() for _ in range(3)]
    for wire in wires:
        wire.send(request("GET", "/"))
    await host.until(lambda: len(container._running) == 3)
    refused = await (await host.connect()).ask("GET", "/")
    assert (refused.status, refused.body) == (503, b"too many requests wait")
    gate.set()
    assert [(await wire.answer()).body for wire in wires] == [b"done"] * 3
