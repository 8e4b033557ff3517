"""Typed events: if arguments do not fit the annotations, the client gets an error and the handler is not called.

const socket = io("http://127.0.0.1:8000");
socket.emit("order", { items: [{ name: "tea", price: 3.5 }] }, console.log);        // 3.5
socket.emit("order", { items: [{ name: "tea", price: "free" }] }, console.log);     // { error: { event: "order",
//     argument: "order", place: "$.items[0].price", message: "... Expected `float`, got `str` ..." } }
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

import waterspout

server = waterspout.Server(cors_origins="*")


class Item(Struct):
    name: Annotated[str, Meta(max_length=100)]
    price: Annotated[float, Meta(ge=0)]


class Order(Struct):
    items: Annotated[list[Item], Meta(min_length=1, max_length=50)]
    note: str = ""


@server.on("order")
def order(socket: waterspout.Socket, order: Order, currency: Literal["EUR", "USD"] = "EUR", *tags: str) -> float:
    socket.broadcast("ordered", order, currency, tags)
    return sum(item.price for item in order.items)


if __name__ == "__main__":
    waterspout.run(server, port=8000)
