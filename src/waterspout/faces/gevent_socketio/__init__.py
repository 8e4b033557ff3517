"""gevent-socketio's API on Waterspout (docs/gevent-socketio.md).

from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.server import SocketIOServer
"""

from collections.abc import Callable, Mapping
from typing import Any

try:
    from .server import SocketIOServer
except ModuleNotFoundError as error:
    if error.name == "gevent":
        error.add_note("Install Waterspout with it: pip install 'path/to/waterspout[gevent]'")
    raise

__all__ = ["SocketIOServer", "socketio_manage"]

__version__ = (0, 3, 5)


def socketio_manage(
    environ: dict[str, Any],
    namespaces: Mapping[str, Callable[..., Any]],
    request: Any = None,
    error_handler: Callable[..., object] | None = None,
    json_loads: Callable[[str], Any] | None = None,
    json_dumps: Callable[[Any], str] | None = None,
) -> bytes:
    """Manage a socket until it ends, from a view, which is called once for each socket, whatever its transport is.

    `namespaces` are classes of namespaces, or functions that make one, by name; '' is the global one. `request` is
    given to all of them. `error_handler` is called as `virtsocket.default_error_handler` is. `json_loads` and
    `json_dumps` decode and encode what applications send. Returns an empty body for the view to return.

    KeyError for a request that is no socket's.
    """
    if "socketio" not in environ:
        raise KeyError(
            "socketio: this request is no socket's: serve the application with a SocketIOServer, or with the worker "
            "for gunicorn; no other server has sockets, such as Django's runserver or Flask's run"
        )
    socket = environ["socketio"]
    socket._set_environ(environ)
    socket._set_namespaces(namespaces)
    if request is not None:
        socket._set_request(request)
    if error_handler is not None:
        socket._set_error_handler(error_handler)
    if json_loads is not None:
        socket._set_json_loads(json_loads)
    if json_dumps is not None:
        socket._set_json_dumps(json_dumps)
    socket._receiver_loop()
    return b""
