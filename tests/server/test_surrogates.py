"""Lone surrogates in what the server says: they leave as they arrive, as U+FFFD, whatever the way."""

from typing import Any

import pytest

from waterspout import ConnectRefused, Server, Socket
from waterspout.testing import SOCKETIO_1, Clock, Pair, Peer
from waterspout.wire.generations import with_parser
from waterspout.wire.packets import Ack, Event

BROKEN = {"half \ud83d": ["\ude00", ("\ud83d\ude00", 1.5, None)]}
READ = {"half \ufffd": ["\ufffd", ["😀", 1.5, None]]}


@pytest.fixture(params=["json", "msgpack"])
def parser(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def speaking(parser: str) -> Server:
    return Server(parser=parser)


@pytest.fixture
def client(client: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a `Pair`, with each parser where a test asks for it."""
    if "speaking" not in request.fixturenames:
        return client
    if client["generation"] is SOCKETIO_1:
        return client  # which has no choice
    return {**client, "generation": with_parser(client["generation"], request.getfixturevalue("parser"))}


def read(peer: Peer, packet: str | bytes) -> Any:
    codec = peer.generation.socketio
    at = 0 if peer.generation is SOCKETIO_1 else 1
    return codec.decode(packet, at) if isinstance(packet, str) else codec.decode_binary(packet, None)


def test_an_event_leaves(speaking: Server, client: dict[str, Any]) -> None:
    pair, other = Pair(speaking, **client), Pair(speaking, **client)
    speaking.emit("news", BROKEN)
    pair.socket.emit("news", BROKEN)
    other.socket.broadcast("news", BROKEN, to=pair.socket.id)
    assert [read(pair.peer, packet) for packet in pair.peer.take()] == [Event("/", "news", [READ])] * 3
    speaking.emit("\udfff", BROKEN)
    (packet,) = pair.peer.take()
    assert read(pair.peer, packet) == Event("/", "\ufffd", [READ])


def test_it_leaves_beside_binary_content(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pair.socket.emit("news", "\ud83d", b"1")
    assert pair.peer.events() == [("news", "\ufffd", "MQ==" if pair.peer.generation is SOCKETIO_1 else b"1")]


def test_an_acknowledgement_is_not_lost(speaking: Server, client: dict[str, Any]) -> None:
    speaking.on("ask")(lambda socket: BROKEN)
    pair = Pair(speaking, **client)
    pair.peer.emit("ask", id=7)
    assert [read(pair.peer, packet) for packet in pair.peer.take()] == [Ack("/", 7, [READ])]
    assert pair.clock.reports == []


def test_a_question_arrives(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    one, all_of_them = pair.socket.call("ask", BROKEN), server.call("ask", BROKEN)
    for packet in pair.peer.take():
        question = read(pair.peer, packet)
        assert question.args == [READ]
        pair.peer.acknowledge(question.id, "yes")
    assert one.result() == "yes"
    assert all_of_them.result().answers == {pair.socket.id: "yes"}


def test_a_refusal_says_why(speaking: Server, client: dict[str, Any]) -> None:
    @speaking.on_connect
    def connect(socket: Socket, auth: object) -> None:
        raise ConnectRefused("no \ud83d")

    speaking.engine.bind(Clock())
    peer = Peer(speaking, **client)
    if not peer.generation.implicit_connect:
        peer.connect()
    refusal = peer.take()[-1]
    if peer.generation is SOCKETIO_1:
        assert refusal == "0::"  # it has no words
        return
    if isinstance(refusal, str):
        refusal = refusal.replace(r"\ufffd", "\ufffd").encode()  # ASCII, to clients of 1.x and 2.x
    assert "no \ufffd".encode() in refusal


@pytest.mark.parametrize("transport", ["jsonp-polling", "htmlfile"])
def test_clients_of_0_9_are_told(server: Server, transport: str) -> None:
    server.on("ask")(lambda socket: BROKEN)
    pair = Pair(server, generation=SOCKETIO_1, transport=transport)
    pair.peer.take()
    server.emit("news", "\ud83d")
    pair.peer.emit("ask", id=1)
    told = [packet for packet in map(str, pair.peer.take()) if packet[0] in "56"]
    assert told[0] == r'5:::{"name":"news","args":["\ufffd"]}'
    assert told[1].startswith(r'6:::1+[{"half \ufffd":["\ufffd",["\ud83d\ude00",')
