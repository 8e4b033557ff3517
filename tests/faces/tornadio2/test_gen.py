"""Methods that wait with `yield`, in order or not, without a loop (T2-21, T2-22, PP-42)."""

import contextvars
import logging
from collections.abc import Callable, Generator
from typing import Any

import pytest

from waterspout.faces.tornadio2 import gen

Waiting = list[tuple[Callable[..., object], Any]]


class Service:
    """Answers when the test says so, in any order."""

    def __init__(self) -> None:
        self.waiting: Waiting = []

    def ask(self, value: Any, callback: Callable[..., object]) -> None:
        self.waiting.append((callback, value))

    def answer(self, index: int = 0) -> None:
        callback, value = self.waiting.pop(index)
        callback(value)

    def answer_all(self, index: int = 0) -> None:
        while self.waiting:
            self.answer(index)


def ask_at_once(value: Any, callback: Callable[..., object]) -> None:
    callback(value)


class Worker:
    """Has methods of each kind; what they did is in `log`."""

    def __init__(self, ask: Callable[..., object]) -> None:
        self.ask = ask
        self.log: list[Any] = []

    @gen.sync_engine
    def in_order(self, value: Any) -> Generator[Any, Any, Any]:
        self.log.append(("begin", value))
        answer = yield gen.Task(self.ask, value)
        self.log.append(("end", answer))
        return answer

    @gen.sync_engine
    def twice(self, value: str) -> Generator[Any, Any, Any]:
        for _ in range(2):
            self.log.append((yield gen.Task(self.ask, value)))

    @gen.engine
    def side_by_side(self, value: Any) -> Generator[Any, Any, Any]:
        self.log.append((yield gen.Task(self.ask, value)))

    @gen.sync_engine
    def failing(self, value: Any) -> Generator[Any, Any, Any]:
        answer = yield gen.Task(self.ask, value)
        self.log.append(answer)
        if answer == "bad":
            raise LookupError(answer)

    @gen.sync_engine
    def plain(self, value: Any) -> Any:
        if value == "bad":
            raise LookupError(value)
        self.log.append(value)
        return value


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def worker(service: Service) -> Worker:
    return Worker(service.ask)


def test_a_method_whose_tasks_answer_at_once_has_ended_when_it_returns() -> None:
    worker = Worker(ask_at_once)
    assert worker.in_order("a") == "a"
    assert worker.log == [("begin", "a"), ("end", "a")]
    assert worker.twice("b") is None
    assert worker.log[2:] == ["b", "b"]


def test_a_method_begins_at_once_and_ends_with_its_answer(worker: Worker, service: Service) -> None:
    outcome = worker.in_order("a")
    assert worker.log == [("begin", "a")]
    assert not outcome.done
    with pytest.raises(RuntimeError, match="no result yet"):
        outcome.result()
    service.answer()
    assert worker.log == [("begin", "a"), ("end", "a")]
    assert outcome.done
    assert outcome.result() == "a"


@pytest.mark.parametrize("index", [0, -1])
def test_sync_engine_begins_a_call_when_the_one_before_has_ended(worker: Worker, service: Service, index: int) -> None:
    for value in "abc":
        worker.in_order(value)
    assert [value for _, value in service.waiting] == ["a"]
    service.answer_all(index)
    assert worker.log == [(step, value) for value in "abc" for step in ("begin", "end")]


@pytest.mark.parametrize("index", [0, -1])
def test_sync_engine_does_not_mix_calls_that_wait_several_times(worker: Worker, service: Service, index: int) -> None:
    for value in "abc":
        worker.twice(value)
    service.answer_all(index)
    assert worker.log == list("aabbcc")


def test_engine_lets_calls_end_in_any_order(worker: Worker, service: Service) -> None:
    for value in "abc":
        worker.side_by_side(value)
    assert [value for _, value in service.waiting] == ["a", "b", "c"]
    service.answer_all(-1)
    assert worker.log == list("cba")


def test_sync_engine_queues_for_each_object_and_each_method(service: Service) -> None:
    first, second = Worker(service.ask), Worker(service.ask)
    first.in_order("a")
    first.twice("b")
    second.in_order("c")
    first.in_order("d")
    assert [value for _, value in service.waiting] == ["a", "b", "c"]


