"""Events that a slow client may miss: outdated positions, and prices that have changed since.

socket.on("pointed", (name, x, y) => draw(name, x, y));
socket.on("price", (share, price) => console.log(share, price));
onmousemove = ({ x, y }) => socket.volatile.emit("point", x, y); // the client has it too
"""

import waterspout

server = waterspout.Server(cors_origins="*", max_outbox_bytes=100_000)


@server.on_connect
def connect(socket: waterspout.Socket, auth: dict[str, object]) -> None:
    socket.data["name"] = str(auth.get("name", "somebody"))[:24]


@server.on("point")
def point(socket: waterspout.Socket, x: float, y: float) -> None:
    socket.broadcast("pointed", socket.data["name"], x, y, volatile=True)


@server.on("trade")
def trade(socket: waterspout.Socket, share: str, price: float) -> None:
    server.emit("price", share, price, latest=f"price of {share}")


@server.on_disconnect
def gone(socket: waterspout.Socket, reason: waterspout.Reason) -> None:
    if reason is waterspout.Reason.SLOW_CONSUMER:
        print(f"{socket.data['name']} has not read 100,000 bytes and was cut off")


if __name__ == "__main__":
    waterspout.run(server, port=8000)
