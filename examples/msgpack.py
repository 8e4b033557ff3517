"""A drawing board for clients with the msgpack parser: strokes are bytes, times are dates, without base64.

import { io } from "socket.io-client";
import * as parser from "socket.io-msgpack-parser";

const socket = io("http://127.0.0.1:8000", { parser });
socket.on("stroke", (points, drawn) => console.log(new Uint8Array(points), drawn.toLocaleTimeString()));
socket.emit("draw", Uint8Array.of(10, 20, 30, 40).buffer, (drawn) => console.log(drawn));
"""

from datetime import UTC, datetime

import waterspout

server = waterspout.Server(parser="msgpack", cors_origins="*")
strokes: list[tuple[bytes, datetime]] = []


@server.on_connect
def connect(socket: waterspout.Socket, auth: object) -> None:
    for points, drawn in strokes:
        socket.emit("stroke", points, drawn)


@server.on("draw")
def draw(socket: waterspout.Socket, points: bytes) -> datetime:
    drawn = datetime.now(UTC)
    strokes.append((points[:4096], drawn))
    del strokes[:-1000]
    socket.broadcast("stroke", *strokes[-1])
    return drawn


if __name__ == "__main__":
    waterspout.run(server, port=8000)
