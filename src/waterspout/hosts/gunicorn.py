"""A worker of gunicorn: `gunicorn --worker-class waterspout.hosts.gunicorn.Worker site:app`.

The application is an `App` of waterspout.hosts.gevent, or has one inside. The worker accepts connections by itself, so
that WebSockets and EventSources, which no greenlet of gunicorn's carries, are closed in good order with the others.
"""

from collections.abc import Iterable
from typing import Any

from gunicorn.sock import ssl_context

try:
    import gevent
    from gunicorn.workers.ggevent import GeventWorker
except ModuleNotFoundError as error:
    error.add_note("Install gunicorn with what its workers of gevent need: pip install 'gunicorn[gevent]'")
    raise

from .gevent import finish_all, start_all
from .hubs import GeventLoop
from .strict import HandlerOwner, StrictHandler
from .wsgi import Environ, StartResponse
from .wsgiserver import WsgiServer

__all__ = ["Worker"]

_NOTICE = 1.0  # s between two signs of life to the arbiter, which ends a worker after `timeout` without one


class Worker(GeventWorker):
    """Serves until the arbiter ends it; `graceful_timeout` is for requests that have begun, and for clients.

    `max_requests` counts the requests of the application and the handshakes of connections. There is no access log.
    """

    def run(self) -> None:
        """Serve, and end in good order."""
        loop = GeventLoop(gevent.get_hub())
        start_all()
        tls = ssl_context(self.cfg) if self.cfg.is_ssl else None
        for sock in self.sockets:
            sock.setblocking(False)
        several = self.cfg.workers > 1
        make = self.make_handler
        server = WsgiServer(self._serve, self.sockets, loop, tls=tls, multiprocess=several, make_handler=make)
        while self.alive:
            self.notify()
            gevent.sleep(_NOTICE)
        server.stop()
        ending = gevent.spawn(finish_all, [server], self.cfg.graceful_timeout)
        while not ending.ready():
            self.notify()
            ending.join(_NOTICE)

    def make_handler(self, sock: Any, address: Any, owner: HandlerOwner) -> StrictHandler:
        """Return the handler of a connection that the owner has accepted."""
        return StrictHandler(sock, address, owner)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End at once."""
        self.cfg.set("graceful_timeout", 0)
        super().handle_quit(sig, frame)

    def _serve(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.nr += 1
        if self.alive and self.nr >= self.max_requests:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        answer: Iterable[bytes] = self.wsgi(environ, start_response)
        return answer
