"""The repository keeps its own promises: what is tracked, documented, and ready to run."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SCRIPTS = ["scripts/demo", "scripts/test", "scripts/check", "scripts/bench", "scripts/lock", ".ci/run"]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

# Spelt so that this file does not contain what it looks for.
PATHS_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/[\w.]")
MARKS_FOR_LATER = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
REGISTRIES = re.compile(
    r"registry\.npmjs|registry\.yarnpkg|pypi\.(?:org|python)|python[h]osted|proxy\.golang|deb\.debian"
)


@cache
def tracked() -> dict[str, str]:
    """Return the text files that git tracks, or would with the next commit, by path."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    texts = {}
    for path in filter(None, listed.split("\0")):
        file = ROOT / path
        if file.is_file() and b"\0" not in (content := file.read_bytes()):
            texts[path] = content.decode("utf-8", "replace")
    return texts


def found(pattern: re.Pattern[str]) -> list[str]:
    return [f"{path}: {match[0]}" for path, text in tracked().items() for match in pattern.finditer(text)]


def test_no_file_names_a_path_of_some_machine() -> None:
    assert found(PATHS_OF_A_MACHINE) == []
    places = [str(place) for place in (ROOT, Path.home()) if len(place.parts) > 2]
    assert [path for path, text in tracked().items() if any(place in text for place in places)] == []


def test_nothing_is_marked_for_later() -> None:
    assert found(MARKS_FOR_LATER) == []


def test_no_file_names_a_package_registry() -> None:
    assert found(REGISTRIES) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (PATHS_OF_A_MACHINE, "see /" + "home/ann/notes"),
        (PATHS_OF_A_MACHINE, '"/' + 'root/.cache"'),
        (MARKS_FOR_LATER, "# TO" + "DO: later"),
        (REGISTRIES, "https://registry." + "npmjs.org/ws"),
        (REGISTRIES, "https://py" + "pi.org/simple"),
    ],
)
def test_the_patterns_find_what_they_look_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 120
    assert [line for line in readme.splitlines() if len(line) > 120] == []
    assert "scripts/demo" in readme
    assert "scripts/test" in readme


def test_the_files_that_the_readme_names_are_there() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"`((?:scripts|docs|examples|bench|deploy)/[\w./-]*)`|\]\(((?!https?:)[^)]+)\)", readme))
    paths = {path for pair in named for path in pair if path}
    assert {"examples/", "docs/", "deploy/"} <= paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (.*)", changelog, re.MULTILINE)[0] == "Unreleased"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_compiles(example: Path) -> None:
    source = example.read_text("utf-8")
    assert 0 < len(source.splitlines()) <= 40
    compile(source, str(example), "exec")


def test_scripts_can_be_executed() -> None:
    with_shebang = [path for path, text in tracked().items() if text.startswith("#!")]
    assert set(SCRIPTS) <= set(with_shebang)
    assert [path for path in with_shebang if not os.access(ROOT / path, os.X_OK)] == []


@pytest.mark.parametrize("script", [*SCRIPTS, "scripts/_setup"])
def test_a_script_is_sound_shell(script: str) -> None:
    assert subprocess.run(["bash", "-n", script], cwd=ROOT, check=False).returncode == 0
    assert re.search(r"^set -euo pipefail$|/_setup\"$", (ROOT / script).read_text("utf-8"), re.MULTILINE)


# Lock files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS, GROUPS = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
ALONE = [*PROJECT["project"]["dependencies"], *GROUPS["build"]]
LOCKED = {
    "alone": ALONE,
    "bench": [*ALONE, *EXTRAS["speed"], *GROUPS["bench"]],
    "test": [*ALONE, *EXTRAS["redis"], *EXTRAS["speed"], *EXTRAS["test"]],
    "dev": [*ALONE, *EXTRAS["redis"], *EXTRAS["speed"], *EXTRAS["test"], *EXTRAS["dev"]],
    **{name: GROUPS[name] for name in ("django42", "uvicorn42", "uvicorn43")},
    "uv": GROUPS["uv"],
}
PIN = re.compile(r"([\w.-]+)==([\w.]+)(?: ; (.+?))?(?: +--hash=sha256:[0-9a-f]{64})+")
NODE_LOCKS = ["tests/clients", "bench", "requirements/demo"]


def pins(name: str) -> Iterator[tuple[str, str, str | None]]:
    """Give the packages, versions and markers of a lock file. It may hold nothing but these and hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / f"requirements/{name}.txt").read_text("utf-8"), flags=re.MULTILINE)
    for line in re.sub(r" *\\\n *", " ", text).splitlines():
        pin = PIN.fullmatch(line)
        assert pin, f"requirements/{name}.txt has more than a version with hashes: {line[:80]}"
        yield pin[1], pin[2], pin[3]


def environment(python: str) -> Any:
    return {**default_environment(), "python_version": python, "python_full_version": f"{python}.0"}


def chosen(name: str, python: str) -> dict[str, str]:
    """Return the version of each package that a lock file has for a Python."""
    here = [pin for pin in pins(name) if pin[2] is None or Marker(pin[2]).evaluate(environment(python))]
    versions = {package: version for package, version, _ in here}
    assert len(versions) == len(here)
    return versions


def test_every_lock_file_is_known() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(LOCKED)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("name", LOCKED)
def test_a_lock_file_holds_to_the_ranges(name: str, python: str) -> None:
    versions = chosen(name, python)
    wanted = [Requirement(text) for text in LOCKED[name] if not text.startswith("waterspout[")]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate(environment(python))]
    assert wanted
    broken = [str(one) for one in wanted if not one.specifier.contains(versions.get(one.name, "0"))]
    assert broken == [], "run scripts/lock"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_what_was_tested_is_what_is_checked_measured_and_shown(python: str) -> None:
    everything = chosen("dev", python) | chosen("bench", python)
    for name in ("alone", "bench", "test", "dev"):
        assert chosen(name, python).items() <= everything.items(), name


def test_the_project_is_built_with_what_its_build_system_asks_for() -> None:
    asked = PROJECT["build-system"]["requires"]
    assert len(GROUPS["build"]) == len(asked)
    assert all(
        ours.startswith(one) for ours, one in zip(GROUPS["build"], asked, strict=True)
    )  # it may have a bound more


@pytest.mark.parametrize("folder", NODE_LOCKS)
def test_a_lock_file_of_npm_has_hashes_and_names_no_registry(folder: str) -> None:
    asked = json.loads((ROOT / folder / "package.json").read_text("utf-8"))
    packages = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))["packages"]
    assert packages.pop("")["dependencies"] == asked["dependencies"]
    assert packages
    assert [path for path, package in packages.items() if "integrity" not in package or "resolved" in package] == []


def test_node_has_no_other_lock_files() -> None:
    locks = {path.rpartition("/")[0] for path in tracked() if path.endswith("package.json")}
    assert locks == set(NODE_LOCKS)
