"""gevent's driver: functions that block, greenlets that are killed, threads, and the end."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from waterspout import Engine, Server
from waterspout.drivers import greenlets
from waterspout.drivers.gevent import GeventDriver
from waterspout.drivers.greenlets import Runner
from waterspout.engine import Layer, Level, Pending
from waterspout.testing import Peer


class Heard:
    """An asker that remembers what it hears."""

    def __init__(self) -> None:
        self.results: dict[Any, Any] = {}
        self.late: list[Any] = []

    def answered(self, token: Any, result: Any) -> None:
        assert token not in self.results
        self.results[token] = result

    def failed(self, token: Any, error: BaseException) -> None:
        assert token not in self.results
        self.results[token] = error

    def later(self, token: Any) -> "Heard":
        self.late.append(token)
        return self

    def describe(self, token: Any) -> str:
        return str(token)


@pytest.fixture
def driver() -> Iterator[GeventDriver]:
    driver = GeventDriver()
    yield driver
    over = Event()
    driver.finish(0.0, over.set)
    assert over.wait(10)


@pytest.fixture
def asker() -> Heard:
    return Heard()


def in_hub(driver: GeventDriver, function: Callable[[], object]) -> None:
    """Do what a watcher does, and let what comes of it happen."""
    driver.soon(function)
    settle()


def each(function: Callable[[int], object], numbers: range) -> None:
    for number in numbers:
        function(number)


def settle() -> None:
    for _ in range(5):
        gevent.sleep(0)


def test_a_function_that_does_not_wait_has_answered_at_once(driver: GeventDriver, asker: Heard) -> None:
    def ask() -> None:
        for number in range(100):
            driver.run(lambda: getattr(gevent.getcurrent(), "asker", None) is not None, (), asker, number)
            assert asker.results[number] is True

    in_hub(driver, ask)
    assert len(asker.results) == 100
    assert (asker.late, driver.busy) == ([], 0)


def test_one_that_waits_delays_no_other(driver: GeventDriver, asker: Heard) -> None:
    go_on = Event()

    def ask() -> None:
        for number in range(1000):
            driver.run(go_on.wait, (), asker, number)
        driver.run(lambda: "at once", (), asker, "other")

    in_hub(driver, ask)
    assert asker.results == {"other": "at once"}
    assert (len(asker.late), driver.busy) == (1000, 1000)
    go_on.set()
    settle()
    assert len(asker.results) == 1001
    assert driver.busy == 0


def test_there_is_a_bound_above_which_calls_wait_in_their_order(driver: GeventDriver, asker: Heard) -> None:
    driver.greenlets = 2
    events = [Event() for _ in range(5)]

    def ask() -> None:
        for number, event in enumerate(events):
            driver.run(event.wait, (), asker, number)

    in_hub(driver, ask)
    assert driver.busy == 5
    assert asker.late == [0, 1, 2, 3, 4]
    for number, event in enumerate(events):
        event.set()
        settle()
        assert list(asker.results) == list(range(number + 1))


def test_who_waits_is_woken_though_no_greenlet_is_left(driver: GeventDriver, asker: Heard) -> None:
    driver.greenlets = 2
    pending: Pending[int] = Pending(driver)
    never: Pending[int] = Pending(driver)
    in_hub(driver, lambda: driver.run(pending.wait, (), asker, "answered"))
    in_hub(driver, lambda: driver.run(never.wait, (0.05,), asker, "in vain"))
    in_hub(driver, lambda: driver.run(lambda: "at last", (), asker, "waits for a greenlet"))
    assert asker.results == {}
    in_hub(driver, lambda: pending.resolve(5))
    assert asker.results == {"answered": 5, "waits for a greenlet": "at last"}
    while "in vain" not in asker.results:
        gevent.sleep(0.001)
    assert isinstance(asker.results["in vain"], TimeoutError)


def test_what_has_not_begun_at_the_end_fails(driver: GeventDriver, asker: Heard) -> None:
    driver.greenlets = 1
    begun: list[int] = []

    def sleep(number: int) -> None:
        begun.append(number)
        gevent.sleep(60)

    in_hub(driver, lambda: each(lambda number: driver.run(sleep, (number,), asker, number), range(3)))
    over = Event()
    driver.finish(0.01, over.set)
    assert over.wait(10)
    assert begun == [0]
    assert [type(error) for error in asker.results.values()] == [TimeoutError] * 3
    assert driver.busy == 0


def test_most_greenlets_end_when_they_are_needed_no_more(
    driver: GeventDriver, asker: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greenlets, "_KEPT", 3)
    go_on = Event()
    in_hub(driver, lambda: each(lambda number: driver.run(go_on.wait, (), asker, number), range(10)))
    go_on.set()
    settle()
    assert (driver.busy, len(driver._runners.idle), driver._runners._count) == (0, 3, 3)


def test_what_a_greenlet_asks_for_begins_in_the_next_turn(driver: GeventDriver, asker: Heard) -> None:
    driver.run(lambda: "done", (), asker, 1)  # a test is such a greenlet
    assert (asker.results, asker.late) == ({}, [1])
    settle()
    assert asker.results == {1: "done"}


def test_what_is_raised_is_the_answer_and_ends_nothing(driver: GeventDriver, asker: Heard) -> None:
    def fail(error: BaseException) -> None:
        raise error

    errors = [ValueError(), gevent.GreenletExit(), gevent.Timeout(1), GeneratorExit()]
    in_hub(driver, lambda: each(lambda index: driver.run(fail, (errors[index],), asker, index), range(4)))
    assert list(asker.results.values()) == errors
    errors[2].close()  # type: ignore[attr-defined]
    in_hub(driver, lambda: driver.run(lambda: 1, (), asker, "next"))
    assert asker.results["next"] == 1


async def _asynchronous() -> None: ...


def test_an_asynchronous_function_fails(driver: GeventDriver, asker: Heard) -> None:
    in_hub(driver, lambda: driver.run(_asynchronous, (), asker, 1))
    assert isinstance(asker.results[1], TypeError)
    assert "_asynchronous is asynchronous" in str(asker.results[1])


@pytest.mark.parametrize("end", ["killed", "timeout"])
def test_a_greenlet_that_is_ended_while_it_waits_leaves_the_core_whole(
    driver: GeventDriver, asker: Heard, end: str
) -> None:
    pending: Pending[int] = Pending(driver)
    runners: list[Any] = []

    def wait() -> Any:
        runners.append(gevent.getcurrent())
        with gevent.Timeout(0.001 if end == "timeout" else None):
            return pending.wait()

    in_hub(driver, lambda: driver.run(wait, (), asker, 1))
    if end == "killed":
        gevent.kill(runners[0])
    else:
        gevent.sleep(0.01)
    settle()
    assert isinstance(asker.results[1], gevent.GreenletExit if end == "killed" else gevent.Timeout)
    assert (driver.busy, driver._attending, pending._callbacks) == (0, {}, [])
    pending.resolve(5)
    in_hub(driver, lambda: driver.run(pending.wait, (), asker, 2))
    assert asker.results[2] == 5


def test_who_kills_a_greenlet_whose_call_has_ended_harms_no_other(driver: GeventDriver, asker: Heard) -> None:
    runners: list[Any] = []
    in_hub(driver, lambda: driver.run(lambda: runners.append(gevent.getcurrent()), (), asker, 1))
    gevent.kill(runners[0])
    settle()
    in_hub(driver, lambda: driver.run(lambda: "well", (), asker, 2))
    assert asker.results[2] == "well"


def test_waiting_blocks_a_greenlet_or_a_thread_and_never_the_hub(driver: GeventDriver, asker: Heard) -> None:
    pending: Pending[str] = Pending(driver)
    waiting = gevent.spawn(pending.wait, 10)
    in_threads: list[Any] = []
    driver.run_threaded(lambda: in_threads.append((driver.foreign(), pending.wait(10))), (), asker, "thread")
    refused: list[Any] = []

    def in_the_hub() -> None:
        with pytest.raises(RuntimeError, match="would block the hub"):
            pending.wait()
        refused.append(True)

    in_hub(driver, in_the_hub)
    assert not waiting.ready()
    pending.resolve("now")
    assert waiting.get(timeout=10) == "now"
    while "thread" not in asker.results:
        gevent.sleep(0.001)
    assert (in_threads, refused) == ([(True, "now")], [True])
    late: Pending[str] = Pending(driver)
    with pytest.raises(TimeoutError):
        late.wait(0.001)
    assert late._callbacks == []


def test_every_verb_works_from_a_thread(driver: GeventDriver) -> None:
    server = Server(driver=driver)
    peer = Peer(server)
    peer.connect()
    settle()
    thread = threading.Thread(target=lambda: server.emit("hi", 1))
    thread.start()
    while not peer.events():
        gevent.sleep(0.001)
    thread.join()


def test_calls_are_answered_and_handlers_wait_for_them(driver: GeventDriver) -> None:
    server = Server(driver=driver)
    server.on("ask")(lambda socket: socket.call("question").wait(10) + 1)
    server.on("fast")(lambda socket: "fast")
    server.on("free", ordered=False)(lambda socket: "free")
    peer = Peer(server)
    peer.connect()
    settle()
    peer.emit("ask", id=1)
    peer.emit("fast", id=2)
    peer.emit("free", id=3)
    settle()
    assert peer.acks() == {3: "free"}  # the others wait in their order
    (question,) = [packet for packet in peer.take() if "question" in str(packet)]
    peer.send("43" + str(question)[2 : str(question).index("[")] + "[41]")
    settle()
    assert peer.acks() == {1: 42, 2: "fast"}


def test_a_connect_handler_cannot_wait_for_the_client(driver: GeventDriver) -> None:
    server = Server(driver=driver)
    raised: list[str] = []

    @server.on_connect
    def connect(socket: Any, auth: Any) -> None:
        for patience in (0.0, 0.001):
            gevent.sleep(patience)  # at first it has not waited yet
            with pytest.raises(RuntimeError) as refused:
                socket.call("question").wait()
            raised.append(str(refused.value))

    peer = Peer(server)
    peer.connect()
    while len(raised) < 2:
        gevent.sleep(0.001)
    assert all(text.startswith("'question' is sent after the connect handler has ended") for text in raised)


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_the_alarm_comes_and_never_early(driver: GeventDriver, seconds: float) -> None:
    came: list[float] = []
    over = Event()
    at = driver.now() + seconds

    def ring() -> None:
        came.append(driver.now())
        over.set()

    driver.alarm(driver.now() + 100, ring)
    driver.alarm(at, ring)
    assert over.wait(10)
    assert came[0] >= at - 0.001
    assert len(came) == 1


def test_the_end_waits_for_functions_and_ends_those_that_need_longer(driver: GeventDriver, asker: Heard) -> None:
    closing: Pending[None] = Pending(driver)
    short, over = Event(), Event()
    in_hub(driver, lambda: driver.run(short.wait, (), asker, "short"))
    in_hub(driver, lambda: driver.run(Event().wait, (), asker, "endless"))
    in_hub(driver, lambda: driver.run(closing.wait, (), asker, "waits for the end"))
    driver.finish(0.05, over.set, awaited=closing)
    gevent.sleep(0.01)
    short.set()
    assert not over.is_set()
    assert over.wait(10)
    assert asker.results["short"] is True
    assert isinstance(asker.results["endless"], TimeoutError)
    assert "waits for the end" not in asker.results
    closing.resolve(None)
    settle()
    assert asker.results["waits for the end"] is None


def test_lines_of_the_log_are_written_in_order_and_never_in_the_hub(
    driver: GeventDriver, caplog: pytest.LogCaptureFixture
) -> None:
    greenlets: list[Any] = []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            greenlets.append(gevent.getcurrent())
            gevent.sleep(0)

    handler = Slow()
    logging.getLogger("waterspout.server").addHandler(handler)
    try:
        in_hub(
            driver, lambda: each(lambda number: driver.note(Layer.SERVER, Level.WARNING, "line %d", number), range(3))
        )
        size = driver.report("failed", ValueError("why"))
        settle()
        settle()
    finally:
        logging.getLogger("waterspout.server").removeHandler(handler)
    assert [record.getMessage() for record in caplog.records] == ["line 0", "line 1", "line 2", "failed"]
    assert size > 10
    assert driver.hub not in greenlets
    assert not any(isinstance(one, Runner) for one in greenlets)


def test_asynchronous_functions_are_refused_by_name() -> None:
    server = Server()
    server.on("echo")(_asynchronous_handler)
    server.on_start(_asynchronous)
    with pytest.raises(TypeError) as raised:
        server.engine.bind(GeventDriver())
    assert str(raised.value).startswith(
        "_asynchronous_handler (the handler of 'echo') and _asynchronous (a function of on_start) are async"
    )
    plain = Server()
    plain.engine.bind(GeventDriver())
    with pytest.raises(TypeError, match="is async, and this host has no event loop"):
        plain.on("echo")(_asynchronous_handler)


class Guarded:
    """An application of bare Engine.IO whose `open` waits."""

    async def open(self, session: Any, request: Any) -> None: ...

    def message(self, session: Any, data: str | bytes) -> None: ...

    def close(self, session: Any, reason: Any) -> None: ...


def test_the_asynchronous_open_of_an_engines_application_is_refused() -> None:
    with pytest.raises(TypeError, match="the open of the application is async"):
        Engine(Guarded()).bind(GeventDriver())


async def _asynchronous_handler(socket: Any) -> None: ...


PATCHED = """
from gevent import monkey
monkey.patch_all()
import threading, time
import gevent
from waterspout.drivers.gevent import GeventDriver

