"""What is installed here, without some of it: python-socketio has the name of gevent-socketio's modules."""

import os
import sysconfig
from pathlib import Path

import waterspout

SOURCE = Path(waterspout.__file__).parent.parent


def packages_without(folder: Path, *names: str) -> str:
    """Fill a folder with all packages but those whose names begin so; return a PYTHONPATH for `python -S`."""
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(names):
            (folder / package.name).symlink_to(package)
    return f"{SOURCE}{os.pathsep}{folder}"
