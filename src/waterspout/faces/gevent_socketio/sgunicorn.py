"""A worker of gunicorn that serves sockets beside the application.

    gunicorn --worker-class waterspout.faces.gevent_socketio.sgunicorn.GeventSocketIOWorker module:app

With POLICY_SERVER in its environment, the first worker also serves Flash's policy at port 10843.
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ...hosts.gunicorn import Worker
from ...hosts.strict import HandlerOwner, StrictHandler
from .handler import SocketIOHandler
from .policyserver import FlashPolicyServer
from .server import SocketIOServer

__all__ = [
    "GeventSocketIOBaseWorker",
    "GeventSocketIOWorker",
    "GunicornWSGIHandler",
    "GunicornWebSocketWSGIHandler",
    "NginxGeventSocketIOWorker",
]


class GunicornWSGIHandler(SocketIOHandler):
    """Serves a connection that a worker of gunicorn has accepted."""


class GunicornWebSocketWSGIHandler(GunicornWSGIHandler):
    """The same, for those who have derived a class from it."""


class GeventSocketIOBaseWorker(Worker):
    """A worker. Derived classes set:

    `server_class`, made for its `sockets`; it does not listen, the worker does. `wsgi_handler`, the class of its
    connections; `resource` and `transports`, as in `SocketIOServer`; `policy_server`, whether the first worker serves
    Flash's policy. They may override `patch`, which patches the standard library.
    """

    server_class: ClassVar[Any] = SocketIOServer
    wsgi_handler: ClassVar[Any] = GunicornWSGIHandler
    resource = "socket.io"
    transports: Sequence[str] | None = None
    policy_server = False

    def load_wsgi(self) -> None:
        """Load the application, and put the sockets beside it."""
        super().load_wsgi()
        self.socketio_server = self.server_class(
            self.sockets[0],
            application=self.wsgi,
            resource=self.resource,
            transports=self.transports,
            policy_server=False,
            handler_class=self.wsgi_handler,
            log=None,
        )
        self.wsgi: Any = self.socketio_server.application

    def run(self) -> None:
        """Serve, and end in good order."""
        if (self.policy_server or os.environ.get("POLICY_SERVER")) and self.age == 1:
            try:
                FlashPolicyServer().start()
            except OSError as error:
                self.log.warning("no policy for Flash: %s", error)
        super().run()

    def make_handler(self, sock: Any, address: Any, owner: HandlerOwner) -> StrictHandler:
        """Return the handler of a connection, whose `server` is the one with the sockets."""
        server = self.socketio_server
        server.environ = owner.get_environ()
        handler: StrictHandler = self.wsgi_handler(server.config, sock, address, server)
        handler.owner = owner
        return handler


class GeventSocketIOWorker(GeventSocketIOBaseWorker):
    """The worker for all transports."""


class NginxGeventSocketIOWorker(GeventSocketIOBaseWorker):
    """The worker behind a proxy that does not pass on WebSockets."""

    transports = ("xhr-polling",)
