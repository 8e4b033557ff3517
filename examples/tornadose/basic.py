"""The time, for EventSources and for WebSockets: http://localhost:9000."""

from datetime import UTC, datetime

from page import PORT, Page
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import Application

from waterspout import faces

faces.install("tornadose")  # the line that an old application adds
from tornadose.handlers import EventSource, WebSocketSubscriber
from tornadose.stores import QueueStore

store = QueueStore()
routes = [
    (r"/", Page, {"websocket": True}),
    (r"/events", EventSource, {"store": store}),
    (r"/socket", WebSocketSubscriber, {"store": store}),
]

if __name__ == "__main__":
    Application(routes).listen(PORT)
    PeriodicCallback(lambda: store.submit(datetime.now(UTC).isoformat(timespec="seconds")), 1000).start()
    IOLoop.current().start()
