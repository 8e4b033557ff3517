"""Pages beside a server, from the same origin; and a line where there are none."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, RequestHandler, StaticFileHandler

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


def signpost(path: str) -> list[Any]:
    """Return the route of "/" where there is no page: it says where clients connect."""
    return [(r"/", Signpost, {"path": path})]


class Signpost(RequestHandler):
    """A 404 with a line for who has opened the server's address in a browser; nothing of the request is in it."""

    def initialize(self, path: str) -> None:
        """Take the path of the server."""
        self.path = path

    def get(self) -> None:
        """Say where clients connect."""
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(f"There is no page here: clients connect at {self.path} (and --static DIR serves pages).\n")

    head = get


class File(StaticFileHandler):
    """A file of the directory, never stale; texts are in UTF-8."""

    def get_content_type(self) -> str:
        """Return the type by the file's name; a browser would guess the encoding of a text, and often wrongly."""
        found = super().get_content_type()
        is_text = found.startswith("text/") or found == "application/javascript"  # as Python 3.11 has it
        return f"{found}; charset=utf-8" if is_text else found

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
