"""docs/operations.md is true: its loggers are those of the code, and its programs run."""

import re
from pathlib import Path
from typing import Any

import pytest

from waterspout import Server
from waterspout.drivers import InlineDriver
from waterspout.engine import Layer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_loggers_are_those_of_the_code() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r'getLogger\("(waterspout\.\w+)"\)', source)) | {f"waterspout.{layer}" for layer in Layer}
    assert set(re.findall(r"^\| `(waterspout\.\w+)`", PAGE, re.MULTILINE)) == named


@pytest.mark.parametrize("program", [text for text in PROGRAMS if "logging" not in text])
def test_a_program_of_the_page_runs(program: str) -> None:
    names: dict[str, Any] = {"Server": Server, "server": Server()}
    exec(program, names)
    driver = InlineDriver()
    names["server"].engine.bind(driver)
    if "tune" in names:
        assert (driver.slow_handler, driver.threads) == (0.5, 8)
    elif "trusted_proxies" in program:
        assert names["server"].engine.policy.trusted_proxies == "unix"


def test_the_defaults_are_those_of_the_code() -> None:
    driver = InlineDriver()
    assert f"`slow_handler` seconds\n({driver.slow_handler})" in PAGE
    assert 5 <= driver.threads <= 32
