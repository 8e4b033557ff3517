"""The servers for public test suites do what the suites expect; the results are in docs/conformance.md."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import websocket_connect

from conformance.app import SERVERS
from conformance.raw_echo import application, asgi_application
from hosts.asgi_host import UvicornHost
from waterspout import Server
from waterspout.testing import ENGINEIO_3, ENGINEIO_4, Peer
from waterspout.wire.generations import Generation


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
def test_the_server_of_the_engineio_protocol_echoes(generation: Generation) -> None:
    peer = Peer(SERVERS["engineio-protocol"]()[0], generation=generation)
    peer.take()
    peer.send("4hello")
    peer.send(b"\x01\x02")
    assert peer.take() == ["4hello", b"\x01\x02"]


@pytest.mark.parametrize("namespace", ["", "/custom,"])
def test_the_server_of_the_socketio_protocol_tells_the_auth_and_echoes(namespace: str) -> None:
    peer = Peer(SERVERS["socketio-protocol"]()[0])
    peer.take()
    peer.send(f'40{namespace}{{"token":"123"}}')
    peer.send(f'42{namespace}["message",1]')
    peer.send(f'42{namespace}7["message-with-ack",1,"2"]')
    accepted, *others = peer.take()
    assert isinstance(accepted, str)
    assert accepted.startswith(f"40{namespace}")
    assert others == [
        f'42{namespace}["auth",{{"token":"123"}}]',
        f'42{namespace}["message-back",1]',
        f'43{namespace}7[1,"2"]',
    ]


@pytest.mark.parametrize("name", ["engineio-client", "engineio-client-3"])
def test_the_servers_of_engineio_client_greet_and_echo(name: str) -> None:
    peer = Peer(SERVERS[name]()[0])
    assert peer.take()[1:] == ["4hi"]
    peer.send("4give binary")
    peer.send("4again")
    assert peer.take() == [b"\x00\x01\x02\x03\x04", "4again"]


def test_the_server_of_socketio_client_acknowledges_null_and_leaves_one_event_unacknowledged() -> None:
    server = SERVERS["socketio-client"]()[0]
    assert isinstance(server, Server)
    peer = Peer(server)
    peer.connect()
    peer.take()
    peer.send('420["echo",null]')
    peer.send('421["ack"]')
    peer.send('422["getId"]')
    [socket] = server.sockets()
    assert peer.take() == ["430[null]", f'432["{socket.id}"]']


def test_the_servers_of_socketio_client_refuse_who_fails() -> None:
    server = SERVERS["socketio-client"]()[0]
    peer = Peer(server, query="fail=true")
    peer.take()
    peer.send("40")
    peer.send("40/no,")
    assert peer.take() == [
        '44{"message":"Auth failed (main namespace)"}',
        '44/no,{"message":"Auth failed (custom namespace)"}',
    ]


@asynccontextmanager
async def tornado(*, compress: bool) -> AsyncIterator[int]:
    """Serve the raw echo in Tornado, and lend its port."""
    listener, port = bind_unused_port()
    server = HTTPServer(application(compress=compress))
    server.add_socket(listener)
    yield port
    server.stop()
    await server.close_all_connections()


@asynccontextmanager
async def uvicorn(*, compress: bool) -> AsyncIterator[int]:
    """Serve the raw echo on uvicorn with WebSockets of ours, and lend its port."""
    host = UvicornHost("asyncio", ws="waterspout.hosts.uvicorn:WebSocketProtocol", lifespan="off")
    await host.serve_application(asgi_application(compress=compress))
    yield host.port
    await host.stop_server()


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("serving", [tornado, uvicorn], ids=["tornado", "uvicorn"])
def test_the_raw_echo_sends_back_text_and_binary(serving: Any, compress: bool) -> None:
    async def echo() -> list[str | bytes | None]:
        async with serving(compress=compress) as port:
            client = await websocket_connect(f"ws://127.0.0.1:{port}", compression_options={} if compress else None)
            received = []
            for message in ("", "é" * 1000, b"", bytes(100_000)):
                await client.write_message(message, binary=isinstance(message, bytes))
                received.append(await client.read_message())
            assert client.headers is not None
            assert ("Sec-WebSocket-Extensions" in client.headers) == compress
            client.close()
            assert await client.read_message() is None
            return received

    assert asyncio.run(echo()) == ["", "é" * 1000, b"", bytes(100_000)]