class Asker:
    def __init__(self): self.results = {}
    def answered(self, token, result): self.results[token] = result
    def failed(self, token, error): self.results[token] = error
    def later(self, token): return self

driver, asker = GeventDriver(), Asker()
real = monkey.get_original("_thread", "get_ident")
main = real()
driver.run_threaded(lambda: (real() != main, driver.foreign()), (), asker, "thread")
driver.run(lambda: (time.sleep(0.001), driver.foreign()), (), asker, "greenlet")
while len(asker.results) < 2:
    gevent.sleep(0.001)
print(sorted(asker.results.items()))
"""


def test_a_thread_is_one_of_the_systems_also_where_all_is_patched() -> None:
    ran = subprocess.run([sys.executable, "-c", PATCHED], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[('greenlet', (None, False)), ('thread', (True, True))]\n", ran.stderr


LOGGING = PATCHED.replace(
    "driver, asker = GeventDriver(), Asker()",
    """
import logging
logging.basicConfig(format="%(message)s")
driver, asker = GeventDriver(), Asker()
logging.getLogger().addHandler(logging.StreamHandler(open("/dev/null", "w")))
freed_at_the_end = logging.NullHandler()  # when greenlets have no names any more
log = logging.getLogger("both")
for number in range(200):
    driver.run_threaded(log.warning, ("from a thread",), asker, -1 - number)
    driver.run(log.warning, ("from a greenlet",), asker, 1 + number)
    if number % 10 == 0:
        gevent.sleep(0)
while len(asker.results) < 400:
    gevent.sleep(0.001)
asker.results.clear()
""",
)


def test_threads_and_greenlets_may_log_at_once_where_all_is_patched() -> None:
    ran = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True, timeout=60)
    assert sorted(ran.stderr.splitlines()) == ["from a greenlet"] * 200 + ["from a thread"] * 200


def test_who_blocks_the_hub_is_named(caplog: pytest.LogCaptureFixture) -> None:
    driver, asker = GeventDriver(), Heard()
    driver.slow_handler = 0.02
    over = Event()

    def block() -> None:
        end = time.monotonic() + 5
        while time.monotonic() < end and not caplog.records:
            time.sleep(0.001)

    in_hub(driver, lambda: driver.run(block, (), asker, "the handler of 'slow'"))
    driver.finish(1.0, over.set)
    assert over.wait(10)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the handler of 'slow' (test_gevent.py:")
