"""The example of Tornadose's own page, with one more line at its beginning: `curl -N http://localhost:9000`."""

from waterspout import faces

faces.install("tornadose")  # the line that an old application adds

import random
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import Application
from tornadose.handlers import EventSource
from tornadose.stores import DataStore

store = DataStore()

app = Application([(r"/", EventSource, {"store": store})], debug=True)
app.listen(9000)

loop = IOLoop.instance()
PeriodicCallback(lambda: store.set_data(random.random()), 1000).start()
loop.start()
