"""`waterspout serve --host NAME`: which host serves, and what only one of them can do."""

import argparse
import re
from typing import TYPE_CHECKING, Any

from waterspout import CannotStart

if TYPE_CHECKING:
    from waterspout.hosts.gevent import Place

TORNADO, GEVENT, UVICORN = "tornado", "gevent", "uvicorn"
NAMES = TORNADO, GEVENT, UVICORN

_OF_TORNADO = {
    "static": "--static",
    "entry": "--entry",
    "flash_policy_port": "--flash-policy-port",
    "flash_policy_domain": "--flash-policy-domain",
}
_COMMANDS = {
    "daphne": "daphne module:app",
    "granian": "granian --interface asgi module:app",
    "gunicorn": "gunicorn -k asgi module:app",
    "hypercorn": "hypercorn --workers 0 module:app",
}
_OF_APP = {"app_threads": "--app-threads", "app_max_bytes": "--app-max-bytes"}


def check_name(name: str | None) -> None:
    """Refuse a name that is no host of ours, and no address either."""
    if name is None or not re.fullmatch("[A-Za-z]+", name) or name == "localhost":
        return
    if name in _COMMANDS:
        raise CannotStart(
            f"{name} has a command of its own: {_COMMANDS[name]}, with App(server) in it; see docs/hosts.md"
        )
    raise CannotStart(
        f"there is no host {name!r}: choose {', '.join(NAMES)}, or write an address as --bind {name}:8000"
    )


def check(options: argparse.Namespace) -> None:
    """Refuse options that the chosen host does not have."""
    if options.app is None:
        for name, option in _OF_APP.items():
            if getattr(options, name) is not None:
                raise CannotStart(f"{option} is for the threads of --app: leave it out, or give an application")
    if options.host not in (GEVENT, UVICORN):
        if options.target is None:
            alone = "" if options.app is None else f"; only --host uvicorn and gevent serve {options.app} alone"
            raise CannotStart(f"what is to be served? Give module:server, as in chat:server{alone}")
        return
    if options.target is None and options.app is None:
        raise CannotStart("what is to be served? Give module:server, as in chat:server, or --app module:application")
    if options.target is None and options.health is not None:
        raise CannotStart("--health tells of a server: give module:server, or leave it out")
    for name, option in (_OF_TORNADO | _OF_APP).items():
        if getattr(options, name) is not None:
            raise CannotStart(f"{option} is for --host tornado: leave it out, or serve without --host {options.host}")
    if options.host == GEVENT and options.loop != "auto":
        raise CannotStart(f"--loop {options.loop} is for --host tornado: gevent has a loop of its own; leave it out")


def serve_on_uvicorn(server: Any, application: Any, name: str | None, place: dict[str, Any], **options: Any) -> None:
    """Serve a server beside an ASGI application; either may be None."""
    try:
        from waterspout.hosts import uvicornserver
        from waterspout.hosts.asgi import App
    except ModuleNotFoundError as error:
        raise CannotStart(f"--host uvicorn needs {error.name}: pip install 'uvicorn[standard]'") from None
    if application is not None:
        uvicornserver.check_asgi(application, repr(name))
    if server is not None:
        application = App(server, application)
    uvicornserver.run(application, uvicornserver.UvicornPlace(**place), **options)


def application_of(server: Any, application: Any) -> Any:
    """Put a server beside an application; either may be None."""
    from waterspout.hosts.gevent import App

    return application if server is None else App(server, application)


def run(application: Any, place: "Place", **options: Any) -> None:
    """Serve on gevent."""
    from waterspout.hosts import gevent

    gevent.run(application, place, owns_process=True, **options)
