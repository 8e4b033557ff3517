"""Access control: which events a socket may send, and that nobody learns which others there are (docs/access.md)."""

import asyncio
import logging
import re
from typing import Any

import pytest

from server.later import Handler, LateClock, note
from turns import turn, until
from waterspout import EventDenied, EventRefused, RateLimited, Server, Socket, event
from waterspout.drivers import AsyncioDriver
from waterspout.testing import EVENTS, SOCKETIO_1, Clock, Pair, Peer

UNKNOWN = {"error": {"message": "Unknown event"}}


class House:
    """A server whose "/" is closed unless it is said otherwise, with a handler of "say", and one client."""

    def __init__(self, client: dict[str, Any], *, closed: bool = True, **options: Any) -> None:
        self.server = Server(driver=LateClock(), **options)
        self.server.of("/", closed=closed)
        self.heard: list[Any] = []
        self.errors: list[tuple[str, type]] = []
        self.server.on("say")(lambda socket, *args: note(self.heard, args, "said"))
        self.server.on_error(lambda socket, event, error: self.errors.append((event, type(error))))
        self.pair = Pair(self.server, **client)
        self.socket, self.peer = self.pair.socket, self.pair.peer

    def ask(self, event: str, *args: Any, peer: Peer | None = None) -> Any:
        """Return the acknowledgement of an event; the Ellipsis where there is none."""
        peer = peer or self.peer
        peer.emit(event, *args, id=7)
        return peer.acks().get(7, ...)


def test_in_a_closed_namespace_a_socket_may_send_what_it_was_allowed(client: dict[str, Any]) -> None:
    house = House(client)
    assert house.ask("say", 1) == UNKNOWN
    house.socket.allow("say")
    assert house.ask("say", 2) == "said"
    house.socket.deny("say")
    house.socket.deny("say")
    assert house.ask("say", 3) == UNKNOWN
    assert house.heard == [(2,)]


def test_a_client_cannot_tell_what_it_may_not_send_from_what_does_not_exist(client: dict[str, Any]) -> None:
    house = House(client)
    answers = []
    for name in ("say", "nothing"):
        for args in ((), ("hello",), ("hello", {"a": 1})):
            house.peer.emit(name, *args, id=5)
            answers.append(house.peer.take())
    assert len(answers[0]) == 1
    assert answers == answers[:1] * 6


def test_what_is_denied_without_an_id_is_not_answered(client: dict[str, Any]) -> None:
    house = House(client)
    house.peer.emit("say")
    assert house.peer.take() == []
    assert house.errors == [("say", EventDenied)]


def test_nothing_runs_for_what_is_denied_and_its_arguments_are_not_looked_at(client: dict[str, Any]) -> None:
    house = House(client)
    called: list[str] = []

    @house.server.on("count")
    def count(socket: Socket, number: int) -> None:
        called.append("handler")

    house.server.use_event(lambda socket, event, args: called.append("step"))
    house.server.on_any(lambda socket, event, *args: called.append("any"))
    assert house.ask("count", "no number") == UNKNOWN
    assert house.ask("nothing") == UNKNOWN
    assert called == []
    house.socket.allow("count", "nothing")
    assert "as 'number'" in house.ask("count", "no number")["error"]["message"]
    assert called == ["step", "any"]
    assert house.ask("nothing") == UNKNOWN  # nobody has answered it
    assert called == ["step", "any"] * 2


def test_a_denied_event_does_not_wait_for_its_turn_as_an_unknown_one_does_not(client: dict[str, Any]) -> None:
    house = House(client)
    busy = Handler()
    house.server.on("busy", ordered=True)(busy)
    house.server.on("secret", ordered=True)(busy)
    house.socket.allow("busy")
    house.peer.emit("busy", id=1)
    assert house.ask("secret") == house.ask("nothing") == UNKNOWN
    busy.answer()


def test_an_event_that_is_denied_while_it_waits_is_refused_at_its_turn(client: dict[str, Any]) -> None:
    house = House(client)
    first = Handler()
    house.server.on("busy", ordered=True)(first)
    house.socket.allow("busy")
    for number in (1, 2, 3):
        house.peer.emit("busy", number, id=number)
    house.socket.deny("busy")
    assert house.peer.acks() == {}
    first.answer("done")
    assert house.peer.acks() == {1: "done", 2: UNKNOWN, 3: UNKNOWN}
    assert first.heard == [(1,)]
    assert house.errors == [("busy", EventDenied)] * 2
    house.socket.allow("busy")
    house.peer.emit("busy", 4, id=4)
    assert first.heard == [(1,), (4,)]


