"""The official conformance suite for Socket.IO 5, in memory: its own part, beside that of Engine.IO.

The tests look at what the official tests of their lines in tests/official.py look at.
"""

from typing import Any

import pytest

from waterspout import Server, Socket
from waterspout.testing import Clock, Peer
from waterspout.wire import json


@pytest.fixture
def server() -> Server:
    """The server that the suite describes."""
    server = Server(ping_interval=0.3, ping_timeout=0.2, driver=Clock())
    for namespace in (server.of("/"), server.of("/custom")):
        namespace.on_connect(greet)
        namespace.on("message")(lambda socket, *args: socket.emit("message-back", *args))
        namespace.on("message-with-ack")(lambda socket, *args: args)
    return server


def greet(socket: Socket, auth: Any) -> None:
    socket.emit("auth", auth)


@pytest.fixture
def peer(server: Server) -> Peer:
    """A client that has read the handshake of Engine.IO."""
    peer = Peer(server)
    peer.take()
    return peer


@pytest.fixture
def connected(peer: Peer) -> Peer:
    """A client that has entered "/"."""
    peer.send("40")
    peer.take()
    return peer


def clock(peer: Peer) -> Clock:
    assert isinstance(peer.engine.driver, Clock)
    return peer.engine.driver


def next_packets(peer: Peer) -> list[Any]:
    """What has come, with the data of the CONNECT in front taken apart."""
    first, *others = peer.take()
    assert isinstance(first, str)
    name, brace, data = first.partition("{")
    handshake = json.decode(brace + data)
    assert list(handshake) == ["sid"]
    assert isinstance(handshake["sid"], str)
    return [name, *others]


def test_a_client_enters_the_main_namespace(peer: Peer) -> None:
    peer.send("40")
    assert next_packets(peer) == ["40", '42["auth",{}]']


def test_a_client_enters_the_main_namespace_with_a_payload(peer: Peer) -> None:
    peer.send('40{"token":"123"}')
    assert next_packets(peer) == ["40", '42["auth",{"token":"123"}]']


def test_a_client_enters_another_namespace(peer: Peer) -> None:
    peer.send("40/custom,")
    assert next_packets(peer) == ["40/custom,", '42/custom,["auth",{}]']


def test_a_client_enters_another_namespace_with_a_payload(peer: Peer) -> None:
    peer.send('40/custom,{"token":"abc"}')
    assert next_packets(peer) == ["40/custom,", '42/custom,["auth",{"token":"abc"}]']


def test_an_unknown_namespace_cannot_be_entered(peer: Peer) -> None:
    peer.send("40/random")
    assert peer.take() == ['44/random,{"message":"Invalid namespace"}']
    assert peer.closed is None


def test_a_broken_handshake_ends_the_connection(peer: Peer) -> None:
    peer.send("4abc")
    assert peer.closed == 1002


def test_a_missing_handshake_ends_the_connection() -> None:
    peer = Peer(Server(connect_timeout=1, driver=Clock()))
    clock(peer).advance(0.999)
    assert peer.closed is None
    clock(peer).advance(0.001)
    assert peer.closed == 1000


def test_a_client_leaves_the_main_namespace(connected: Peer) -> None:
    connected.send("41")
    assert connected.take() == []
    clock(connected).advance(0.3)
    assert connected.take() == ["2"]


def test_a_client_enters_and_leaves_another_namespace(connected: Peer) -> None:
    connected.send("40/custom")
    assert next_packets(connected) == ["40/custom,", '42/custom,["auth",{}]']
    connected.send("41/custom")
    connected.send('42["message","message to main namespace"]')
    assert connected.take() == ['42["message-back","message to main namespace"]']


def test_a_text_comes_back(connected: Peer) -> None:
    connected.send('42["message",1,"2",{"3":[true]}]')
    assert connected.take() == ['42["message-back",1,"2",{"3":[true]}]']


def test_attachments_come_back(connected: Peer) -> None:
    header = '452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    connected.send(header, b"\1\2\3", b"\4\5\6")
    back = '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert connected.take() == [back, b"\1\2\3", b"\4\5\6"]


def test_a_text_is_acknowledged(connected: Peer) -> None:
    connected.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert connected.take() == ['43456[1,"2",{"3":[false]}]']


def test_attachments_are_acknowledged(connected: Peer) -> None:
    header = '452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    connected.send(header, b"\1\2\3", b"\4\5\6")
    acknowledgement = '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert connected.take() == [acknowledgement, b"\1\2\3", b"\4\5\6"]


def test_an_unknown_type_ends_the_connection(connected: Peer) -> None:
    connected.send("4abc")
    assert connected.closed == 1002


def test_data_that_is_no_list_ends_the_connection(connected: Peer) -> None:
    connected.send("42{}")
    assert connected.closed == 1002


def test_an_id_that_is_no_number_ends_the_connection(connected: Peer) -> None:
    connected.send('42abc["message-with-ack",1,"2",{"3":[false]}]')
    assert connected.closed == 1002
