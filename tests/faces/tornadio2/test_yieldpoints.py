"""What a generator may yield, without a loop and on one (T2-23, EX-19, EX-20)."""

import asyncio
import functools
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tornado.gen import BadYieldError, Return, coroutine, moment
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from ports import free_port
from waterspout import Pending
from waterspout.faces.tornadio2 import gen
from waterspout.testing import Clock

Steps = Generator[Any, Any, Any]


def answer(value: Any, callback: Callable[..., object]) -> None:
    callback(value)


def value_of(function: Callable[..., Steps], *args: Any) -> Any:
    """Return what a generator returns that ends at once."""
    outcome = gen.follow(function(*args))
    assert outcome.done
    return outcome.result()


async def eventually(steps: Steps) -> Any:
    return await gen.follow(steps)


# Callbacks


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((), {}, None),
        ((1,), {}, 1),
        ((1, 2), {}, ((1, 2), {})),
        ((1,), {"a": 2}, ((1,), {"a": 2})),
        ((), {"a": 2}, ((), {"a": 2})),
    ],
)
def test_what_a_callback_is_called_with_is_one_value(args: Any, kwargs: Any, expected: Any) -> None:
    def work() -> Steps:
        task = yield gen.Task(lambda callback: callback(*args, **kwargs))
        (yield gen.Callback("key"))(*args, **kwargs)
        return task, (yield gen.Wait("key"))

    assert value_of(work) == (expected, expected)


def test_a_task_passes_its_arguments_on() -> None:
    def work() -> Steps:
        return (yield gen.Task(lambda *args, callback, **kwargs: callback((args, kwargs)), 1, 2, func=3))

    assert value_of(work) == ((1, 2), {"func": 3})


def test_the_second_call_of_a_callback_is_ignored() -> None:
    callbacks: list[Any] = []

    def keep(callback: Any) -> None:
        callbacks.append(callback)

    def work() -> Steps:
        first = yield gen.Task(keep)
        callbacks.append((yield gen.Callback("key")))
        second = yield gen.Task(keep)
        return first, second, (yield gen.Wait("key"))

    outcome = gen.follow(work())
    callbacks[0](1)
    callbacks[0](2)
    callbacks[1](3)
    callbacks[1](4)
    assert not outcome.done
    callbacks[2](5)
    assert outcome.result() == (1, 5, 3)


def test_a_function_without_a_signature_gets_no_callback() -> None:
    def work() -> Steps:
        with pytest.raises(TypeError, match="int has no parameter `callback`, and 5"):
            yield gen.Task(int, 5)
        return "caught"

    assert value_of(work) == "caught"


def test_wait_all_gives_the_answers_in_the_order_of_its_keys() -> None:
    callbacks: dict[str, Any] = {}

    def work() -> Steps:
        for key in "ab":
            callbacks[key] = yield gen.Callback(key)
        return (yield gen.WaitAll(["a", "b"]))

    outcome = gen.follow(work())
    callbacks["b"](2)
    assert not outcome.done
    callbacks["a"](1)
    assert outcome.result() == [1, 2]


def test_a_key_is_free_again_after_its_wait() -> None:
    def work() -> Steps:
        answers = []
        for number in range(2):
            (yield gen.Callback("key"))(number)
            answers.append((yield gen.Wait("key")))
        return answers

    assert value_of(work) == [0, 1]


def test_a_key_that_is_in_use_is_refused_inside_the_generator() -> None:
    def work() -> Steps:
        first = yield gen.Callback("key")
        with pytest.raises(gen.KeyReuseError, match="'key'"):
            yield gen.Callback("key")
        first(1)
        with pytest.raises(gen.KeyReuseError, match="'key'"):
            yield gen.Callback("key")
        return (yield gen.Wait("key"))

    assert value_of(work) == 1


