"""What a user registers in a namespace, and what a client may enter."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from waterspout import Namespace, Server, Socket
from waterspout.testing import Pair, Peer
from waterspout.wire.generations import ENGINEIO_3
from waterspout.wire.socketio import RESERVED


def test_a_namespace_is_the_same_object_whenever_it_is_asked_for(server: Server) -> None:
    chat = server.of("/chat")
    assert isinstance(chat, Namespace)
    assert chat is server.of("/chat")
    assert chat is not server.of("/")
    assert chat.name == "/chat"


@pytest.mark.parametrize("name", ["", "chat", "/a,b", "/a?b", "/a\nb"])
def test_a_name_that_no_client_could_send_is_refused(server: Server, name: str) -> None:
    with pytest.raises(ValueError, match="begin it with a slash, without commas and question marks"):
        server.of(name)


def test_a_client_enters_a_namespace_beside_the_first_and_talks_there(server: Server, client: dict[str, Any]) -> None:
    heard: list[tuple[str, Any]] = []

    @server.on("say", namespace="/chat")
    def say(socket: Socket, text: str) -> str:
        heard.append((socket.namespace, text))
        return "ok"

    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    pair.peer.emit("say", "hello", id=7, namespace="/chat")
    assert pair.peer.acks("/chat") == {7: "ok"}
    assert heard == [("/chat", "hello")]
    assert [socket.namespace for socket in server.of("/chat").sockets()] == ["/chat"]
    assert pair.socket in server.sockets()


def test_an_event_reaches_the_handler_of_its_own_namespace_only(server: Server, client: dict[str, Any]) -> None:
    heard: list[str] = []
    server.on("say")(lambda socket: heard.append("/"))
    server.on("say", namespace="/chat")(lambda socket: heard.append("/chat"))
    pair = Pair(server, **client)
    pair.peer.connect("/chat")
    pair.peer.emit("say", namespace="/chat")
    assert heard == ["/chat"]
    pair.peer.emit("say")
    assert heard == ["/chat", "/"]


def test_an_event_goes_to_the_clients_of_its_own_namespace_only(server: Server, client: dict[str, Any]) -> None:
    chat = server.of("/chat")
    pair = Pair(server, **client)
    other = Pair(server, **client).peer
    pair.peer.connect("/chat")
    pair.peer.take()
    chat.emit("news", 1)
    assert pair.peer.events("/chat") == [("news", 1)]
    assert other.take() == []
    server.emit("news", 2)
    assert pair.peer.events() == other.events() == [("news", 2)]


def test_a_namespace_that_nobody_has_mentioned_is_invalid() -> None:
    pair = Pair(Server())
    pair.peer.connect("/x")
    assert pair.peer.take() == ['44/x,{"message":"Invalid namespace"}']
    assert pair.peer.closed is None


@pytest.mark.parametrize("match", [None, lambda name, auth: False])
def test_the_log_names_the_namespace_that_is_not_there(match: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "waterspout.server")
    server = Server()
    if match is not None:
        server.of(match)
    pair = Pair(server)
    caplog.clear()
    pair.peer.connect("/typo\x1b")
    (session,) = server.engine.sessions
    pair.peer.connect("/typo\x1b")
    said = f"session {session[:4]}... asks for the namespace '/typo\\x1b', which does not exist: server.of makes one"
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert logged == [("WARNING", said), ("DEBUG", said)]


def test_a_namespace_that_nobody_has_mentioned_is_invalid_for_older_clients_in_their_words() -> None:
    pair = Pair(Server(), generation=ENGINEIO_3)
    pair.peer.connect("/x")
    assert pair.peer.take() == ['44/x,"Invalid namespace"']


def test_asking_for_namespaces_that_do_not_exist_leaves_nothing_behind(server: Server, client: dict[str, Any]) -> None:
    pair = Pair(server, **client)
    for number in range(100):
        pair.peer.connect(f"/{number}")
    assert len(pair.peer.take()) == 100
    assert list(pair.socket._member.session.data) == ["/"]
    assert server.of("/0").sockets() == []


def test_a_second_connect_to_the_same_namespace_changes_nothing(server: Server, client: dict[str, Any]) -> None:
    entered: list[Socket] = []
    server.on_connect(lambda socket, auth: entered.append(socket))
    pair = Pair(server, **client)
    pair.peer.connect()
    assert entered == server.sockets() == [pair.socket]
    assert pair.peer.take() == []


def test_an_event_has_one_handler(server: Server) -> None:
    def first(socket: Socket) -> None: ...

    assert server.on("say")(first) is first
    with pytest.raises(ValueError, match=r"the event 'say' of / has a handler already: <function .*first"):
        server.on("say")(first)


@pytest.mark.parametrize("hook", ["connect", "disconnect", "error"])
def test_a_namespace_has_one_handler_of_each_other_kind(server: Server, hook: str) -> None:
    register = getattr(server.of("/chat"), f"on_{hook}")

    def first(*args: object) -> None: ...

    assert register(first) is first
    with pytest.raises(ValueError, match=f"/chat has a {hook} handler already: <function .*first"):
        register(first)
    getattr(server, f"on_{hook}")(first)


@pytest.mark.parametrize("name", ["connect", "disconnect"])
def test_a_name_of_the_life_of_sockets_is_no_event_and_the_sentence_says_what_to_use(server: Server, name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is not an event: use on_{name}"):
        server.on(name)


@pytest.mark.parametrize(
    ("name", "instead"), [("connection", "on_connect"), ("disconnecting", "on_disconnect"), ("*", "on_any")]
)
def test_a_name_that_other_servers_have_is_no_event_and_the_sentence_says_what_to_use(
    server: Server, name: str, instead: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{name!r} is not an event: use {instead}")):
        server.on(name)


@pytest.mark.parametrize("name", [5.0, None, ["say"]])
def test_what_is_no_name_is_refused_with_a_sentence(server: Server, name: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(f"the event's name is {name!r}: give a string")):
        server.on(name)


REGISTRARS: dict[str, Callable[[Server], Callable[[Any], Any]]] = {
    "the handler of 'say'": lambda server: server.on("say"),
    "the connect handler": lambda server: server.on_connect,
    "the disconnect handler": lambda server: server.on_disconnect,
    "the error handler": lambda server: server.on_error,
    "the handler of any event": lambda server: server.on_any,
    "a step of `use`": lambda server: server.use,
    "a step of `use_event`": lambda server: server.use_event,
}


@pytest.mark.parametrize("what", REGISTRARS)
def test_what_cannot_run_is_no_handler(server: Server, what: str) -> None:
    def generator(*args: object) -> Any:
        yield args

    async def asynchronous_generator(*args: object) -> Any:
        yield args

    register = REGISTRARS[what](server)
    with pytest.raises(TypeError, match=re.escape(f"{what} is 5: give a function")):
        register(5)
    for function in generator, asynchronous_generator:
        with pytest.raises(TypeError, match=f"{what} is the generator .* would not run: return or emit, not yield"):
            register(function)


def test_what_is_no_class_of_sockets_is_refused(server: Server) -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"5 is not a class of sockets: derive one from waterspout\.Socket"):
        server.register("/chat", wrong)


@pytest.mark.parametrize("name", sorted(RESERVED - {"connect", "disconnect", "disconnecting"}))
def test_a_name_that_socketio_keeps_to_itself_is_no_event(server: Server, name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is reserved by Socket.IO: choose another"):
        server.on(name)


def test_the_decorator_without_its_name_is_refused_with_a_sentence(server: Server) -> None:
    def say(socket: Socket) -> None: ...

    with pytest.raises(
        TypeError, match=r'name is missing: write @server\.on\("say"\) above the handler <function .*say'
    ):
        server.on(say)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_name_of_socketios_own_cannot_be_emitted(server: Server, name: str) -> None:
    pair = Pair(server)
    for emit in server.emit, pair.socket.emit, pair.socket.broadcast, pair.socket.call:
        with pytest.raises(ValueError, match=f"'{name}' is reserved by Socket.IO"):
            emit(name)
    assert pair.peer.take() == []


def test_what_is_emitted_has_a_string_for_its_name(server: Server, generation: Any) -> None:
    pair = Pair(server, generation=generation)
    for emit in server.emit, pair.socket.emit, pair.socket.broadcast, pair.socket.call:
        with pytest.raises(TypeError, match="the event's name is 5: give a string"):
            emit(5)  # type: ignore[arg-type]


def test_unknown_keywords_are_refused(server: Server) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'room'"):
        server.emit("news", room="lobby")  # type: ignore[call-arg]


def test_the_server_itself_is_its_first_namespace(server: Server) -> None:
    heard: list[object] = []
    server.on("say")(lambda socket: heard.append("say"))
    server.on_connect(lambda socket, auth: heard.append("connect"))
    server.on_disconnect(lambda socket, reason: heard.append("disconnect"))
    pair = Pair(server)
    pair.peer.emit("say")
    assert server.sockets() == server.of("/").sockets() == [pair.socket]
    pair.peer.lose()
    assert heard == ["connect", "say", "disconnect"]
    assert server.sockets() == []


def test_a_client_may_be_in_a_namespace_without_being_in_the_first(server: Server) -> None:
    server.of("/chat")
    Pair(server)
    peer = Peer(server)
    peer.connect("/chat")
    assert len(server.sockets()) == len(server.of("/chat").sockets()) == 1
    assert server.sockets()[0]._member.session is not server.of("/chat").sockets()[0]._member.session
