"""Original names for the faces (G3): each test is a program of its own, for an import cannot be undone."""

import subprocess
import sys
from pathlib import Path

import pytest

import waterspout
from waterspout.faces import FACES, install

SOURCE = Path(waterspout.__file__).parent.parent
INSTALL = "from waterspout.faces import install\n"


def run(folder: Path, program: str) -> str:
    """Run a program in a folder, and return what it prints and how it fails."""
    (folder / "program.py").write_text(program, "utf-8")
    environment = {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "program.py"]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture(params=sorted(FACES))
def name(request: pytest.FixtureRequest) -> str:
    """The original name of a face."""
    return str(request.param)


def test_the_original_name_is_the_face(tmp_path: Path, name: str) -> None:
    program = f"""{INSTALL}
install({name!r})
import {name}
import {FACES[name]} as face
print({name} is face, {name}.__name__)
"""
    assert run(tmp_path, program) == f"True {FACES[name]}\n"


def test_the_modules_below_are_the_same_objects_however_they_are_imported(tmp_path: Path) -> None:
    program = f"""{INSTALL}
install("tornadio2")
import importlib
import tornadio2.stats
from tornadio2 import gen
from tornadio2.sessioncontainer import SessionBase
from waterspout.faces.tornadio2 import gen as ours, sessioncontainer, stats
import waterspout.faces.tornadio2.periodic
import tornadio2.periodic
print(tornadio2.stats is stats, gen is ours, SessionBase is sessioncontainer.SessionBase)
print(tornadio2.periodic is waterspout.faces.tornadio2.periodic)
for module in (tornadio2, stats, gen, sessioncontainer, tornadio2.periodic):
    assert module.__spec__.name == module.__name__, module.__spec__
    assert module.__name__.startswith("waterspout."), module
    assert importlib.reload(module) is module
"""
    assert run(tmp_path, program) == "True True True\nTrue\n"


def test_every_module_of_a_face_has_its_original_name(tmp_path: Path, name: str) -> None:
    program = f"""{INSTALL}
install({name!r})
import importlib, pkgutil
import {name}
for found in pkgutil.iter_modules({name}.__path__):
    first = importlib.import_module("{name}." + found.name)
    assert first is importlib.import_module("{FACES[name]}." + found.name), found.name
    assert first is getattr({name}, found.name), found.name
print("the same")
"""
    assert run(tmp_path, program) == "the same\n"


def test_a_second_install_changes_nothing(tmp_path: Path, name: str) -> None:
    program = f"""{INSTALL}
import sys
install({name!r})
before = dict(sys.modules), list(sys.meta_path)
install({name!r})
print((sys.modules, sys.meta_path) == before)
"""
    assert run(tmp_path, program) == "True\n"


@pytest.mark.parametrize("statement", ["import tornadio2.nothing", "from tornadio2 import nothing"])
def test_what_the_face_does_not_have_cannot_be_imported(tmp_path: Path, statement: str) -> None:
    output = run(tmp_path, f'{INSTALL}\ninstall("tornadio2")\n{statement}\n')
    assert "ImportError" in output or "ModuleNotFoundError: No module named 'tornadio2.nothing'" in output


def test_nothing_is_installed_unless_somebody_asks(tmp_path: Path, name: str) -> None:
    assert f"No module named {name!r}" in run(tmp_path, f"{INSTALL}\nimport {name}\n")


def test_an_unknown_face_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"there is no face for 'tornado2': the faces are .*'tornadio2'"):
        install("tornado2")


@pytest.mark.parametrize("file", ["{}.py", "{}/__init__.py", "{}/router.py"])
def test_a_foreign_package_is_not_shadowed(tmp_path: Path, name: str, file: str) -> None:
    foreign = tmp_path / file.format(name)
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("")
    for before in ("", f"import {name}\n"):
        output = run(tmp_path, f"{INSTALL}{before}install({name!r})\n")
        last = output.splitlines()[-1]
        assert last.startswith(f"ImportError: another {name} can be imported, from "), output
        assert last.endswith(f"uninstall it, or import {FACES[name]} instead")
        assert str(foreign.parent if foreign.name == "router.py" else foreign) in last


def test_a_foreign_module_without_a_file_is_not_shadowed(tmp_path: Path, name: str) -> None:
    program = f"""{INSTALL}
import sys, types
sys.modules[{name!r}] = types.ModuleType({name!r})
install({name!r})
"""
    assert f"another {name} can be imported, from sys.modules: " in run(tmp_path, program)
