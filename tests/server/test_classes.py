"""Classes of sockets: methods as handlers, hooks, inheritance, and what is refused."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, assert_type

import pytest

from waterspout import ConnectRefused, Namespace, Server, Socket, event
from waterspout.server import DynamicNamespace
from waterspout.testing import Pair, Peer


class Chat(Socket):
    """One client of a chat."""

    def on_connect(self, auth: dict[str, Any]) -> None:
        if auth.get("name") == "nobody":
            raise ConnectRefused("who?")
        self.data["said"] = 0

    @event
    def say(self, text: str) -> str:
        """Say something."""
        self.data["said"] += 1
        self.broadcast("said", text)
        return f"{self.data['said']} {text}"

    @event("shout it", ordered=True)
    def loud(self, text: str, times: int = 1) -> str:
        return text.upper() * times

    @event("leave")  # a name that the method could not bear
    def part(self) -> None:
        self.disconnect()

    def on_disconnect(self, reason: str) -> None:
        FAREWELLS.append((self.id, str(reason)))

    def on_error(self, event: str, error: BaseException) -> None:
        self.emit("oops", event, type(error).__name__)

    def helper(self) -> None:
        raise AssertionError("no client reaches it")


FAREWELLS: list[tuple[str, str]] = []


@pytest.fixture
def chat(server: Server) -> Server:
    server.register("/", Chat)
    FAREWELLS.clear()
    return server


def test_each_client_is_an_object_of_the_class(chat: Server, client: dict[str, Any]) -> None:
    one, two = Pair(chat, **client), Pair(chat, **client)
    assert type(one.socket) is type(two.socket) is Chat
    one.peer.emit("say", "a", id=1)
    one.peer.emit("say", "b", id=2)
    assert one.peer.acks() == {1: "1 a", 2: "2 b"}
    assert two.peer.events() == [("said", "a"), ("said", "b")]


def test_events_have_names_and_arguments_as_functions_have(chat: Server, client: dict[str, Any]) -> None:
    pair = Pair(chat, **client)
    pair.peer.emit("shout it", "a", 3, id=1)
    pair.peer.emit("say", 5, id=2)
    answers = pair.peer.acks()
    assert answers[1] == "AAA"
    assert "does not take this as 'text'" in answers[2]["error"]["message"]
    assert pair.peer.events() == [("oops", "say", "ArgumentError")]


@pytest.mark.parametrize("name", ["helper", "loud", "part", "on_connect", "on_error", "emit", "data", "__init__"])
def test_a_client_reaches_no_method_that_is_no_event(chat: Server, name: str) -> None:
    pair = Pair(chat)
    pair.peer.emit(name, "x", id=1)
    assert pair.peer.take() == []
    assert pair.socket.connected


def test_hooks_are_methods(chat: Server, client: dict[str, Any]) -> None:
    pair = Pair(chat, **client)
    pair.peer.emit("leave")
    assert [(pair.socket.id, "server namespace disconnect")] == FAREWELLS
    if not pair.peer.generation.implicit_connect:
        peer = Peer(chat, **client)
        peer.connect(auth={"name": "nobody"})
        assert peer.take()[-1] == '44{"message":"who?"}'


def test_the_class_is_described(chat: Server) -> None:
    described = {one["event"]: one for one in chat.describe()["/"]}
    assert described.keys() == {"say", "shout it", "leave"}
    assert described["say"]["description"] == "Say something."
    assert [one["name"] for one in described["shout it"]["arguments"]] == ["text", "times"]
    assert described["shout it"]["ordered"]


def test_events_and_hooks_are_inherited_and_may_be_replaced(server: Server, generation: Any) -> None:
    class Quiet(Chat):
        def say(self, text: str) -> str:  # still the handler of "say"
            return "hush"

        part = None  # type: ignore[assignment]  # and "leave" has none any more

        @event
        def whisper(self) -> str:
            return super().say("psst")

    server.register("/", Quiet)
    pair = Pair(server, generation=generation)
    for number, name in enumerate(("say", "shout it", "leave")):
        pair.peer.emit(name, "x", id=number)
    pair.peer.emit("whisper", id=3)
    assert pair.peer.acks() == {0: "hush", 1: "X", 3: "1 psst"}
    assert type(Pair(Server()).socket) is Socket


def test_a_method_may_handle_several_events(server: Server, generation: Any) -> None:
    class Twice(Socket):
        @event("a")
        @event("b", ordered=True)
        def both(self) -> str:
            return "both"

    server.register("/", Twice)
    pair = Pair(server, generation=generation)
    pair.peer.emit("a", id=1)
    pair.peer.emit("b", id=2)
    assert pair.peer.acks() == {1: "both", 2: "both"}


def test_functions_may_stand_beside_a_class_but_not_in_its_place(chat: Server) -> None:
    chat.on("more")(lambda socket: type(socket).__name__)
    with pytest.raises(ValueError, match="the event 'say' of / has a handler already"):
        chat.on("say")(lambda socket: None)
    with pytest.raises(ValueError, match="/ has a connect handler already"):
        chat.on_connect(lambda socket, auth: None)
    with pytest.raises(ValueError, match="/ has the class Chat already"):
        chat.register("/", type("Other", (Socket,), {}))
    pair = Pair(chat)
    pair.peer.emit("more", id=1)
    assert pair.peer.acks() == {1: "Chat"}


VERBS = ["emit", "join", "leave", "disconnect", "call", "broadcast", "id", "data", "rooms", "request", "_member"]


@pytest.mark.parametrize("name", VERBS)
def test_a_class_replaces_nothing_of_sockets_own(name: str) -> None:
    with pytest.raises(TypeError, match=f"Bad.{name} would replace {name} of .*: choose another name, or @event"):
        type("Bad", (Socket,), {name: lambda self: None})


def test_a_constructor_of_ones_own_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"Bad.__init__ would replace .*: do it in on_connect"):
        type("Bad", (Socket,), {"__init__": lambda self: None})


def test_a_socket_is_compared_by_identity_only() -> None:
    with pytest.raises(TypeError, match=r"Bad.__eq__ would replace .*: sockets are compared by identity"):
        type("Bad", (Socket,), {"__eq__": lambda self, other: True})


class Mixin:
    def emit(self, event: str) -> None: ...


class Constructed:
    def __init__(self) -> None: ...


def test_what_a_mixin_brings_is_refused_as_well() -> None:
    with pytest.raises(TypeError, match=r"Bad.emit would replace"):
        type("Bad", (Mixin, Socket), {})
    with pytest.raises(TypeError, match=r"Bad.__init__ would replace .*: do it in on_connect"):
        type("Bad", (Constructed, Socket), {})
    assert issubclass(type("Good", (Socket, Mixin, Constructed), {}), Socket)


def test_what_a_decorator_has_replaced_is_refused_when_the_class_is_registered(server: Server) -> None:
    made: Any = dataclasses.dataclass(type("Bad", (Socket,), {"__annotations__": {"name": str}}))
    with pytest.raises(TypeError, match=r"Bad.__init__ would replace"):
        server.register("/", made)


@pytest.mark.parametrize("kind", [Socket, int, "Chat", None, Mixin, lambda: Socket])
def test_only_a_class_of_sockets_can_be_registered(server: Server, kind: Any) -> None:
    with pytest.raises(TypeError, match=r"is not a class of sockets: derive one from waterspout.Socket"):
        server.register("/", kind)


@pytest.mark.parametrize("wrong", [staticmethod, classmethod])
def test_only_methods_are_handlers(wrong: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"the handler of 'say' is a \w+: @event makes one of a method"):
        event("say")(wrong(lambda text: None))


@pytest.mark.parametrize("name", ["connect", "disconnect", "newListener"])
def test_a_name_that_is_no_event_is_refused_at_the_method(name: str) -> None:
    with pytest.raises(ValueError, match=r"is not an event|reserved by Socket.IO"):
        event(name)(lambda self: None)


def test_two_methods_of_one_event_are_refused(server: Server) -> None:
    made = type("Bad", (Socket,), {"a": event("x")(lambda self: 1), "b": event("x")(lambda self: 2)})
    with pytest.raises(ValueError, match="the event 'x' of / has a handler already"):
        server.register("/", made)


def test_hooks_that_cannot_be_called_are_refused(server: Server) -> None:
    with pytest.raises(
        TypeError, match=r"the connect handler of / is called with \(socket, auth\), but takes \(self\)"
    ):
        server.register("/", type("Bad", (Socket,), {"on_connect": lambda self: None}))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("on_conect", "call it on_connect"),
        ("on_disconect", "call it on_disconnect"),
        ("on_disconnecting", "call it on_disconnect"),
        ("on_connection", "call it on_connect"),
        ("on_errors", "call it on_error"),
        ("on_say", 'write @event("say") above it, or choose another name'),
    ],
)
@pytest.mark.parametrize("inherited", [True, False])
def test_a_method_that_looks_like_a_handler_and_is_none_is_refused(
    server: Server, name: str, remedy: str, inherited: bool
) -> None:
    made = type("Bad", (Socket,), {name: lambda self, *args: None, "say": event("say")(lambda self: None)})
    kind = type("Worse", (made,), {}) if inherited else made
    sentence = f"{kind.__name__}.{name} is no hook and handles no event, so nothing would call it: {remedy}"
    with pytest.raises(TypeError, match=re.escape(sentence)):
        server.register("/", kind)
    assert server.describe()["/"] == []


def test_a_name_that_looks_like_a_hooks_may_belong_to_a_handler_or_to_what_is_no_method(
    server: Server, generation: Any
) -> None:
    class Fine(Socket):
        on_air = True

        @event("said")
        def on_said(self) -> str:
            return "heard"

        def _on_say(self) -> None: ...

    class Finer(Fine):
        def on_said(self) -> str:
            return "replaced"

    server.register("/", Finer)
    pair = Pair(server, generation=generation)
    pair.peer.emit("said", id=1)
    assert pair.peer.acks() == {1: "replaced"}


def test_register_returns_the_namespace_with_the_type_of_its_sockets(server: Server, generation: Any) -> None:
    class Talk(Socket):
        name = "Ada"

    chat = assert_type(server.register("/talk", Talk), Namespace[Talk])
    rooms = assert_type(server.register(re.compile("/room-.*"), Talk), DynamicNamespace[Talk])
    pair = Pair(server, generation=generation)
    pair.peer.connect("/talk")
    pair.peer.connect("/room-1")
    (socket,) = assert_type(chat.sockets(), list[Talk])
    (other,) = assert_type(rooms.namespaces()[0].sockets(), list[Talk])
    assert socket.name == other.name == "Ada"
    plain: Namespace = chat
    assert plain is assert_type(server.of("/talk"), Namespace)
    assert_type(plain.sockets(), list[Socket])
