"""Tornado's own lines in a process of ours, and in one of the user's."""

import asyncio
import gc
import logging
import re
from collections.abc import Iterator

import pytest
from tornado.web import Application, RequestHandler

from waterspout import Server
from waterspout.hosts import standalone
from waterspout.hosts.loggers import NAMES, reporting, throttled
from waterspout.hosts.tornado import routes

MANY = 100
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture(autouse=True)
def no_filters_stay() -> Iterator[None]:
    yield
    assert not any(logging.getLogger(name).filters for name in NAMES)


async def flood(port: int, said: bytes, times: int) -> None:
    """Say something on so many connections, one after the other, and wait for their ends."""
    for _ in range(times):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def serve(said: bytes, times: int) -> None:
    stop = asyncio.Event()
    urls: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    site = standalone.Site(bind=[("127.0.0.1", 0)])
    task = asyncio.create_task(standalone.serve(Server(), site, ready=urls.set_result, stop=stop))
    port = int((await urls)[0].rstrip("/").rpartition(":")[2])
    await flood(port, said, times)
    stop.set()
    await task


def get(path: str, *more: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: here", "Connection: close", *more, "", "")).encode("latin-1")


FLOODS = {
    "unknown paths": ("tornado.access", get("/nothing\x85\x9b31m")),
    "long paths": ("tornado.access", get("/" + "x" * 50_000)),
    "broken requests": ("tornado.general", b"GARBAGE\x1b[31m\xc2\x9b\r\n\r\n"),
    "broken fields": ("tornado.general", get("/", "no\x9b field")),
    "broken lengths": ("tornado.general", get("/", "Content-Length: \x9bx")),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_tornados_lines_are_few_and_short_and_clean(caplog: pytest.LogCaptureFixture, flood: str) -> None:
    name, said = FLOODS[flood]
    caplog.set_level(logging.INFO)
    asyncio.run(serve(said, MANY))
    lines = [record.getMessage() for record in caplog.records if record.name == name]
    counts = [int(line.partition(" ")[0]) for line in lines if "more like this in the last second: " in line]
    assert sum(counts) + len(lines) - len(counts) == MANY
    assert counts
    assert not CONTROL.search("".join(lines))
    assert max(map(len, lines)) < 600


def test_an_application_of_the_users_own_has_all_of_them(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        http = Application(routes(Server())).listen(0, "127.0.0.1")
        port = next(iter(http._sockets.values())).getsockname()[1]
        await flood(port, get("/nothing"), 20)
        http.stop()

    asyncio.run(main())
    assert [record.getMessage()[:16] for record in caplog.records] == ["404 GET /nothing"] * 20


def test_each_place_in_the_source_is_a_kind_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tornado.general")
    with throttled():
        for number in range(50):
            log.warning("one %d", number)
            log.warning(f"another {number}")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        *(f"{what} {number}" for number in range(10) for what in ("one", "another")),
        "40 more like this in the last second: one 10",
        "40 more like this in the last second: another 10",
    ]


def test_a_line_that_cannot_be_filled_is_left_to_its_handlers() -> None:
    with throttled():
        record = logging.makeLogRecord({"name": "tornado.general", "msg": "%d", "args": ("x",)})
        assert logging.getLogger("tornado.general").filter(record)
    assert (record.msg, record.args) == ("%d", ("x",))


async def orphan(number: int) -> None:
    raise KeyError(f"{number} " + "x" * 900_000)


def test_what_a_task_raises_that_nobody_awaits_is_short_and_not_as_often_as_clients_like(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        with throttled(), reporting(asyncio.get_running_loop()):
            for number in range(12):
                await asyncio.wait([asyncio.create_task(orphan(number), name="audit")])
            gc.collect()
        asyncio.get_running_loop().call_exception_handler({"message": "asyncio's own again"})

    asyncio.run(main())
    *failures, count, own = caplog.records
    assert [record.getMessage() for record in failures] == ["Task exception was never retrieved: audit, orphan"] * 10
    assert all(2000 < len(record.exc_text or "") < 3000 for record in failures)
    assert count.getMessage().startswith("2 more like this in the last second: Task exception was never")
    assert own.getMessage() == "asyncio's own again"


def test_an_exception_handler_of_the_users_own_stays() -> None:
    heard: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
        with reporting(loop):
            loop.call_exception_handler({"message": "it failed"})

    asyncio.run(main())
    assert heard == ["it failed"]


SID = "x3Yq_-0123456789abcdef"
SECRET = "SECRET"
MISSED = {
    f"/socket.io//1/xhr-polling/{SID}": "/socket.io//1/xhr-polling/x3Yq...",
    f"/elsewhere/{SID}/?sid={SID}&token={SECRET}": "/elsewhere/x3Yq.../",
    f"/nothere?a='b'\xa0{SECRET}\x85?{SID}": "/nothere",
    "/static/a-file-with-a-rather-long-name.js": "/static/a-file-with-a-rather-long-name.js",
}


@pytest.mark.parametrize("path", MISSED, ids=ascii)
def test_a_request_that_misses_the_engine_is_named_without_its_secrets(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asyncio.run(serve(get(path), 12))
    lines = [record.getMessage() for record in caplog.records if record.name == "tornado.access"]
    assert lines[0].startswith(f"404 GET {MISSED[path]} (127.0.0.1) ")
    assert lines[-1].startswith(f"2 more like this in the last second: 404 GET {MISSED[path]} (127.0.0.1) ")
    assert not re.search(f"{SECRET}|{SID}", caplog.text)


def test_so_is_one_whose_handler_raises(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(RequestHandler):
        def get(self) -> None:
            raise ValueError("it fails")

    async def main() -> None:
        with throttled():
            http = Application([("/page", Failing)]).listen(0, "127.0.0.1")
            port = next(iter(http._sockets.values())).getsockname()[1]
            await flood(port, get(f"/page?token={SECRET}"), 1)
            http.stop()

    asyncio.run(main())
    failure, _ = [record for record in caplog.records if record.name.startswith("tornado")]
    assert failure.getMessage() == "Uncaught exception GET /page (127.0.0.1)\\x0a'GET /page'"
    assert SECRET not in caplog.text
