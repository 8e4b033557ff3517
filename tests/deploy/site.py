"""The server of these tests as an application for WSGI servers: gunicorn, and the server of a paste file.

Run as a program, it serves the paste file that is its argument.
"""

import sys
from typing import Any

from deploy.app import server
from waterspout.hosts.gevent import App

app = App(server)


def make(global_conf: dict[str, str]) -> Any:
    """Return the application: `use = call:deploy.site:make` in a paste file."""
    return app


if __name__ == "__main__":
    from paste.deploy import loadapp, loadserver  # type: ignore[import-untyped]

    file = f"config:{sys.argv[1]}"
    serve = loadserver(file)  # which patches the standard library
    serve(loadapp(file))
