"""`scripts/test --newest` and `--oldest`: which Pythons they run, and what they say of them."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "scripts/_ranges.py"
spec = importlib.util.spec_from_file_location("ranges", FILE)
assert spec
assert spec.loader
ranges = sys.modules["ranges"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ranges)


def interpreter(path: Path, version: tuple[int, int, int], *, free_threaded: bool = False) -> str:
    """A program that says of itself what a Python of this version would."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{json.dumps([version, free_threaded, str(path)])}'\n")
    path.chmod(0o755)
    return str(path)


def test_each_kind_of_python_is_run_once_with_its_latest_patch(tmp_path: Path) -> None:
    paths = [
        interpreter(tmp_path / "a/python3.12", (3, 12, 1)),
        interpreter(tmp_path / "b/python3.12", (3, 12, 10)),
        interpreter(tmp_path / "a/python3.10", (3, 10, 13)),
        interpreter(tmp_path / "a/python3.14t", (3, 14, 0), free_threaded=True),
        interpreter(tmp_path / "a/python3.14", (3, 14, 0)),
    ]
    found = ranges.pythons(iter(paths))
    assert [(one.name, one.version, one.path) for one in found] == [
        ("3.12", "3.12.10", paths[1]),
        ("3.14", "3.14.0", paths[4]),
        ("3.14t", "3.14.0t", paths[3]),
    ]


def test_a_shim_without_an_interpreter_is_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert ranges.pythons(iter([str(shim), f"{tmp_path}/none"])) == []


def test_pythons_are_looked_for_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = interpreter(tmp_path / "python3.13t", (3, 13, 0), free_threaded=True)
    for name in ("python3.13-config", "python3", "python2.7"):
        interpreter(tmp_path / name, (3, 13, 0))
    monkeypatch.setenv("PATH", f"{tmp_path}:{tmp_path}/none")
    assert list(ranges.candidates()) == [one]
    assert list(ranges.wanted("python3.13t")) == [one]
    assert list(ranges.wanted("python3.13")) == []
    assert list(ranges.wanted(f"{tmp_path}/python3.13")) == [f"{tmp_path}/python3.13"]


def test_the_classifiers_promise_pythons() -> None:
    assert {"3.11", "3.12", "3.13"} <= ranges.promised()


def test_the_table_has_a_row_for_each_python() -> None:
    python = ranges.Python((3, 13), False, 1, "python3.13")
    run = ranges.Run(python, {"msgspec": "0.22.0", "tornado": "6.5"}, "passed in 9 s")
    heading = ["Python", "mode", *ranges.COLUMNS, "result"]
    assert ranges.table([heading, run.row("oldest")]) == (
        "Python  mode    msgspec  tornado  uvloop  orjson  result\n"
        "3.13.1  oldest  0.22.0   6.5      -       -       passed in 9 s"
    )
