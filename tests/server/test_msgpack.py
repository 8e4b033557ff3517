"""A server with the msgpack parser, to clients of both generations over polling and WebSocket."""

import re
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import waterspout
from waterspout import ConnectRefused, Reason, Server, Socket
from waterspout.engine import Policy
from waterspout.testing import Clock, Pair, Peer, Refused
from waterspout.wire import json, notepack
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, SOCKETIO_1, Generation, with_parser
from waterspout.wire.msgpack import MSGPACK_5
from waterspout.wire.packets import Ack, Connect, Event, Packet

ROOT = Path(__file__).parents[2]
ROWS = {row.revision: with_parser(row, "msgpack") for row in (ENGINEIO_3, ENGINEIO_4)}


@pytest.fixture
def server() -> Server:
    return Server(parser="msgpack")


@pytest.fixture(params=["3-polling", "3-websocket", "3-base64", "4-polling", "4-websocket"])
def client(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of a `Pair` or a `Peer`: each generation over each transport, and 2.x with `b64` over polling."""
    revision, transport = request.param.split("-")
    if transport == "base64":
        return {"generation": ROWS[revision], "transport": "polling", "query": "b64=1"}
    return {"generation": ROWS[revision], "transport": transport}


def heard(peer: Peer) -> list[Packet]:
    """Return what the client got, as its codec reads events and acknowledgements."""
    packets = []
    for message in peer.take():
        assert isinstance(message, bytes)
        packet = peer.generation.socketio.decode_binary(message, None)
        assert packet is not None
        packets.append(packet)
    return packets


def farewell(peer: Peer, namespace: str) -> str | bytes:
    """Return how the server says that a client has left."""
    if peer.generation.revision == "3":
        return f'4{{"type":1,"nsp":"{namespace}"}}'
    return notepack.encode({"type": 1, "nsp": namespace})


def test_a_client_enters_and_is_told_its_id(server: Server) -> None:
    peer = Peer(server, generation=ROWS["4"])
    peer.take()
    peer.connect()
    (message,) = peer.take()
    assert isinstance(message, bytes)
    assert MSGPACK_5.decode_binary(message, None) == Connect("/", {"sid": server.sockets()[0].id})


def test_a_client_of_2_x_is_in_without_asking_and_told_so_in_json(server: Server) -> None:
    peer = Peer(server, generation=ROWS["3"])
    assert peer.take()[1:] == ['4{"type":0,"nsp":"/"}']
    assert [socket.id for socket in server.sockets()] == [peer.sid]


def test_a_socket_names_the_generation_and_not_its_parser(server: Server, client: dict[str, Any]) -> None:
    assert Pair(server, **client).socket.generation == client["generation"].name


def test_an_event_with_binary_content_is_one_message_either_way(server: Server, client: dict[str, Any]) -> None:
    seen: list[object] = []
    server.on("put")(lambda socket, *args: seen.extend(args))
    pair = Pair(server, **client)
    pair.peer.emit("put", {"image": b"\x00\xff", "tags": [b"", "é🌊"]}, 1.5)
    assert seen == [{"image": b"\x00\xff", "tags": [b"", "é🌊"]}, 1.5]
    pair.socket.emit("got", {"image": b"\x00\xff"}, None)
    assert heard(pair.peer) == [Event("/", "got", [{"image": b"\x00\xff"}, None])]


def test_what_a_handler_returns_acknowledges_the_event(server: Server, client: dict[str, Any]) -> None:
    moment = datetime(2020, 1, 1, 12, 30, tzinfo=UTC)
    server.on("ask")(lambda socket, *args: args)
    server.on("nothing")(lambda socket: None)
    pair = Pair(server, **client)
    pair.peer.emit("ask", b"\x01", moment, id=0)
    pair.peer.emit("nothing", id=1)
    assert heard(pair.peer) == [Ack("/", 0, [b"\x01", moment]), Ack("/", 1, [])]


def test_a_call_is_answered_by_the_client(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pending = pair.socket.call("question", b"\x01")
    (question,) = heard(pair.peer)
    assert isinstance(question, Event)
    assert question.args == [b"\x01"]
    assert question.id is not None
    pair.peer.acknowledge(question.id, b"\x02", {"a": 1})
    assert pending.wait(1) == (b"\x02", {"a": 1})


def test_auth_of_any_type_reaches_the_connect_handler(server: Server) -> None:
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    Pair(server, generation=ROWS["4"], auth={"key": b"\x00\x01", "since": 5})
    Pair(server, generation=ROWS["4"])
    assert seen == [{"key": b"\x00\x01", "since": 5}, {}]


def test_the_query_of_2_x_reaches_the_connect_handler(server: Server) -> None:
    seen: list[object] = []
    server.on_connect(lambda socket, auth: seen.append(auth))
    server.of("/chat").on_connect(lambda socket, auth: seen.append(auth))
    pair = Pair(server, generation=ROWS["3"], query="room=x")
    pair.peer.connect("/chat?token=a%20b")
    assert seen == [{"room": "x"}, {"token": "a b"}]
    assert pair.peer.take() == ['4{"type":0,"nsp":"/chat"}']


@pytest.mark.parametrize(
    ("refusal", "newer", "older"),
    [
        (ConnectRefused("full"), {"message": "full"}, "full"),
        (ConnectRefused({"code": b"\x2a"}, message="no"), {"message": "no", "data": {"code": b"\x2a"}}, "no"),
    ],
    ids=["a text", "data"],
)
def test_a_refusal_tells_why(
    server: Server, client: dict[str, Any], refusal: Exception, newer: Any, older: str
) -> None:
    @server.of("/guarded").on_connect
    def refuse(socket: Socket, auth: object) -> None:
        raise refusal

    pair = Pair(server, **client)
    pair.peer.connect("/guarded")
    (answer,) = pair.peer.take()
    if isinstance(answer, str):
        assert json.decode(answer[1:]) == {"type": 4, "nsp": "/guarded", "data": older}
    else:
        assert notepack.decode(answer) == {"type": 4, "nsp": "/guarded", "data": newer}
    pair.peer.emit("still here")
    assert pair.peer.closed is None


def test_a_refusal_that_cannot_be_sent_is_an_internal_error(server: Server) -> None:
    @server.on_connect
    def refuse(socket: Socket, auth: object) -> None:
        raise ConnectRefused({"code": object()})

    peer = Peer(server, generation=ROWS["4"])
    peer.take()
    peer.connect()
    (answer,) = peer.take()
    assert isinstance(answer, bytes)
    assert b"Internal error" in answer


def test_namespaces_are_apart_and_left_by_either_side(server: Server, client: dict[str, Any]) -> None:
    left: list[object] = []
    chat = server.of("/chat")
    chat.on("say")(lambda socket, text: chat.emit("said", text))
    chat.on_disconnect(lambda socket, reason: left.append(reason))
    pair = Pair(server, **client)
    for side in ("client", "server"):
        pair.peer.connect("/chat")
        pair.peer.take()
        pair.peer.emit("say", side, namespace="/chat")
        assert heard(pair.peer) == [Event("/chat", "said", [side])]
        if side == "client":
            pair.peer.leave("/chat")
            assert pair.peer.take() == []
        else:
            chat.sockets()[0].disconnect()
            assert pair.peer.take() == [farewell(pair.peer, "/chat")]
    assert left == [Reason.CLIENT_DISCONNECT, Reason.SERVER_DISCONNECT]
    assert [socket.connected for socket in server.sockets()] == [True]


def test_the_server_ends_the_connection_behind_its_farewell(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    pair.socket.disconnect(close=True)
    assert pair.peer.take()[0] == farewell(pair.peer, "/")
    assert pair.peer.closed is not None


def test_a_room_of_both_generations_hears_one_event(server: Server) -> None:
    pairs = [Pair(server, generation=row, transport=kind) for row in ROWS.values() for kind in ("polling", "websocket")]
    server.emit("news", b"\x01", datetime(2020, 1, 1, tzinfo=UTC))
    assert [heard(pair.peer) for pair in pairs] == [
        [Event("/", "news", [b"\x01", datetime(2020, 1, 1, tzinfo=UTC)])]
    ] * 4


def test_what_cannot_be_sent_leaves_nobody_served(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    with pytest.raises(TypeError, match="'news' cannot be sent: object"):
        server.emit("news", object())
    assert pair.peer.take() == []


def test_what_is_emitted_before_an_upgrade_comes_once_and_in_order(server: Server) -> None:
    pair = Pair(server, generation=ROWS["4"], transport="polling")
    pair.socket.emit("one")
    pair.peer.upgrade()
    pair.socket.emit("two", b"\x01")
    assert pair.peer.transport == "websocket"
    events = [packet for packet in pair.peer.take() if isinstance(packet, bytes)]
    assert [MSGPACK_5.decode_binary(event, None) for event in events] == [
        Event("/", "one", []),
        Event("/", "two", [b"\x01"]),
    ]


def broken(peer: Peer, *packets: str | bytes) -> None:
    """Send packets which the server is to end the connection for."""
    try:
        peer.send(*packets)
    except Refused as refused:
        assert refused.response.status == 400  # noqa: PT017
    assert peer.closed is not None
    assert peer.closed in (0, 1002)


@pytest.mark.parametrize("packet", [b"", b"\xc1", b"\x80", b"\x91" * 10_000, '42["a"]', "40", "4", "451-"])
def test_what_is_no_packet_ends_one_connection(server: Server, client: dict[str, Any], packet: str | bytes) -> None:
    left: list[object] = []
    server.on_disconnect(lambda socket, reason: left.append(reason))
    neighbour, pair = Pair(server, **client), Pair(server, **client)
    broken(pair.peer, packet)
    assert left == [Reason.PARSE_ERROR]
    assert server.sockets() == [neighbour.socket]
    assert pair.clock.reports == []


def test_an_event_for_a_namespace_that_was_not_entered_is_ignored_or_ends_the_connection(
    server: Server, client: dict[str, Any]
) -> None:
    server.of("/chat")
    pair = Pair(server, **client)
    (packet,) = pair.peer.generation.socketio.encode_event("/chat", "a", [])[1]
    if pair.peer.generation.strays:
        pair.peer.send(packet)
        assert pair.socket.connected
    else:
        broken(pair.peer, packet)


SPEAKS_MSGPACK = "the client speaks msgpack, the server JSON: give the client no parser, or Server(parser='msgpack')"
SPEAKS_JSON = (
    "the client speaks JSON, the server msgpack: give the client socket.io-msgpack-parser, or take the server's away"
)
MISFITS = [
    pytest.param(server, row, client, words, id=f"{row.name}: {client} at {server}")
    for row in (ENGINEIO_3, ENGINEIO_4)
    for server, client, words in (("json", "msgpack", SPEAKS_MSGPACK), ("msgpack", "json", SPEAKS_JSON))
]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(("parser", "row", "other", "words"), MISFITS)
def test_clients_and_servers_with_different_parsers_part_at_once_and_the_log_warns(
    parser: str, row: Generation, other: str, words: str, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer(Server(parser=parser), generation=with_parser(row, other), transport=transport)
    with caplog.at_level("WARNING", "waterspout"):
        told = _first_words(peer)
    assert words in told
    assert peer.closed in (0, 1002)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == f"session {peer.sid[:4]}... is closed because its client broke the protocol: {words}"


def _first_words(peer: Peer) -> str:
    """Say what such a client says first, and return what it is told."""
    try:
        if peer.generation.implicit_connect:
            peer.emit("a", "what it says")
        else:
            peer.connect(auth={"token": "its secret"})
    except Refused as refused:
        return refused.response.body.decode()
    return peer.frames[-1][1][2:].decode()


def test_an_object_that_2_x_writes_in_json_may_be_of_two_parsers() -> None:
    server = Server()
    server.of("/chat")
    peer = Peer(server, generation=with_parser(ENGINEIO_3, "msgpack"))
    peer.connect("/chat")
    assert peer.frames[-1][1][2:].decode() == SPEAKS_EITHER


# As socket.io-json-parser 3.0.0 writes its packets, in the clients 2.5.0 and 4.8.4.
CONNECT = '4{"type":0,"nsp":"/"}'
EVENT = '4{"type":2,"data":["hello","you"],"options":{"compress":true},"nsp":"/"}'
SPEAKS_OBJECTS = "the client speaks JSON of another form (socket.io-json-parser?): give the client no parser"
SPEAKS_EITHER = (
    "the client speaks msgpack or JSON of another form (socket.io-json-parser?): give it no parser, or both msgpack"
)
NOT_MSGPACK = (
    "the client speaks JSON (socket.io-json-parser?), the server msgpack: give the client socket.io-msgpack-parser"
)


@pytest.mark.parametrize(
    ("parser", "row", "packet", "words"),
    [
        ("json", ENGINEIO_4, CONNECT, SPEAKS_OBJECTS),
        ("json", ENGINEIO_4, EVENT, SPEAKS_OBJECTS),
        ("json", ENGINEIO_3, CONNECT, SPEAKS_EITHER),
        ("json", ENGINEIO_3, EVENT, SPEAKS_OBJECTS),
        ("msgpack", ENGINEIO_4, CONNECT, NOT_MSGPACK),
        ("msgpack", ENGINEIO_4, EVENT, NOT_MSGPACK),
        ("msgpack", ENGINEIO_3, EVENT, NOT_MSGPACK),
    ],
)
def test_a_parser_of_json_objects_is_not_taken_for_msgpack(
    parser: str, row: Generation, packet: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Peer(Server(parser=parser), generation=with_parser(row, parser))
    with caplog.at_level("WARNING", "waterspout"):
        peer.send(packet)
    assert peer.frames[-1][1][2:].decode() == words
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [words]


def test_what_is_of_neither_parser_is_no_wrong_parser(server: Server) -> None:
    for one, packet in (
        (server, "4hello"),
        (Server(), "4hello"),
        (Server(), "4{}"),
        (Server(), b"an attachment of nothing"),
    ):
        peer = Peer(one)
        peer.send(packet)
        assert "parser='" not in (told := peer.frames[-1][1][2:].decode()), told
        assert "the client speaks" not in told


def test_of_many_clients_with_the_wrong_parser_the_log_warns_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    server = Server(driver=clock)
    levels: list[list[str]] = []
    for _ in range(3):
        caplog.clear()
        with caplog.at_level("INFO", "waterspout.engine"):
            for _ in range(20):
                Peer(server, generation=with_parser(ENGINEIO_4, "msgpack")).connect()
        levels.append([one.levelname for one in caplog.records if "the client speaks" in one.getMessage()])
        clock.advance(30)
    assert levels == [["WARNING"] + ["INFO"] * 10, ["INFO"] * 10, ["WARNING"] + ["INFO"] * 10]


def test_an_unknown_parser_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="parser is 'cbor': choose from json, msgpack"):
        Server(parser="cbor")


def test_json_is_what_a_server_speaks_unless_told_otherwise() -> None:
    assert Policy().generations == (ENGINEIO_3, ENGINEIO_4)
    assert Server().engine.policy.generations == (ENGINEIO_3, ENGINEIO_4, SOCKETIO_1)


# The documentation


def test_the_example_shows_strokes_to_others_and_to_who_comes_later() -> None:
    board = runpy.run_path(str(ROOT / "examples" / "msgpack.py"))["server"]
    ada, bob = (Pair(board, generation=row).peer for row in ROWS.values())
    ada.emit("draw", b"\x0a\x14", id=0)
    (answer,), (stroke,) = heard(ada), heard(bob)
    assert isinstance(answer, Ack)
    (drawn,) = answer.args
    assert abs(datetime.now(UTC) - drawn).total_seconds() < 60
    assert stroke == Event("/", "stroke", [b"\x0a\x14", drawn])
    late = Peer(board, generation=ROWS["3"])
    assert late.generation.socketio.decode_binary(late.take()[-1], None) == stroke  # type: ignore[arg-type]


def test_the_page_is_python_and_names_files_that_are_there() -> None:
    page = (ROOT / "docs" / "msgpack.md").read_text("utf-8")
    names = {"waterspout": waterspout, "Pair": Pair, "with_parser": with_parser, "ENGINEIO_4": ENGINEIO_4}
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for block in blocks:
        exec(block, names)
    assert names["pair"].socket.connected  # type: ignore[attr-defined]
    assert [path for path in re.findall(r"`(examples/[\w.]+)`", page) if not (ROOT / path).is_file()] == []


def test_the_page_has_the_words_of_the_log() -> None:
    page = " ".join((ROOT / "docs" / "msgpack.md").read_text("utf-8").split())
    assert f"is closed because its client broke the protocol: {SPEAKS_JSON}" in page
