"""A worker of gunicorn that serves sockets beside the application.

    gunicorn --worker-class waterspout.faces.gevent_socketio.sgunicorn.GeventSocketIOWorker module:app

With POLICY_SERVER in its environment, the first worker also serves Flash's policy at port 10843.
"""

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from ...hosts.gunicorn import Worker
from .policyserver import FlashPolicyServer
from .server import SocketIOServer

__all__ = ["GeventSocketIOBaseWorker", "GeventSocketIOWorker", "NginxGeventSocketIOWorker"]


class GeventSocketIOBaseWorker(Worker):
    """What subclasses set: `server_class`, whose sockets are served, its `resource` and its `transports`."""

    server_class: ClassVar[Any] = SocketIOServer
    resource = "socket.io"
    transports: Sequence[str] | None = None

    def load_wsgi(self) -> None:
        """Load the application, and put the sockets beside it; the server itself does not listen, the worker does."""
        super().load_wsgi()
        listener = self.sockets[0]
        self.socketio_server = self.server_class(
            listener, self.wsgi, resource=self.resource, transports=self.transports, policy_server=False, log=None
        )
        self.wsgi: Any = self.socketio_server.application

    def run(self) -> None:
        """Serve, and end in good order."""
        if os.environ.get("POLICY_SERVER") and self.age == 1:
            FlashPolicyServer().start()
        super().run()


class GeventSocketIOWorker(GeventSocketIOBaseWorker):
    """The worker for all transports."""


class NginxGeventSocketIOWorker(GeventSocketIOBaseWorker):
    """The worker behind a proxy that does not pass on WebSockets."""

    transports = ("xhr-polling",)