def test_a_thousand_queued_calls_that_end_at_once_are_not_a_thousand_frames_deep(service: Service) -> None:
    worker = Worker(service.ask)
    for number in range(3000):
        worker.in_order(number)
    worker.ask = ask_at_once
    service.answer()
    assert worker.log[-1] == ("end", 2999)
    assert len(worker.log) == 6000


def test_a_call_that_raises_at_once_raises_and_releases_the_queue() -> None:
    worker = Worker(ask_at_once)
    with pytest.raises(LookupError):
        worker.failing("bad")
    worker.failing("good")
    assert worker.log == ["bad", "good"]


def test_a_plain_method_that_raises_releases_the_queue(worker: Worker) -> None:
    with pytest.raises(LookupError):
        worker.plain("bad")
    assert worker.plain("good") == "good"
    assert worker.log == ["good"]


def test_a_call_that_fails_later_releases_the_queue_and_tells_who_listens(worker: Worker, service: Service) -> None:
    failed: list[Any] = []
    outcome = worker.failing("bad")
    outcome.add_done_callback(failed.append)
    worker.failing("good")
    service.answer_all()
    assert worker.log == ["bad", "good"]
    assert failed == [outcome]
    assert isinstance(outcome.error, LookupError)
    with pytest.raises(LookupError):
        outcome.result()


