"""What the emitters of Node publish, as messages of nodes."""

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from redisserver import RedisServer
from vectors import DATA
from waterspout.adapters.noderedis import NAME, NodeEmitters
from waterspout.errors import DecodeError
from waterspout.server.cluster import BroadcastHere, BusDisconnect, Join, Leave, decode
from waterspout.server.cluster.messages import decode_word

from .attached import WATCHDOG, Attached

VECTORS = {vector["name"]: vector for vector in json.loads((DATA / "noderedis.json").read_text("utf-8"))}
AT = datetime(2001, 9, 9, 1, 46, 40, 5000, tzinfo=UTC)


def event(name: str, *args: Any, **rest: Any) -> BroadcastHere:
    return BroadcastHere(name, msgspec.msgpack.encode(args), **{"namespace": "/", **rest})


def read(channel: str, data: bytes, key: str = "socket.io") -> Any:
    """Return the message of the word that is made of a message of Node's."""
    data_of_word = NodeEmitters(key).read(channel.encode(), data)
    if data_of_word is None:
        return None
    word = decode_word(data_of_word)
    assert (word.node, word.n, word.prev) == (NAME, 0, 0)
    return decode(word.message)


EXPECTED = {
    "event": event("news", 1, {"a": [True, None, 1.5, "ü"]}, b"\x01\x02", None),
    "date": event("at", AT),
    "room": event("news", to=("red",)),
    "number room": event("news", to=(7,), except_=("red", "blue")),
    "rooms": event("news", to=("red", "blue")),
    "flags": event("news", volatile=True, compress=False),
    "namespace": event("news", "hi", namespace="/chat", to=("red",)),
    "join": Join(["green", 7], namespace="/", to=("red",), except_=("blue",)),
    "leave": Leave(["green"], namespace="/chat"),
    "disconnect": BusDisconnect(namespace="/"),
    "close": BusDisconnect(close=True, namespace="/", to=("id",)),
    "server side": None,
    "old event": event("news", {"at": AT, "nothing": None, "b": b"\x01\x02", "c": bytes(range(1, 9))}),
    "old rooms": event("news", namespace="/chat", to=("red", "blue"), volatile=True),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_message_of_an_emitter_is_one_of_nodes(name: str) -> None:
    vector = VECTORS[name]
    assert read(vector["channel"], b64decode(vector["data"])) == EXPECTED[name]


def test_every_vector_is_used() -> None:
    assert VECTORS.keys() == {*EXPECTED, "other key"}


def test_another_key_has_channels_of_its_own() -> None:
    vector = VECTORS["other key"]
    data = b64decode(vector["data"])
    assert read(vector["channel"], data, "my*app") == event("news")
    assert NodeEmitters("my*app").patterns == (rb"my\*app#/*", rb"my\*app-request#/*")
    events, requests = (pattern.decode() for pattern in NodeEmitters("socket.io").patterns)
    assert [name for name in VECTORS if not fnmatchcase(VECTORS[name]["channel"], events)] == [
        *("join", "leave", "disconnect", "close", "server side", "other key")
    ]
    assert fnmatchcase(VECTORS["join"]["channel"], requests)


def packed(*values: Any) -> bytes:
    return msgspec.msgpack.encode(values)


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("socket.io#/other#", packed("uid", {"type": 2, "data": ["news"], "nsp": "/"}, {})),
        ("socket.io#/#", packed("uid", {"type": 3, "data": ["news"], "nsp": "/"}, {})),
        ("socket.io-request#/#", b'{"requestId":"x","type":5,"opts":{"rooms":[],"except":[]}}'),
        ("socket.io-request#/#", b'{"requestId":"x","type":2,"sid":"id","room":"red"}'),
        ("socket.io-request#/#", packed("of a server, which wants answers")),
        ("waterspout/socket.io", b""),
    ],
)
def test_what_means_nothing_to_clients_is_ignored(channel: str, data: bytes) -> None:
    assert read(channel, data) is None


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("socket.io#/#", b""),
        ("socket.io#/#", b"\xc1"),
        ("socket.io#/#", packed("uid", {"type": 2, "nsp": "/"}, {})),
        ("socket.io#/#", packed("uid", {"type": 2, "data": []}, {})),
        ("socket.io#/#", packed("uid", {"type": 2, "data": [1]}, {})),
        ("socket.io#/#", packed("uid", {"type": 2, "data": ["news"]}, {"rooms": [1.5]})),
        ("socket.io#/#", packed("uid", {"type": 2, "data": ["news", msgspec.msgpack.Ext(5, b"")]}, {})),
        ("socket.io-request#/#", b"{"),
        ("socket.io-request#/#", b'{"type":2,"opts":{"rooms":"red"}}'),
    ],
)
def test_what_is_broken_is_a_decode_error(channel: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        read(channel, data)


@pytest.mark.parametrize("key", ["", 5])
def test_a_key_is_a_text(key: Any) -> None:
    with pytest.raises(ValueError, match=r"node_emitters is .*: give the key"):
        NodeEmitters(key)


@given(some.binary(max_size=60), some.sampled_from(["socket.io#/#", "socket.io-request#/#"]), some.booleans())
def test_any_bytes_give_a_word_or_nothing_or_a_decode_error(data: bytes, channel: str, is_cut: bool) -> None:
    start = b64decode(VECTORS["event" if channel.startswith("socket.io#") else "join"]["data"])
    try:
        NodeEmitters("socket.io").read(channel.encode(), start[: len(data)] + data if is_cut else data)
    except DecodeError:
        pass


def test_an_adapter_hears_emitters_also_after_a_loss_and_until_its_server_leaves(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    event = b64decode(VECTORS["event"]["data"])

    async def test() -> None:
        made = Attached(server.url, node_emitters="socket.io")
        await made.subscribe("all")
        await made.subscribe("mine")
        await made.attached
        client = server.client
        client.publish("socket.io#/#", event)
        word = await made.next()
        assert decode(decode_word(word).message) == EXPECTED["event"]
        client.client_kill_filter(_type="pubsub", skipme=True)
        await made.loss()
        assert await made.next() == "restored"
        client.publish("socket.io#/#", event)
        assert await made.next() == word
        made.adapter.unsubscribe("all")
        client.publish("socket.io#/#", event)
        client.publish("mine", b"last")
        assert await made.next() == b"last"
        await made.end()

    try:
        asyncio.run(asyncio.wait_for(test(), WATCHDOG))
    finally:
        server.stop()
