"""Django inside Tornado: its pages behind the WebSockets, and what connections take from its settings."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from tornado.web import FallbackHandler

from ...hosts.wsgithreads import MAX_BYTES, ThreadedWSGI, environ_of


class DjangoPages:
    """Serves Django's pages in a bounded number of threads: `settings.TORNADO["threads"]`."""

    container: ThreadedWSGI | None = None

    def __call__(self, request: Any) -> None:
        self.load()(request)

    def load(self) -> ThreadedWSGI:
        """Set Django up and import its URLs, and so the WebSockets of the views; with static files if DEBUG is on."""
        if self.container is None:
            from django.conf import settings
            from django.contrib.staticfiles.handlers import StaticFilesHandler
            from django.core.servers.basehttp import get_internal_wsgi_application

            application = get_internal_wsgi_application()  # which calls django.setup()
            import_module(settings.ROOT_URLCONF)
            if settings.DEBUG and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
                application = StaticFilesHandler(application)
            options = configuration()
            self.container = ThreadedWSGI(application, options["threads"], max_bytes=options["max_bytes"])
        return self.container

    async def drain(self) -> None:
        """Wait until the pages that were asked for are sent."""
        if self.container is not None:
            await self.container.drain()


class DjangoApp(tuple[Any, ...]):
    """The route of all of Django's pages, `django_app`: to be used as it is, or called, also in settings.py."""

    __slots__ = ()

    def __call__(self) -> "DjangoApp":
        return self


_DEFAULTS: dict[str, Any] = {"port": 8000, "handlers": [], "settings": {}, "server": {}}
_DEFAULTS |= {"threads": 16, "max_bytes": MAX_BYTES}

PAGES = DjangoPages()
django_app = DjangoApp((".*", FallbackHandler, {"fallback": PAGES}))


def configuration() -> dict[str, Any]:
    """Return `settings.TORNADO`, with what it leaves out."""
    from django.conf import settings

    return {**_DEFAULTS, **(getattr(settings, "TORNADO", None) or {})}


def check_configuration(**_: Any) -> list[Any]:
    """Return a warning of Django's for each key of `settings.TORNADO` that nothing reads, such as "address"."""
    from django.core.checks import Warning as SettingsWarning

    hint = f"Its keys are {', '.join(_DEFAULTS)}; options of the HTTP server, such as address, belong to server."
    unknown = [key for key in configuration() if key not in _DEFAULTS]
    return [SettingsWarning(f"nothing reads TORNADO[{key!r}]", hint, id="tornado_websockets.W001") for key in unknown]


def allows_origin(origin: str, own_host: str) -> bool:
    """Tell whether Django's ALLOWED_HOSTS has the host of an origin; where it has "*", the own host counts."""
    try:
        page = urlsplit(origin.lower())
        host = page.hostname or ""
    except ValueError:
        return False
    if not host or "@" in page.netloc:  # "null", a file, and what no browser sends
        return False
    django = sys.modules.get("django.conf")
    settings = None if django is None or not django.settings.configured else django.settings
    if settings is None or "*" in settings.ALLOWED_HOSTS:
        return page.netloc == own_host.lower()
    from django.http.request import validate_host

    local = [".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else []  # as Django has it
    hosts = settings.ALLOWED_HOSTS or local
    return bool(validate_host(f"[{host}]" if ":" in host else host, hosts))


def django_request(request: Any) -> Any:
    """Return a request of Tornado's as one of Django's, with session and user where settings.MIDDLEWARE has them."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIRequest
    from django.utils.module_loading import import_string

    made = WSGIRequest(environ_of(request))
    for name in settings.MIDDLEWARE:
        if name.endswith((".SessionMiddleware", ".AuthenticationMiddleware")):
            import_string(name)(_nothing).process_request(made)
    return made


def _nothing(*args: Any) -> Any: ...


@contextmanager
def connections_closed() -> Iterator[None]:
    """Close old connections of Django's database before and after, as it does itself around a request."""
    from django.db import close_old_connections, reset_queries

    reset_queries()
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
