"""The server behind the proxies: it echoes, says whom it takes its client for, and publishes what it is told."""

import os

import waterspout
from waterspout.engine import eventstream
from waterspout.server import Channel, Subscriber

eventstream.HEARTBEAT_INTERVAL = 0.4  # s, below the `idle` that a test gives a proxy

server = waterspout.Server(
    trusted_proxies=("unix", "127.0.0.1"), transports=("polling", "websocket", "xhr-multipart", "flashsocket")
)


@server.on("echo")
def echo(socket: waterspout.Socket, *args: object) -> None:
    socket.emit("echo", *args)


@server.on("ack")
def acknowledge(socket: waterspout.Socket, *args: object) -> tuple[object, ...]:
    return args


@server.on("size")
def size(socket: waterspout.Socket, text: str | bytes) -> int:
    return len(text)


@server.on("who")
def who(socket: waterspout.Socket) -> dict[str, object]:
    request = socket.request
    return {
        "address": request.remote_address,
        "secure": request.secure,
        "host": request.host,
        "process": os.getpid(),
    }


subscribers: set[Subscriber] = set()


@server.expose("/runs/{name}")
def run(request: waterspout.Request, name: str) -> Channel:
    return server.channel(name, start="earliest")


exposure = server.expose("/prices", server.channel("prices"))
exposure.on_unsubscribe(subscribers.discard)


@exposure.on_subscribe
def subscribed(subscriber: Subscriber) -> None:
    subscribers.add(subscriber)
    if subscriber.request.param("silent"):
        subscriber.session.beat_no_more()


@server.on("publish")
def publish(socket: waterspout.Socket, channel: str, value: object) -> waterspout.Pending[str]:
    return server.channel(channel).publish(value)


@server.on("end")
def end(socket: waterspout.Socket, channel: str) -> waterspout.Pending[str]:
    return server.channel(channel).end()


@server.on("disconnect subscribers")
def disconnect(socket: waterspout.Socket) -> int:
    for subscriber in subscribers:
        subscriber.close()
    return len(subscribers)
