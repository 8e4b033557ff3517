"""An application of gevent-socketio behind the proxies: `-m deploy.gevent_socketio ADDRESS`."""

import os
import signal
import sys
from typing import Any

import gevent
from gevent import monkey

from waterspout.faces.gevent_socketio import socketio_manage
from waterspout.faces.gevent_socketio.namespace import BaseNamespace
from waterspout.faces.gevent_socketio.server import SocketIOServer


class Main(BaseNamespace):
    """Echoes, and says whom it takes its client for."""

    def recv_message(self, data: str) -> None:
        self.send(data)

    def on_echo(self, *args: Any) -> None:
        self.emit("echo", *args)

    def on_ack(self, *args: Any) -> Any:
        return args

    def on_size(self, text: str) -> int:
        return len(text)

    def on_who(self) -> Any:
        address = self.environ.get("HTTP_X_FORWARDED_FOR", self.environ.get("REMOTE_ADDR"))
        return {"address": address, "process": os.getpid()}


def application(environ: dict[str, Any], start_response: Any) -> Any:
    """Manage sockets, and serve a page."""
    if environ["PATH_INFO"].startswith("/socket.io"):
        return socketio_manage(environ, {"": Main}) or b""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page of the application"]


def main(address: str) -> None:
    """Serve."""
    kind, _, path = address.partition("unix:")
    host, _, port = kind.rpartition(":")
    server = SocketIOServer((host, int(port)) if kind else path, application, policy_server=False, log=None)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.serve_forever()


if __name__ == "__main__":
    monkey.patch_all()
    main(*sys.argv[1:])
