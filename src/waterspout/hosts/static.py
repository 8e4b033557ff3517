"""Static pages of the server's origin, and an explanation at "/" if there are none."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from ..errors import CannotStart


def static_routes(directory: str | Path, *, sources: Iterable[Path] = ()) -> list[Any]:
    """Return the routes for the files of a directory, with index.html at "/"; they are the last of an application.

    Hidden files are not served, nor symbolic links that lead out of the directory. `CannotStart` if it is no directory,
    or contains one of the `sources`: everybody could read the server's code then.
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
    """Return a route for "/" that tells where clients connect, for servers without pages."""
    return [(r"/", Signpost, {"path": path})]


class Signpost(RequestHandler):
    """A 404 with a line for people who open the server in a browser; it repeats nothing of the request."""

    def initialize(self, path: str) -> None:
        self.path = path

    def get(self) -> None:
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(f"There is no page here: clients connect at {self.path} (and --static DIR serves pages).\n")

    head = get


class File(StaticFileHandler):
    """A file of the directory; browsers revalidate it each time, and text is UTF-8."""

    def get_content_type(self) -> str:
        """Return the type by the file's name, with the charset for text: browsers would guess it."""
        found = super().get_content_type()
        is_text = found.startswith("text/") or found == "application/javascript"  # as Python 3.11 has it
        return f"{found}; charset=utf-8" if is_text else found

    def set_extra_headers(self, path: str) -> None:
        """Disable caching without revalidation, and guessing of types."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Answer 404 for hidden files, and for symbolic links that lead out of the directory."""
        inside = os.path.relpath(absolute_path, root)
        if "\0" in absolute_path or any(part.startswith(".") and part != "." for part in inside.split(os.sep)):
            raise HTTPError(404)
        path = super().validate_absolute_path(root, absolute_path)
        if path is not None and not Path(path).resolve().is_relative_to(root):
            raise HTTPError(404)
        return path
