"""The server behind the proxies: it echoes, and says whom it takes its client for."""

import os

import waterspout

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
