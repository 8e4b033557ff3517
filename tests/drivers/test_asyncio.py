"""The driver for asyncio loops: how functions run, who may call what from where, and what a message costs."""

import asyncio
import contextvars
import gc
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from drivers.keeper import Keeper
from serving import Client
from turns import CountingLoop, packets, turn, until
from waterspout import Pending, Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.engine import on_core
from waterspout.hosts.tornado import routes
from waterspout.testing import Peer

EAGER = sys.version_info >= (3, 12)


def on_a_loop(test: Callable[[AsyncioDriver, Keeper], Any]) -> None:
    async def main() -> None:
        await test(AsyncioDriver(), Keeper())

    asyncio.run(main())


USER = contextvars.ContextVar("USER", default="nobody")


def test_a_disconnect_that_another_client_s_handler_has_caused_or_timed_sees_nothing_of_its_context() -> None:
    seen: list[str] = []

    async def main() -> None:
        server = Server(driver=AsyncioDriver(), ping_interval=0.01, ping_timeout=0.01)
        over = asyncio.Event()
        others = [Peer(server) for _ in range(2)]

        @server.on("begin")
        def begin(socket: Socket) -> None:
            USER.set("the first")
            socket.call("question", timeout=0.005)  # whose timer is the next one of all clients
            server.sockets()[-1].disconnect(close=True)

        @server.on_disconnect
        def gone(socket: Socket, reason: str) -> None:
            seen.append(USER.get())
            if len(seen) == 3:
                over.set()

        first = Peer(server)
        for peer in (first, *others):
            peer.connect()
        first.emit("begin")
        await asyncio.wait_for(over.wait(), 30)

    asyncio.run(main())
    assert seen == ["nobody"] * 3


@pytest.mark.parametrize("is_foreign", [True, False])
def test_what_comes_after_the_loop_is_closed_fails_with_a_sentence(is_foreign: bool) -> None:
    server = Server()
    failures: list[str] = []

    async def main() -> None:
        server.engine.bind(AsyncioDriver())

    def late() -> None:
        for verb in (lambda: server.emit("late"), lambda: server.engine.driver.soon(print)):
            try:
                verb()
            except RuntimeError as error:
                failures.append(str(error))

    asyncio.run(main())
    if is_foreign:
        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
    else:
        late()
    assert len(failures) == 1 + is_foreign  # on the loop's own thread, an event to nobody is sent to nobody
    assert all("the event loop that served this server is closed" in failure for failure in failures)


# Functions


def test_a_plain_function_is_called_at_once() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.run(lambda a, b: a + b, (1, 2), keeper, "token")
        assert keeper.heard == [("answered", "token", 3)]
        driver.run(lambda: 1 / 0, (), keeper, "token")
        assert keeper.heard[1:] == [("failed", "token", "ZeroDivisionError('division by zero')")]

    on_a_loop(test)


def test_a_coroutine_is_answered_when_it_ends() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        gate: asyncio.Future[int] = driver.loop.create_future()

        async def function(number: int) -> int:
            return number + await gate

        driver.run(function, (1,), keeper, "token")
        await turn()
        assert keeper.heard == []
        gate.set_result(2)
        await until(lambda: keeper.heard)
        assert keeper.heard == [("answered", "token", 3)]

    on_a_loop(test)


def test_any_other_awaitable_is_awaited() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        pending: Pending[int] = Pending(driver)
        driver.run(lambda: pending, (), keeper, "pending")
        future = driver.loop.create_future()
        driver.run(lambda: future, (), keeper, "future")
        pending.resolve(1)
        await until(lambda: len(keeper.heard) == 1)
        future.set_exception(LookupError("why"))
        await until(lambda: len(keeper.heard) == 2)
        assert keeper.heard == [("answered", "pending", 1), ("failed", "future", "LookupError('why')")]

    on_a_loop(test)


def test_a_coroutine_that_waits_for_nothing_is_answered_at_once_where_python_can_do_that() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        async def function() -> str:
            return "at once"

        driver.run(function, (), keeper, "token")
        assert bool(keeper.heard) is EAGER  # tasks start at once from Python 3.12 on
        await until(lambda: keeper.heard)
        assert keeper.heard == [("answered", "token", "at once")]

    on_a_loop(test)


