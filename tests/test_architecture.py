"""docs/architecture.md is true: its modules, layers, states, reasons and refusals are those of the code."""

import ast
import re
from pathlib import Path

import pytest

import waterspout
from layers import MAY_IMPORT
from waterspout import Reason
from waterspout.engine import TRANSITIONS, Protocol1Policy, State, Step
from waterspout.engine.driver import Driver
from waterspout.engine.http.refusals import Fault
from waterspout.server import Adapter
from waterspout.server.life import Life

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "waterspout"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def table(first: str) -> list[list[str]]:
    """Return the rows of the table whose first heading this is, the headings at the top, without the rule."""
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[:1] + rows[2:]


def house() -> list[str]:
    """Return the modules that the page lists, by path: names stand below their folder, comments behind two spaces."""
    block = PAGE.split("src/waterspout/\n")[1].split("```")[0]
    modules, folder = [], ""
    for line in block.splitlines():
        indent = len(line) - len(line.lstrip())
        folder = folder if indent > 2 else ""
        for word in re.split(r"\s{2,}", line.strip())[0].split():
            if word.endswith("/"):
                folder = word
            elif word.endswith(".py"):
                modules.append(folder + word)
    return modules


def test_the_house_has_the_modules_that_it_lists_and_no_others() -> None:
    sources = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    shown = {path for path in sources if not path.endswith(("__init__.py", "__main__.py")) and "demo/" not in path}
    listed = house()
    assert sorted(listed) == sorted(shown)


def test_what_it_says_of_a_class_is_there() -> None:
    classes: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
                classes.setdefault(node.name, set()).update(names, dir(object))
    named = [(kind, name) for kind, name in re.findall(r"`(\w+)\.(\w+)\b", PAGE) if kind in classes]
    assert len(named) > 5
    assert [f"{kind}.{name}" for kind, name in named if name not in classes[kind]] == []


def test_the_layers_are_those_that_the_source_is_held_to() -> None:
    rows = table("layer")[1:]
    stated = {layer: set() if below == "nothing" else set(below.split(", ")) for layer, below in rows}
    assert stated == {layer: MAY_IMPORT[layer] for layer in stated}
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")} - {"demo", "cli"}
    assert stated.keys() == packages | {"errors", "types"}


def test_the_states_of_a_session_are_those_of_the_code() -> None:
    (_, *steps), *rows = table("state")
    assert steps == [step.value for step in Step]
    stated = {State(state): dict(zip(map(Step, steps), cells, strict=True)) for state, *cells in rows}
    assert {
        state: {step: State(cell) for step, cell in cells.items() if cell} for state, cells in stated.items()
    } == TRANSITIONS


def test_the_lives_of_a_socket_are_those_of_the_code() -> None:
    assert " then ".join(f"`{life.value}`," for life in Life).removesuffix(",") in PAGE.replace("\n", " ")


def test_the_reasons_are_those_of_the_code() -> None:
    assert [row[0] for row in table("reason")[1:]] == list(Reason)


def test_the_refusals_are_those_of_the_code() -> None:
    assert table("code")[1:] == [[str(cell) for cell in fault.value] for fault in Fault]


NUMBERS = {"three": 3, "four": 4, "five": 5, "ten": 10, "eleven": 11, "thirteen": 13, "fifteen": 15}


@pytest.mark.parametrize(
    ("pattern", "protocol"),
    [(r"A driver is the (\w+) methods", Driver), (r"an adapter the (\w+) of `server\.Adapter`", Adapter)],
)
def test_the_page_counts_right(pattern: str, protocol: type) -> None:
    found = re.search(pattern, PAGE)
    assert found
    methods = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    assert NUMBERS[found[1]] == len(methods)


def test_every_name_in_code_that_looks_like_a_path_exists() -> None:
    paths = re.findall(r"`((?:tests|examples|docs|scripts)/[\w./]+)`", PAGE)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_name_in_code_that_looks_like_a_class_exists() -> None:
    known = {"KeyboardInterrupt", "SystemExit", "RuntimeError", "TypeError"}
    for path in SOURCE.rglob("*.py"):
        known.update(re.findall(r"^(?:class )?([A-Z]\w+)", path.read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"`([A-Z]\w+)", PAGE))
    assert len(named) > 20
    assert named - known == set()


def test_every_option_that_is_named_exists() -> None:
    options = waterspout.Policy.__dataclass_fields__.keys() | Protocol1Policy.__dataclass_fields__.keys()
    named = set(re.findall(r"`(?:policy\.)?([a-z_]+_(?:timeout|bytes))`", PAGE))
    assert named
    assert named <= options


def test_the_page_is_short() -> None:
    lines = PAGE.splitlines()
    assert len(lines) <= 410
    assert max(len(line) for line in lines if not line.startswith("|")) <= 120
