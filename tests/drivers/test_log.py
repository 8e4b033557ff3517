"""The loggers: whatever a line is made of, there is nothing in it that a terminal or a reader obeys."""

import asyncio
import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from waterspout import Server, Socket
from waterspout.drivers.log import LoopThrottle, clean, logger
from waterspout.drivers.system import SystemDriver
from waterspout.faces.complaints import Complaints
from waterspout.testing import Clock, Peer

E = TypeVar("E", bound=Exception)

CONTROLS = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud800\udbff\udc00\udfff",
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a file would have of the logger "waterspout.server"."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    log = logger("waterspout.server")
    log.addHandler(handler)
    yield written
    log.removeHandler(handler)


def test_every_control_character_is_escaped_and_nothing_else() -> None:
    assert all(clean(one).isascii() and clean(one).isprintable() for one in CONTROLS)
    assert clean("\x1b[2J\n\x9b\u202e\ud800") == r"\x1b[2J\x0a\x9b\u202e\ud800"
    plain = "a path/é/日本/👩‍👩‍👧 100 % 'quoted' \\ [x]"
    assert clean(plain) == plain


@pytest.mark.parametrize("one", CONTROLS, ids=ascii)
def test_a_line_of_a_logger_has_none_in_its_text_and_its_values(lines: io.StringIO, one: str) -> None:
    logger("waterspout.server").error("a client says %s, and %d", f"<{one}>", 7)
    assert lines.getvalue() == f"a client says <{clean(one)}>, and 7\n"


def test_a_clean_record_keeps_its_text_and_values_apart(caplog: pytest.LogCaptureFixture) -> None:
    logger("waterspout.server").error("a client says %s", "é")
    assert (caplog.records[0].msg, caplog.records[0].args) == ("a client says %s", ("é",))


@pytest.mark.parametrize("one", sorted({*CONTROLS} - {"\n"}), ids=ascii)
def test_a_traceback_has_none_either(lines: io.StringIO, one: str) -> None:
    logger("waterspout.server").error("it failed", exc_info=ValueError(f"<{one}>"))
    assert lines.getvalue() == f"it failed\nValueError: <{clean(one)}>\n"


def test_no_line_of_an_exception_looks_like_one_of_the_log(lines: io.StringIO) -> None:
    logger("waterspout.server").error("it failed", exc_info=ValueError("no\nERROR waterspout: forged\n  more"))
    assert lines.getvalue() == "it failed\nValueError: no\n    ERROR waterspout: forged\n  more\n"


