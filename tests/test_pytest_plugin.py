"""The plugin for pytest: what its fixtures give, what they check at the end, and with which plugins they work."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import waterspout

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent / "docs/testing.md").read_text("utf-8")
QUIET = ("-p", "no:xdist", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-W", "error")
SERVER = """
import asyncio
import pytest
from waterspout import Server
from waterspout.testing import CLIENTS, EVENTS, ClientRefused, Clock, Pair, Peer

@pytest.fixture
def waterspout_server():
    server = Server()
    server.on_connect(lambda socket, auth: auth.get("name") != "Bob")
    server.on("double")(lambda socket, number: 2 * number)
    server.of("/chat").on("echo")(lambda socket, *args: args)

    @server.on("fail")
    def fail(socket):
        raise ValueError("a fault")

    @server.on("later")
    async def later(socket):
        await asyncio.sleep(5)
        return "now"

    return server
"""


def ran(pytester: pytest.Pytester, source: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(SERVER + source)
    return pytester.runpytest_inprocess(*QUIET, "-p", "no:asyncio", *options)


def test_what_the_fixtures_give(pytester: pytest.Pytester) -> None:
    source = """
SHARED = Server()
STARTED = []

@SHARED.on_start
async def tick():
    STARTED.append(1)
    while True:
        await asyncio.sleep(1)

def test_a_pair_has_entered(waterspout_pair, waterspout_clock, waterspout_server):
    pair = waterspout_pair()
    assert isinstance(pair, Pair)
    assert (pair.server, pair.clock) == (waterspout_server, waterspout_clock)
    pair.peer.emit("double", 21, id=1)
    assert pair.peer.acks() == {1: 42}
    pair.peer.emit("later", id=2)
    waterspout_clock.advance(5)
    assert pair.peer.acks() == {2: "now"}

def test_a_peer_has_entered_nothing(waterspout_peer, waterspout_server):
    peer = waterspout_peer()
    assert isinstance(peer, Peer)
    assert waterspout_server.sockets() == []
    peer.connect()
    assert len(waterspout_server.sockets()) == 1

def test_a_server_and_options_of_ones_own(waterspout_pair, waterspout_server):
    with waterspout_pair(Server()) as pair:
        assert pair.server is not waterspout_server
    with pytest.raises(ClientRefused):
        waterspout_pair(auth={"name": "Bob"})

@pytest.mark.parametrize("waterspout_client", CLIENTS, indirect=True)
def test_each_kind_of_client(waterspout_pair, request):
    pair = waterspout_pair(namespace="/chat", auth={"name": "Ada"})
    pair.peer.emit("echo", "a", 1, id=3)
    assert pair.peer.acks() == {3: ("a", 1)}
    assert pair.peer.take() == []
    pair.peer.on("how long", len)
    assert pair.socket.call("how long", "soup").wait(5) == 4
    assert pair.peer.events() == [("how long", "soup")]
    pair.peer.leave()
    assert not pair.socket.connected

@pytest.mark.parametrize("waterspout_client", [{"auth": {"name": "Ada"}, "transport": "polling"}], indirect=True)
def test_options_of_all_clients_of_a_test(waterspout_pair, waterspout_peer):
    assert waterspout_pair().peer.transport == waterspout_peer().transport == "polling"
    assert waterspout_pair(generation=CLIENTS["0.9-websocket"]["generation"], transport="htmlfile")
    with pytest.raises(ClientRefused):
        waterspout_pair(auth={"name": "Bob"})

def test_plain_websockets(waterspout_pair, waterspout_server):
    waterspout_server.expose("/ws", waterspout_server.of("/chat"))
    pair = waterspout_pair(generation=EVENTS, path="/ws", namespace="/chat")
    pair.peer.emit("echo", "a", id=3)
    assert pair.peer.acks() == {3: "a"}

@pytest.mark.parametrize("time", [1, 2])
def test_a_server_of_the_module_starts_anew_in_each_test(waterspout_pair, time):
    pair = waterspout_pair(SHARED)
    assert SHARED.sockets() == [pair.socket]
    assert len(STARTED) == time

