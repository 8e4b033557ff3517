"""The transports of `transports.py` over TLS, at https://localhost:8001, with a certificate created at the start."""

import tornado.web
from pages import PORT, certificate
from transports import routes

from waterspout import faces

faces.install("tornadio2")  # the line that an old application adds
from tornadio2 import SocketServer

application = tornado.web.Application(routes, socket_io_port=PORT)

if __name__ == "__main__":
    SocketServer(application, ssl_options=certificate())
