"""The Tornado application and its HTTP server, which are one for the process."""

import asyncio
import sys
from typing import Any, ClassVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.routing import PathMatches
from tornado.web import Application

from ...server import Server
from ..loops import close_and_drain, current_loop, run_until_signal
from .djangoapp import PAGES, DjangoApp

__all__ = ["TornadoWrapper"]


def _alias(name: str) -> Any:
    return property(lambda cls: type.__getattribute__(cls, name), lambda cls, value: type.__setattr__(cls, name, value))


class _Names(type):
    """The names of version 0.2."""

    app: Any = _alias("tornado_app")
    server: Any = _alias("tornado_server")
    handlers: Any = _alias("tornado_handlers")


class TornadoWrapper(metaclass=_Names):
    """Holds Tornado's application, its handlers and its server; all methods are of the class.

    `tornado_handlers`, also as `handlers`, are the routes that were added; `tornado_app` (`app`), `tornado_server`
    (`server`) and `tornado_port` are None, None and 0 until there are any.
    """

    tornado_app: ClassVar[Application | None] = None
    tornado_server: ClassVar[HTTPServer | None] = None
    tornado_port: ClassVar[int] = 0
    tornado_handlers: ClassVar[list[Any]] = []
    servers: ClassVar[set[Server]] = set()  # those of the WebSockets, which are closed at the end

    @classmethod
    def add_handlers(cls, handlers: list[Any] | tuple[Any, ...]) -> list[Any]:
        """Add a list of routes, or one, in front of those there are; to the application, too, if it has started.

        Returns all that were added. TypeError for another type.
        """
        if not isinstance(handlers, list | tuple):
            raise TypeError("Expected a list or a tuple for handlers.")
        one = isinstance(handlers, tuple) and bool(handlers) and not isinstance(handlers[0], list | tuple)
        added = [handlers] if one else list(handlers)
        cls.tornado_handlers[:0] = added
        if cls.tornado_app is not None:
            cls.tornado_app.add_handlers(".*", added)
        return cls.tornado_handlers

    add_handler = add_handlers

    @classmethod
    def start_app(
        cls, tornado_handlers: Any = None, tornado_settings: Any = None, *, handlers: Any = None, settings: Any = None
    ) -> None:
        """Make the application of the handlers that were added, and a list behind them, with a dictionary of settings.

        `handlers` and `settings` are the names of version 0.2. TypeError for other types.
        """
        more: Any = handlers if tornado_handlers is None else tornado_handlers
        options: Any = settings if tornado_settings is None else tornado_settings
        if not isinstance(more, list | None):
            raise TypeError("Expected a list for Tornado handlers.")
        if not isinstance(options, dict | None):
            raise TypeError("Expected a dictionary for Tornado settings.")
        if any(isinstance(handler, DjangoApp) for handler in more or ()):
            PAGES.load()  # which may declare WebSockets
        cls.tornado_app = Application([*cls.tornado_handlers, *(more or ())], **(options or {}))

    @classmethod
    def listen(cls, tornado_port: int, address: str | None = None, **options: Any) -> None:
        """Listen on a port of all interfaces, or of an address; 0 takes a free one, which `tornado_port` tells.

        `options` are those of `tornado.httpserver.HTTPServer`, `ssl_options` for HTTPS among them: a dictionary with
        `certfile` and `keyfile`, or an `ssl.SSLContext`. TypeError for a port that is none, and before `start_app`;
        OSError where it cannot listen.
        """
        if type(tornado_port) is not int:
            raise TypeError("Expected an integer for Tornado port.")
        if cls.tornado_app is None:
            raise TypeError("Tornado application was not instantiated, call TornadoWrapper.start_app method.")
        cls.tornado_server = HTTPServer(cls.tornado_app, **options)
        sockets = bind_sockets(tornado_port, address)
        cls.tornado_port = sockets[0].getsockname()[1]
        current_loop().add_callback(cls.tornado_server.add_sockets, sockets)

    @classmethod
    def loop(cls) -> None:
        """Display handlers and settings, and run the loop until SIGTERM, SIGINT or `stop` of the loop.

        At a signal, pages are finished and clients are told to come back (close code 1001), which has 9.5 s.
        """
        cls.display()
        run_until_signal(cls._end)

    @classmethod
    def display(cls) -> None:
        """Write handlers and settings to standard output, but no value that may be a secret."""
        if cls.tornado_app is not None:
            patterns = [
                rule.matcher.regex.pattern if isinstance(rule.matcher, PathMatches) else rule.name or str(rule.matcher)
                for rule in cls.tornado_app.wildcard_router.rules
            ]
            lines = [f"Tornado, on port {cls.tornado_port}, with the handlers", *patterns, "and the settings"]
            for name, value in cls.tornado_app.settings.items():
                is_plain = isinstance(value, bool | int | float | None) or name.endswith("path")
                lines.append(f"{name} = {repr(value) if is_plain else '***'}")
            sys.stdout.write("\n    ".join(lines) + "\n")
            sys.stdout.flush()

    @classmethod
    async def _end(cls) -> None:
        if cls.tornado_server is not None:
            cls.tornado_server.stop()
        await asyncio.gather(PAGES.drain(), *map(close_and_drain, cls.servers))
