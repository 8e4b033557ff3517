"""Static pages of the server's origin, and an explanation at "/" if there are none."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches
from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from ..errors import CannotStart

INDEX = "index.html"


def static_routes(directory: str | Path, *, sources: Iterable[Path] = (), only_files: bool = False) -> list[Any]:
    """Return the routes for the files of a directory, with index.html at "/"; they are the last of an application.

    Hidden files are not served, nor symbolic links that lead out of the directory. With `only_files` other paths, and
    other methods than GET and HEAD, are left to the routes behind. `CannotStart` if it is no directory, or contains one
    of the `sources`: everybody could read the server's code then.
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
    matcher = ExistingFile(str(root)) if only_files else PathMatches(r"/(.*)")
    return [(matcher, File, {"path": str(root), "default_filename": INDEX})]


def signpost(path: str) -> list[Any]:
    """Return a route for "/" that tells where clients connect, for servers without pages."""
    return [(r"/", Signpost, {"path": path})]


class ExistingFile(PathMatches):
    """Matches what asks for a file of a directory."""

    def __init__(self, root: str) -> None:
        super().__init__(r"/(.*)")
        self._root = root

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the arguments of the handler, or None."""
        found = super().match(request) if request.method in ("GET", "HEAD") else None
        return found if found is not None and self._exists(found["path_args"][0]) else None

    def _exists(self, name: bytes) -> bool:
        path = os.path.abspath(os.path.join(self._root, os.fsdecode(name)))
        files = filter(os.path.isfile, (path, os.path.join(path, INDEX)))
        return not _is_hidden(self._root, path) and any(_is_inside(self._root, file) for file in files)


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
        if "\0" in absolute_path or _is_hidden(root, absolute_path):
            raise HTTPError(404)
        path = super().validate_absolute_path(root, absolute_path)
        if path is not None and not _is_inside(root, path):
            raise HTTPError(404)
        return path


def _is_hidden(root: str, path: str) -> bool:
    return any(part.startswith(".") and part != "." for part in os.path.relpath(path, root).split(os.sep))


def _is_inside(root: str, path: str) -> bool:
    return Path(path).resolve().is_relative_to(root)