@pytest.mark.parametrize("point", [gen.Wait("key"), gen.WaitAll(["known", "key"])])
def test_a_wait_for_an_unknown_key_is_refused_inside_the_generator(point: gen.YieldPoint) -> None:
    def work() -> Steps:
        known = yield gen.Callback("known")
        with pytest.raises(gen.UnknownKeyError, match="'key'"):
            yield point
        known(1)
        return (yield gen.Wait("known"))

    assert value_of(work) == 1


@pytest.mark.parametrize("is_called", [False, True])
def test_a_callback_that_nobody_waits_for_is_an_error(is_called: bool) -> None:
    def work() -> Steps:
        callback = yield gen.Callback("key")
        if is_called:
            callback()

    error = gen.follow(work()).error
    assert isinstance(error, gen.LeakedCallbackError)
    assert "'key'" in str(error)


# Several at once, and nothing


def test_a_list_and_a_dictionary_are_waited_for_together() -> None:
    def work() -> Steps:
        several = yield [gen.Task(answer, 1), [gen.Task(answer, 2)], {"a": gen.Task(answer, 3)}]
        none = yield []
        return several, none

    assert value_of(work) == ([1, [2], {"a": 3}], [])


def test_the_first_error_of_several_is_raised() -> None:
    def work() -> Steps:
        failing = gen.Outcome()
        failing.reject(LookupError("no"))
        with pytest.raises(LookupError, match="no"):
            yield [gen.Task(answer, 1), failing]
        return "caught"

    assert value_of(work) == "caught"


def test_what_cannot_be_waited_for_is_refused_inside_the_generator() -> None:
    def work() -> Steps:
        with pytest.raises(BadYieldError, match="5"):
            yield 5
        with pytest.raises(BadYieldError, match="5"):
            yield [gen.Task(answer, 1), 5]
        return "caught"

    assert value_of(work) == "caught"


def test_a_generator_may_end_with_tornados_return() -> None:
    def work() -> Steps:
        yield gen.Task(answer, 1)
        raise Return("value")

    assert value_of(work) == "value"


def test_what_a_task_raises_is_raised_inside_the_generator() -> None:
    def fail(callback: Any) -> None:
        raise LookupError

    def work() -> Steps:
        with pytest.raises(LookupError):
            yield gen.Task(fail)
        return "caught"

    assert value_of(work) == "caught"


def test_a_task_that_has_nothing_to_wait_for_is_refused() -> None:
    def add(a: int, b: int) -> int:
        return a + b

    def work() -> Steps:
        with pytest.raises(TypeError, match=r"add has no parameter `callback`, and 3 .* cannot be awaited"):
            yield gen.Task(add, 1, 2)
        return "caught"

    assert value_of(work) == "caught"


def test_a_coroutine_without_a_loop_is_refused_inside_the_generator() -> None:
    async def later() -> None: ...

    def work() -> Steps:
        with pytest.raises(RuntimeError, match="no loop is running"):
            yield later()
        with pytest.raises(RuntimeError, match="no loop is running"):
            yield gen.Task(later)
        return "caught"

    assert value_of(work) == "caught"


def test_an_abstract_point_waits_for_nothing_of_its_own() -> None:
    for method in (gen.YieldPoint.is_ready, gen.YieldPoint.get_result):
        with pytest.raises(NotImplementedError):
            method(gen.YieldPoint())


# On a loop


def test_futures_and_coroutines_are_waited_for() -> None:
    async def later(value: str) -> str:
        await asyncio.sleep(0)
        return value

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError

    def work() -> Steps:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        done.set_result(1)
        open_: asyncio.Future[int] = loop.create_future()
        loop.call_soon(open_.set_result, 2)
        pending: Pending[int] = Pending(Clock())
        pending.resolve(6)
        with pytest.raises(LookupError):
            yield fail()
        with ThreadPoolExecutor(1) as pool:
            counted = yield [done, open_, gen.Task(later, 3), pool.submit(lambda: 4), later("5"), pending]
        yield
        yield moment
        return counted

    assert asyncio.run(eventually(work())) == [1, 2, 3, 4, "5", 6]


