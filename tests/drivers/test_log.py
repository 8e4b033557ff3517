"""The loggers: whatever a line is made of, there is nothing in it that a terminal or a reader obeys."""

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from waterspout.drivers.log import LoopThrottle, clean, logger

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
