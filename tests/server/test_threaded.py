"""Hooks and steps that run in threads: which thread each runs in, and what comes of its result."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from turns import turn
from waterspout import ConnectRefused, Reason, Server, Socket, event, hook
from waterspout.drivers import AsyncioDriver
from waterspout.server.decorators import Events
from waterspout.testing import Clock, Pair, Peer

CORE = "core"
POOL = "pool"


class Places:
    """Where functions were called, by name: in the thread of the core, or in one of the pool."""

    def __init__(self) -> None:
        self.core = threading.get_ident()
        self.seen: dict[str, str] = {}

    def note(self, name: str, result: Any = None) -> Any:
        self.seen[name] = CORE if threading.get_ident() == self.core else POOL
        return result

    def function(self, name: str, result: Any = None) -> Callable[..., Any]:
        """Return a function that takes whatever it is called with."""
        return lambda *args: self.note(name, result)


def on_loop(test: Callable[[Server, Places], Any]) -> None:
    """Run a test on a real loop."""

    async def main() -> None:
        async with asyncio.timeout(30):
            server = Server()
            await test(server, Places())
            await server.close()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn, for as long as a thread needs, until the condition holds; `on_loop` bounds it."""
    while not condition():
        await turn()


def fail(socket: Socket) -> None:
    raise LookupError


def test_all_hooks_and_steps_may_run_in_threads() -> None:
    async def test(server: Server, places: Places) -> None:
        server.on_start(threaded=True)(places.function("on_start"))
        server.on_stop(threaded=True)(places.function("on_stop"))
        server.engine.bind(AsyncioDriver())
        shop = server.of(places.function("of", True), threaded=True)
        shop.use(threaded=True)(places.function("use"))
        shop.use_event(threaded=True)(places.function("use_event"))
        shop.on_any(threaded=True)(places.function("on_any"))
        shop.on_connect(threaded=True)(places.function("on_connect"))
        shop.on_disconnect(threaded=True)(places.function("on_disconnect"))
        shop.on_error(threaded=True)(places.function("on_error"))
        shop.on("fail")(fail)
        peer = Peer(server)
        peer.connect("/shop")
        await until(lambda: any(one.sockets() for one in shop.namespaces()))
        peer.emit("fail", namespace="/shop")
        await until(lambda: "on_error" in places.seen)
        peer.leave("/shop")
        await until(lambda: "on_disconnect" in places.seen)
        await server.close()
        assert sorted(places.seen) == [
            *("of", "on_any", "on_connect", "on_disconnect", "on_error", "on_start", "on_stop", "use", "use_event")
        ]
        assert set(places.seen.values()) == {POOL}

    on_loop(test)


class Chat(Socket):
    places: Places

    @hook(threaded=True)
    def on_connect(self, auth: Any) -> None:
        self.places.note("on_connect")

    @hook(threaded=True)
    def on_disconnect(self, reason: Reason) -> None:
        self.places.note("on_disconnect")

    @hook(threaded=False)
    def on_error(self, event: str, error: BaseException) -> None:
        self.places.note("on_error")

    @event("fail")
    def fail(self) -> None:
        raise LookupError


class Louder(Chat):
    def on_connect(self, auth: Any) -> None:
        self.places.note("louder")

    @hook(threaded=False)
    def on_disconnect(self, reason: Reason) -> None:
        self.places.note("on_disconnect")


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (Chat, {"on_connect": POOL, "on_error": CORE, "on_disconnect": POOL}),
        (Louder, {"louder": POOL, "on_error": CORE, "on_disconnect": CORE}),
    ],
)
def test_hooks_of_a_class_may_run_in_threads_and_those_that_replace_them(
    kind: type[Chat], seen: dict[str, str]
) -> None:
    async def test(server: Server, places: Places) -> None:
        server.engine.bind(AsyncioDriver())
        Chat.places = places
        server.register("/", kind)
        peer = Peer(server)
        peer.connect()
        await until(server.sockets)
        peer.emit("fail")
        peer.lose()
        await until(lambda: "on_disconnect" in places.seen)
        assert places.seen == seen

    on_loop(test)


def test_a_mark_above_what_is_no_hook_is_refused() -> None:
    with pytest.raises(TypeError, match=r"@hook stands above on_connect, on_disconnect, on_error; .*say is none"):

        class Wrong(Socket):
            @hook(threaded=True)
            def say(self) -> None: ...


def test_only_a_function_of_a_dynamic_namespace_can_run_in_a_thread(server: Server) -> None:
    for name in ("/chat", re.compile("/chat")):
        with pytest.raises(TypeError, match=r"only a function of \(name, auth\) can run in a thread"):
            server.of(name, threaded=True)  # type: ignore[arg-type]


async def sleepy(*args: Any) -> None: ...


@pytest.mark.parametrize(
    ("register", "what"),
    [
        ("on_connect", "the connect handler"),
        ("on_disconnect", "the disconnect handler"),
        ("on_error", "the error handler"),
        ("on_any", "the handler of any event"),
        ("use", "a step of `use`"),
        ("use_event", "a step of `use_event`"),
        ("on_start", "a function of on_start"),
        ("on_stop", "a function of on_stop"),
        ("of", "the function of a dynamic namespace"),
    ],
)
def test_an_async_function_is_refused_and_then_taken_without_the_thread(
    server: Server, register: str, what: str
) -> None:
    with pytest.raises(TypeError, match=f"sleepy, {what}, is async and cannot run in a thread: write a plain `def`"):
        getattr(server, register)(sleepy, threaded=True)
    getattr(server, register)(sleepy)


