"""Orders by HTTP and by events of a FastAPI application: one model, and a database session for each of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, PositiveInt

from waterspout import Server, Socket
from waterspout.hosts.asgi import App


class Order(BaseModel):
    product: str
    pieces: PositiveInt


def session() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(app.state.database, check_same_thread=False)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS orders (product, pieces)")
        yield database


server, app = Server(), FastAPI()
app.state.database = "orders.db"
app.mount("/socket.io", App(server))


@server.on("order")
def take(socket: Socket, order: Order) -> None:
    with contextmanager(session)() as database:
        database.execute("INSERT INTO orders VALUES (:product, :pieces)", order.model_dump())
    server.emit("ordered", order.model_dump())


@app.get("/orders")
def orders(database: Annotated[sqlite3.Connection, Depends(session)]) -> list[Order]:
    return [Order(product=row[0], pieces=row[1]) for row in database.execute("SELECT * FROM orders")]
