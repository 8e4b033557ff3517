"""Shared by the examples: their pages, and the Socket.IO client, which they serve to the browser.

The client is installed from npm, once, in the directory in which the examples are started:

    npm install --prefix .demo --ignore-scripts socket.io-client-09@npm:socket.io-client@0.9.17

PORT is the port of an example (8080), SOCKET_IO_CLIENT the path of another client file: the pages work with 0.9 to 4.x.
"""

import mimetypes
import os
from pathlib import Path

HERE = Path(__file__).parent
PORT = int(os.environ.get("PORT", "8080"))
CLIENT = Path(os.environ.get("SOCKET_IO_CLIENT", ".demo/node_modules/socket.io-client-09/dist/socket.io.js"))
FILES = {path.name: path for path in HERE.glob("static/*")} | {"socket.io.js": CLIENT}


def page(name):
    """Return the text of a page."""
    return (HERE / f"pages/{name}.html").read_text("utf-8")


def with_files(application):
    """Return a WSGI application that serves the pages' files below /static/; all else is the given application's."""

    def serve(environ, start_response):
        folder, _, name = environ["PATH_INFO"].removeprefix("/").partition("/")
        if folder != "static":
            return application(environ, start_response)
        path = FILES.get(name)
        if path is None or not path.is_file():
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such file"]
        start_response("200 OK", [("Content-Type", f"{mimetypes.guess_type(name)[0]}; charset=utf-8")])
        return [path.read_bytes()]

    return serve
