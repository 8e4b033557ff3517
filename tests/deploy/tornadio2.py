"""An application of TornadIO2 behind the proxies: `-m deploy.tornadio2 PORT xheaders|trusted|plain`.

With "xheaders" Tornado believes the proxy, with "trusted" the router, with "plain" nobody does.
"""

import os
import sys
from typing import Any

import tornado.web

from waterspout.faces import tornadio2


class Chat(tornadio2.SocketConnection):
    """Echoes, and says whom it takes its client for."""

    def on_open(self, request: Any) -> None:
        self.info = request

    def on_message(self, message: Any) -> None:
        self.send(message)

    @tornadio2.event
    def echo(self, *args: Any) -> None:
        self.emit("echo", *args)

    @tornadio2.event
    def ack(self, *args: Any) -> Any:
        return args

    @tornadio2.event
    def who(self) -> Any:
        return {"address": self.info.ip, "process": os.getpid()}


def main(port: str, belief: str) -> None:
    """Serve."""
    settings = {"trusted_proxies": "127.0.0.1"} if belief == "trusted" else {}
    router = tornadio2.TornadioRouter(Chat, settings)
    application = tornado.web.Application(router.urls, socket_io_port=int(port), socket_io_address="127.0.0.1")
    tornadio2.SocketServer(application, xheaders=belief == "xheaders")


if __name__ == "__main__":
    main(*sys.argv[1:])