def test_a_common_traceback_is_left_to_the_formatter(lines: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise ValueError("second") from first
    except ValueError as error:
        logger("waterspout.server").error("it failed", exc_info=error)
    assert "direct cause" in lines.getvalue()
    assert "\nValueError: second" in lines.getvalue()
    assert (caplog.records[0].exc_text or "").count("KeyError: 'first'\n\nThe above") == 1  # as Formatter made it


class Hasty(asyncio.SelectorEventLoop):
    """Notes how long timers are to wait, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def call_later(self, delay: float, callback: Any, *args: Any, **more: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        self.delays.append(delay)
        return super().call_later(0, callback, *args, **more)


def test_the_count_of_what_belongs_to_no_engine_comes_by_the_running_loop() -> None:
    counts: list[int] = []

    async def main() -> None:
        throttle = LoopThrottle()
        assert [throttle.allows("a", counts.append) for _ in range(12)] == [True] * 10 + [False] * 2
        assert [round(delay, 1) for delay in loop.delays] == [1.0]
        while not counts:
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=Hasty) as runner:
        loop: Any = runner.get_loop()
        runner.run(main())
    assert counts == [2]


def test_without_a_loop_it_waits_for_the_next_line_or_the_end() -> None:
    counts: list[int] = []
    throttle = LoopThrottle()
    for _ in range(12):
        throttle.allows("a", counts.append)
    throttle.flush()
    assert counts == [2]


# What a client makes long is cut before it is looked at


class Faults(ValueError):
    """A validation error as pydantic has it: its text has lines for each fault."""

    title = "Order"

    def __init__(self, faults: int) -> None:
        self.faults = faults
        self.written = 0

    def error_count(self) -> int:
        return self.faults

    def __str__(self) -> str:
        self.written += 1
        return "\n".join(f"fault {number}" for number in range(self.faults))


def raised(error: E, cause: BaseException | None = None) -> E:
    with suppress(type(error)):
        raise error from cause
    return error


LONG = {
    "a text": ValueError("bad " + "\n" * 490_000),
    "a text that has to be escaped": ValueError("\u202e" * 330_000),
    "a key": KeyError("\0" * 166_000),
    "a text of syntax": SyntaxError("x" * 900_000),
    "a cause": raised(ValueError("x"), KeyError("y" * 900_000)),
    "a member of a group": raised(ExceptionGroup("two", [ValueError("x"), KeyError("y" * 900_000)])),
    "many members": raised(ExceptionGroup("many", [ValueError("x" * 1000) for _ in range(10_000)])),
    "faults of a validation": Faults(333_000),
}
LONG["a note"] = ValueError("x")
LONG["a note"].add_note("y" * 900_000)


@pytest.mark.parametrize("what", LONG)
def test_what_a_client_makes_long_is_cut(lines: io.StringIO, what: str) -> None:
    logger("waterspout.server").error("it failed", exc_info=LONG[what])
    assert len(lines.getvalue()) <= 20_100
    assert type(LONG[what]).__name__ in lines.getvalue()


@pytest.mark.parametrize("what", sorted({*LONG} - {"many members"}))
def test_no_other_formatter_is_given_an_exception_whose_text_was_cut(
    caplog: pytest.LogCaptureFixture, what: str
) -> None:
    logger("waterspout.server").error("it failed", exc_info=LONG[what])
    assert caplog.records[0].exc_info is None
    assert caplog.records[0].exc_text


def test_a_short_exception_is_there_for_other_formatters(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("short")
    logger("waterspout.server").error("it failed", exc_info=error)
    assert caplog.records[0].exc_info == (ValueError, error, None)


def test_a_traceback_is_formatted_once(caplog: pytest.LogCaptureFixture) -> None:
    class Once(logging.Formatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802
            raise AssertionError("it is formatted already")

    logger("waterspout.server").error("it failed", exc_info=ValueError("x"))
    assert Once().format(caplog.records[0]).endswith("it failed\nValueError: x")


def test_many_faults_of_a_validation_are_counted_and_not_written(lines: io.StringIO) -> None:
    few, many = Faults(2), Faults(333_000)
    logger("waterspout.server").error("it failed", exc_info=raised(many, few))
    assert many.written == 0
    assert few.written == 1
    assert "fault 0\n    fault 1\n" in lines.getvalue()
    assert lines.getvalue().endswith("Faults: 333000 validation errors for Order\n")


def test_a_traceback_is_as_python_writes_it(lines: io.StringIO) -> None:
    error = raised(ExceptionGroup("both", [raised(KeyError("a")), AttributeError("no", name="reel", obj=1)]))
    error.add_note("a note")
    for one in (error, raised(ValueError("second"), raised(TypeError("first")))):
        lines.seek(0)
        lines.truncate()
        logger("waterspout.server").error("it failed", exc_info=one)
        assert lines.getvalue() == "it failed\n" + "".join(traceback.format_exception(one))


def test_a_deep_recursion_is_the_end_of_it(lines: io.StringIO) -> None:
    def even(depth: int) -> None:
        odd(depth - 1)

    def odd(depth: int) -> None:
        if depth < 0:
            raise ValueError("too deep")
        even(depth - 1)

    try:
        even(200)
    except ValueError as error:
        logger("waterspout.server").error("it failed", exc_info=error)
    assert lines.getvalue().count('File "') == 50


def test_a_chain_that_has_no_end_has_one(lines: io.StringIO) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    logger("waterspout.server").error("it failed", exc_info=first)
    assert lines.getvalue().count("ValueError: ") == 2


def test_a_long_line_is_cut(lines: io.StringIO) -> None:
    logger("waterspout.server").error("a client says %s", "x" * 900_000)
    assert len(lines.getvalue()) < 2100


class Writing(Clock):
    """A clock whose reports are written to the log."""

    def report(self, text: str, error: BaseException | None = None) -> int:
        return SystemDriver.report(self, text, error)


def test_in_a_second_the_tracebacks_of_one_kind_have_a_bounded_length(lines: io.StringIO) -> None:
    clock = Writing()
    server = Server(driver=clock)

    @server.on("enter")
    def enter(socket: Socket, room: str) -> None:
        try:
            nest(room, 8)
        except ValueError as error:
            raise LookupError(room) from error

    def nest(room: str, depth: int) -> None:
        try:
            if depth:
                nest(room, depth - 1)
        finally:
            raise ValueError(room)

    peer = Peer(server)
    peer.connect()
    for _ in range(20):
        peer.emit("enter", "\u202e" * 5000)
    assert lines.getvalue().count("the handler of 'enter' in / failed\n") == 3
    assert len(lines.getvalue()) < 70_000
    clock.advance(1.0)
    assert lines.getvalue().endswith("17 more of these in the last second: the handler of 'enter' in / failed\n")


def test_so_do_those_of_tornadio2s_face() -> None:
    written = io.StringIO()
    log = logger("tornadio2.session")
    handler = logging.StreamHandler(written)
    log.addHandler(handler)
    server = Server(driver=Clock())
    complaints = Complaints(server.engine)
    members = [KeyError("\0" * 90_000) for _ in range(10)]
    for _ in range(20):
        complaints.write(log, "it failed", error=ExceptionGroup("all", members))
    log.removeHandler(handler)
    assert len(written.getvalue()) < 70_000