def test_a_coroutine_has_a_task_of_its_own() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        mine = asyncio.current_task()

        async def function() -> bool:
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(turn())
            return asyncio.current_task() not in (None, mine)

        driver.run(function, (), keeper, "token")
        await until(lambda: keeper.heard)
        assert keeper.heard == [("answered", "token", True)]

    on_a_loop(test)


def test_a_coroutine_that_nobody_else_knows_is_not_collected() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        gates: list[asyncio.Future[None]] = []

        async def function() -> str:
            gates.append(asyncio.get_running_loop().create_future())
            await gates[0]
            return "still here"

        driver.run(function, (), keeper, "token")
        await until(lambda: gates)
        gc.collect()
        gates[0].set_result(None)
        await until(lambda: keeper.heard)
        assert keeper.heard == [("answered", "token", "still here")]

    on_a_loop(test)


def test_what_a_function_sets_in_its_context_no_other_sees() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        def plain(new: str) -> str:
            before = name.get()
            name.set(new)
            return before

        async def asynchronous(new: str) -> str:
            before = name.get()
            name.set(new)
            await turn()
            return f"{before} {name.get()}"

        for function, new in (
            (plain, "ada"),
            (plain, "bob"),
            (asynchronous, "cy"),
            (asynchronous, "dan"),
            (plain, "eve"),
        ):
            driver.run(function, (new,), keeper, new)
        await until(lambda: len(keeper.heard) == 5)
        assert {token: result for _, token, result in keeper.heard} == {
            "ada": "nobody",
            "bob": "nobody",
            "cy": "nobody cy",
            "dan": "nobody dan",
            "eve": "nobody",
        }
        assert name.get() == "nobody"

    on_a_loop(test)


# Each asker hears once

ERRORS = [LookupError, GeneratorExit, asyncio.CancelledError, KeyboardInterrupt, SystemExit]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", ["plain", "async", "after a turn", "awaitable"])
def test_whatever_a_function_raises_its_asker_hears_it_once(kind: str, error: type[BaseException]) -> None:
    ends_the_process = issubclass(error, KeyboardInterrupt | SystemExit)
    keeper = Keeper()

    def plain() -> None:
        raise error("why")

    async def asynchronous(turns: int) -> None:
        for _ in range(turns):
            await turn()
        raise error("why")

    class Awaitable:
        def __await__(self) -> Any:
            return asynchronous(0).__await__()

    functions: dict[str, Any] = {
        "plain": plain,
        "async": lambda: asynchronous(0),
        "after a turn": lambda: asynchronous(1),
        "awaitable": Awaitable,
    }

    async def main() -> None:
        AsyncioDriver().run(functions[kind], (), keeper, "token")
        await until(lambda: keeper.heard)
        await turn()

    with pytest.raises(error, match="why") if ends_the_process else nullcontext():
        asyncio.run(main())
    assert keeper.heard == [("failed", "token", f"{error.__name__}('why')")]


def test_a_task_that_is_cancelled_before_its_first_step_is_answered_once() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        async def function() -> None:
            await driver.loop.create_future()

        before = asyncio.all_tasks()
        driver.run(function, (), keeper, "token")
        (task,) = asyncio.all_tasks() - before
        task.cancel()
        await until(lambda: keeper.heard)
        await turn()
        assert keeper.heard == [("failed", "token", "CancelledError()")]

    on_a_loop(test)


def test_an_object_with_close_and_send_is_a_result_like_any_other() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        generator = (number for number in range(3))
        driver.run(lambda: generator, (), keeper, "token")
        assert keeper.heard == [("answered", "token", generator)]
        assert list(generator) == [0, 1, 2]

    on_a_loop(test)


# A process that is forked

FORKING = """
import asyncio, logging, os, sys
from waterspout.drivers import AsyncioDriver

logging.basicConfig(format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)

async def main():
    driver = AsyncioDriver()
    parent = os.getpid()
    driver.alarm(0, int)
    child = os.fork()
    for _ in range(2):
        driver.alarm(0, int)
    if not child:
        print(f"{parent} {os.getpid()}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)

asyncio.run(main())
"""


