"""What is exposed at a path, and who may have it."""

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from server.listener import Listener
from turns import until
from waterspout import HandshakeRefused, Request, Server
from waterspout.drivers import AsyncioDriver
from waterspout.server import Channel
from waterspout.testing import Clock


@pytest.fixture
def server() -> Server:
    return Server(driver=Clock())


@pytest.fixture
def prices(server: Server) -> Channel:
    return server.channel("prices")


def status(listener: Listener) -> int | None:
    return None if listener.response is None else listener.response.status


def check_cut(listener: Listener) -> None:
    """The answer is incomplete, and the client was told when to come back."""
    assert listener.is_closed
    assert not listener.is_complete
    assert listener.reader.retry is not None


def settle(server: Server) -> None:
    clock: Any = server.engine.driver
    clock.settle()


@pytest.mark.parametrize(
    "path",
    ["", "prices", "/a?b", "/a b", "/{", "/}", "/{}", "/{a b}", "/{a}/{a}", "/{request}", "/{class.x}", "/{a}-{b}"],
)
def test_a_path_that_cannot_be_meant_is_refused(server: Server, prices: Channel, path: str) -> None:
    with pytest.raises(ValueError, match="the path is"):
        server.expose(path, prices)
    with pytest.raises(TypeError, match="the path is 1"):
        server.expose(1, prices)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/<a>", "/<int:a>", "/(.*)", "/([^/]+)", "/(?P<a>.*)", r"/\d+"])
def test_a_path_with_the_parameters_of_another_framework_is_refused(server: Server, prices: Channel, path: str) -> None:
    with pytest.raises(ValueError, match=r"write parameters as in \"/runs/\{run_id\}\""):
        server.expose(path, prices)


def test_a_path_that_is_served_already_is_refused(server: Server, prices: Channel) -> None:
    server.expose("/prices", prices)
    server.expose("/runs/{run}", prices)
    for path in ("/prices", "/runs/{other}", "/socket.io", "/socket.io/"):
        with pytest.raises(ValueError, match="served already"):
            server.expose(path, prices)


def test_a_path_without_parameters_comes_first(server: Server, prices: Channel) -> None:
    server.expose("/{name}", server.channel("any"))
    server.expose("/prices", prices)
    for path, channel in (("/prices", "prices"), ("/price", "any")):
        [opened] = Listener(server, path).events
        assert opened.value == {"channels": [channel]}


def test_what_is_no_channel_is_refused(server: Server, prices: Channel) -> None:
    wrong: list[Any] = [1, "prices", [prices, 1]]
    for what in wrong:
        with pytest.raises(TypeError, match="channel, a list of them"):
            server.expose("/a", what)
    for what in ([], [prices, prices], [server.channel(str(number)) for number in range(17)]):
        with pytest.raises(ValueError, match="give 1 to 16"):
            server.expose("/a", what)
    with pytest.raises(ValueError, match="another server"):
        server.expose("/a", Server().channel("prices"))
    with pytest.raises(ValueError, match="max_age is 0"):
        server.expose("/a", prices, max_age=0)
    server.expose("/a", prices)  # nothing is left of what was refused


def test_a_function_that_does_not_fit_its_path_is_refused(server: Server) -> None:
    runs = server.expose("/runs/{run_id}")
    for function in (lambda request: None, lambda request, run: None, lambda: None):
        with pytest.raises(TypeError, match=r"is called with \(request, run_id\)"):
            runs(function)
    with pytest.raises(TypeError, match="is async"):
        server.expose("/blocks", threaded=True)(_decide)
    assert runs(lambda request, run_id: None)
    with pytest.raises(ValueError, match="one function decides"):
        runs(lambda request, run_id: None)


async def _decide(request: Request) -> None: ...


def test_a_path_without_anything_yet_is_not_found(server: Server) -> None:
    server.expose("/later")
    assert status(Listener(server, "/later")) == 404


def test_parameters_are_segments_and_unquoted(server: Server) -> None:
    seen: list[dict[str, str]] = []

    @server.expose("/runs/{run_id}/of/{user}")
    def run(request: Request, **parameters: str) -> Channel:
        seen.append(parameters)
        return server.channel("run")

    for path in ("/runs/7/of/Zo%C3%AB", "/runs/a%2Fb/of/%00", "/runs/x/of/%7Bx%7D?run_id=8"):
        assert Listener(server, path).response is None
    assert seen == [
        {"run_id": "7", "user": "Zo\u00eb"},
        {"run_id": "a/b", "user": "\0"},
        {"run_id": "x", "user": "{x}"},
    ]
    for path in ("/runs//of/a", "/runs/7/of/", "/runs/7/of/a/", "/runs/7/of/a/b", "/runs/%ff/of/a", "/RUNS/7/of/a"):
        assert not server.engine.serves(path)


