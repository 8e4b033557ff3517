"""Files beside a server: the page that talks to it, from the same origin."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from ..errors import CannotStart


def static_routes(directory: str | Path, *, sources: Iterable[Path] = ()) -> list[Any]:
    """Return the last of an application's routes: the files of a directory, with index.html for the directory itself.

    Hidden files and what a symbolic link has elsewhere are not served. Raises `CannotStart` for what is no
    directory, and for one that has one of the `sources`: with them, everybody could read the rest.
    """
    root = Path(directory).resolve()
    if not root.is_dir():
        raise CannotStart(f"cannot serve the files of {str(directory)!r}: there is no such directory; make it")
    for source in sources:
        if source.resolve().is_relative_to(root):
            raise CannotStart(
                f"cannot serve the files of {str(directory)!r}: {source.name} is among them, and everybody could read "
                f"it; put the page into a directory of its own, as in public/"
            )
    return [(r"/(.*)", File, {"path": str(root), "default_filename": "index.html"})]


class File(StaticFileHandler):
    """A file of the directory, never stale."""

    def set_extra_headers(self, path: str) -> None:
        """Let browsers ask each time, and guess no types."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Refuse what is hidden, and what is elsewhere in truth."""
        inside = os.path.relpath(absolute_path, root)
        if "\0" in absolute_path or any(part.startswith(".") and part != "." for part in inside.split(os.sep)):
            raise HTTPError(404)
        path = super().validate_absolute_path(root, absolute_path)
        if path is not None and not Path(path).resolve().is_relative_to(root):
            raise HTTPError(404)
        return path
