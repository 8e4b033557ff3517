"""Handlers of Tornado's whose classes fail where the engine has to answer, and what becomes of everybody else."""

import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest

from hosts.client import opening, request, target, text
from hosts.handler_host import HandlerHost
from hosts.suite.echo import Echo
from hosts.suite.old import EVENT, parked, visit
from hosts.tornado_host import LOOPS
from waterspout import Reason
from waterspout.hosts.handlers import EngineHandler, EngineStreamHandler, EngineWebSocketHandler

broken: set[str] = set()
begun: list[weakref.ref[Any]] = []
ended: list[int] = []
told: list[str] = []


def fail_in(name: str) -> None:
    if name in broken:
        raise LookupError(name)


class Counted:
    """Notes what is served, and what is over."""

    def begun(self) -> None:
        begun.append(weakref.ref(self))

    def ended(self) -> None:
        ended.append(1)

    def log_exception(self, *error: Any) -> None:
        told.append(repr(error[1]))  # without traceback, which would keep the handler


class Fragile(Counted, EngineHandler):
    """Fails where it is `broken`."""

    def answer(self, response: Any) -> Any:
        fail_in("answer")
        answering = self.answer_later(response) if "answer, later" in broken else super().answer(response)
        fail_in("answer, behind")
        return answering

    async def answer_later(self, response: Any) -> None:
        await asyncio.sleep(0)
        fail_in("answer, later")

    def finish(self, chunk: Any = None) -> Any:
        fail_in("finish")
        return super().finish(chunk)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        fail_in("write_error")
        super().write_error(status_code, **kwargs)

    def on_connection_close(self) -> None:
        fail_in("on_connection_close")
        if "nothing in on_connection_close" not in broken:
            super().on_connection_close()

    def on_finish(self) -> None:
        fail_in("on_finish")


class Watched(Echo):
    """`aborted` has what the engine was told to forget."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.aborted: list[Any] = []
        self.abort = self.server.engine.abort
        self.server.engine.abort = self.note  # type: ignore[method-assign]

    def note(self, decision: Any) -> None:
        self.aborted.append(decision)
        self.abort(decision)


@pytest.fixture
def host() -> HandlerHost:
    broken.clear()
    begun.clear()
    ended.clear()
    told.clear()
    host = HandlerHost(LOOPS["asyncio"])
    host.handler = Fragile
    return host


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, beside Tornado's line for each answer with 500; its sentences are its own."""
    records = (one for one in caplog.records if one.levelno >= logging.ERROR and one.name != "tornado.access")
    return [*told, *(one.name if one.name.startswith("tornado.") else one.getMessage() for one in records)]


async def nothing_is_left(host: HandlerHost) -> None:
    await host.until(lambda: len(ended) == len(begun))
    await host.until(lambda: gc.collect() is not None and not any(handler() for handler in begun))


ANSWERS = ["answer", "answer, later", "finish"]


