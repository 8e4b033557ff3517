"""`manage.py runtornado [port]`: Django's pages and the WebSockets from one port."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import autoreload

from ...djangoapp import DjangoApp, configuration, django_app
from ...tornadowrapper import TornadoWrapper


class Command(BaseCommand):  # type: ignore[misc]
    """Serves settings.TORNADO: `port`, `handlers`, `settings` of Tornado's application, `server` and `threads`."""

    help = "Serve Django and its WebSockets with Tornado. The settings are those of TORNADO in settings.py."
    requires_system_checks: list[str] = []  # noqa: RUF012  (Django's form; `_serve` checks, so that the reloader goes on)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "port", nargs="?", type=_port, help='the port to listen on, else TORNADO["port"], else 8000'
        )
        parser.add_argument("--noreload", action="store_true", help="do not start anew when a file changes, with DEBUG")

    def handle(self, *args: Any, **options: Any) -> None:
        os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # handlers that ask the database run on the loop
        if settings.DEBUG and not options["noreload"]:
            autoreload.run_with_reloader(self._serve, port=options["port"], is_reloaded=True)
        else:
            self._serve(options["port"])

    def _serve(self, port: int | None, *, is_reloaded: bool = False) -> None:
        autoreload.raise_last_exception()
        self.check(display_num_errors=True)
        tornado = configuration()
        handlers = list(tornado["handlers"])
        if not any(isinstance(handler, DjangoApp) for handler in handlers):
            handlers.append(django_app)
        options = dict(tornado["settings"])
        if is_reloaded:
            options["autoreload"] = False  # Tornado's, which "debug" would start beside Django's
        TornadoWrapper.start_app(handlers, options)
        port = tornado["port"] if port is None else port
        try:
            TornadoWrapper.listen(port, **tornado["server"])
        except OSError as error:
            self.stderr.write(
                f"cannot listen on port {port} of {tornado['server'].get('address', 'this host')}: {error}"
            )
            sys.stderr.flush()
            os._exit(1)  # in the thread of the reloader, sys.exit would not end the process
        TornadoWrapper.loop()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f'{text!r} is no port (for an address, set TORNADO["server"]["address"])')
    return int(text)
