"""WSGI behind Tornado, in threads."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.web import FallbackHandler

from hosts.client import request
from hosts.tornado_host import LOOPS, TornadoHost
from waterspout.hosts.wsgithreads import ThreadedWSGI


@pytest.fixture
def host() -> TornadoHost:
    return TornadoHost(LOOPS["asyncio"])


async def serve(host: TornadoHost, application: Any, threads: int = 2) -> ThreadedWSGI:
    container = ThreadedWSGI(application, threads)
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
async def test_an_application_that_raises_leaves_nobody_waiting(host: TornadoHost, at: str) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("a fault")

    def application(environ: Any, start_response: Any) -> Any:
        if at == "once":
            raise ValueError("a fault")
        start_response("200 OK", [])
        return parts()

    await serve(host, application)
    wire = await host.connect()
    wire.send(request("GET", "/"))
    assert await wire.rest() == b""
