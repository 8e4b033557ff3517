"""docs/operations.md is true: its loggers are those of the code, and its programs run."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from waterspout import Server
from waterspout.drivers import InlineDriver
from waterspout.engine import Layer
from waterspout.hosts import accepting, intake, signals, standalone, web

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
PROSE = " ".join(PAGE.split())
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_loggers_are_those_of_the_code() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r'logger\("(waterspout\.\w+)"\)', source)) | {f"waterspout.{layer}" for layer in Layer}
    assert set(re.findall(r"^\| `(waterspout\.\w+)`", PAGE, re.MULTILINE)) == named


@pytest.mark.parametrize("program", [text for text in PROGRAMS if "Server(" in text or "driver" in text])
def test_a_program_of_the_page_runs(program: str) -> None:
    names: dict[str, Any] = {"Server": Server, "server": Server()}
    exec(program, names)
    driver = InlineDriver()
    names["server"].engine.bind(driver)
    if "tune" in names:
        assert (driver.slow_handler, driver.threads) == (0.5, 8)
    elif "trusted_proxies" in program:
        assert names["server"].engine.policy.trusted_proxies == "unix"


def test_the_end_of_an_application_of_ones_own_comes_as_the_page_has_it() -> None:
    (program,) = (text for text in PROGRAMS if "drain" in text)
    names: dict[str, Any] = {"server": Server()}
    exec(program.replace("8000", '0, "127.0.0.1"'), names)

    async def main() -> None:
        stopped = asyncio.Event()
        stopped.set()
        await names["serve"](stopped)
        assert names["server"].close().done

    asyncio.run(main())


def test_the_deadlines_are_those_of_the_code() -> None:
    for what, seconds in (
        ("the head of the first request", web.HEAD_TIMEOUT),
        ("the head of a later request", web.IDLE_TIMEOUT),
        ("the body of a request for the engine", intake.BODY_TIMEOUT),
        ("the body of any other request", web.BODY_TIMEOUT),
        ("the next bytes of an answer", web.UNREAD_TIMEOUT),
    ):
        assert re.search(rf"\|[^|]*{what}[^|]*\| {seconds:g} s", PAGE), what
    assert f"{intake.REFUSED_BODY_TIMEOUT:g} s if the request is refused" in PROSE
    assert f"have {standalone.BODIES} times" in PROSE
    assert f"up to {signals.CLOSE_TIMEOUT:g} s" in PROSE
    assert f"the last {accepting.SPARE} descriptors" in PROSE


def test_the_defaults_are_those_of_the_code() -> None:
    driver = InlineDriver()
    assert f"`slow_handler` seconds ({driver.slow_handler})" in PROSE
    assert 5 <= driver.threads <= 32
