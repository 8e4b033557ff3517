"""The chat's server, with clients in memory that send what they like."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from server.listener import Listener
from waterspout.demo.chat import GRACE, RECEIPT_TIMEOUT, Chat
from waterspout.demo.names import clean, same
from waterspout.demo.rates import Allowance
from waterspout.demo.room import HISTORY, MAX_ROOMS
from waterspout.testing import SOCKETIO_1, Clock, Peer
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

PAGE = "0123456789abcdef"


class Guest:
    """A client that has knocked: what it hears is sorted into events, questions and answers."""

    def __init__(
        self, chat: Chat, generation: Generation = ENGINEIO_4, transport: str = "websocket", **told: Any
    ) -> None:
        query = urlencode(told) if generation.implicit_connect else ""
        self.peer = Peer(chat.server, generation=generation, transport=transport, query=query)
        self.events: list[tuple[str, Any]] = []
        self.questions: list[int] = []
        self.answers: list[Any] = []
        if not generation.implicit_connect:
            self.peer.connect(auth=told)

    def listen(self) -> None:
        for packet in self.peer.take():
            if found := re.fullmatch(r"4([23])(\d*)(\[.*)", str(packet), re.DOTALL):
                kind, number, content = found.groups()
                args = json.loads(content)
                if kind == "3":
                    self.answers.append(args[0] if args else None)
                else:
                    self.events.append((args[0], args[1] if args[1:] else None))
                    self.questions += [int(number)] if number else []

    def heard(self, name: str) -> list[Any]:
        """Return what has come with this event since the last time."""
        self.listen()
        found = [argument for event, argument in self.events if event == name]
        self.events = [pair for pair in self.events if pair[0] != name]
        return found

    def ask(self, event: str, *args: Any) -> Any:
        self.answers.clear()
        self.peer.emit(event, *args, id=7)
        self.listen()
        return self.answers[-1] if self.answers else None

    def confirm(self) -> None:
        """Acknowledge all that the server wants to have acknowledged."""
        self.listen()
        for number in self.questions:
            self.peer.acknowledge(number)
        self.questions.clear()

    def refusal(self) -> str:
        return next(str(packet) for packet in self.peer.take() if str(packet).startswith("44"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chat(clock: Clock) -> Chat:
    chat = Chat(clock.wall)
    chat.server.engine.bind(clock)
    return chat


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages]


def pass_time(clock: Clock, seconds: float, guest: Guest) -> None:
    """Let time pass, in steps that keep a guest alive."""
    end = clock.now() + seconds
    while clock.now() < end:
        guest.peer.beat()
        clock.advance(min(5, end - clock.now()))


both_generations = pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=lambda row: row.name)
both_transports = pytest.mark.parametrize("transport", ["polling", "websocket"])


# Coming and going


@both_generations
@both_transports
def test_who_comes_is_shown_with_transport_and_generation(chat: Chat, generation: Generation, transport: str) -> None:
    ada = Guest(chat, name="Ada", room="Lighthouse")
    bob = Guest(chat, generation, transport, name="Bob", room="Lighthouse")
    (came,) = ada.heard("came")
    assert came == {
        "id": "2",
        "name": "Bob",
        "transport": transport,
        "generation": generation.name,
        "away": False,
    }
    (welcome,) = bob.heard("welcome")
    assert (welcome["room"], welcome["id"], welcome["messages"]) == ("Lighthouse", "2", [])
    assert [person["name"] for person in welcome["here"]] == ["Ada", "Bob"]
    assert welcome["rooms"][1] == {"name": "Lighthouse", "people": 2}


@both_generations
def test_an_upgrade_is_seen_at_the_next_pulse(chat: Chat, generation: Generation) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, generation, "polling", name="Bob")
    chat.pulse()
    assert ada.heard("changed") == []
    bob.peer.upgrade()
    chat.pulse()
    chat.pulse()
    assert [person["transport"] for person in ada.heard("changed")] == ["websocket"]


@pytest.mark.parametrize("told", [{}, {"name": " "}, {"name": 7}, {"name": ["Ada"]}, {"name": "\u202e\u0007"}])
def test_nobody_enters_without_a_name(chat: Chat, told: dict[str, Any]) -> None:
    assert Guest(chat, **told).refusal() == '44{"message":"Choose a nickname of 1 to 24 characters."}'
    assert chat.people == {}


@pytest.mark.parametrize("name", ["Ada", " ada ", "ADA", "Ａｄａ"])
def test_a_name_is_given_once(chat: Chat, name: str) -> None:
    Guest(chat, name="Ada")
    assert "is taken by somebody who is here" in Guest(chat, name=name).refusal()
    assert len(chat.people) == 1


def test_a_name_is_free_again_when_its_owner_has_left(chat: Chat) -> None:
    ada = Guest(chat, name="Ada", page=PAGE)
    ada.peer.leave()
    assert len(Guest(chat, name="Ada").heard("welcome")) == 1


@both_generations
def test_who_cannot_come_back_has_left_at_once(chat: Chat, generation: Generation) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, generation, name="Bob")
    bob.peer.lose()
    assert ada.heard("left") == [{"id": "2", "name": "Bob"}]


def test_the_chat_has_a_greatest_number_of_people(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waterspout.demo.chat.MAX_PEOPLE", 1)
    Guest(chat, name="Ada")
    assert "The chat is full: 1 people are here." in Guest(chat, name="Bob").refusal()


# Saying something


@both_generations
def test_a_message_reaches_the_room_and_nobody_else(chat: Chat, generation: Generation) -> None:
    ada, bob, eve = Guest(chat, name="Ada"), Guest(chat, generation, name="Bob"), Guest(chat, name="Eve", room="Attic")
    answer = ada.ask("say", " <b>hello</b> \n")
    assert (answer["got"], answer["of"]) == (0, 1)
    (said,) = bob.heard("said")
    assert said == {"id": answer["id"], "by": "1", "name": "Ada", "text": "<b>hello</b>", "at": answer["at"]}
    assert eve.heard("said") == []
    assert ada.heard("said") == []


@pytest.mark.parametrize("transport", ["websocket", "xhr-polling"])
def test_clients_of_2011_are_in_the_same_rooms(chat: Chat, transport: str) -> None:
    ada = Guest(chat, name="Ada")
    old = Peer(chat.server, generation=SOCKETIO_1, transport=transport, query="name=Old+Bob&room=Harbour")
    (came,) = ada.heard("came")
    assert (came["name"], came["transport"], came["generation"]) == ("Old Bob", transport, "Socket.IO 1")
    assert "welcome" in [name for name, *_ in old.events()]
    old.emit("say", "hello", "k1", id=1)
    assert texts(ada.heard("said")) == ["hello"]
    (answer,) = old.acks().values()
    assert (answer["id"], answer["key"]) == (1, "k1")
    old.events()
    ada.ask("say", "hello yourself")
    ((_, said),) = old.events()
    assert said["text"] == "hello yourself"


@both_generations
def test_the_second_tick_comes_when_all_others_have_acknowledged(chat: Chat, generation: Generation) -> None:
    ada, bob, cleo = Guest(chat, generation, name="Ada"), Guest(chat, generation, name="Bob"), Guest(chat, name="Cleo")
    message = ada.ask("say", "hello", "k1")
    bob.confirm()
    assert ada.heard("delivered") == []
    cleo.confirm()
    assert ada.heard("delivered") == [{**message, "got": 2}]
    chat.pulse()
    assert ada.heard("delivered") == []


def test_who_has_got_it_is_told_at_the_next_pulse_while_somebody_is_missing(chat: Chat) -> None:
    ada, bob, _ = Guest(chat, name="Ada"), Guest(chat, name="Bob"), Guest(chat, name="Cleo")
    ada.ask("say", "hello")
    bob.confirm()
    chat.pulse()
    chat.pulse()
    assert [(receipt["got"], receipt["of"]) for receipt in ada.heard("delivered")] == [(1, 2)]


def test_who_does_not_acknowledge_is_never_counted(chat: Chat, clock: Clock) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob")
    ada.ask("say", "hello")
    clock.advance(RECEIPT_TIMEOUT)
    bob.confirm()
    chat.pulse()
    assert ada.heard("delivered") == []
    assert clock.reports == []


def test_what_is_sent_twice_is_said_once(chat: Chat) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob")
    assert ada.ask("say", "hello", "k1") == ada.ask("say", "hello", "k1")
    assert texts(bob.heard("said")) == ["hello"]
    bob.ask("say", "mine", "k1")
    ada.ask("say", "hello")
    ada.ask("say", "hello")
    assert texts(ada.heard("said")) == ["mine"]
    assert texts(bob.heard("said")) == ["hello", "hello"]


@pytest.mark.parametrize("text", ["", " \n ", ["x"], {"a": 1}, 7, None])
def test_what_is_no_text_reaches_nobody(chat: Chat, text: object) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob")
    ada.ask("say", text)
    assert bob.heard("said") == []
    assert ada.ask("say", "still here")["of"] == 1


@pytest.mark.parametrize("key", [7, None, ["x"], "x" * 1000])
def test_any_key_is_harmless(chat: Chat, key: object) -> None:
    ada = Guest(chat, name="Ada")
    ada.ask("say", "hello", key)
    assert ada.ask("say", "hello")["of"] == 0
    assert len(str(ada.ask("enter", "Harbour")["receipts"])) < 500


def test_a_message_has_a_greatest_length(chat: Chat) -> None:
    ada = Guest(chat, name="Ada")
    assert ada.ask("say", "x" * 2001) == {"error": "This message has 2001 characters; 2000 is the limit."}
    assert ada.ask("say", "x" * 2000)["of"] == 0


def test_nobody_writes_faster_than_the_others_can_read(chat: Chat, clock: Clock) -> None:
    ada = Guest(chat, name="Ada")
    answers = [ada.ask("say", f"{count}") for count in range(12)]
    assert ["error" in answer for answer in answers] == [False] * 10 + [True] * 2
    clock.advance(0.5)
    answers = [ada.ask("say", f"{count}") for count in range(3)]
    assert ["error" in answer for answer in answers] == [False, False, True]


@both_generations
def test_typing_is_told_to_the_others_at_most_once_a_second(chat: Chat, clock: Clock, generation: Generation) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, generation, name="Bob")
    for _ in range(5):
        bob.peer.emit("typing")
    assert ada.heard("typing") == [{"id": "2", "name": "Bob"}]
    assert bob.heard("typing") == []
    clock.advance(1)
    bob.peer.emit("typing")
    bob.ask("say", "hello")
    bob.peer.emit("typing")
    assert len(ada.heard("typing")) == 2


# Losing the connection


def test_who_loses_the_connection_is_away_and_comes_back_to_what_was_missed(chat: Chat, clock: Clock) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob", page=PAGE)
    seen = ada.ask("say", "before")["id"]
    bob.peer.lose()
    assert [(person["name"], person["away"]) for person in ada.heard("changed")] == [("Bob", True)]
    ada.ask("say", "meanwhile")
    pass_time(clock, GRACE - 1, ada)
    chat.pulse()

    back = Guest(chat, name="Bob", page=PAGE, since=seen)
    (welcome,) = back.heard("welcome")
    assert (welcome["back"], welcome["complete"], welcome["id"]) == (True, True, "2")
    assert texts(welcome["messages"]) == ["meanwhile"]
    assert [(person["name"], person["away"]) for person in ada.heard("changed")] == [("Bob", False)]
    assert ada.heard("left") == []
    back.confirm()
    assert [receipt["got"] for receipt in ada.heard("delivered")] == [1]
    assert texts(back.heard("said")) == []


@both_generations
def test_clients_without_auth_come_back_too(chat: Chat, generation: Generation) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, generation, name="Bob", page=PAGE)
    bob.peer.lose()
    ada.ask("say", "meanwhile")
    back = Guest(chat, generation, name="Bob", page=PAGE)
    assert texts(back.heard("welcome")[0]["messages"]) == ["meanwhile"]


def test_what_was_said_before_one_came_is_not_shown(chat: Chat) -> None:
    ada = Guest(chat, name="Ada")
    ada.ask("say", "private")
    bob = Guest(chat, name="Bob", page=PAGE)
    ada.ask("say", "hello")
    bob.peer.lose()
    for since in (0, -5, "0", None, "x", "9" * 5000):
        welcome = Guest(chat, name="Bob", page=PAGE, since=since).heard("welcome")[0]
        assert "private" not in texts(welcome["messages"])
    assert texts(Guest(chat, name="Bob", page=PAGE).heard("welcome")[0]["messages"]) == ["hello"]


def test_an_author_who_was_away_learns_what_became_of_the_messages(chat: Chat) -> None:
    ada, bob = Guest(chat, name="Ada", page=PAGE), Guest(chat, name="Bob")
    ada.ask("say", "hello", "k1")
    ada.peer.lose()
    bob.confirm()
    (welcome,) = Guest(chat, name="Ada", page=PAGE, since=1).heard("welcome")
    assert [(receipt["key"], receipt["got"]) for receipt in welcome["receipts"]] == [("k1", 1)]


def test_who_stays_away_has_left(chat: Chat, clock: Clock) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob", page=PAGE)
    bob.peer.lose()
    pass_time(clock, GRACE, ada)
    chat.pulse()
    assert ada.heard("left") == [{"id": "2", "name": "Bob"}]
    assert len(chat.people) == 1
    assert Guest(chat, name="Bob", page=PAGE).heard("welcome")[0]["back"] is False


def test_a_page_that_comes_back_ends_its_former_connection(chat: Chat) -> None:
    ada, before = Guest(chat, name="Ada"), Guest(chat, name="Bob", page=PAGE)
    after = Guest(chat, name="Bob", page=PAGE)
    assert before.peer.closed == 1000
    assert [person["name"] for person in after.heard("welcome")[0]["here"]] == ["Ada", "Bob"]
    assert [person["away"] for person in ada.heard("changed")] == [False]
    ada.ask("say", "hello")
    assert texts(after.heard("said")) == ["hello"]


def test_a_tab_whose_place_was_taken_does_not_take_it_back_by_itself(chat: Chat) -> None:
    turn = Guest(chat, name="Ada", page=PAGE).heard("welcome")[0]["turn"]
    again = Guest(chat, name="Ada", page=PAGE, turn=turn).heard("welcome")[0]
    assert (again["turn"], again["back"]) == (turn, True)

    another = Guest(chat, name="Ada", page=PAGE)
    refused = Guest(chat, name="Ada", page=PAGE, turn=turn)
    assert refused.refusal() == '44{"message":"This chat goes on in another tab.","data":{"replaced":true}}'
    assert another.peer.closed is None
    assert len(Guest(chat, name="Ada", page=PAGE, turn=0).heard("welcome")) == 1
    assert another.peer.closed == 1000


@pytest.mark.parametrize("page", ["", "short", "x" * 65, 7, None])
def test_a_secret_that_can_be_guessed_is_none(chat: Chat, page: object) -> None:
    Guest(chat, name="Ada", page=page)
    assert "is taken" in Guest(chat, name="Ada", page=page).refusal()


def test_a_room_remembers_a_bounded_number_and_says_so(chat: Chat, clock: Clock) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob", page=PAGE)
    seen = ada.ask("say", "first")["id"]
    bob.peer.lose()
    for count in range(HISTORY + 1):
        clock.advance(0.3)
        ada.peer.beat()
        assert "id" in ada.ask("say", f"{count}")
        bob = Guest(chat, name="Bob", page=PAGE, since=seen)
    (welcome,) = bob.heard("welcome")
    assert len(welcome["messages"]) == HISTORY
    assert welcome["complete"] is False


# Rooms


@both_generations
def test_a_room_is_made_by_its_name_and_ends_with_its_last_guest(chat: Chat, generation: Generation) -> None:
    ada, bob = Guest(chat, generation, name="Ada"), Guest(chat, name="Bob")
    view = ada.ask("enter", "  Crow’s \n nest ")
    assert (view["room"], view["messages"]) == ("Crow’s nest", [])
    assert bob.heard("left") == [{"id": "1", "name": "Ada"}]
    chat.pulse()
    assert bob.heard("pulse")[-1]["rooms"][-1] == {"name": "Crow’s nest", "people": 1}
    assert bob.ask("enter", "CROW’S NEST")["room"] == "Crow’s nest"
    assert [person["name"] for person in ada.heard("came")][-1] == "Bob"
    for guest in (ada, bob):
        view = guest.ask("enter", "Harbour")
    assert [room["name"] for room in view["rooms"]] == ["Harbour", "Lighthouse", "Workshop"]


def test_the_list_of_rooms_is_told_only_when_it_has_changed(chat: Chat) -> None:
    ada = Guest(chat, name="Ada")
    chat.pulse()
    chat.pulse()
    first, second = ada.heard("pulse")
    assert first["rooms"] is not None
    assert second["rooms"] is None


@pytest.mark.parametrize("room", ["", " ", 7, None, {}, ["x"]])
def test_what_is_no_room_is_not_entered(chat: Chat, room: object) -> None:
    ada = Guest(chat, name="Ada", room=room)
    assert ada.heard("welcome")[0]["room"] == "Harbour"
    ada.ask("enter", room)
    assert len(ada.ask("enter", "Harbour")["rooms"]) == 3


def test_there_is_a_greatest_number_of_rooms(chat: Chat) -> None:
    Guest(chat, name="Ada")
    for count in range(MAX_ROOMS - 3):
        Guest(chat, name=f"Guest {count}", room=f"Room {count}")
    late = Guest(chat, name="Late", room="One too many")
    assert late.heard("welcome")[0]["room"] == "Harbour"
    assert late.ask("enter", "One too many") == {"error": f"There are {MAX_ROOMS} rooms already. Join one of them."}


def test_a_room_with_the_name_of_a_client_is_a_room(chat: Chat) -> None:
    ada, bob = Guest(chat, name="Ada"), Guest(chat, name="Bob")
    (socket, _) = chat.server.sockets()
    assert bob.ask("enter", socket.id)["room"] == socket.id[:24]
    bob.ask("say", "psst")
    assert ada.heard("said") == []


# The figure


def test_the_pulse_tells_the_messages_a_second_taken_in_and_sent_on(chat: Chat, clock: Clock) -> None:
    ada, _ = Guest(chat, name="Ada"), Guest(chat, name="Bob")
    clock.advance(1)
    chat.pulse()
    ada.heard("pulse")
    ada.ask("say", "one")
    ada.ask("say", "two")
    clock.advance(2)
    chat.pulse()
    assert [beat["rate"] for beat in ada.heard("pulse")] == [2.0]


def test_the_live_channel_keeps_a_minute_and_tells_who_is_connected_over_what(chat: Chat, clock: Clock) -> None:
    ada = Guest(chat, name="Ada")
    Guest(chat, name="Bob", generation=SOCKETIO_1, transport="xhr-polling")
    for _ in range(100):
        clock.advance(0.01)
        chat.pulse()
    ada.ask("say", "one")
    clock.advance(1)
    chat.pulse()
    live = Listener(chat.server, "/live", "earliest")
    beats = [beat for _, beat in live.take()]
    assert [beat["rate"] for beat in beats] == [*[0.0] * 59, 2.0]  # taken in, and sent on
    assert beats[-1]["connections"] == [["Engine.IO 4", "websocket", 1], ["Socket.IO 1", "xhr-polling", 1]]
    chat.pulse()
    [(_, beat)] = live.take()
    assert ["EventSource", "event-stream", 1] in beat["connections"]


def test_an_allowance_fills_up_to_its_brim_only() -> None:
    allowance = Allowance()
    assert [allowance.take(1000.0) for _ in range(11)] == [True] * 10 + [False]
    assert allowance.take(999.0) is False
    assert [allowance.take(2000.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_client_measures_its_way_with_an_echo(chat: Chat) -> None:
    ada = Guest(chat, name="Ada")
    ada.peer.emit("echo", id=9)
    assert "439[]" in ada.peer.take()


# Names


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace ", "Ada Lovelace"),
        ("a\u202eb\u0000c", "abc"),
        ("x" * 30, "x" * 24),
        ("Ωmega 🚣", "Ωmega 🚣"),
        ("e\u0301", "é"),
        (None, ""),
        (["Ada"], ""),
    ],
)
def test_a_name_is_cleaned(given: object, shown: str) -> None:
    assert clean(given) == shown


def test_names_that_look_the_same_are_the_same() -> None:
    assert same("Ada") == same("ADA") == same("Ａｄａ") != same("Adam")
