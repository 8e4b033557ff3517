"""The server of a paste file: `[server:main]` with `use = egg:waterspout#gevent`, for `pserve` and its like.

    host, port   where it listens; 127.0.0.1 and 8000 without them
    unix         or else a Unix socket

The application is an `App` of waterspout.hosts.gevent, or has one inside. The standard library is patched before the
application is loaded, for the server is loaded first.
"""

from collections.abc import Callable
from typing import Any

from gevent import monkey

from .gevent import Place, run
from .listeners import LOCALHOST, announce

__all__ = ["make_server"]


def make_server(
    global_conf: dict[str, str], host: str = LOCALHOST, port: str = "8000", unix: str | None = None
) -> Callable[[Any], None]:
    """Return what serves an application until SIGTERM or SIGINT. Raises `CannotStart`, with a sentence."""
    monkey.patch_all()
    place = Place(bind=[] if unix else [(host, int(port))], unix=unix)

    def serve(application: Any) -> None:
        run(
            application,
            place,
            ready=lambda urls: announce("the application", urls, [host]),
            owns_process=True,
        )

    return serve
