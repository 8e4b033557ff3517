"""What is published to Redis, by this program or another: http://localhost:9000, `redis-cli publish tornadose hello`.

REDIS is the path of another server's Unix socket. PORT=9001 starts a second process, with the same messages.
"""

import os

from page import PORT, Page
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler

from waterspout import faces

faces.install("tornadose")  # the line that an old application adds
from tornadose.handlers import EventSource
from tornadose.stores import RedisStore

REDIS = {"unix_socket_path": os.environ["REDIS"]} if "REDIS" in os.environ else {"host": "localhost"}
store = RedisStore(channel="tornadose", **REDIS)


class Publish(RequestHandler):
    async def post(self):
        await store.submit(self.get_body_argument("message"))


routes = [(r"/", Page), (r"/events", EventSource, {"store": store}), (r"/publish", Publish)]

if __name__ == "__main__":
    Application(routes).listen(PORT)
    try:
        IOLoop.current().start()
    finally:
        store.shutdown()
