"""Who keeps the loop from turning is named: in an asyncio loop and in uvloop, while it still does."""

import asyncio
import functools
import gc
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop
from pydantic import BaseModel, field_validator

from drivers.keeper import Keeper
from turns import turn
from waterspout import Server, Socket
from waterspout.drivers import AsyncioDriver
from waterspout.drivers.asyncio import _ENTRIES as ENTRIES
from waterspout.drivers.lag import SILENCE, LagGuard, _stack
from waterspout.engine import Layer, Level
from waterspout.testing import Peer

PATIENCE = 30.0  # s; no test waits this long unless something is wrong
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Heard(logging.Handler):
    """Sets an event when something is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.event = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.name} {record.levelname} {record.getMessage()}")
        self.event.set()


@pytest.fixture
def heard() -> Any:
    handler = Heard()
    logging.getLogger("waterspout").addHandler(handler)
    yield handler
    logging.getLogger("waterspout").removeHandler(handler)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_handler_that_blocks_is_named_while_it_does(loop: str, kind: str, heard: Heard) -> None:
    def plain(socket: Socket) -> bool:
        return heard.event.wait(PATIENCE)

    async def asynchronous(socket: Socket) -> bool:
        await turn()
        return heard.event.wait(PATIENCE)

    async def main() -> None:
        driver = AsyncioDriver()
        driver.slow_handler = 0.01
        server = Server()
        server.engine.bind(driver)
        server.on("say")(plain if kind == "plain" else asynchronous)
        await turn()  # the guard begins
        peer = Peer(server)
        peer.connect()
        peer.take()
        peer.emit("say", id=1)
        while not (said := peer.take()):
            await turn()
        assert said == ["431[true]"]
        await server.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    (text,) = heard.texts
    assert text.startswith("waterspout.server WARNING the handler of 'say' in / (test_lag.py:")
    assert ") has blocked the event loop for 0." in text
    remedy = {"plain": "make it async, or register it with threaded=True", "async": "await what takes so long, or"}
    assert f" s: {remedy[kind]}" in text


def test_a_guard_that_is_off_makes_no_thread() -> None:
    async def main() -> None:
        AsyncioDriver().slow_handler = None
        before = {thread for thread in threading.enumerate() if thread.name == "waterspout-lag"}
        await turn()
        assert {thread for thread in threading.enumerate() if thread.name == "waterspout-lag"} <= before

    asyncio.run(main())


@pytest.mark.parametrize("end", ["finish", "the driver is gone", "the loop is closed", "it is turned off"])
def test_the_thread_ends_with_its_driver(end: str) -> None:
    before = set(threading.enumerate())
    kept: list[AsyncioDriver] = []

    async def main() -> threading.Thread:
        driver = AsyncioDriver()
        driver.slow_handler = 0.01
        await turn()
        (thread,) = set(threading.enumerate()) - before
        if end != "the driver is gone":
            kept.append(driver)
        if end == "finish":
            driver.finish(0, lambda: None)
        elif end == "it is turned off":
            driver.slow_handler = None
        return thread

    thread = asyncio.run(main())
    thread.join(PATIENCE)
    assert not thread.is_alive()


# By hand: the guarded thread stands still, and time passes when the test says so


class Notes(AsyncioDriver):
    """Keeps what it is to log."""

    def __init__(self) -> None:
        super().__init__()
        self.slow_handler = None  # no thread: the tests look
        self.notes: list[str] = []

    def note(self, layer: Layer, level: Level, text: str, *values: object) -> None:
        self.notes.append(text % values)


def in_another_thread(look: Callable[[], None]) -> None:
    """Run this in another thread, and block this one meanwhile."""
    thread = threading.Thread(target=look)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


class Site:
    """A guard of the thread that makes this; `knocks` is what would turn that thread's loop."""

    def __init__(self, driver: Notes) -> None:
        self.driver, self.knocks = driver, list[Callable[[], object]]()
        self.guard = LagGuard(driver, ENTRIES, self)  # what the guard asks of a loop

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> None:
        self.knocks.append(callback)

    def is_closed(self) -> bool:
        return False

    def look(self, *times: float) -> None:
        for now in times:
            self.guard.look(self.driver, 0.1, now)

    def call(self, look: Callable[[], None], asker: Any = None) -> None:
        """Let another thread look while this one is in a handler."""

        def handler() -> None:
            in_another_thread(look)

        self.driver.run(handler, (), asker or Keeper(), None)


def by_hand(test: Callable[[Site], None]) -> None:
    async def main() -> None:
        test(Site(Notes()))

    asyncio.run(main())


def test_a_call_is_named_once_after_the_limit_and_by_its_function_where_the_asker_has_no_name() -> None:
    def test(site: Site) -> None:
        site.call(functools.partial(site.look, 10.0, 10.05, 10.1, 10.15, 10.2, 11.0))
        (note,) = site.driver.notes
        assert "drivers.test_lag.Site.call.<locals>.handler (test_lag.py:" in note
        assert "has blocked the event loop for 0.15 s: make it async" in note

    by_hand(test)