def test_a_clock_of_ones_own(waterspout_pair, waterspout_clock):
    clock = Clock()
    assert waterspout_pair(Server(driver=clock)).clock is clock is not waterspout_clock

def test_failures_that_are_expected(waterspout_pair, waterspout_clock):
    pair = waterspout_pair()
    with waterspout_clock.expect(ValueError, "^a fault$") as errors:
        pair.peer.emit("fail")
    assert [str(error) for error in errors] == ["a fault"]
    pair.peer.emit("fail")
    ((text, error),) = waterspout_clock.take_reports()
    assert (text, repr(error)) == ("the handler of 'fail' in / failed", "ValueError('a fault')")
    with pytest.raises(AssertionError, match="no handler failed with KeyError; reported was: nothing"):
        with waterspout_clock.expect(KeyError):
            pass
"""
    ran(pytester, source).assert_outcomes(passed=19)


def test_what_fails_a_test(pytester: pytest.Pytester) -> None:
    source = """
def test_failed(waterspout_pair):
    waterspout_pair().peer.emit("fail")

def test_other(waterspout_pair, waterspout_clock):
    pair = waterspout_pair()
    with waterspout_clock.expect(KeyError):
        pair.peer.emit("fail")

def test_itself(waterspout_pair):
    waterspout_pair().peer.emit("fail")
    waterspout_pair().peer.emit("later")
    raise RuntimeError("of the test itself")

def test_late_failure(waterspout_pair, waterspout_server):
    waterspout_server.on_disconnect(lambda socket, reason: 1 / 0)
    waterspout_pair()

def test_handler_left(waterspout_pair):
    waterspout_pair().peer.emit("later")

def test_task_left(waterspout_pair, waterspout_server):
    @waterspout_server.on("spawn")
    async def spawn(socket):
        async def forever():
            await asyncio.Event().wait()
        socket.data["task"] = asyncio.create_task(forever())
        asyncio.get_running_loop().call_later(9999, print)

    waterspout_pair().peer.emit("spawn")

def test_factory(waterspout_pair):
    waterspout_pair.peer

def test_with(waterspout_pair):
    with waterspout_pair:
        pass

def test_no_server(waterspout_peer):
    waterspout_peer("server")

@pytest.mark.parametrize("waterspout_client", ["5-websocket"], indirect=True)
def test_no_kind(waterspout_peer): ...
"""
    result = ran(pytester, source)
    result.assert_outcomes(failed=6, passed=3, errors=4)
    for lines in (
        ["*ERROR at teardown of test_late_failure*", "*the handler of 'disconnect' in / failed: ZeroDivisionError*"],
        ["*ERROR at teardown of test_handler_left*", "*at the end of the test there still runs:*", "*'later' in /*"],
        ["*ERROR at teardown of test_task_left*", "*task of *forever, *.py:*", "*the timer <TimerHandle* print()*"],
        ["*waterspout_client is '5-websocket': choose from 4-websocket, 4-polling, *"],
        ["*__ test_failed __*", "*the server reported what the test did not expect:*", "*'fail' in / failed: Value*"],
        ["*no handler failed with KeyError; reported was: the handler of 'fail' in / failed*"],
        ["*AttributeError: waterspout_pair makes clients, and has no 'peer' itself: write client = *"],
        ["*TypeError: waterspout_pair makes clients: write `with waterspout_pair(server) as client:`*"],
        ["*TypeError: 'server' is no server: write waterspout_peer(server), with a waterspout.Server*"],
    ):
        result.stdout.fnmatch_lines(lines)
    assert "ERROR at teardown of test_itself" not in result.stdout.str()


def test_a_server_with_redis_is_refused_before_it_connects(pytester: pytest.Pytester) -> None:
    source = """
def test_with_redis(waterspout_pair):
    waterspout_pair(Server(adapter="redis://127.0.0.1:1"))

def test_alone(waterspout_pair):
    waterspout_pair(Server(adapter=None))
