"""What is installed here, without some of it: python-socketio has the name of gevent-socketio's modules."""

import os
import sysconfig
from pathlib import Path

import waterspout

SOURCE = Path(waterspout.__file__).parent.parent
INSTALLED = Path(sysconfig.get_path("purelib"))
CUSTOMIZE = f"import sys\nsys.path.remove({str(INSTALLED)!r})\n"


def packages_without(folder: Path, *names: str) -> str:
    """Fill a folder with all packages but those whose names begin so; return a PYTHONPATH with these alone."""
    for package in INSTALLED.iterdir():
        if not package.name.startswith(names):
            (folder / package.name).symlink_to(package)
    (folder / "sitecustomize.py").write_text(CUSTOMIZE, "utf-8")
    return f"{SOURCE}{os.pathsep}{folder}"
