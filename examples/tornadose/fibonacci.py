"""Fibonacci's numbers, of which a client gets one each half second, however fast they are: http://localhost:9000."""

from page import PORT, Page
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import Application

from waterspout import faces

faces.install("tornadose")  # the line that an old application adds
from tornadose.handlers import EventSource
from tornadose.stores import BaseStore


class FibonacciStore(BaseStore):
    """A store of its own: a number is submitted to all subscribers as soon as there is a next one."""

    def initialize(self, first=0, second=1):
        self.pair = first, second

    def submit(self, message=None):
        self.pair = self.pair[1], sum(self.pair)
        self.publish()

    def publish(self):
        self.publisher.push(self.pair[0], latest=True)


store = FibonacciStore()
routes = [(r"/", Page), (r"/events", EventSource, {"store": store, "period": 0.5})]

if __name__ == "__main__":
    Application(routes).listen(PORT)
    PeriodicCallback(store.submit, 100).start()
    IOLoop.current().start()
