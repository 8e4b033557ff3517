"""One room for plain WebSockets, Socket.IO of all versions and EventSources: ws://localhost:8000/ws/news, /events."""

import os

from waterspout.faces.tornado_websockets.tornadowrapper import TornadoWrapper
from waterspout.faces.tornado_websockets.websocket import WebSocket
from waterspout.hosts.tornado import routes

news = WebSocket("/news")
server = news.server
news.channel = server.channel("news")  # which EventSources read
server.expose("/events", news.channel)


@server.on_connect
def connect(socket, auth):
    socket.join(news.room)  # a client of Socket.IO gets what the WebSockets get


@server.on("publish")
def publish_by_socketio(socket, data):
    news.emit("news", data)


@news.on
def publish(data):
    news.emit("news", data)


if __name__ == "__main__":
    TornadoWrapper.start_app(routes(server))
    TornadoWrapper.listen(int(os.environ.get("PORT", "8000")))
    TornadoWrapper.loop()
