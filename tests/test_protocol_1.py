"""docs/protocol-1.md has every row of the protocol of 0.7 to 0.9, and the tests that it names are there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "protocol-1.md").read_text("utf-8")
FILES = {
    "T": "wire/test_socketio1.py",
    "E": "wire/test_envelopes.py",
    "R": "engine/test_requests1.py",
    "B": "engine/test_handshake.py",
    "X": "wire/test_hixie.py",
    "I": "engine/test_hixie.py",
    "S": "engine/test_resumable.py",
    "K": "engine/test_check.py",
    "Y": "engine/test_policy1.py",
    "P": "engine/test_polling1.py",
    "H": "engine/test_streaming.py",
    "O": "server/test_old_clients.py",
    "G": "server/test_acks.py",
    "J": "server/test_events.py",
    "Q": "server/test_connect.py",
    "U": "server/test_disconnect.py",
    "Z": "server/test_rooms.py",
    "W": "hosts/suite/old.py",
    "N": "hosts/test_tornado.py",
    "M": "hosts/test_handlermessenger.py",
    "F": "hosts/test_flashpolicy.py",
    "L": "test_cli.py",
    "A": "attacks/test_oldest.py",
    "V": "attacks/test_tornadio2.py",
    "C": "clients/test_oldest.py",
    "D": "attacks/test_resuming.py",
}
CELLS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
ROWS = [row for row in CELLS if row[0].startswith("WP-")]
CHECKS = [row for row in CELLS if row[0].isdigit()]
NUMBERS = [*range(1, 17), *range(20, 38), *range(40, 57), *range(60, 66), *range(70, 77)]
ON_THE_WIRE = ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "19"]


def test_every_row_is_there_once() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(f"WP-{number}" for number in NUMBERS)
    assert [row[0] for row in CHECKS] == ON_THE_WIRE


@pytest.mark.parametrize("row", [*ROWS, *CHECKS], ids=lambda row: row[0])
def test_every_row_is_held_by_tests(row: list[str]) -> None:
    assert len(row) == 3
    assert re.fullmatch(r"`[A-Z]::test_\w+`(, `[A-Z]::test_\w+`)*", row[2])


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([A-Z]::\w+)`", PAGE))))
def test_every_test_that_is_named_is_there(named: str) -> None:
    letter, test = named.split("::")
    text = (TESTS / FILES[letter]).read_text("utf-8")
    assert re.search(rf"^ *(async )?def {test}\(", text, re.MULTILINE)


@pytest.mark.parametrize(("letter", "file"), FILES.items())
def test_the_page_says_which_file_a_letter_stands_for(letter: str, file: str) -> None:
    (row,) = (row for row in CELLS if letter in row[0].split(", "))
    files = re.findall(r"`tests/([\w/]+\.py)`", row[1])
    assert files[row[0].split(", ").index(letter)] == file


@pytest.mark.parametrize("source", ["socketio1.json", "hostile_socketio1.json"])
def test_every_row_that_a_vector_names_is_there(source: str) -> None:
    named = set(re.findall(r"\bWP-(\d+)", (TESTS / "data" / source).read_text("utf-8")))
    assert named <= set(map(str, NUMBERS))