@pytest.mark.parametrize("asked", ["a handshake", "a GET", "a POST"])
@pytest.mark.parametrize("way", ANSWERS)
async def test_an_answer_that_fails_ends_its_session_at_once_and_no_other(
    host: HandlerHost, way: str, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client has lost what was in it; without this the session lived until `ping_timeout`."""
    echo = Watched()
    await host.serve(echo.server)
    neighbour, session = await host.session(), await host.session()
    wire = session.polling
    if asked == "a GET":
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
    broken.add(way)
    if asked == "a handshake":
        wire = await host.connect()
        wire.send(request("GET", target("polling")))
    elif asked == "a GET":
        echo.server.emit("x")
    else:
        wire = session.posting
        wire.send(request("POST", session.target(), body=b'42["echo",1]'))
    if way == "finish":
        assert await wire.rest() == b""
    else:
        assert (await wire.answer()).status == 500
    broken.clear()
    known = {neighbour.sid, session.sid} if asked == "a handshake" else {neighbour.sid}
    await host.until(lambda: echo.server.engine.sessions.keys() == known)
    assert len(echo.aborted) == 1
    assert errors(caplog) == [repr(LookupError(way))]
    assert (await neighbour.post('42["echo",1]')).body == b"ok"
    assert echo.heard[-1] == (1,)
    await nothing_is_left(host)


@pytest.mark.parametrize("way", ANSWERS)
async def test_a_client_of_0_9_goes_on_with_its_next_get(
    host: HandlerHost, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    echo = Watched()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    where = f"/socket.io/1/xhr-polling/{sid}"
    wire, later = await host.connect(), await host.connect()
    assert (await wire.ask("GET", where)).body == b"1::"
    wire.send(request("GET", where))
    await host.until(lambda: parked(echo, sid))
    broken.add(way)
    later.send(request("GET", where))  # which lets the first one go
    if way == "finish":
        assert await wire.rest() == b""
    else:
        assert (await wire.answer()).status == 500
    broken.clear()
    assert (await (await host.connect()).ask("POST", where, body=EVENT.encode())).status == 200
    echo.server.emit("x")
    assert b'{"name":"x"' in (await later.answer()).body
    assert errors(caplog) == [repr(LookupError(way))]
    assert len(echo.aborted) == 1
    echo.aborted.clear()
    echo.server.engine.sessions[sid].drop(Reason.TRANSPORT_CLOSE)  # which still has its last answer
    await nothing_is_left(host)


@pytest.mark.parametrize("way", ANSWERS)
async def test_a_handshake_of_0_9_that_fails_leaves_no_session(
    host: HandlerHost, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    echo = Watched()
    await host.serve(echo.server)
    broken.add(way)
    wire = await host.connect()
    wire.send(request("GET", "/socket.io/1/"))
    assert (await wire.rest() == b"") if way == "finish" else (await wire.answer()).status == 500
    await host.until(lambda: echo.is_empty)
    assert len(echo.aborted) == 1
    await nothing_is_left(host)


async def test_many_answers_of_one_turn_do_not_wait_for_the_one_that_fails(host: HandlerHost) -> None:
    class Choosy(Fragile):
        def answer(self, response: Any) -> Any:
            fail_in(self.get_argument("sid", ""))
            return super().answer(response)

    host.handler = Choosy
    echo = Watched()
    await host.serve(echo.server)
    sessions = [await host.session() for _ in range(5)]
    for session in sessions:
        session.poll()
    await host.until(lambda: all(echo.has_parked(session.sid) for session in sessions))
    broken.update(session.sid for session in sessions[::2])
    echo.server.emit("x")
    for number, session in enumerate(sessions):
        answer = await session.polling.answer()
        assert (answer.status == 500) if number % 2 == 0 else (answer.body == b'42["x"]')
    await host.until(lambda: len(echo.server.engine.sessions) == 2)
    assert len(echo.aborted) == 3


@pytest.mark.parametrize("way", ["answer, behind", "on_finish"])
async def test_what_was_answered_stands(host: HandlerHost, way: str, caplog: pytest.LogCaptureFixture) -> None:
    echo = Watched()
    await host.serve(echo.server)
    broken.add(way)
    wire = await host.connect()
    answer = await wire.ask("GET", target("polling"))
    assert answer.status == 200
    await host.until(lambda: errors(caplog))
    broken.clear()
    assert (len(echo.aborted), len(echo.server.engine.sessions)) == (0, 1)
    assert errors(caplog) == [repr(LookupError(way))]
    await nothing_is_left(host)


async def test_an_error_that_cannot_be_written_is_told_too(host: HandlerHost, caplog: pytest.LogCaptureFixture) -> None:
    echo = Watched()
    await host.serve(echo.server)
    broken.update({"answer", "write_error"})
    assert (await (await host.connect()).ask("GET", target("polling"))).status == 500
    assert errors(caplog) == [repr(LookupError("answer")), "tornado.application"]
    await host.until(lambda: echo.is_empty)


async def test_an_error_before_the_engine_is_asked_closes_a_connection_that_cannot_be_answered(
    host: HandlerHost,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Forbidding(Fragile):
        def prepare(self) -> Any:
            super().prepare()
            fail_in("finish")

    host.handler = Forbidding
    echo = Watched()
    await host.serve(echo.server)
    session = await host.session()
    broken.add("finish")
    session.posting.send(request("POST", session.target(), body=b"2"))
    assert await session.posting.rest() == b""
    await host.until(lambda: echo.is_empty)
    assert len(echo.aborted) == 1
    await nothing_is_left(host)


async def test_a_refusal_whose_answer_fails_is_an_error_and_not_the_engines(
    host: HandlerHost, caplog: pytest.LogCaptureFixture
) -> None:
    echo = Watched()
    await host.serve(echo.server)
    broken.add("answer")
    assert (await (await host.connect()).ask("GET", target("polling", "unknown"))).status == 500
    assert echo.aborted == []
    await nothing_is_left(host)


@pytest.mark.parametrize("is_posting", [False, True])
@pytest.mark.parametrize("way", ["on_connection_close", "nothing in on_connection_close"])
async def test_who_goes_is_gone_whatever_a_class_makes_of_it(
    host: HandlerHost, way: str, is_posting: bool, caplog: pytest.LogCaptureFixture
) -> None:
    echo = Watched()
    await host.serve(echo.server)
    session = await host.session()
    broken.add(way)
    if is_posting:
        session.posting.send(request("POST", session.target()).replace(b"Length: 0", b"Length: 9") + b"42")
        await host.until(lambda: echo.is_posting(session.sid))
        session.posting.cut()
    else:
        session.poll()
        await host.until(lambda: echo.has_parked(session.sid))
        session.polling.cut()
    await host.until(lambda: echo.is_empty)
    assert len(echo.aborted) == 1
    assert errors(caplog) == ([repr(LookupError(way))] if way == "on_connection_close" else [])
    await nothing_is_left(host)


async def test_who_goes_while_an_answer_takes_its_time_is_gone_once(
    host: HandlerHost, caplog: pytest.LogCaptureFixture
) -> None:
    answering, gone = asyncio.Event(), asyncio.Event()

    class Slow(Counted, EngineHandler):
        async def answer(self, response: Any) -> None:
            answering.set()
            await gone.wait()
            super().answer(response)

    host.handler = Slow
    echo = Watched()
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(request("GET", target("polling")))
    await answering.wait()
    assert len(echo.server.engine.sessions) == 1
    wire.cut()
    await host.until(lambda: echo.is_empty)
    gone.set()
    assert len(echo.aborted) == 1
    await nothing_is_left(host)


async def test_a_coroutine_may_answer(host: HandlerHost) -> None:
    class Slow(Counted, EngineHandler):
        async def answer(self, response: Any) -> None:
            await asyncio.sleep(0)
            super().answer(response)

        async def begin(self, *args: Any) -> None:
            await asyncio.sleep(0)
            await (super().begin(*args) or asyncio.sleep(0))

    host.handler = Slow
    echo = Watched()
    await host.serve(echo.server)
    session = await host.session()
    assert (await session.post('42["echo",1]')).body == b"ok"
    wire = await host.websocket()
    wire.send(text('421["echo",2]'))
    assert await wire.text() == "431[2]"
    assert echo.aborted == []


# What stays


def beginning(kind: type[EngineHandler], way: str) -> type[EngineHandler]:
    def begin(self: Any, *args: Any) -> Any:
        if way != "at once":
            kind.begin(self, *args)
        raise LookupError(way)

    async def begin_later(self: Any, *args: Any) -> Any:
        await asyncio.sleep(0)
        raise LookupError(way)

    return type("Failing", (Counted, kind), {"begin": begin_later if way == "later" else begin})


def head(asked: str, sid: str) -> bytes:
    if asked == "htmlfile":
        return request("GET", f"/socket.io/1/htmlfile/{sid}")
    return opening(eio=int(asked))


@pytest.mark.parametrize("asked", ["3", "4"])
@pytest.mark.parametrize("way", ["at once", "later", "behind"])
@pytest.mark.parametrize("kind", [EngineHandler, EngineWebSocketHandler])
async def test_a_websocket_that_cannot_begin_leaves_no_session(
    host: HandlerHost, kind: type[EngineHandler], way: str, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    host.handler = beginning(kind, way)
    echo = Watched()
    await host.serve(echo.server)
    wire = await host.connect()
    wire.send(head(asked, ""))
    stands = way == "behind" and kind is EngineHandler  # the engine has the socket
    assert (await wire.answer()).status == (101 if stands else 500)
    assert len(echo.aborted) == (0 if stands else 1)
    if stands:
        assert (await wire.text())[0] == "0"
        wire.cut()
    await host.until(lambda: echo.is_empty)
    assert errors(caplog) == [repr(LookupError(way))]
    await nothing_is_left(host)


@pytest.mark.parametrize("way", ["at once", "later", "behind"])
async def test_an_endless_answer_that_cannot_begin_is_none_of_its_sessions(
    host: HandlerHost, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    host.handler = beginning(EngineStreamHandler, way)
    echo = Watched()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    wire = await host.connect()
    wire.send(head("htmlfile", sid))
    assert (await wire.answer(bodiless=True)).status == (200 if way == "behind" else 500)
    await host.until(lambda: len(ended) == 2)
    assert len(echo.aborted) == (0 if way == "behind" else 1)
    assert errors(caplog)[0] == repr(LookupError(way))
    assert echo.server.engine.sessions[sid].transport.name == "none"
    await nothing_is_left(host)


@pytest.mark.parametrize("asked", ["htmlfile", "4"])
async def test_who_goes_before_a_coroutine_has_begun_is_aborted_once(host: HandlerHost, asked: str) -> None:
    kind: Any = EngineStreamHandler if asked == "htmlfile" else EngineWebSocketHandler
    beginning, gone = asyncio.Event(), asyncio.Event()

    class Slow(Counted, kind):  # type: ignore[misc]
        async def begin(self, *args: Any) -> None:
            beginning.set()
            await gone.wait()
            assert super().begin(*args) is None
            beginning.clear()

    host.handler = Slow
    echo = Watched()
    await host.serve(echo.server)
    sid = await visit(await host.connect())
    wire = await host.connect()
    wire.send(head(asked, sid))
    await beginning.wait()
    wire.cut()
    await host.until(lambda: echo.aborted)
    gone.set()
    await host.until(lambda: not beginning.is_set())
    assert len(echo.aborted) == 1
    assert echo.server.engine.sessions[sid].transport.name == "none"
    await host.until(lambda: len(ended) == len(begun))


@pytest.mark.parametrize("name", ["finish", "on_connection_close", "ended", "send_messages", "session_closed"])
def test_a_coroutine_that_nobody_would_await_is_refused(name: str) -> None:
    async def never(*_: Any) -> None: ...

    with pytest.raises(TypeError, match=f"Late.{name} is a coroutine"):
        type("Late", (EngineStreamHandler,), {name: never})
