"""Commands from outside the process: a line of JSON each, and its answer."""

import re
from typing import Any

import pytest

from waterspout import Server
from waterspout.server.commands import perform
from waterspout.testing import Clock, Pair


@pytest.fixture
def server() -> Server:
    return Server(driver=Clock())


def answer(server: Server, line: str | bytes) -> dict[str, Any]:
    """Perform a command, and return its answer."""
    performed = perform(server, line.encode() if isinstance(line, str) else line)
    driver: Any = server.engine.driver
    driver.settle()
    return performed.result()


def message(server: Server, line: str | bytes) -> str:
    """Perform a command that must be refused, and return the sentence."""
    refused = answer(server, line)
    assert list(refused) == ["error"]
    said: str = refused["error"]["message"]
    return said


def test_what_is_published_reaches_the_subscribers_and_the_answer_has_its_id(server: Server) -> None:
    prices = server.channel("prices")
    server.on("follow")(lambda socket: socket.subscribe(prices))
    peer = Pair(server).peer
    peer.emit("follow")
    first = answer(server, '{"publish": "prices", "data": {"ACME": 12.5}}')
    second = answer(server, '{"publish": "prices", "data": "x", "event": "tick", "text": true}')
    assert second == {"id": prices.last_id}
    assert peer.events() == [("prices", {"ACME": 12.5}, first["id"]), ("prices", "x", second["id"], "tick")]


def test_an_event_reaches_the_rooms_that_are_named(server: Server) -> None:
    here, there = Pair(server), Pair(server)
    here.socket.join("lobby")
    assert answer(server, '{"emit": "news", "args": ["hello", 1], "to": "lobby"}') == {}
    assert answer(server, '{"emit": "all"}') == {}
    assert answer(server, f'{{"emit": "both", "to": ["lobby", "{there.socket.id}"]}}') == {}
    assert here.peer.events() == [("news", "hello", 1), ("all",), ("both",)]
    assert there.peer.events() == [("all",), ("both",)]


def test_an_event_may_be_for_a_namespace_that_a_pattern_makes(server: Server) -> None:
    server.of(re.compile("/chat-.*"))
    assert answer(server, '{"emit": "news", "namespace": "/chat-1"}') == {}


def test_a_misspelt_channel_is_refused_and_not_made(server: Server) -> None:
    assert message(server, '{"publish": "pricse", "data": 1}') == (
        "there is no channel 'pricse': check the name, or let the server make it with server.channel('pricse'); "
        "one that nothing refers to is forgotten with its history"
    )
    assert len(server._channels) == 0


def test_a_name_is_quoted_in_part(server: Server) -> None:
    assert len(message(server, '{"publish": "%s", "data": 1}' % ("x" * 100_000))) < 500
    assert len(message(server, '{"emit": "x", "namespace": "/%s"}' % ("x" * 100_000))) < 500


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "broken JSON: "),
        (b"\xff\xfe", "broken JSON: "),
        ("GET / HTTP/1.1\r", "broken JSON: "),
        ("[" * 100_000, "lists and objects are nested in more than"),
        ("[]", "this is no command: write {"),
        ("{}", "this is no command: write {"),
        ('{"publish": "prices", "data": 1, "emit": "x"}', "this is no command: write {"),
        ('{"publish": 1, "data": 1}', "Expected `str`, got `int` - at `$.publish`; the fields of this command are "),
        ('{"publish": "prices"}', "Object missing required field `data`; the fields of this command are "),
        ('{"publish": "prices", "data": 1, "evnt": "x"}', "Object contains unknown field `evnt`; the fields of this"),
        ('{"publish": "prices", "data": 1, "event": "a\\nb"}', "event is 'a\\nb': give a name in one line"),
        ('{"publish": "prices", "data": 1, "text": true}', "the data is of type int: with text it has to be a string"),
        ('{"publish": "over", "data": 1}', "the channel 'over' has ended, and nothing more can be published to it"),
        ('{"emit": "connect"}', "'connect' is reserved by Socket.IO"),
        ('{"emit": "x", "args": {}}', "Expected `array`, got `object` - at `$.args`; the fields of this command are "),
        ('{"emit": "x", "to": 1.5}', "Expected `int | str | array | null`, got `float` - at `$.to`; "),
        ('{"emit": "x", "namespace": "/gone"}', "there is no namespace '/gone': check the name, or let the server"),
        ('{"emit": "x", "namespace": "gone,"}', "there is no namespace 'gone,': check the name, or let the server"),
    ],
)
def test_what_cannot_be_done_is_answered_by_a_sentence(server: Server, line: str | bytes, sentence: str) -> None:
    prices, over = server.channel("prices"), server.channel("over")
    over.end()
    assert message(server, line).startswith(sentence)
    assert prices.last_id.endswith("-0")
