"""Shared by the other examples: their pages, and the Socket.IO client 0.9, which they serve to the browser.

It is installed from npm, once, in the directory in which the examples are started:

    npm install --prefix .demo --ignore-scripts socket.io-client-09@npm:socket.io-client@0.9.17

PORT is the port of an example (8001), SOCKET_IO_CLIENT the path of another client file.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import tornado.web

HERE = Path(__file__).parent
PORT = int(os.environ.get("PORT", "8001"))
CLIENT = Path(os.environ.get("SOCKET_IO_CLIENT", ".demo/node_modules/socket.io-client-09/dist/socket.io.js"))


class PageHandler(tornado.web.RequestHandler):
    """A page, which is a template of Tornado's."""

    def initialize(self, name, **values):
        self.name, self.values = name, values

    def get(self):
        self.render(str(HERE / self.name), client_is_missing=not CLIENT.is_file(), **self.values)


class ClientHandler(tornado.web.RequestHandler):
    """The client library."""

    def get(self):
        if not CLIENT.is_file():
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.write(CLIENT.read_bytes())


def page_routes(name, **values):
    """Return the routes of a page at "/" and of what it loads."""
    return [
        (r"/", PageHandler, {"name": name, **values}),
        (r"/socket\.io\.js", ClientHandler),
        (r"/(style\.css)", tornado.web.StaticFileHandler, {"path": HERE}),
    ]


def certificate():
    """Return the files of a certificate for this machine alone and of its key, fresh from openssl."""
    directory = Path(tempfile.mkdtemp())
    files = {"certfile": str(directory / "certificate.pem"), "keyfile": str(directory / "key.pem")}
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-out", files["certfile"], "-keyout", files["keyfile"]], check=True, capture_output=True)
    return files