def test_an_idle_loop_is_left_asleep() -> None:
    def test(site: Site) -> None:
        site.look(1.0, 2.0, 3.0)
        assert (site.knocks, site.driver.notes) == ([], [])

    by_hand(test)


def test_a_loop_that_has_turned_meanwhile_is_not_blocked() -> None:
    def test(site: Site) -> None:
        def look() -> None:
            site.look(1.0)
            site.knocks[0]()
            site.look(2.0, 2.05)

        site.call(look)
        assert len(site.knocks) == 2
        assert site.driver.notes == []

    by_hand(test)


def test_many_quick_calls_in_one_turn_are_no_slow_one() -> None:
    def test(site: Site) -> None:
        for number in range(10):
            site.call(functools.partial(site.look, float(number)))
        assert site.driver.notes == []

    by_hand(test)


def test_a_call_within_a_call_is_the_outer_ones_time() -> None:
    class Named(Keeper):
        def describe(self, token: Any) -> str:
            return "the outer one"

    def test(site: Site) -> None:
        def outer() -> None:
            for number in range(3):
                site.call(functools.partial(site.look, float(number)))

        site.driver.run(outer, (), Named(), None)
        (note,) = site.driver.notes
        assert note.startswith("the outer one (test_lag.py:")

    by_hand(test)


def test_the_same_function_is_not_named_again_for_a_minute() -> None:
    def test(site: Site) -> None:
        for start in (0.0, 1.0, SILENCE - 1, SILENCE + 1):
            site.call(functools.partial(site.look, start, start + 0.2))
        assert len(site.driver.notes) == 2

    by_hand(test)


# What is asynchronous, and blocks after its first step, is named as what it is


async def admit(name: str, auth: Any) -> bool:
    return await looked_at()


async def typed(socket: Socket, numbers: list[int]) -> bool:
    return await looked_at()


async def anything(*args: Any) -> bool:
    return await looked_at()


LOOKS: list[Callable[[], None]] = []


def served(site: Site, look: Callable[[], None] | None = None) -> Server:
    """Return a server whose functions are looked at, for longer than the limit unless `look` does it otherwise."""
    LOOKS[:] = [look or functools.partial(site.look, 10.0, 10.2)]
    server = Server()
    server.engine.bind(site.driver)
    return server


def looked_at_here() -> None:
    in_another_thread(LOOKS[-1])


async def looked_at() -> bool:
    """Let the loop turn, and block it while it is looked at."""
    await turn()
    looked_at_here()
    return True


NAMED: list[tuple[Callable[[Server], object], str]] = [
    (lambda server: server.on("say")(anything), "the handler of 'say' in /"),
    (lambda server: server.on("say")(typed), "the handler of 'say' in /"),
    (lambda server: server.on("say", ordered=True)(anything), "the handler of 'say' in /"),
    (lambda server: server.on_any(anything), "the on_any handler, for 'say' in /"),
    (lambda server: (server.use_event(anything), server.on("say")(print)), "a step before 'say' in /"),
    (lambda server: server.use(anything), "the connect handler of /"),
    (lambda server: server.on_connect(anything), "the connect handler of /"),
    (lambda server: server.on_disconnect(anything), "the disconnect handler of /"),
    (lambda server: (server.on_error(anything), server.on("say")(list)), "the error handler of /"),
    (lambda server: server.of(admit), "the function admit of a dynamic namespace"),
]


@pytest.mark.parametrize(("register", "name"), NAMED)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_blocks_after_its_first_step_is_named(register: Callable[[Server], object], name: str, size: int) -> None:
    async def main() -> None:
        site = Site(Notes())
        server = served(site)
        register(server)
        peer = Peer(server)
        peer.connect()
        peer.connect("/dynamic")
        for _ in range(10):
            await turn()
        peer.emit("say", [1] * size)
        for _ in range(10):
            await turn()
        peer.leave()
        for _ in range(10):
            await turn()
        assert any(note.startswith(f"{name} (test_lag.py:") for note in site.driver.notes), site.driver.notes
        await server.close()

    asyncio.run(main())


# What blocks before the function is called, and after it has returned


def blocked(site: Site) -> list[str]:
    return [note for note in site.driver.notes if "has blocked" in note]


@dataclass
class Slow:
    """Takes its time when it is checked, as the argument of an event and of a connect handler."""

    number: int = 0

    def __post_init__(self) -> None:
        looked_at_here()


