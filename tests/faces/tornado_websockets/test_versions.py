"""The face's tests with other versions of Django than the one that is installed."""

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from missing import missing

ROOT = Path(__file__).parents[3]
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r")
TESTS = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore", __file__, str(Path(__file__).parent))


def run(python: str, *arguments: str, **environment: str) -> str:
    command = [python, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def newer_python() -> str | None:
    """The path of a Python 3.12 or later, on the PATH or among pyenv's, or None."""
    spec = spec_from_file_location("ranges", ROOT / "scripts" / "_ranges.py")
    assert spec is not None
    assert spec.loader is not None
    ranges = module_from_spec(spec)
    sys.modules[spec.name] = ranges  # where its dataclasses look for themselves
    spec.loader.exec_module(ranges)
    found = [python for python in ranges.pythons(ranges.candidates()) if python.minor >= (3, 12)]
    return next((python.path for python in found if not python.free_threaded), None)


@pytest.mark.hosts
def test_it_runs_on_django_4_2(tmp_path: Path) -> None:
    run(sys.executable, *PIP, "requirements/django42.txt", "--target", str(tmp_path))
    told = run(sys.executable, "-c", "import django; print(django.get_version())", PYTHONPATH=str(tmp_path))
    assert told.startswith("4.2")
    assert "passed" in run(sys.executable, *TESTS, PYTHONPATH=str(tmp_path))


@pytest.mark.hosts
def test_it_runs_on_the_newest_django(tmp_path: Path) -> None:
    """It needs Python 3.12 or later."""
    python = newer_python()
    if python is None:
        missing("the newest Django needs Python 3.12 or later, and there is none")
    run(python, "-m", "venv", str(tmp_path))
    own = str(tmp_path / "bin" / "python")
    run(own, *PIP, "requirements/test.txt")
    assert "6." in run(own, "-c", "import django; print(django.get_version())")
    assert "passed" in run(own, *TESTS, PYTHONPATH=str(ROOT / "src"))
