"""docs/gevent-socketio.md has a row for each name of the original, and the tests that it names are there."""

import re
from pathlib import Path

import pytest

from faces.rows import is_there

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]
PAGE = (ROOT / "docs" / "gevent-socketio.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| (GS|EX|PP)-", line)
]
NUMBERS = [
    *range(1, 4),
    *range(10, 37),
    *range(40, 45),
    *range(50, 70),
    *range(70, 76),
    *range(80, 94),
    *range(100, 107),
]
SCENARIO = r"`tests/clients/test_gevent_socketio\.py`: ([^|,]+(?:, \w[^|,]*)*)"


def test_every_row_is_there_once_and_in_order() -> None:
    expected = [f"GS-{number}" for number in NUMBERS]
    expected += [f"GS-S{number}" for number in range(1, 13)]
    expected += [f"GS-B{number}" for number in range(1, 8)]
    expected += [f"EX-{number}" for number in range(30, 54)]
    expected += [f"PP-{number}" for number in range(1, 49)]
    assert [row[0] for row in ROWS] == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_is_held_by_something(row: list[str]) -> None:
    assert len(row) == 3
    assert re.search(rf"`[\w/]+\.py::test_\w+`|{SCENARIO}|^no test: ", row[2])


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", PAGE))))
def test_every_test_that_is_named_is_there(named: str) -> None:
    assert is_there(named, TESTS)


@pytest.mark.parametrize("scenario", sorted(set(re.findall(SCENARIO, PAGE))))
def test_every_scenario_of_the_clients_that_is_named_is_there(scenario: str) -> None:
    assert f'async "{scenario.strip()}"' in (ROOT / "tests/clients/gevent_socketio.mjs").read_text("utf-8")