def test_a_path_is_looked_for_once_for_each_request(server: Server, prices: Channel) -> None:
    matched: list[str] = []

    class Pattern:
        def fullmatch(self, path: str) -> None:
            matched.append(path)

    exposure = server.expose("/runs/{run}", prices)
    server.expose("/{any}/{other}", prices)
    pattern: Any = Pattern()
    exposure._pattern = pattern
    for path in ("/runs/1", "/runs/2"):
        assert server.engine.serves(path)
        assert status(Listener(server, path)) is None
    assert matched == ["/runs/1", "/runs/2"]
    server.expose("/runs/2", server.channel("two"))  # and is found from now on
    assert Listener(server, "/runs/2").events[0].value == {"channels": ["two"]}


def test_a_path_may_have_any_letters(server: Server, prices: Channel) -> None:
    server.expose("/pr\u00e9vu/a+b", prices)
    assert Listener(server, "/pr%C3%A9vu/a+b").response is None


@pytest.mark.parametrize("threaded", [False, True])
def test_a_function_decides_about_each_request(server: Server, threaded: bool) -> None:
    @server.expose("/runs/{run_id}", threaded=threaded)
    def run(request: Request, run_id: str) -> Channel:
        if request.cookies.get("user") != "anna":
            raise HandshakeRefused(401, "log in first", {"WWW-Authenticate": "Cookie"})
        return server.channel(f"run {run_id}", start="earliest")

    refused = Listener(server, "/runs/7")
    assert refused.response is not None
    assert (refused.response.status, refused.response.body) == (401, b"log in first")
    assert ("WWW-Authenticate", "Cookie") in refused.response.headers
    assert not server.engine.sessions
    channel = server.channel("run 7", start="earliest")
    channel.publish(1)
    settle(server)
    assert Listener(server, "/runs/7", Cookie="user=anna").take() == [("message", 1)]


def test_an_asynchronous_function_may_take_its_time(server: Server) -> None:
    @server.expose("/a")
    async def decide(request: Request) -> Channel:
        return server.channel("a")

    assert Listener(server, "/a").response is None


@pytest.mark.parametrize("result", [None, "prices", 7, [1], []])
def test_a_function_that_returns_no_channel_is_reported_and_the_client_gets_500(
    server: Server, result: object, caplog: pytest.LogCaptureFixture
) -> None:
    server.expose("/a", lambda request: result)
    listener = Listener(server, "/a")
    assert listener.response is not None
    assert (listener.response.status, listener.response.body) == (500, b"Internal Server Error")
    assert not server.engine.sessions


def test_a_function_that_fails_is_reported_and_the_client_gets_500(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: Request) -> Channel:
        raise KeyError("secret")

    server.expose("/a", fail)
    listener = Listener(server, "/a")
    assert listener.response is not None
    assert (listener.response.status, listener.response.body) == (500, b"Internal Server Error")
    assert "the function that decides about a path failed" in caplog.text


def test_the_handshake_is_asked_first_and_what_it_keeps_is_there(server: Server, prices: Channel) -> None:
    @server.on_handshake
    def check(request: Request) -> dict[str, str]:
        if request.param("token") != "t":
            raise HandshakeRefused(403)
        request.data["user"] = "anna"
        return {"X-Seen": "yes"}

    @server.expose("/prices")
    def decide(request: Request) -> Channel:
        assert request.data == {"user": "anna"}
        return prices

    assert status(Listener(server, "/prices")) == 403
    listener = Listener(server, "/prices?token=t")
    assert listener.response is None
    assert listener.headers["X-Seen"] == "yes"


def test_who_has_subscribed_is_told_to_the_application_and_can_be_disconnected(server: Server, prices: Channel) -> None:
    told: list[Any] = []
    exposure = server.expose("/prices", prices)
    exposure.on_subscribe(lambda subscriber: told.append(("in", subscriber)))

    @exposure.on_unsubscribe
    async def gone(subscriber: Any) -> None:
        told.append(("out", subscriber))

    listener = Listener(server, "/prices?user=anna")
    settle(server)
    [(what, subscriber)] = told
    assert what == "in"
    assert subscriber.request.param("user") == "anna"
    assert subscriber.channels == (prices,)
    assert prices.count == 1
    assert server.stats().sessions == {"EventSource": {"event-stream": 1}}
    subscriber.close()
    settle(server)
    check_cut(listener)
    assert told[1:] == [("out", subscriber)]
    assert prices.count == 0
    assert not server.engine.sessions
    with pytest.raises(ValueError, match="has a function already"):
        exposure.on_subscribe(print)


