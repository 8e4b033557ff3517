"""Run the tests with the newest or the lowest versions that pyproject.toml allows, on each Python found.

`scripts/test --newest` and `--oldest` run this. Each Python gets an environment of its own (`.venv-oldest-3.12`) with
wheels only; the arguments are pytest's. The classifiers of pyproject.toml name the Pythons that are promised. Any other
is skipped if a requirement has no wheel for it. PYTHON=python3.13 leaves out all others.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv-uv/bin/uv"
RESOLUTIONS = {"newest": "highest", "oldest": "lowest-direct"}
COLUMNS = ("msgspec", "tornado", "uvloop", "orjson")
ASK = """
import json, sys, sysconfig
print(json.dumps([sys.version_info[:3], bool(sysconfig.get_config_var("Py_GIL_DISABLED")), sys.executable]))
"""


@dataclass(frozen=True, slots=True, order=True)
class Python:
    """An interpreter. The order of its fields is that of the runs."""

    minor: tuple[int, int]
    free_threaded: bool
    patch: int
    path: str

    @property
    def name(self) -> str:
        """Return 3.12, or 3.14t for the one without the global lock."""
        return "{}.{}".format(*self.minor) + "t" * self.free_threaded

    @property
    def version(self) -> str:
        """Return 3.12.1, or 3.14.0t."""
        return "{}.{}".format(*self.minor) + f".{self.patch}" + "t" * self.free_threaded


@dataclass(slots=True)
class Run:
    """What came of one Python."""

    python: Python
    versions: dict[str, str] = field(default_factory=dict)
    result: str = "passed"

    def row(self, mode: str) -> list[str]:
        """Return what the closing table says of it."""
        return [self.python.version, mode, *(self.versions.get(column, "-") for column in COLUMNS), self.result]


# Pythons


def candidates() -> Iterator[str]:
    """Give the paths of what is named like a Python 3, on PATH and among pyenv's versions."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        folders += sorted(Path(root).glob("versions/*/bin"))
    for folder in folders:
        if folder.is_dir():
            yield from (str(path) for path in folder.iterdir() if re.fullmatch(r"python3\.\d+t?", path.name))


def wanted(only: str) -> Iterator[str]:
    """Give what PYTHON means: a path, or a name such as python3.13."""
    return iter([only]) if os.sep in only else (path for path in candidates() if Path(path).name == only)


def ask(path: str) -> Python | None:
    """Return what an interpreter says of itself; None for the shim of a version that is not active, or for none."""
    try:
        done = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    (major, minor, patch), free_threaded, executable = json.loads(done.stdout)
    return Python((major, minor), free_threaded, patch, executable)


def pythons(paths: Iterator[str]) -> list[Python]:
    """Return the Pythons from 3.11 on, one of each kind: that of the latest patch."""
    found = {python for path in paths if (python := ask(path)) and python.minor >= (3, 11)}
    latest = {python.name: python for python in sorted(found)}
    return sorted(latest.values())


def promised() -> set[str]:
    """Return the names of the Pythons that pyproject.toml names."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    return {name for name in (each.rpartition(" :: ")[2] for each in classifiers) if re.fullmatch(r"3\.\d+", name)}


# One of them


def uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run uv, which prints what goes wrong."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    command = [UV, *arguments, "--quiet", "--no-config"]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)


def resolve(python: Python, mode: str) -> str | None:
    """Return the requirements of the tests, one version for each; None where something has no wheel."""
    only_wheels = ("--only-binary", ":all:", "--no-header", "--no-annotate", "--extra", "test")
    chosen = ("--resolution", RESOLUTIONS[mode], "--upgrade", "--python", python.path)
    done = uv("pip", "compile", *chosen, *only_wheels, "pyproject.toml")
    return None if done.returncode else done.stdout


def install(home: Path, python: Python, requirements: str) -> bool:
    """Make an environment with these requirements and the project as it is here."""
    if uv("venv", "--clear", "--python", python.path, home).returncode:
        return False
    pinned = ROOT / home / "requirements.txt"
    pinned.write_text(requirements, "utf-8")
    into = ("pip", "install", "--python", home / "bin/python")
    if uv(*into, "--only-binary", ":all:", "--requirement", pinned).returncode:
        return False
    return uv(*into, "--no-deps", "--no-build-isolation", "--no-cache", "--editable", ".").returncode == 0


def run(python: Python, mode: str, arguments: list[str]) -> Run:
    """Run the tests on one Python."""
    made = Run(python)
    say(f"Python {python.name}: resolving the {mode} versions.")
    requirements = resolve(python, mode)
    if requirements is None:
        made.result = "FAILED: no set of wheels" if python.name in promised() else "skipped: no set of wheels"
        return made
    made.versions = dict(re.findall(r"^([\w.-]+)==([\w.]+)", requirements, re.MULTILINE))
    home = Path(f".venv-{mode}-{python.name}")
    if not install(home, python, requirements):
        made.result = "FAILED: not installed"
        return made
    started = time.monotonic()
    status = subprocess.run([home / "bin/python", "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode
    made.result = f"{'passed' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s"
    return made


# All of them


def say(sentence: str) -> None:
    """Print to where the scripts print."""
    print(sentence, file=sys.stderr, flush=True)


def table(rows: list[list[str]]) -> str:
    """Return rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def main(mode: str, arguments: list[str]) -> int:
    """Run the tests on each Python, and say what came of it."""
    only = os.environ.get("PYTHON")
    found = pythons(wanted(only) if only else candidates())
    if not found:
        say(f"There is no Python from 3.11 on: {only}" if only else "There is no Python from 3.11 on.")
        return 1
    runs = [run(python, mode, arguments) for python in found]
    print(table([["Python", "mode", *COLUMNS, "result"], *(each.row(mode) for each in runs)]))
    absent = promised() - {python.name for python in found}
    if absent and not only:
        print(f"Not found, and not tested: Python {', '.join(sorted(absent))}.")
    return int(any(each.result.startswith("FAILED") for each in runs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