def test_an_error_to_which_nobody_listens_is_logged(
    worker: Worker, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    worker.failing("bad")
    service.answer()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("tornadio2.gen", logging.ERROR)
    assert "LookupError: bad" in caplog.text


def test_who_listens_is_told_before_the_next_call_begins(worker: Worker, service: Service) -> None:
    for value in "ab":
        worker.in_order(value).add_done_callback(lambda outcome: worker.log.append(outcome.result()))
    service.answer_all()
    assert worker.log == [("begin", "a"), ("end", "a"), "a", ("begin", "b"), ("end", "b"), "b"]


def test_a_listener_that_fails_does_not_keep_the_queue(worker: Worker, service: Service) -> None:
    def fail(outcome: gen.Outcome) -> None:
        raise ZeroDivisionError

    worker.in_order("a").add_done_callback(fail)
    worker.in_order("b")
    with pytest.raises(ZeroDivisionError):
        service.answer()
    service.answer()
    assert worker.log[-1] == ("end", "b")


def test_a_listener_of_what_has_ended_is_told_at_once(worker: Worker, service: Service) -> None:
    outcome = worker.in_order("a")
    service.answer()
    heard: list[Any] = []
    outcome.add_done_callback(heard.append)
    assert heard == [outcome]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("decorator", [gen.engine, gen.sync_engine])
def test_an_interrupt_goes_on_its_way(interrupt: type[BaseException], decorator: Any) -> None:
    class Interrupted:
        @decorator
        def plain(self) -> None:
            raise interrupt

        @decorator
        def generator(self) -> Generator[Any, Any, Any]:
            yield gen.Task(ask_at_once, 1)
            raise interrupt

    with pytest.raises(interrupt):
        Interrupted().plain()
    with pytest.raises(interrupt):
        Interrupted().generator()


def test_a_call_keeps_the_context_in_which_it_was_made(service: Service) -> None:
    place = contextvars.ContextVar("place", default="nowhere")

    class Traveller(Worker):
        @gen.sync_engine
        def visit(self) -> Generator[Any, Any, Any]:
            self.log.append(place.get())
            yield gen.Task(self.ask, None)
            self.log.append(place.get())

    traveller = Traveller(service.ask)
    for name in ("Oslo", "Rome"):
        place.set(name)
        traveller.visit()
    place.set("home")
    service.answer_all()
    assert traveller.log == ["Oslo", "Oslo", "Rome", "Rome"]


def test_arguments_of_any_name_are_passed_on() -> None:
    class Named:
        @gen.sync_engine
        def queued(self, **kwargs: Any) -> Any:
            return kwargs

        @gen.engine
        def free(self, **kwargs: Any) -> Any:
            return kwargs

    arguments = {"func": 1, "callback": 2, "args": 3, "outcome": 4}
    assert Named().queued(**arguments) == arguments
    assert Named().free(**arguments) == arguments


def test_a_decorated_method_keeps_its_name_and_its_signature() -> None:
    assert Worker.in_order.__name__ == "in_order"
    assert Worker.in_order.__wrapped__.__code__.co_varnames[:2] == ("self", "value")  # type: ignore[attr-defined]


class Connection:
    """Dispatches events by name; the handlers wait, and `on_event` alone is decorated."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.log: list[Any] = []

    def query(self, value: Any) -> Generator[Any, Any, Any]:
        self.log.append((yield gen.Task(self.service.ask, value)))
        return f"answer to {value}"

    def plain(self, value: Any) -> Any:
        self.log.append(value)
        return value

    @gen.sync_engine
    def nested(self, value: Any) -> Generator[Any, Any, Any]:
        return (yield from self.query(value))

    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self, name)(*args, **kwargs)


class InOrder(Connection):
    @gen.sync_engine
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return super().on_event(name, *args, **kwargs)


class SideBySide(Connection):
    @gen.engine
    def on_event(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return super().on_event(name, *args, **kwargs)


@pytest.mark.parametrize("handler", ["query", "nested"])
def test_on_event_can_be_decorated_in_the_place_of_its_handlers(service: Service, handler: str) -> None:
    connection = InOrder(service)
    outcomes = [connection.on_event(handler, value) for value in "ab"]
    outcomes.append(connection.on_event("plain", "c"))
    service.answer_all(-1)
    assert connection.log == ["a", "b", "c"]
    assert [outcome.result() for outcome in outcomes] == ["answer to a", "answer to b", "c"]


def test_on_event_can_be_decorated_without_order(service: Service) -> None:
    connection = SideBySide(service)
    outcomes = [connection.on_event("query", value) for value in "ab"]
    assert connection.on_event("plain", "c") == "c"
    service.answer_all(-1)
    assert connection.log == ["c", "b", "a"]
    assert [outcome.result() for outcome in outcomes] == ["answer to a", "answer to b"]


# follow: what a connection does with whatever a handler has returned


@pytest.mark.parametrize("value", [None, 1, "text", (1, 2), [1], {"a": 1}])
def test_a_value_is_there_at_once(value: Any) -> None:
    outcome = gen.follow(value)
    assert outcome.done
    assert outcome.result() == value


def test_a_generator_is_driven_and_its_error_kept(service: Service) -> None:
    def handler(answer: Any) -> Generator[Any, Any, Any]:
        if (yield gen.Task(service.ask, answer)) == "bad":
            raise LookupError
        return "done"

    good, bad = gen.follow(handler("good")), gen.follow(handler("bad"))
    assert not good.done
    service.answer_all()
    assert good.result() == "done"
    assert isinstance(bad.error, LookupError)


def test_a_generator_that_fails_at_once_raises_nothing() -> None:
    def handler() -> Generator[Any, Any, Any]:
        raise LookupError
        yield

    assert isinstance(gen.follow(handler()).error, LookupError)


def test_the_outcome_of_a_decorated_method_is_followed(worker: Worker, service: Service) -> None:
    outcome = gen.follow(worker.in_order("a"))
    assert not outcome.done
    service.answer()
    assert outcome.result() == "a"


def test_a_coroutine_without_a_loop_is_an_error_that_says_so() -> None:
    async def handler() -> None: ...

    error = gen.follow(handler()).error
    assert isinstance(error, RuntimeError)
    assert "no loop is running" in str(error)


# SyncRunner


def test_a_sync_runner_tells_once_that_its_generator_has_ended(service: Service) -> None:
    ended: list[str] = []

    def work() -> Generator[Any, Any, Any]:
        yield gen.Task(service.ask, 1)
        return "value"

    runner = gen.SyncRunner(work(), lambda: ended.append("ended"))
    runner.run()
    assert (ended, runner.finished) == ([], False)
    service.answer()
    assert (ended, runner.finished, runner.value) == (["ended"], True, "value")
    runner.run()
    assert ended == ["ended"]


def test_a_sync_runner_tells_of_an_error_too(service: Service) -> None:
    ended: list[str] = []

    def work() -> Generator[Any, Any, Any]:
        yield gen.Task(service.ask, 1)
        raise LookupError

    gen.SyncRunner(work(), lambda: ended.append("ended")).run()
    with pytest.raises(LookupError):
        service.answer()
    assert ended == ["ended"]
