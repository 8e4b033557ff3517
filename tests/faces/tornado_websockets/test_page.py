"""docs/tornado-websockets.md has the rows of the original's names, and the tests that it names are there."""

import re
from pathlib import Path

import pytest

from faces.rows import is_there

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]
PAGE = (ROOT / "docs" / "tornado-websockets.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| (TW|EX|UX|PP|XX)-", line)
]
POLICIES = (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 23, 24, 28, 33, 34, 36, 39, 40, 41, 42, 44, 45, 46)


def test_every_row_is_there_once_and_in_order() -> None:
    expected = [*(f"TW-{number}" for number in range(1, 21)), "EX-54", "UX-15"]
    expected += [f"PP-{number}" for number in POLICIES]
    expected += [f"XX-{number}" for number in range(1, 5)]
    assert [row[0] for row in ROWS] == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_is_held_by_something(row: list[str]) -> None:
    assert len(row) == 3
    assert re.search(r"`[\w/]+\.py::test_\w+`|^no test: ", row[2])


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", PAGE))))
def test_every_test_that_is_named_is_there(named: str) -> None:
    assert is_there(named, TESTS)