def test_a_decorator_with_options_returns_the_function(server: Server) -> None:
    @server.on_connect(threaded=True)
    def enter(socket: Socket, auth: Any) -> None: ...

    @server.use()
    def step(socket: Socket, auth: Any) -> None: ...

    assert enter.__name__ == "enter"
    assert step.__name__ == "step"
    with pytest.raises(TypeError, match="the disconnect handler is None: give a function"):
        server.on_disconnect(None)  # type: ignore[call-overload]


# What comes of them


def test_a_threaded_step_refuses_a_client_and_its_connect_handler_lets_others_in() -> None:
    async def test(server: Server, places: Places) -> None:
        server.engine.bind(AsyncioDriver())

        @server.use(threaded=True)
        def step(socket: Socket, auth: dict[str, str]) -> None:
            if not auth:
                raise ConnectRefused("Who are you?")

        server.on_connect(threaded=True)(lambda socket, auth: socket.emit("hello"))
        nobody, ada = Peer(server), Peer(server)
        nobody.connect()
        ada.connect(auth={"name": "Ada"})
        await until(server.sockets)
        texts = [*nobody.take(), *ada.take()]
        assert '44{"message":"Who are you?"}' in texts
        assert '42["hello"]' in texts

    on_loop(test)


@pytest.mark.parametrize("register", [Events.use_event, Events.on_any])
def test_threaded_steps_keep_the_order_of_events_unless_somebody_does_not_want_it(
    server: Server, register: Callable[..., Any]
) -> None:
    for name in ("/ordered", "/free"):
        place = server.of(name, ordered=False if name == "/free" else None)
        place.on("say")(lambda socket: None)
        place.on("never", ordered=False)(lambda socket: None)
        register(place, lambda *args: None, threaded=True)
    described = {(place, one["event"]): one["ordered"] for place, events in server.describe().items() for one in events}
    assert [key for key, ordered in described.items() if ordered] == [("/ordered", "say")]


def test_a_threaded_connect_handler_cannot_wait_for_its_own_client() -> None:
    async def test(server: Server, places: Places) -> None:
        server.engine.bind(AsyncioDriver())
        errors: list[str] = []
        server.on_error(lambda socket, event, error: errors.append(str(error)))

        @server.on_connect(threaded=True)
        def enter(socket: Socket, auth: Any) -> None:
            socket.call("name").wait()

        peer = Peer(server)
        peer.connect()
        await until(lambda: errors)
        assert errors[0].startswith("'name' is sent after the connect handler has ended")

    on_loop(test)


# Around every call in a thread


def test_a_driver_wraps_each_call_in_a_thread() -> None:
    async def test(server: Server, places: Places) -> None:
        order: list[tuple[str, int]] = []

        @contextmanager
        def around() -> Iterator[None]:
            order.append(("before", threading.get_ident()))
            try:
                yield
            finally:
                order.append(("after", threading.get_ident()))

        driver = AsyncioDriver()
        driver.around_thread_call = around
        server.engine.bind(driver)

        @server.on("fail", threaded=True)
        def failing(socket: Socket) -> None:
            order.append(("call", threading.get_ident()))
            raise LookupError

        server.on("plain")(lambda socket: None)
        errors: list[BaseException] = []
        server.on_error(lambda socket, event, error: errors.append(error))
        peer = Peer(server)
        peer.connect()
        peer.emit("plain")
        peer.emit("fail")
        await until(lambda: errors)
        assert [what for what, _ in order] == ["before", "call", "after"]
        assert len({thread for _, thread in order}) == 1
        assert order[0][1] != places.core

    on_loop(test)


def test_a_clock_wraps_them_too_and_what_the_wrapper_raises_is_the_failure_of_the_call() -> None:
    @contextmanager
    def around() -> Iterator[None]:
        yield
        raise LookupError("the database is gone")

    clock = Clock()
    clock.around_thread_call = around
    pair, errors = Pair(Server(driver=clock)), list[str]()
    pair.server.on("save", threaded=True)(lambda socket: "saved")
    pair.server.on("plain")(lambda socket: "plain")
    pair.server.on_error(lambda socket, event, error: errors.append(f"{event}: {error}"))
    pair.peer.emit("save", id=1)
    pair.peer.emit("plain", id=2)
    assert pair.peer.take() == ['432["plain"]']
    assert errors == ["save: the database is gone"]


@pytest.mark.parametrize("ordered", [None, True, False])
@pytest.mark.parametrize("arguments", [[], ["an argument"], ["two", "of them"]])
def test_a_handler_runs_in_a_thread_whatever_its_order_and_its_arguments(
    ordered: bool | None, arguments: list[str]
) -> None:
    async def test(server: Server, places: Places) -> None:
        server.engine.bind(AsyncioDriver())
        handlers: dict[int, Callable[..., Any]] = {
            0: lambda socket: places.note("handler"),
            1: lambda socket, one: places.note("handler"),
            2: lambda socket, one, two: places.note("handler"),
        }
        server.on("ask", threaded=True, ordered=ordered)(handlers[len(arguments)])
        peer = Peer(server)
        peer.connect()
        peer.emit("ask", *arguments)
        await until(lambda: places.seen)
        assert places.seen == {"handler": POOL}

    on_loop(test)