def test_a_handler_that_denies_its_own_event_still_answers(client: dict[str, Any]) -> None:
    house = House(client)
    house.server.on("once")(lambda socket: note([], socket.deny("once"), "once"))
    house.socket.allow("once")
    assert house.ask("once") == "once"
    assert house.ask("once") == UNKNOWN


def test_the_connect_handler_may_allow_and_early_events_are_checked_after_it(client: dict[str, Any]) -> None:
    server = Server(driver=LateClock())
    server.of("/", closed=True)
    server.on("say")(lambda socket, number: number)
    asked: list[Socket] = []
    connect = Handler()
    server.on_connect(lambda socket, auth: note(asked, socket, connect(socket)))
    peer = Peer(server, **client)
    if not client["generation"].implicit_connect:
        peer.connect()
    peer.emit("say", 1, id=1)
    asked[0].allow("say")
    peer.emit("say", 2, id=2)
    peer.emit("other", id=3)
    assert peer.acks() == {}
    connect.answer()
    assert peer.acks() == {1: 1, 2: 2, 3: UNKNOWN}


def test_what_a_connect_handler_takes_away_again_is_denied_to_early_events() -> None:
    server = Server(driver=LateClock())
    server.on("say")(lambda socket, number: number)
    connect = Handler()
    asked: list[Socket] = []
    server.on_connect(lambda socket, auth: note(asked, socket, connect(socket)))
    peer = Peer(server)
    peer.connect()
    peer.emit("say", 1, id=1)
    asked[0].deny("say")
    connect.answer()
    assert peer.acks() == {1: UNKNOWN}


def test_the_rate_limit_comes_first(client: dict[str, Any]) -> None:
    house = House(client, max_events_per_second=2)
    answers = [house.ask("say") for _ in range(3)]
    assert answers[:2] == [UNKNOWN] * 2
    assert "max_events_per_second" in answers[2]["error"]["message"]
    assert house.errors == [("say", EventDenied)] * 2 + [("say", RateLimited)]


