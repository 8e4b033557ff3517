"""The page of each face has the rows of the original's names, and what it names as their tests is there."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMED = r"`([\w/]+\.py::test_\w+)`"


def numbered(prefix: str, *numbers: int | range) -> list[str]:
    """Ids of rows: a range has both its ends."""
    return [f"{prefix}{number}" for part in numbers for number in ([part] if isinstance(part, int) else part)]


def to(first: int, last: int) -> range:
    return range(first, last + 1)


class Page(NamedTuple):
    """A page, the ids of its rows in their order, and the file whose scenarios it names beside tests."""

    name: str
    tests: str
    ids: list[str]
    scenarios: str = ""

    @property
    def text(self) -> str:
        return (ROOT / "docs" / self.name).read_text("utf-8")

    @property
    def rows(self) -> list[list[str]]:
        kinds = "|".join({one[:3] for one in self.ids})
        lines = [line for line in self.text.splitlines() if re.match(rf"\| ({kinds})[SB]?\d", line)]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    @property
    def scenario(self) -> str:
        """How a scenario is named: the file of its test, and its title."""
        return rf"`tests/clients/test_{self.scenarios}\.py`: ([^|,]+(?:, \w[^|,]*)*)"


TORNADIO2 = Page(
    "tornadio2.md",
    "tornadio2",
    [
        *numbered("T2-", to(1, 16), to(20, 28), to(30, 36), to(40, 48), to(50, 61), to(70, 77), to(80, 100)),
        *numbered("T2-S", to(1, 12)),
        *numbered("T2-B", to(1, 8)),
        *numbered("EX-", to(1, 29)),
        *numbered("PP-", to(1, 48)),
        *numbered("XX-", to(1, 10)),
    ],
    "tornadio2",
)
GEVENT_SOCKETIO = Page(
    "gevent-socketio.md",
    "gevent_socketio",
    [
        *numbered("GS-", to(1, 3), to(10, 36), to(40, 44), to(50, 69), to(70, 75), to(80, 93), to(100, 106)),
        *numbered("GS-S", to(1, 12)),
        *numbered("GS-B", to(1, 7)),
        *numbered("EX-", to(30, 53)),
        *numbered("PP-", to(1, 48)),
    ],
    "gevent_socketio",
)
TORNADO_WEBSOCKETS = Page(
    "tornado-websockets.md",
    "tornado_websockets",
    [
        *numbered("TW-", to(1, 20)),
        "EX-54",
        "UX-15",
        *numbered("PP-", to(1, 4), to(6, 14), 23, 24, 28, 33, 34, 36, to(39, 42), to(44, 46)),
        *numbered("XX-", to(1, 4)),
    ],
)
TORNADOSE = Page(
    "tornadose.md",
    "tornadose",
    [
        *numbered("TD-", to(1, 19)),
        *("EX-56", "EX-57", "UX-16"),
        *numbered("PP-", 1, to(5, 7), 11, 13, 14, 28, 33, 34, 36, to(40, 42), 44, 46, 48),
        *numbered("XX-", to(1, 7)),
    ],
)
PAGES = (TORNADIO2, GEVENT_SOCKETIO, TORNADO_WEBSOCKETS, TORNADOSE)


def each(found: Iterable[tuple[Page, str]]) -> list[object]:
    return [pytest.param(page, what, id=f"{page.tests}-{what}") for page, what in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.tests)
def test_every_row_is_there_once_and_in_order(page: Page) -> None:
    assert [row[0] for row in page.rows] == page.ids


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.tests)
def test_every_row_is_held_by_something(page: Page) -> None:
    held = rf"{NAMED}|{page.scenario}|^no test: " if page.scenarios else rf"{NAMED}|^no test: "
    assert [row for row in page.rows if len(row) != 3 or not re.search(held, row[2])] == []


@pytest.mark.parametrize(
    ("page", "named"), each((page, one) for page in PAGES for one in sorted(set(re.findall(NAMED, page.text))))
)
def test_every_test_that_is_named_is_there(page: Page, named: str) -> None:
    """FILE::TEST, FILE from the root or from the face's tests."""
    file, test = named.split("::")
    source = (ROOT if file.startswith("tests/") else HERE / page.tests) / file
    assert re.search(rf"^(?:async )?def {test}\(", source.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "scenario"),
    each((page, one) for page in PAGES if page.scenarios for one in sorted(set(re.findall(page.scenario, page.text)))),
)
def test_every_scenario_of_the_clients_that_is_named_is_there(page: Page, scenario: str) -> None:
    source = (ROOT / "tests/clients" / f"{page.scenarios}.mjs").read_text("utf-8")
    assert f'async "{scenario.strip()}' in source
