"""What serves the chat: its pages, the official client libraries, and the pulse."""

import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tornado.web
from tornado.ioloop import PeriodicCallback

from waterspout import CannotStart
from waterspout.hosts import standalone

from .chat import PULSE_INTERVAL, Chat

PAGE = Path(__file__).parent / "page"
CLIENT = Path(".demo/node_modules/socket.io-client/dist/socket.io.min.js")
OLD_CLIENT = Path(".demo/node_modules/socket.io-client-09/dist/socket.io.js")
CDN = "https://cdn.socket.io/4.8.4/socket.io.min.js"
HOST_NAME = re.compile("[A-Za-z0-9_-]+(?:[.][A-Za-z0-9_-]+)*[.]?", re.ASCII)  # also addresses of IPv4
DOCUMENTS = {"": "index.html", "old": "old.html"}
POLICY = (
    "default-src 'none'; script-src 'self' https://cdn.socket.io; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def run(
    *,
    bind: Sequence[tuple[str, int]],
    client: Path | None,
    ready: Callable[[list[str]], object],
    loop: standalone.LoopKind,
) -> None:
    """Serve the chat until SIGTERM or SIGINT; `ready` is called with its URLs. Raises `CannotStart`."""
    chat = Chat(allowed_hosts=own_hosts(*(host for host, _ in bind)))

    def start(urls: list[str]) -> None:
        PeriodicCallback(chat.pulse, PULSE_INTERVAL * 1000).start()
        ready(urls)

    site = standalone.Site(bind=bind, extra_routes=page_routes(client))
    standalone.run(chat.server, site, ready=start, loop=loop, owns_process=True)


def own_hosts(*bound: str) -> list[str]:
    """Return the hosts by which browsers may know the demo, which runs where its user has other pages open.

    Those pages cannot get at it under a name of theirs (DNS rebinding): it has this machine's names, that which it is
    bound to, and every address, which is nobody's name.
    """
    names = ["localhost", socket.gethostname(), *bound]
    return [*(name for name in names if HOST_NAME.fullmatch(name)), "0.0.0.0/0", "::/0"]


class Page(tornado.web.StaticFileHandler):
    """The pages' files, never stale, and with a policy that allows nobody else's scripts."""

    def parse_url_path(self, url_path: str) -> str:
        """Return the file of a path."""
        return super().parse_url_path(DOCUMENTS.get(url_path, url_path))

    def set_extra_headers(self, path: str) -> None:
        """Add the headers to each answer."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")


class Client(tornado.web.RequestHandler):
    """An official client library: npm's file where it is installed, else the way to the CDN, if that has it."""

    def initialize(self, file: Path | None, cdn: str | None = None) -> None:
        """Take the local file, and the URL to use without one."""
        self.file, self.cdn = file, cdn

    def get(self) -> None:
        """Send the library, or send to it."""
        if self.file is None:
            self.redirect(self.cdn) if self.cdn else self.send_error(404)
            return
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.write(self.file.read_bytes())


def client_file(chosen: str | None) -> Path | None:
    """Return the client library to serve: the chosen file, else the one that npm installed under .demo, else None."""
    if chosen is None:
        return CLIENT.resolve() if CLIENT.is_file() else None
    if not Path(chosen).is_file():
        raise CannotStart(f"cannot read {chosen!r}: there is no such file; give --client a socket.io.min.js")
    return Path(chosen).resolve()


def page_routes(client: Path | None) -> list[Any]:
    """Return Tornado routes for the pages and the client libraries."""
    files = [path.name.replace(".", r"\.") for path in sorted(PAGE.iterdir()) if path.suffix != ".html"]
    old_client = OLD_CLIENT.resolve() if OLD_CLIENT.is_file() else None
    return [
        (r"/client\.js", Client, {"file": client, "cdn": CDN}),
        (r"/client-0\.9\.js", Client, {"file": old_client}),
        (rf"/({'|'.join([*DOCUMENTS, *files])})", Page, {"path": PAGE}),
    ]
