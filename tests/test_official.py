"""The table of the official suites is complete, and every test of ours that it names is run."""

import subprocess
import sys
from pathlib import Path

import pytest

from official import FILES, OFFICIAL, SKIPPED

ROOT = Path(__file__).parent.parent
ROWS = [
    (suite, part, name, f"{FILES[part.partition(' > ')[0]]}::{ours}")
    for table in (OFFICIAL, SKIPPED)
    for suite, parts in table.items()
    for part, names in parts.items()
    for name, ours in names.items()
]


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The ids of the tests that pytest runs from the two files."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *FILES.values()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return [line for line in run.stdout.splitlines() if "::" in line]


def test_the_table_has_all_tests_of_each_suite() -> None:
    def count(table: dict[str, dict[str, dict[str, str]]]) -> dict[str, int]:
        return {suite: sum(map(len, parts.values())) for suite, parts in table.items()}

    assert count(OFFICIAL) == {"Engine.IO 3": 23, "Engine.IO 4": 25, "Socket.IO 5": 32}
    assert count(SKIPPED) == {"Engine.IO 3": 1}


@pytest.mark.parametrize(("suite", "part", "name", "ours"), ROWS)
def test_an_official_test_has_one_of_ours(collected: list[str], suite: str, part: str, name: str, ours: str) -> None:
    found = [node for node in collected if node.partition("[")[0] == ours]
    assert found, f"{ours} does not exist"
    if any(other in node for node in found for other in OFFICIAL):
        assert any(suite in node for node in found), f"{ours} is not run for {suite}"


def test_each_test_of_ours_is_there_for_an_official_one(collected: list[str]) -> None:
    assert {node.partition("[")[0] for node in collected} == {ours for *_, ours in ROWS}