def test_a_fork_of_a_process_that_serves_is_warned_of_once_in_the_child() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    warning, pids = said.splitlines()
    parent, child = pids.split()
    assert warning == (
        f"waterspout.host WARNING process {child} was forked from process {parent}, which served already, and both "
        "accept the same connections: fork first, then create the server and the loop in each process"
    )


# Time


def test_soon_is_after_what_is_running() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        heard: list[int] = []
        driver.soon(heard.append, 1)
        driver.soon(heard.append, 2)
        assert heard == []
        await turn()
        assert heard == [1, 2]

    on_a_loop(test)


def test_soon_from_another_thread_wakes_the_loop() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        driver.loop.set_debug(True)  # then asyncio refuses what is not safe
        called = driver.loop.create_future()
        await asyncio.to_thread(driver.soon, lambda: called.set_result(threading.get_ident()))
        assert await called == threading.get_ident()

    on_a_loop(test)


def test_a_driver_knows_its_own_thread() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        assert not driver.foreign()
        assert await asyncio.to_thread(driver.foreign)

    on_a_loop(test)


def test_what_is_the_core_s_is_called_there_at_once_or_posted_to_it() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        heard: list[tuple[str, bool]] = []

        def hear(where: str) -> None:
            heard.append((where, driver.foreign()))

        on_core(driver, hear, "here")
        assert heard == [("here", False)]
        await asyncio.to_thread(on_core, driver, hear, "elsewhere")
        await until(lambda: len(heard) == 2)
        assert heard[1] == ("elsewhere", False)

    on_a_loop(test)


def test_an_alarm_that_is_due_rings_and_replaces_the_one_before() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        heard: list[str] = []
        driver.alarm(driver.now() - 2, lambda: heard.append("first"))
        driver.alarm(driver.now() - 1, lambda: heard.append("second"))
        await until(lambda: heard)
        await turn()
        assert heard == ["second"]
        driver.alarm(driver.now() + 1000, lambda: heard.append("third"))
        await turn()
        assert heard == ["second"]

    on_a_loop(test)


def test_tokens_are_long_and_differ() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        tokens = [driver.token() for _ in range(1000)]
        assert len(set(tokens)) == 1000
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)
        assert driver.wall() > 1_600_000_000

    on_a_loop(test)


# The end


def test_the_end_comes_at_once_where_nothing_runs() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        heard: list[str] = []
        driver.finish(60, lambda: heard.append("done"))
        assert heard == ["done"]

    on_a_loop(test)


def test_what_has_ended_is_not_waited_for() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        async def function() -> None:
            await turn()

        driver.run(function, (), keeper, "token")
        await until(lambda: keeper.heard)
        await turn()
        heard: list[str] = []
        driver.finish(60, lambda: heard.append("done"))
        assert heard == ["done"]

    on_a_loop(test)


def test_the_end_waits_for_what_runs_and_cancels_what_needs_too_long() -> None:
    async def test(driver: AsyncioDriver, keeper: Keeper) -> None:
        gate = asyncio.Event()
        heard: list[str] = []

        async def quick() -> str:
            await turn()
            return "quick"

        async def stubborn() -> str:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                await turn()
                return "cancelled, and tidied up"
            return "never"

        driver.run(quick, (), keeper, 1)
        driver.run(stubborn, (), keeper, 2)
        await turn()
        driver.finish(0, lambda: heard.append("done"))
        await until(lambda: heard)
        assert keeper.heard == [("answered", 1, "quick"), ("answered", 2, "cancelled, and tidied up")]

    on_a_loop(test)


# What a message costs

MESSAGES = 10_000


