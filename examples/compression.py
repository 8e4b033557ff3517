"""Compressed WebSockets: a long, repetitive list of prices is sent in a tenth of its bytes.

    const socket = io("http://127.0.0.1:8000");
    socket.emit("prices", (prices) => console.log(prices.length));

Browsers offer compression by default, and so does the official client in Node.
"""

import waterspout
from waterspout.engine import Deflate

server = waterspout.Server(
    cors_origins="*",
    per_message_deflate=Deflate(threshold_bytes=2048),  # or True, for messages of 1024 bytes and more
)


@server.on("prices")
def prices(socket: waterspout.Socket) -> list[dict[str, object]]:
    return [{"name": f"share {number}", "price": number * 7 % 100, "currency": "EUR"} for number in range(1000)]


if __name__ == "__main__":
    waterspout.run(server, port=8000)
