"""An HTTP server that starts by itself, together with the server of Flash's policy."""

import socket
import ssl
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from ...drivers import logger
from ..loops import current_loop
from .flashserver import FlashPolicyServer

PORT = 8001

log = logger("tornadio2.server")


class SocketServer(HTTPServer):
    """Serves an application, and runs the loop; with `auto_start=False`, the application runs it.

    It reads these settings of the application: `socket_io_port` (8001; 0 takes a free one) and `socket_io_address` (all
    interfaces), where it listens; `flash_policy_port` and `flash_policy_file`, the port and the policy for Flash, if
    both are set. `xheaders`: take X-Real-Ip, X-Forwarded-For and X-Scheme from the proxy; only for servers behind one.
    `ssl_options` is an `ssl.SSLContext` or a dictionary with `certfile` and `keyfile`. `port` is where it listens.
    OSError if it cannot listen there; a failure of Flash's port is only logged.
    """

    def __init__(
        self,
        application: Application,
        no_keep_alive: bool = False,
        io_loop: Any = None,
        xheaders: bool = False,
        ssl_options: dict[str, Any] | ssl.SSLContext | None = None,
        auto_start: bool = True,
    ) -> None:
        super().initialize(application, no_keep_alive=no_keep_alive, xheaders=xheaders, ssl_options=ssl_options)
        self.io_loop = io_loop or current_loop()
        settings = application.settings
        port, address = settings.get("socket_io_port", PORT), settings.get("socket_io_address", "")
        self._listeners: list[socket.socket] = bind_sockets(port, address)
        self.port: int = self._listeners[0].getsockname()[1]
        log.info("listening at port %d", self.port)
        self.io_loop.add_callback(lambda: self.add_sockets(self._listeners))
        self.policy_server: FlashPolicyServer | None = None
        port, file = settings.get("flash_policy_port"), settings.get("flash_policy_file")
        if port is not None and file is not None:
            try:
                self.policy_server = FlashPolicyServer(self.io_loop, port, file)
            except OSError as error:
                log.error("no policy for Flash: port %s cannot be had: %s", port, error)
        if auto_start:
            self.io_loop.start()

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: Tornado calls this before `__init__`, whose arguments a derived class may change."""

    def stop(self) -> None:
        """Stop accepting connections; current requests continue."""
        super().stop()
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        if self.policy_server is not None:
            self.policy_server.stop()
