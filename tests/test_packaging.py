"""What is built can be installed into an empty environment, and runs there."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import venv
import zipfile
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

ROOT = Path(__file__).parent.parent
NO_SOURCES = (".*", "node_modules", "__pycache__", "build", "dist", "*.egg-info", "*.so")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from the sdist.

    It is built from a copy: setuptools makes a folder beside the sources, which other tests would find there meanwhile.
    """
    target, sources = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("sources") / "waterspout"
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(*NO_SOURCES))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(sources))
    return target


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel and what the lock file says that it requires."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=True)
    (wheel,) = built.glob("*.whl")
    pip = (home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--only-binary", ":all:", "--require-hashes", "--requirement", ROOT / "requirements/alone.txt")
    run(*pip, "--no-index", wheel)  # fails if the wheel requires anything else
    return home / "bin"


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_the_types_the_licence_and_the_package_only(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"waterspout/py.typed", "waterspout/wire/_frames.pyi", "waterspout/hosts/_send.pyi"} <= set(names)
    assert "waterspout/faces/tornado_websockets/static/tornado_websockets/client.js" in names
    is_free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
    assert is_free_threaded or {"waterspout/wire/_frames.abi3.so", "waterspout/hosts/_send.abi3.so"} <= set(names)
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"waterspout", "pytest_waterspout.py"}


def test_the_sdist_has_what_is_needed_to_test_it(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "src/waterspout/py.typed", "tests/test_packaging.py", "scripts/test"} <= names
    assert {"requirements/test.txt", "requirements/dev.txt"} <= names
    assert {"deploy/nginx.conf", "deploy/haproxy.cfg", "deploy/waterspout@.service"} <= names
    assert [name for name in names if "node_modules" in name or "__pycache__" in name] == []


@pytest.mark.hosts
def test_an_installed_wheel_runs_the_demo_until_it_is_told_to_stop(installed: Path, tmp_path: Path) -> None:
    with demo(installed, tmp_path) as process:
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        try:
            url, output = first_url(process)
            page = build_opener(ProxyHandler({})).open(url, timeout=10)
            with page:
                assert page.status == 200
                assert page.headers.get_content_type() == "text/html"
            process.terminate()
            output += process.communicate()[0]
            assert process.returncode == 0, output
        finally:
            watchdog.cancel()
            process.kill()


def demo(programs: Path, directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [programs / "waterspout", "demo", "--bind", "127.0.0.1:0"],
        cwd=directory,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def first_url(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return the first URL that the program prints, and all that it printed until then."""
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if found := re.search(r"https?://[\w.:\[\]-]+[^\s'\"]*", line):
            return found[0], output
    raise AssertionError(f"the demo printed no URL: {output!r}")
