"""The examples for ASGI frameworks, each on uvicorn in the loop of the test, or below Starlette's test client."""

import json
import logging
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hosts.asgi_host import UvicornHost
from hosts.client import request as request_of
from hosts.client import text
from hosts.suite.eventsource import chunk, head

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back what a framework sets up for the whole process, as Litestar does: a level, and handlers."""
    root = logging.getLogger()
    level, handlers = root.level, [*root.handlers]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def host() -> UvicornHost:
    return UvicornHost("uvloop", http="httptools", ws="websockets-sansio", lifespan="auto")


async def serve(host: UvicornHost, example: dict[str, Any]) -> None:
    host._mounted.append(example["server"])
    await host.serve_application(example["app"])


@pytest.mark.parametrize("name", ["litestar_app", "quart_app"])
async def test_a_route_and_clients_reach_all(host: UvicornHost, name: str) -> None:
    """The examples "litestar_app.py" and "quart_app.py"."""
    await serve(host, load(name))
    polling, wire = await host.session(), await host.websocket()
    pages = await host.connect()
    answer = await pages.ask("POST", "/news?text=hi")
    assert answer.status in (200, 201)
    assert [await polling.get(), await wire.text()] == ['42["news","hi"]'] * 2
    wire.send(text('42["say","hello"]'))
    assert [await polling.get(), await wire.text()] == ['42["said","hello"]'] * 2
    assert (await pages.ask("GET", "/none")).status == 404


async def test_orders_are_typed_and_kept_in_a_database(host: UvicornHost, tmp_path: Path) -> None:
    example = load("fastapi_orders")
    example["app"].state.database = str(tmp_path / "orders.db")
    await serve(host, example)
    wire, pages = await host.websocket(), await host.connect()
    assert (await pages.ask("GET", "/orders")).body == b"[]"
    wire.send(text('42["order",{"product":"tea","pieces":2}]'))
    assert await wire.text() == '42["ordered",{"product":"tea","pieces":2}]'
    wire.send(text('420["order",{"product":"tea","pieces":0}]'))
    assert json.loads((await pages.ask("GET", "/orders")).body) == [{"product": "tea", "pieces": 2}]


async def test_tokens_are_streamed_to_who_may_and_resumed(host: UvicornHost) -> None:
    await serve(host, load("fastapi_tokens"))

    async def ask(*fields: tuple[str, str]) -> list[tuple[str, str]]:
        stream = await host.connect()
        kind = ("Content-Type", "application/json")
        stream.send(request_of("POST", "/runs/1", kind, *fields, body=b'"what is it"'))
        await head(stream)
        events = []
        while (data := (await chunk(stream)).decode()) and "stream-end" not in data:
            parts = dict(line.split(": ", 1) for line in data.splitlines() if line)
            events.append((parts.get("id", ""), parts["data"]))
        return events

    refused = await (await host.connect()).ask("POST", "/runs/1", ("Authorization", "no"), body=b'"x"')
    assert refused.status == 401
    may = ("Authorization", "Bearer secret")
    events = await ask(may)
    assert [data for _, data in events][:3] == ['"what"', '"is"', '"it"']
    assert [data for _, data in await ask(may, ("Last-Event-ID", events[0][0]))][:2] == ['"is"', '"it"']


def test_a_session_of_the_pages_is_known_to_the_server() -> None:
    app = load("starlette_app")["app"]
    path = "/socket.io/?EIO=4&transport=websocket"
    with TestClient(app) as client:
        with client.websocket_connect(path) as stranger:
            stranger.receive_text()
            stranger.send_text("40")
            assert stranger.receive_text() == '44{"message":"log in first"}'
        client.post("/login/ann")
        with client.websocket_connect(path) as ann:
            ann.receive_text()
            ann.send_text("40")
            assert ann.receive_text().startswith('40{"sid"')
            client.post("/login/ann")
            assert ann.receive_text() == '42["hello"]'