def test_a_denied_event_is_told_to_on_error_and_not_logged(
    client: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house = House(client)
    for name in ("say", "nothing") * 20:
        house.ask(name)
    assert house.errors == [("say", EventDenied), ("nothing", EventDenied)] * 20
    assert caplog.messages == []
    assert issubclass(EventDenied, EventRefused)


def test_an_unknown_event_that_is_allowed_is_logged_as_elsewhere(
    client: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    house = House(client)
    house.socket.allow("sya")
    assert house.ask("sya") == UNKNOWN
    assert ["'sya'" in message for message in caplog.messages] == [True]
    assert house.errors == []


# Open namespaces


def test_in_an_open_namespace_a_socket_may_send_all_but_what_it_was_denied(client: dict[str, Any]) -> None:
    house = House(client, closed=False)
    house.server.on("other")(lambda socket: "other")
    neighbour = Pair(house.server, **client)
    house.socket.allow("say")  # which it may in any case
    assert house.ask("nothing") is ...
    house.socket.deny("say")
    assert house.ask("say") == UNKNOWN
    assert house.ask("nothing") == UNKNOWN  # now: else the difference would tell
    assert house.ask("other") == "other"
    assert house.ask("say", peer=neighbour.peer) == "said"
    assert house.ask("nothing", peer=neighbour.peer) is ...
    house.socket.allow("say")
    assert house.ask("say") == "said"
    assert house.heard == [(), ()]


@pytest.mark.parametrize("closed", [True, False])
def test_all_events_can_be_allowed_and_denied_also_later_ones(client: dict[str, Any], closed: bool) -> None:
    house = House(client, closed=closed)
    socket = house.socket
    socket.allow_all()
    house.server.on("later")(lambda socket: "later")
    assert [house.ask("say"), house.ask("later")] == ["said", "later"]
    socket.deny("say")
    assert [house.ask("say"), house.ask("later")] == [UNKNOWN, "later"]
    socket.deny_all()
    assert [house.ask("say"), house.ask("later")] == [UNKNOWN, UNKNOWN]
    socket.allow("say")
    assert [house.ask("say"), house.ask("later")] == ["said", UNKNOWN]
    socket.allow_all()
    assert [house.ask("say"), house.ask("later")] == ["said", "later"]


def test_an_open_namespace_calls_its_handlers_directly_until_a_socket_is_denied_something() -> None:
    pair = Pair(Server())
    handlers = pair.server._handlers
    pair.server.on("say")(lambda socket, text: None)
    pair.socket.allow("say")
    pair.socket.allow_all()
    assert (handlers.events["say"].plain, pair.socket._member.access) == (1, None)
    left = Pair(pair.server)
    left.close()
    left.socket.deny("say")
    left.socket.deny_all()
    assert handlers.events["say"].plain == 1
    pair.socket.deny("other")
    pair.server.on("more")(lambda socket: None)
    assert [handler.plain for handler in handlers.events.values()] == [-1, -1]


# What may be allowed


def test_any_name_may_be_allowed_before_there_is_a_handler(client: dict[str, Any]) -> None:
    house = House(client)
    house.socket.allow("later")
    house.server.on("later")(lambda socket: "later")
    assert house.ask("later") == "later"


@pytest.mark.parametrize("verb", ["allow", "deny"])
def test_what_can_have_no_handler_is_refused_and_nothing_is_changed(verb: str) -> None:
    house = House({}, closed=verb == "deny")
    before = house.ask("say")
    for name in ("connect", "disconnect", "newListener", "*"):
        with pytest.raises(ValueError, match=re.escape(repr(name))):
            getattr(house.socket, verb)("say", name)
    for wrong in (5, None, ["say"], b"say"):
        with pytest.raises(TypeError, match="the event's name is"):
            getattr(house.socket, verb)("say", wrong)
    getattr(house.socket, verb)()
    assert house.ask("say") == before


def test_messages_of_old_clients_are_the_event_message() -> None:
    house = House({"generation": SOCKETIO_1})
    house.server.on("message")(lambda socket, text: note(house.heard, text, None))
    house.peer.say("one")
    house.socket.allow("message")
    house.peer.say("two")
    assert house.heard == ["two"]


def test_a_client_that_has_left_is_allowed_nothing_and_comes_back_with_nothing(client: dict[str, Any]) -> None:
    house = House(client)
    house.socket.allow("say")
    house.pair.close()
    house.socket.allow("say")
    house.socket.deny_all()
    again = Pair(house.server, **client)
    assert house.ask("say", peer=again.peer) == UNKNOWN


@pytest.mark.at_once
def test_other_threads_may_allow_and_deny() -> None:
    async def main() -> None:
        server = Server()
        server.engine.bind(AsyncioDriver())
        server.of("/", closed=True)
        server.on("say")(lambda socket: "said")

        @server.on_connect(threaded=True)
        def connect(socket: Socket, auth: Any) -> None:
            socket.allow("say")

        peer = Peer(server)
        peer.connect()
        await until(lambda: bool(server.sockets()))
        [socket] = server.sockets()
        answers = []
        for change in (socket.deny, socket.allow):
            peer.emit("say", id=1)
            answers.append(peer.acks()[1])
            await asyncio.to_thread(change, "say")
            await turn()
        peer.emit("say", id=1)
        assert [*answers, peer.acks()[1]] == ["said", UNKNOWN, "said"]
        with pytest.raises(ValueError, match="'connect'"):
            await asyncio.to_thread(socket.allow, "connect")

    asyncio.run(main())


# Namespaces


def test_a_namespace_is_closed_for_all_who_name_it_or_open_for_all() -> None:
    server = Server()
    closed, open_ = server.of("/closed", closed=True), server.of("/open", closed=False)
    assert server.of("/closed", closed=True) is server.of("/closed") is closed
    assert server.of("/open", closed=False) is server.of("/open") is open_
    with pytest.raises(ValueError, match="/closed exists already, and is closed: say closed=False at its first"):
        server.of("/closed", closed=False)
    with pytest.raises(ValueError, match="/open exists already, and is open: say closed=True at its first"):
        server.of("/open", closed=True)


def test_a_namespace_of_which_nobody_has_said_it_can_be_closed_until_clients_are_there(client: dict[str, Any]) -> None:
    server = Server()
    server.on("say")(lambda socket: "said")
    pair = Pair(server, **client)
    with pytest.raises(ValueError, match="clients are in / already, and may send all its events: close it before"):
        server.of("/", closed=True)
    pair.peer.emit("say", id=1)
    assert pair.peer.acks() == {1: "said"}
    pair.close()
    pair.clock.advance(31)  # resume_timeout
    server.of("/", closed=True)
    assert server._handlers.events["say"].plain == -1
    again = Pair(server, **client)
    again.peer.emit("say", id=1)
    assert again.peer.acks() == {1: UNKNOWN}


@pytest.mark.parametrize("match", [re.compile("/game/.*"), lambda name, auth: True], ids=["pattern", "function"])
def test_dynamic_namespaces_are_closed_as_their_family_is(client: dict[str, Any], match: Any) -> None:
    server = Server()
    games = server.of(match, closed=True)
    games.on("move")(lambda socket: "moved")
    assert server.of(match, closed=True) is games
    with pytest.raises(ValueError, match="is closed"):
        server.of(match, closed=False)
    pair = Pair(server, **client)
    pair.peer.connect("/game/1")
    with pytest.raises(ValueError, match="shares the handlers"):
        server.of("/game/1", closed=False)
    assert server.of("/game/1", closed=True).name == "/game/1"
    pair.peer.take()
    pair.peer.emit("move", id=1, namespace="/game/1")
    assert pair.peer.acks("/game/1") == {1: UNKNOWN}
    [socket] = server.of("/game/1").sockets()
    socket.allow("move")
    pair.peer.emit("move", id=2, namespace="/game/1")
    assert pair.peer.acks("/game/1") == {2: "moved"}


def test_a_dynamic_namespace_with_clients_cannot_be_closed() -> None:
    server = Server()
    family = re.compile("/game/.*")
    server.of(family)
    pair = Pair(server)
    pair.peer.connect("/game/1")
    with pytest.raises(ValueError, match=re.escape("clients are in /game/.* already")):
        server.of(family, closed=True)


def test_a_class_of_sockets_can_be_closed_and_allow_by_itself(client: dict[str, Any]) -> None:
    class Admin(Socket):
        def on_connect(self, auth: Any) -> None:
            self.allow("login")

        @event
        def login(self, password: str) -> bool:
            self.allow_all()
            return True

        @event
        def stop(self) -> str:
            return "stopped"

    server = Server()
    server.register("/", Admin, closed=True)
    pair = Pair(server, **client)
    answers = []
    for name, *args in (["stop"], ["login", "x"], ["stop"]):
        pair.peer.emit(name, *args, id=1)
        answers.append(pair.peer.acks()[1])
    assert answers == [UNKNOWN, True, "stopped"]


def test_what_is_allowed_in_one_namespace_is_not_in_another() -> None:
    server = Server()
    for name in ("/a", "/b"):
        server.of(name, closed=True).on("say")(lambda socket: "said")
    pair = Pair(server)
    answers = []
    for name in ("/a", "/b"):
        pair.peer.connect(name)
    server.of("/a").sockets()[0].allow("say")
    for name in ("/a", "/b"):
        pair.peer.emit("say", id=1, namespace=name)
        answers.append(pair.peer.acks(name)[1])
    assert answers == ["said", UNKNOWN]


def test_the_listing_says_which_events_are_of_closed_namespaces() -> None:
    server = Server()
    server.on("say")(lambda socket: None)
    server.of("/admin", closed=True).on("stop")(lambda socket: None)
    server.of(re.compile("/x.*"), closed=True).on("only")(lambda socket: None)
    listed = {name: [one["closed"] for one in events] for name, events in server.describe().items()}
    assert listed == {"/": [False], "/admin": [True], "/x.*": [True]}


# Plain WebSockets


def test_plain_websockets_get_the_same_words_for_what_is_denied_unknown_or_reserved() -> None:
    server = Server(driver=Clock())
    chat = server.of("/chat", closed=True)
    server.expose("/ws", chat)
    chat.on("say")(lambda socket, text: text)
    peer = Peer(server, generation=EVENTS, path="/ws")
    peer.take()
    words = '{"id":1,"error":{"message":"Unknown event"}}'
    for name in ("say", "nothing", "disconnect"):
        peer.send(f'{{"event":"{name}","data":5,"id":1}}')
        assert peer.take() == [words]
    [socket] = chat.sockets()
    socket.allow("say")
    peer.send('{"event":"say","data":5,"id":1}')
    assert peer.take() == ['{"id":1,"data":5}']
