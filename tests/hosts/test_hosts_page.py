"""docs/hosts.md tells what the tests show."""

from pathlib import Path

from hosts.asgi_cases import IMPOSSIBLE
from hosts.suite import (
    bodies,
    ending,
    eventsource,
    old,
    origins,
    plain,
    polling,
    refusing,
    resets,
    vanishing,
    websocket,
)
from hosts.table import BEGIN, END, ROWS, expected

PAGE = (Path(__file__).parents[2] / "docs" / "hosts.md").read_text("utf-8")
SUITE = (bodies, ending, eventsource, old, origins, plain, polling, refusing, resets, vanishing, websocket)
TESTS = {
    name
    for module in SUITE
    for thing in vars(module).values()
    if isinstance(thing, type)
    for name in vars(thing)
    if name.startswith("test_")
} | {name for name in (Path(__file__).parent / "test_asgi.py").read_text("utf-8").split() if name.startswith("test_")}


def test_the_table_is_that_of_these_tests_and_versions() -> None:
    assert PAGE.partition(BEGIN)[2].partition(END)[0] == expected(), "run scripts/hosts"


def test_what_is_left_out_is_a_test_of_the_suite() -> None:
    named = {name.partition("[")[0] for cases in IMPOSSIBLE.values() for name in cases}
    known = {name.partition("(")[0] for name in TESTS}
    assert named | set(ROWS.values()) <= known, (named | set(ROWS.values())) - known
