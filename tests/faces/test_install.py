"""Original names for the faces (G3): each test is a program of its own, for an import cannot be undone."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from packages import packages_without
from waterspout.faces import FACES, install

INSTALL = "from waterspout.faces import install\n"


ORIGINALS = {"gevent_socketio": "socketio"}  # else it has the name of the face
OTHERS = ("socketio", "python_socketio")  # what is installed for other tests, and has the name of an original


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """All packages that are installed, but the others."""
    global PACKAGES
    PACKAGES = packages_without(tmp_path_factory.mktemp("packages"), *OTHERS)
    return PACKAGES


PACKAGES = ""


def run(folder: Path, program: str) -> str:
    """Run a program in a folder, and return what it prints and how it fails."""
    (folder / "program.py").write_text(program, "utf-8")
    environment = {"PYTHONPATH": PACKAGES, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-W", "error", "program.py"]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture(params=sorted(FACES))
def name(request: pytest.FixtureRequest) -> str:
    """The name of a face."""
    return str(request.param)


@pytest.fixture
def original(name: str) -> str:
    """What its original is imported as."""
    return ORIGINALS.get(name, name)


def test_the_original_name_is_the_face(tmp_path: Path, name: str, original: str) -> None:
    program = f"""{INSTALL}
install({name!r})
import {original}
import {FACES[name]} as face
print({original} is face, {original}.__name__)
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


def test_every_module_of_a_face_has_its_original_name(tmp_path: Path, name: str, original: str) -> None:
    program = f"""{INSTALL}
install({name!r})
import importlib, pkgutil
import {original}
for found in pkgutil.iter_modules({original}.__path__):
    first = importlib.import_module("{original}." + found.name)
    assert first is importlib.import_module("{FACES[name]}." + found.name), found.name
    assert first is getattr({original}, found.name), found.name
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


def test_nothing_is_installed_unless_somebody_asks(tmp_path: Path, original: str) -> None:
    assert f"No module named {original!r}" in run(tmp_path, f"{INSTALL}\nimport {original}\n")


def test_an_unknown_face_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"there is no face for 'tornado2': the faces are .*'tornadio2'"):
        install("tornado2")


@pytest.mark.parametrize("file", ["{}.py", "{}/__init__.py", "{}/router.py"])
def test_a_foreign_package_is_not_shadowed(tmp_path: Path, name: str, original: str, file: str) -> None:
    foreign = tmp_path / file.format(original)
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("")
    for before in ("", f"import {original}\n"):
        output = run(tmp_path, f"{INSTALL}{before}install({name!r})\n")
        last = output.splitlines()[-1]
        assert last.startswith(f"ImportError: another {original} can be imported, from "), output
        assert last.endswith(f"uninstall it, or import {FACES[name]} instead")
        assert str(foreign.parent if foreign.name == "router.py" else foreign) in last


def test_a_foreign_module_without_a_file_is_not_shadowed(tmp_path: Path, name: str, original: str) -> None:
    program = f"""{INSTALL}
import sys, types
sys.modules[{original!r}] = types.ModuleType({original!r})
install({name!r})
"""
    assert f"another {original} can be imported, from sys.modules: " in run(tmp_path, program)


@pytest.mark.parametrize(
    ("module", "missing", "remedy"),
    [
        ("waterspout.faces.gevent_socketio", "gevent", "waterspout[gevent]"),
        ("waterspout.hosts.gunicorn", "gunicorn.workers.ggevent", "gunicorn[gevent]"),
    ],
)
def test_what_is_not_installed_is_named_with_what_installs_it(
    module: str, missing: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(module)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError) as raised:
        importlib.import_module(module)
    assert remedy in raised.value.__notes__[0]


def test_documented_imports_of_gevent_socketio(tmp_path: Path) -> None:
    program = f"""{INSTALL}
import sys
sys.modules["django"] = sys.modules["gunicorn"] = None  # as if they were not installed
install("gevent_socketio")
from socketio import SocketIOServer, socketio_manage
from socketio.mixins import BroadcastMixin, RoomsMixin
from socketio.namespace import BaseNamespace
from socketio.packet import decode, encode
from socketio.server import SocketIOServer as Same
from socketio.virtsocket import Socket
print(SocketIOServer is Same)
"""
    assert run(tmp_path, program) == "True\n"
