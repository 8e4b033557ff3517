"""The examples of Tornadose, each in a process of its own: read by curl, and by EventSources in Chromium (UX-16)."""

import ast
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.examples import played, running
from missing import missing
from ports import free_port
from redisserver import RedisServer

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples" / "tornadose"
NAMES = ["basic", "fibonacci", "redis_pubsub"]
WATCHDOG_SECONDS = 120
AS_THEY_ARE = ("-W", "ignore:There is no current event loop")  # from Python 3.12 on, where one is made before it runs

INSTALL = """
from waterspout import faces
faces.install("tornadose")
"""
DOCUMENTED = """
import random
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import Application
from tornadose.handlers import EventSource
from tornadose.stores import DataStore

store = DataStore()

app = Application(
    [(r'/', EventSource, {'store': store})],
    debug=True)
app.listen(9000)

loop = IOLoop.instance()
PeriodicCallback(lambda: store.set_data(random.random()), 1000).start()
loop.start()
"""
"""The example of the documentation of Tornadose 0.2.2, as it stands there."""


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the documented example, with a number each 50 ms."""
    folder, port = tmp_path_factory.mktemp("floats"), free_port()
    program = folder / "floats.py"
    program.write_text((INSTALL + DOCUMENTED).replace("9000", f"{port}").replace("1000", "50"), "utf-8")
    with running(program, port, folder / "log", *AS_THEY_ARE):
        yield f"http://localhost:{port}"


def test_ex_56_the_example_is_the_documented_one() -> None:
    source = (EXAMPLES / "floats.py").read_text("utf-8")
    program = ast.parse(source)
    assert ast.dump(ast.Module(program.body[1:], [])) == ast.dump(ast.Module(ast.parse(INSTALL + DOCUMENTED).body, []))


def test_ex_56_td_19_curl_reads_floats(floats: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        missing("curl is missing")
    with subprocess.Popen([curl, "-sN", "--max-time", "20", floats], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        process.terminate()
    assert all(0 <= float(line.removeprefix("data: ")) < 1 for line in lines[::2]), lines
    assert lines[1::2] == ["\n"] * 3


def test_td_19_so_does_a_client_that_streams_as_httpie_does(floats: str) -> None:
    with httpx.stream("GET", floats, timeout=20) as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = response.iter_lines()
        assert all(0 <= float(next(lines).removeprefix("data: ")) < 1 and next(lines) == "" for _ in range(3))


@pytest.fixture(scope="module")
def seen(node: str, chromium: str, floats: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each page: an error or None, by the name of its example."""
    folder = tmp_path_factory.mktemp("tornadose")
    with ExitStack() as stack:
        redis = RedisServer(folder)
        redis.start()
        stack.callback(redis.stop)
        addresses = {"floats": floats}
        for name in NAMES:
            port = free_port()
            program, log = EXAMPLES / f"{name}.py", folder / name
            stack.enter_context(running(program, port, log, *AS_THEY_ARE, REDIS=redis.socket))
            addresses[name] = f"http://localhost:{port}"
        return played(node, "tornadose_pages.mjs", chromium, addresses, WATCHDOG_SECONDS)


def test_every_example_is_used_here() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted({*NAMES, "floats", "page"})


@pytest.mark.parametrize("name", ["floats", *NAMES])
def test_an_example_works_in_chromium(seen: dict[str, Any], name: str) -> None:
    error = seen.get(name, "no result")
    if error is not None:
        pytest.fail(error, pytrace=False)