def test_a_cancelled_future_is_an_error_inside_the_generator() -> None:
    def work() -> Steps:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        with pytest.raises(asyncio.CancelledError):
            yield future
        return "caught"

    assert asyncio.run(eventually(work())) == "caught"


def test_a_cancelled_wait_ends_the_call_and_frees_the_queue() -> None:
    class Worker:
        @gen.sync_engine
        def wait(self, future: Any) -> Steps:
            return (yield future)

    async def main() -> str:
        first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
        worker = Worker()
        outcomes = [worker.wait(first), worker.wait(second)]
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outcomes[0]
        second.set_result("ended")
        result: str = await outcomes[1]
        return result

    assert asyncio.run(main()) == "ended"


def test_an_outcome_can_be_awaited_before_and_after_its_end() -> None:
    async def main() -> list[Any]:
        outcome = gen.Outcome()
        asyncio.get_running_loop().call_soon(outcome.resolve, "value")
        return [await outcome, await outcome]

    assert asyncio.run(main()) == ["value", "value"]


def test_who_gives_an_outcome_up_is_not_told_of_it() -> None:
    async def main() -> None:
        outcome = gen.Outcome()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outcome, 0)
        outcome.resolve("too late")

    asyncio.run(main())


def test_a_decorated_coroutine_is_queued_like_a_generator() -> None:
    log: list[Any] = []

    class Worker:
        @gen.sync_engine
        async def work(self, value: str) -> str:
            log.append(value)
            await asyncio.sleep(0)
            log.append(value)
            return value

    async def main() -> list[str]:
        worker = Worker()
        outcomes = [worker.work(value) for value in "ab"]
        return [await outcome for outcome in outcomes]

    assert asyncio.run(main()) == ["a", "b"]
    assert log == ["a", "a", "b", "b"]


def test_a_timeout_of_the_loop_is_a_task() -> None:
    def work() -> Steps:
        loop = IOLoop.current()
        yield gen.Task(loop.add_timeout, loop.time())
        yield gen.Task(loop.add_callback)
        return "woken"

    assert asyncio.run(eventually(work())) == "woken"


# The document's example: `gen.Task(http_client.fetch, ...)`


class Echo(RequestHandler):
    """Answers `?q=`; the first of two waits until the second has come."""

    waiting = asyncio.Event()

    async def get(self) -> None:
        question = self.get_query_argument("q")
        if question == "missing":
            self.set_status(404)
        elif question == "first":
            await self.waiting.wait()
        elif question == "second":
            self.waiting.set()
        self.write("response to " + question)


class Connection:
    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[bytes] = []
        self.changed = asyncio.Event()

    def send(self, message: bytes) -> None:
        self.sent.append(message)
        self.changed.set()

    async def has_sent(self, count: int) -> list[bytes]:
        while len(self.sent) < count:
            self.changed.clear()
            await self.changed.wait()
        return self.sent


class InOrder(Connection):
    @gen.sync_engine
    def on_message(self, query: str) -> Steps:
        http_client = AsyncHTTPClient()
        response = yield gen.Task(http_client.fetch, self.url + query)
        self.send(response.body)


class SideBySide(Connection):
    @gen.engine
    def on_message(self, query: str) -> Steps:
        http_client = AsyncHTTPClient()
        response = yield gen.Task(http_client.fetch, self.url + query)
        self.send(response.body)


async def with_server(main: Callable[[str], Any]) -> Any:
    listener, port = bind_unused_port()
    Echo.waiting = asyncio.Event()
    server = HTTPServer(Application([("/", Echo)]))
    server.add_socket(listener)
    try:
        return await main(f"http://127.0.0.1:{port}/?q=")
    finally:
        server.stop()
        await server.close_all_connections()
        AsyncHTTPClient().close()