"""
    result = ran(pytester, source)
    result.assert_outcomes(failed=1, passed=1)
    text = (
        "*CannotStart: a server with <RedisAdapter 127.0.0.1:1> cannot be tested in memory, where time stands still:*"
    )
    result.stdout.fnmatch_lines([text])


def test_a_test_without_a_server_is_told_how_to_name_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test(waterspout_pair): waterspout_pair()")
    result = pytester.runpytest_inprocess(*QUIET, "-p", "no:asyncio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["which server? Give it, as in waterspout_pair(server), or write a fixture *"])


ASYNC = """
@MARK
async def test_async(waterspout_pair, waterspout_clock, waterspout_peer):
    own = asyncio.current_task()
    pair = waterspout_pair()
    waterspout_peer().connect()
    pair.peer.emit("later", id=2)
    await asyncio.sleep(0)
    waterspout_clock.advance(5)
    assert pair.peer.acks() == {2: "now"}
    asking = asyncio.ensure_future(question(pair))
    await asyncio.sleep(0)
    pair.peer.acknowledge(1, "yes")
    assert await asking == "yes"
    assert asyncio.current_task() is own

async def question(pair):
    return await pair.socket.call("sure?")

@MARK
async def test_fail(waterspout_pair):
    waterspout_pair().peer.emit("fail")

def test_plain(waterspout_pair):
    waterspout_pair().peer.emit("double", 1)
"""
NOTHING = "pytest.mark.filterwarnings('error')"
MODES = {
    "asyncio-strict": ("pytest.mark.asyncio", "asyncio_mode = strict"),
    "asyncio-auto": (NOTHING, "asyncio_mode = auto"),
    "anyio-marked": ("pytest.mark.anyio", ""),
    "anyio-auto": (NOTHING, "anyio_mode = auto"),
}


@pytest.mark.parametrize("mode", MODES)
def test_asynchronous_tests(pytester: pytest.Pytester, mode: str) -> None:
    mark, option = MODES[mode]
    scope = "asyncio_default_fixture_loop_scope = function" if mode.startswith("asyncio") else ""
    pytester.makeini(f"[pytest]\n{option}\n{scope}\n")
    backend = '\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"\n'
    pytester.makepyfile(SERVER + backend + ASYNC.replace("MARK", mark))
    other = "anyio" if mode.startswith("asyncio") else "asyncio"
    result = pytester.runpytest_inprocess(*QUIET, "-p", f"no:{other}")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*'fail' in / failed: ValueError*"])


def test_a_run_that_does_not_use_it_imports_nothing_of_waterspout(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_sessionfinish():\n"
        "    assert 'pytest_waterspout' in sys.modules\n"
        "    print([name for name in sys.modules if name.partition('.')[0] == 'waterspout'])\n"
    )
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:asyncio", "-p", "no:anyio", *QUIET]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "[]" in done.stdout


def test_the_plugin_is_there_once(request: pytest.FixtureRequest) -> None:
    names = [str(plugin) for _, plugin in request.config.pluginmanager.list_name_plugin() if plugin]
    assert sum("pytest_waterspout" in name for name in names) == 1
    assert Path(sys.modules["pytest_waterspout"].__file__ or "").parent == Path(waterspout.__file__).parent.parent


RECIPES = {
    name: block
    for block in re.findall(r"^```py\n(# test_.*?)^```$", PAGE.partition("## Recipes")[2], re.DOTALL | re.MULTILINE)
    for name in re.findall(r"^# test_(\w+)\.py$", block, re.MULTILINE)
}


def test_the_recipes_work(tmp_path: Path) -> None:
    assert list(RECIPES) == ["tornado", "flask", "django", "fastapi", "fastapi_lifespan", "gevent"]
    needed = {name: name.partition("_")[0] for name in RECIPES}
    names = [name for name in RECIPES if name == "gevent" or importlib.util.find_spec(needed[name]) is not None]
    for name in names:
        (tmp_path / f"test_{name}.py").write_text(RECIPES[name])
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-q", *QUIET, "-W", "ignore::DeprecationWarning"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert f"{len(names) + 1} passed" in done.stdout, done.stdout
