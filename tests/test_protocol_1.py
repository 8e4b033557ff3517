"""docs/protocol-1.md has every row of the protocol of 0.7 to 0.9, and the tests that it names are there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "protocol-1.md").read_text("utf-8")
FILES = {"T": "wire/test_socketio1.py", "E": "wire/test_envelopes.py"}
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| WP-")]
NUMBERS = [*range(1, 17), *range(20, 38), *range(40, 57), *range(60, 66), *range(70, 77)]


def test_every_row_is_there_once_and_in_order_within_its_table() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(f"WP-{number}" for number in NUMBERS)
    assert all(len(row) == 3 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_is_held_by_something(row: list[str]) -> None:
    assert re.search(r"`[TE]::|with the transports|^no test here: ", row[2])


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([TE]::\w+)`", PAGE))))
def test_every_test_that_is_named_is_there(named: str) -> None:
    file, test = named.split("::")
    assert f"\ndef {test}(" in (TESTS / FILES[file]).read_text("utf-8")


@pytest.mark.parametrize("source", ["socketio1.json", "hostile_socketio1.json"])
def test_every_row_that_a_vector_names_is_there(source: str) -> None:
    named = set(re.findall(r"\bWP-(\d+)", (TESTS / "data" / source).read_text("utf-8")))
    assert named <= set(map(str, NUMBERS))