class Bill:
    """A server that answers echoes, and notes what its loop has been asked for whenever a client says `note`."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        self.loop = loop
        self.server = Server(ping_interval=300)
        self.notes: list[Counter[str]] = []
        self.tasks: set[asyncio.Task[Any] | None] = set()

        @self.server.on("note")
        def note(socket: Socket) -> str:
            self.notes.append(loop.made + Counter(alive=len(asyncio.all_tasks())))
            return "noted"

        @self.server.on("echo")
        def echo(socket: Socket, *args: Any) -> tuple[Any, ...]:
            self.tasks.add(asyncio.current_task())
            return args

    def peer(self) -> Peer:
        self.server.engine.bind(AsyncioDriver())
        peer = Peer(self.server)
        peer.connect()
        peer.take()
        return peer

    @property
    def total(self) -> Counter[str]:
        """What was made between the first note and the last."""
        return self.notes[-1] - self.notes[0]


def on_a_counting_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        runner.run(main())


def test_ten_thousand_acknowledgements_make_no_task_no_future_and_no_timer() -> None:
    async def main() -> None:
        bill = Bill()
        peer = bill.peer()
        peer.emit("note")
        for number in range(MESSAGES):
            peer.emit("echo", "hello", id=number)
        peer.emit("note")
        assert peer.take()[-1] == f'43{MESSAGES - 1}["hello"]'
        assert bill.total == Counter()
        assert bill.tasks == {asyncio.current_task()}  # that is ours

    on_a_counting_loop(main)


def test_ten_thousand_answers_to_the_server_make_no_task_no_future_and_no_timer() -> None:
    async def main() -> None:
        bill = Bill()
        peer = bill.peer()
        (socket,) = bill.server.sockets()
        answers: list[Pending[Any]] = []
        socket.call("question")  # the first one moves the alarm
        peer.emit("note")
        for number in range(2, MESSAGES + 2):
            socket.call("question").add_done_callback(answers.append)
            peer.acknowledge(number)
        peer.emit("note")
        assert len(answers) == MESSAGES
        assert bill.total == Counter()

    on_a_counting_loop(main)


def test_ten_thousand_acknowledgements_over_a_port_make_no_task_no_future_and_no_timer() -> None:
    def talk(address: str) -> str:
        with Client(address) as client:
            client.enter()
            assert client.ask('421["note"]') == '431["noted"]'
            for start in range(0, MESSAGES, 100):
                for number in range(start, start + 100):
                    client.send(f'42{number}["echo","hello"]')
                for number in range(start, start + 100):
                    assert client.receive() == f'43{number}["hello"]'
            return client.ask('421["note"]')

    async def main() -> None:
        bill = Bill()
        listener, port = bind_unused_port()
        http = HTTPServer(Application(routes(bill.server)))
        http.add_socket(listener)
        assert await asyncio.to_thread(talk, f"http://127.0.0.1:{port}") == '431["noted"]'
        assert bill.total == Counter()
        assert bill.tasks == {None}
        await bill.server.close()
        http.stop()
        await http.close_all_connections()

    on_a_counting_loop(main)


def test_the_count_would_notice_a_task_a_future_and_a_timer() -> None:
    async def main() -> None:
        bill = Bill()
        tasks: list[asyncio.Task[None]] = []

        @bill.server.on("costly")
        def costly(socket: Socket) -> None:
            bill.loop.create_future()
            bill.loop.call_later(0, lambda: None)
            tasks.append(bill.loop.create_task(turn()))
            tasks.append(asyncio.Task(turn(), loop=bill.loop))

        peer = bill.peer()
        for event in "note", "costly", "note":
            peer.emit(event)
        assert bill.total == Counter(task=1, future=1, timer=1, alive=2)
        await asyncio.gather(*tasks)

    on_a_counting_loop(main)


def test_an_async_handler_makes_a_task_and_nothing_else() -> None:
    async def main() -> None:
        bill = Bill()
        tasks: list[object] = []

        @bill.server.on("ask")
        async def ask(socket: Socket) -> str:
            tasks.append(asyncio.current_task())
            return "ok"

        peer = bill.peer()
        peer.emit("note")
        for number in range(100):
            peer.emit("ask", id=number)
        peer.emit("note")
        assert len(await packets(peer, 100)) == 100
        assert len(set(map(id, tasks))) == 100
        assert bill.total == (Counter() if EAGER else Counter(alive=100))

    on_a_counting_loop(main)