def exchange(kind: type[InOrder] | type[SideBySide], *queries: str) -> list[bytes]:
    async def main(url: str) -> list[bytes]:
        connection = kind(url)
        for query in queries:
            connection.on_message(query)
        return await connection.has_sent(len(queries))

    sent: list[bytes] = asyncio.run(with_server(main))
    return sent


def test_the_example_answers_in_order() -> None:
    assert exchange(InOrder, "a", "b", "c") == [b"response to a", b"response to b", b"response to c"]


def test_the_example_with_engine_answers_as_it_can() -> None:
    assert exchange(SideBySide, "first", "second") == [b"response to second", b"response to first"]


def test_a_status_that_is_an_error_stays_in_the_response() -> None:
    async def main(url: str) -> tuple[int, bool]:
        def work() -> Steps:
            fetch = functools.partial(AsyncHTTPClient().fetch, url + "missing")
            with pytest.raises(Exception, match="404"):
                yield gen.Task(fetch, raise_error=True)
            response = yield gen.Task(fetch)
            return response.code, response.error is not None

        result: tuple[int, bool] = await gen.follow(work())
        return result

    assert asyncio.run(with_server(main)) == (404, True)


def test_a_server_that_cannot_be_reached_is_a_response_599() -> None:
    url = f"http://127.0.0.1:{free_port()}/"

    def work() -> Steps:
        response = yield gen.Task(AsyncHTTPClient().fetch, url)
        also = yield gen.Task(AsyncHTTPClient().fetch, request=HTTPRequest(url, method="POST", body=b""))
        with pytest.raises(ConnectionRefusedError):
            yield gen.Task(AsyncHTTPClient().fetch, url, raise_error=True)
        return response, also

    response, also = asyncio.run(eventually(work()))
    assert (response.code, response.body, response.request.url) == (599, b"", url)
    assert isinstance(response.error, ConnectionRefusedError)
    with pytest.raises(ConnectionRefusedError):
        response.rethrow()
    assert (also.code, also.request.method) == (599, "POST")


def test_a_fetch_of_ones_own_needs_no_request_to_reach_nobody() -> None:
    async def fetch(*, raise_error: bool = True) -> None:
        raise ConnectionRefusedError

    def work() -> Steps:
        return (yield gen.Task(fetch))

    assert asyncio.run(eventually(work())).code == 599


def test_a_function_of_ones_own_raises_what_it_raises() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    def work() -> Steps:
        with pytest.raises(ZeroDivisionError):
            yield gen.Task(fail)
        return "raised"

    assert asyncio.run(eventually(work())) == "raised"


# Coroutines, and those of Tornado


def later(value: Any, callback: Callable[..., object]) -> None:
    asyncio.get_running_loop().call_soon(callback, value)


def test_tornados_own_coroutine_waits_for_tasks() -> None:
    @coroutine
    def work() -> Steps:
        one = yield gen.Task(answer, 1)
        several = yield [gen.Task(later, 2), gen.Task(later, 3)]
        named = yield {"four": gen.Task(later, 4)}
        with pytest.raises(ZeroDivisionError):
            yield gen.Task(lambda callback: 1 / 0)
        return one, several, named

    async def main() -> Any:
        return await work()

    assert asyncio.run(main()) == (1, [2, 3], {"four": 4})


def test_a_coroutine_awaits_a_task() -> None:
    async def main() -> Any:
        return await gen.Task(later, 1), await gen.Multi([gen.Task(later, 2), gen.Task(answer, 3)])

    assert asyncio.run(main()) == (1, [2, 3])


@pytest.mark.parametrize("point", [gen.Callback("key"), gen.Wait("key"), gen.WaitAll(["key"])])
def test_keys_are_of_generators_alone(point: gen.YieldPoint) -> None:
    async def main() -> None:
        with pytest.raises(BadYieldError, match="for generators that"):
            await point

    asyncio.run(main())
