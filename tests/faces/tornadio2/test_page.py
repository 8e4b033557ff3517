"""docs/tornadio2.md has the rows of the original's names, and the tests that it names are there."""

import re
from pathlib import Path

import pytest

from faces.rows import is_there

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]
PAGE = (ROOT / "docs" / "tornadio2.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| (T2|EX|PP|XX)-", line)
]
NUMBERS = [
    *range(1, 17),
    *range(20, 29),
    *range(30, 37),
    *range(40, 49),
    *range(50, 62),
    *range(70, 78),
    *range(80, 101),
]
SETTINGS = range(1, 13)
BEHAVIOUR = range(1, 9)
EXAMPLES = range(1, 30)
POLICIES = range(1, 49)
UNSAID = range(1, 11)
CLIENTS = TESTS.parents[1] / "clients"


def test_every_row_is_there_once_and_in_order() -> None:
    expected = [f"T2-{number}" for number in NUMBERS]
    expected += [f"T2-S{number}" for number in SETTINGS]
    expected += [f"T2-B{number}" for number in BEHAVIOUR]
    expected += [f"EX-{number}" for number in EXAMPLES]
    expected += [f"PP-{number}" for number in POLICIES]
    expected += [f"XX-{number}" for number in UNSAID]
    assert [row[0] for row in ROWS] == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_is_held_by_something(row: list[str]) -> None:
    assert len(row) == 3
    assert re.search(r"`[\w/]+\.py::test_\w+`|`tests/clients/\w+\.py`: \w|^no test: ", row[2])


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([\w/]+\.py::\w+)`", PAGE))))
def test_every_test_that_is_named_is_there(named: str) -> None:
    assert is_there(named, TESTS)


@pytest.mark.parametrize(
    "scenario", sorted(set(re.findall(r"`tests/clients/test_tornadio2\.py`: ([^|,]+(?:, \w[^|,]*)*)", PAGE)))
)
def test_every_scenario_of_the_clients_that_is_named_is_there(scenario: str) -> None:
    assert f'async "{scenario.strip()}' in (CLIENTS / "tornadio2.mjs").read_text("utf-8")