class SlowModel(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def check(cls, number: int) -> int:
        looked_at_here()
        return number


class SlowToWrite(str):
    __slots__ = ()

    def __str__(self) -> str:
        looked_at_here()
        return ""


def of_dataclass(socket: Socket, value: Slow) -> None: ...


def of_model(socket: Socket, value: SlowModel) -> None: ...


def entering(socket: Socket, auth: Slow) -> None: ...


def answering(socket: Socket, value: Any) -> Any:
    return SlowToWrite()


def last(socket: Socket, event: str, args: list[Any]) -> None:
    looked_at_here()


def failing(socket: Socket, value: Any) -> None:
    raise ValueError("it fails")


class SlowHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        looked_at_here()


HIDDEN: list[tuple[Callable[[Server], object], str]] = [
    (lambda server: server.on("say")(of_dataclass), "the check of the arguments for the handler of 'say' in / ("),
    (lambda server: server.on("say")(of_model), "the check of the arguments for the handler of 'say' in / ("),
    (lambda server: server.on_connect(entering), "the check of the arguments for the connect handler of / ("),
    (lambda server: server.on("say")(answering), "the result of the handler of 'say' in / ("),
    (lambda server: server.on("say")(failing), "the report of what was raised by the handler of 'say' in / ("),
    (
        lambda server: (server.use_event(step), server.use_event(last), server.on("say")(print)),
        "a step before 'say' in / (",
    ),
]


def step(socket: Socket, event: str, args: list[Any]) -> None: ...


@pytest.mark.parametrize(("register", "name"), HIDDEN)
def test_what_blocks_beside_the_function_is_named_and_placed(register: Callable[[Server], object], name: str) -> None:
    handler = SlowHandler()

    async def main() -> None:
        site = Site(Notes())
        server = served(site)
        register(server)
        peer = Peer(server)
        peer.connect(auth={"number": 1})
        peer.emit("say", {"number": 1}, id=1)
        (note,) = blocked(site)
        assert note.startswith(f"{name}test_lag.py:"), note
        await server.close()

    logging.getLogger("waterspout").addHandler(handler)
    try:
        asyncio.run(main())
    finally:
        logging.getLogger("waterspout").removeHandler(handler)


def test_what_follows_on_a_function_that_has_ended_has_a_name_of_its_own() -> None:
    async def main() -> None:
        site = Site(Notes())
        server = served(site)
        server.use_event(step)
        server.on("say")(lambda socket: looked_at_here())
        peer = Peer(server)
        peer.connect()
        peer.emit("say")
        (note,) = blocked(site)
        assert note.startswith("the handler of 'say' in / (test_lag.py:"), note
        await server.close()

    asyncio.run(main())


def test_names_that_clients_make_up_are_one_function() -> None:
    async def main() -> None:
        site = Site(Notes())
        times = iter(range(10, 10_000))

        def look() -> None:
            now = float(next(times))
            site.look(now, now + 0.2)

        server = served(site, look)
        server.on_any(lambda socket, event, *args: looked_at_here())
        peer = Peer(server)
        peer.connect()
        for number in range(200):
            peer.emit(f"event {number}")
        assert len(blocked(site)) == 4  # one a minute
        assert len(site.guard._silent) == 1
        await server.close()

    asyncio.run(main())


def test_what_is_not_to_be_named_again_is_forgotten_after_its_minute_and_lines_are_limited() -> None:
    def test(site: Site) -> None:
        def call(name: int, now: float) -> None:
            def handler() -> None:
                in_another_thread(lambda: site.look(now, now + 0.2))

            handler.__qualname__ = f"handler_{name}"  # as a decorator's function has the name of the other
            site.driver.run(handler, (), Keeper(), None)

        for number in range(100):
            call(number, float(number))
        assert len(site.driver.notes) == 100
        assert len(site.guard._silent) == 60
        for number in range(15):
            call(number, 1000.0)
        assert len(site.driver.notes) == 110
        call(0, 2000.0)
        assert site.driver.notes[110] == "5 more of these in the last second: a handler has blocked the event loop"

    by_hand(test)


def test_no_collection_begins_while_a_stack_is_read_and_they_are_on_afterwards() -> None:
    here, begun, ready, done = threading.get_ident(), [], threading.Event(), threading.Event()

    def deep(more: int) -> None:
        if more:
            deep(more - 1)
        else:
            ready.set()
            done.wait(PATIENCE)

    def watch(phase: str, info: dict[str, int]) -> None:
        if threading.get_ident() == here:
            begun.append(phase)

    thread = threading.Thread(target=deep, args=[100])
    thread.start()
    ready.wait(PATIENCE)
    assert thread.ident is not None
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    sys.setswitchinterval(PATIENCE)  # what other threads make would begin one, too
    gc.collect()  # those that were to run by now do so behind it
    gc.collect()
    gc.callbacks.append(watch)
    gc.set_threshold(50)  # the 100 frames would begin one
    try:
        frames = _stack(thread.ident)
        begun_by_then = len(begun)
    finally:
        gc.callbacks.remove(watch)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)
        done.set()
        thread.join()

    assert [frame.f_code.co_name for frame in frames].count("deep") == 101
    assert begun_by_then == 0 or sys.version_info >= (3, 12)  # where it waits for the next line of Python
    assert gc.isenabled()


def test_a_stack_is_read_with_collections_off_and_they_stay_off() -> None:
    gc.disable()
    try:
        frames = _stack(threading.get_ident())
        still_off = not gc.isenabled()
    finally:
        gc.enable()

    assert frames[1].f_code.co_name == "test_a_stack_is_read_with_collections_off_and_they_stay_off"
    assert still_off
