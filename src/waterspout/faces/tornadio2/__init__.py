"""TornadIO2's API and behaviour, for applications that were written for it (docs/tornadio2.md).

    from waterspout.faces import tornadio2

    class Chat(tornadio2.SocketConnection):
        def on_message(self, message):
            self.send(message)

    router = tornadio2.TornadioRouter(Chat)
    application = tornado.web.Application(router.apply_routes([]))

The modules are those of the original, with its documented names.
"""

from . import gen
from .conn import SocketConnection, event
from .router import TornadioRouter
from .server import SocketServer

__all__ = ["SocketConnection", "SocketServer", "TornadioRouter", "event", "gen"]

__version__ = (0, 0, 4)
