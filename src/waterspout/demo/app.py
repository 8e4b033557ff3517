"""What serves the chat: its page, the official client library, and the pulse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tornado.web
from tornado.ioloop import PeriodicCallback

from waterspout import CannotStart
from waterspout.hosts import standalone

from .chat import PULSE_INTERVAL, Chat

PAGE = Path(__file__).parent / "page"
CLIENT = Path(".demo/node_modules/socket.io-client/dist/socket.io.min.js")
CDN = "https://cdn.socket.io/4.8.4/socket.io.min.js"
POLICY = (
    "default-src 'none'; script-src 'self' https://cdn.socket.io; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def run(
    *, bind: tuple[str, int], client: Path | None, ready: Callable[[list[str]], object], loop: standalone.Loop
) -> None:
    """Serve the chat until SIGTERM or SIGINT; `ready` is called with its URLs. Raises `CannotStart`."""
    chat = Chat()

    def start(urls: list[str]) -> None:
        PeriodicCallback(chat.pulse, PULSE_INTERVAL * 1000).start()
        ready(urls)

    site = standalone.Site(bind=bind, extra_routes=page_routes(client))
    standalone.run(chat.server, site, ready=start, loop=loop, owns_process=True)


class Page(tornado.web.StaticFileHandler):
    """The page's files, never stale, and with a policy that allows nobody else's scripts."""

    def set_extra_headers(self, path: str) -> None:
        """Add the headers to each answer."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")


class Client(tornado.web.RequestHandler):
    """The official client library: npm's file where it is installed, else the way to the CDN."""

    def initialize(self, file: Path | None) -> None:
        """Take the local file."""
        self.file = file

    def get(self) -> None:
        """Send the library, or send to it."""
        if self.file is None:
            self.redirect(CDN)
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
    """Return Tornado routes for the page and the client library."""
    files = "|".join(path.name.replace(".", r"\.") for path in sorted(PAGE.iterdir()) if path.name != "index.html")
    return [
        (r"/client\.js", Client, {"file": client}),
        (rf"/(|{files})", Page, {"path": PAGE, "default_filename": "index.html"}),
    ]