def test_a_permission_may_end(server: Server, prices: Channel) -> None:
    clock: Any = server.engine.driver
    exposure = server.expose("/prices", prices)

    @exposure.on_subscribe
    def come(subscriber: Any) -> None:
        subscriber.until = clock.wall() + 60
        assert subscriber.until == clock.wall() + 60

    listener = Listener(server, "/prices")
    clock.advance(59)
    assert not listener.is_closed
    clock.advance(1)
    check_cut(listener)


def test_a_permission_may_be_taken_for_longer_and_needs_a_time_zone(server: Server, prices: Channel) -> None:
    from datetime import UTC, datetime, timedelta

    clock: Any = server.engine.driver
    seen: list[Any] = []
    server.expose("/prices", prices).on_subscribe(seen.append)
    listener = Listener(server, "/prices")
    settle(server)
    [subscriber] = seen
    subscriber.until = datetime.fromtimestamp(clock.wall(), UTC) + timedelta(seconds=10)
    with pytest.raises(ValueError, match="time zone"):
        subscriber.until = datetime(2026, 1, 1)  # noqa: DTZ001
    for wrong, error in (
        ("tomorrow", TypeError),
        (True, TypeError),
        (float("inf"), ValueError),
        (float("nan"), ValueError),
    ):
        with pytest.raises(error, match="until is"):
            subscriber.until = wrong
    subscriber.until = None
    clock.advance(100)
    assert not listener.is_closed
    subscriber.until = clock.wall() - 1
    clock.advance(0.1)
    assert listener.is_closed


@pytest.mark.at_once
def test_a_subscriber_may_be_disconnected_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    ended_in: list[int] = []

    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        seen: list[Any] = []
        server.expose("/prices", server.channel("prices")).on_subscribe(seen.append)
        listener = Listener(server, "/prices")
        monkeypatch.setattr(listener, "cut", lambda data: ended_in.append(threading.get_ident()))
        await until(lambda: seen)

        def work() -> None:
            seen[0].until = 1e12
            seen[0].close()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert ended_in == []
        await until(lambda: ended_in)
        await server.close()

    asyncio.run(main())
    assert ended_in == [threading.get_ident()]


def test_a_connection_may_have_a_greatest_age(server: Server, prices: Channel) -> None:
    clock: Any = server.engine.driver
    server.expose("/prices", prices, max_age=100)
    listener = Listener(server, "/prices")
    clock.advance(100)
    check_cut(listener)


def test_what_a_hook_raises_is_reported_and_changes_nothing(
    server: Server, prices: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(subscriber: Any) -> None:
        raise KeyError

    server.expose("/prices", prices).on_subscribe(fail)
    listener = Listener(server, "/prices")
    settle(server)
    assert "on_subscribe of '/prices' failed" in caplog.text
    prices.publish(1)
    settle(server)
    assert listener.take() == [("message", 1)]


def test_a_dropped_subscriber_leaves_nothing_behind(server: Server, prices: Channel) -> None:
    server.expose("/prices", prices)
    server.expose("/both", [prices, server.channel("other")])
    for path in ("/prices", "/both"):
        listener = Listener(server, path)
        assert prices.count == 1
        listener.lose()
        settle(server)
    assert prices.count == 0
    assert not any((prices._live, prices._behind, prices._pulling, server.engine.sessions))
    assert not len(server.engine.deadlines)


def test_nobody_waits_for_the_garbage_collector(server: Server, prices: Channel) -> None:
    seen: list[Any] = []
    exposure = server.expose("/both", [prices, server.channel("other")])
    exposure.on_subscribe(lambda subscriber: seen.append(weakref.ref(subscriber)))
    listener = Listener(server, "/both")
    settle(server)
    gc.disable()
    try:
        listener.lose()
        settle(server)
        del listener
        assert seen[0]() is None
    finally:
        gc.enable()


def test_a_hundred_paths_leave_no_channels_behind(server: Server) -> None:
    @server.expose("/runs/{run_id}")
    def run(request: Request, run_id: str) -> Channel:
        return server.channel(run_id)

    for number in range(100):
        Listener(server, f"/runs/{number}").lose()
        settle(server)
    assert len(server._channels) == 0
