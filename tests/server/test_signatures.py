"""A function that has forgotten the socket is refused where it is registered, if that is certain."""

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec
import pytest

from waterspout import Server, Socket, event
from waterspout.testing import Clock, Pair


class Order(msgspec.Struct):
    number: int


class Named(Protocol):
    id: str


class Mixin: ...


def nothing() -> None: ...


def name(text, room="lobby"): ...


def kind(sid: str, text: str) -> None: ...


def quoted(words: "list[str] | None", *rest: int) -> None: ...


def struct(order: Order) -> None: ...


def literal(state: Annotated[Literal["on", "off"], "a state"]) -> None: ...


FORGOTTEN: list[tuple[Callable[..., Any], str]] = [
    (nothing, "but takes nothing: write `def nothing(socket)`"),
    (lambda: None, "but takes nothing: write `def handler(socket)`"),
    (name, "but 'text' is not one: write `def name(socket, text, room='lobby')`"),
    (kind, "but 'sid' is not one: write `def kind(socket, sid, text)`"),
    (quoted, "but 'words' is not one: write `def quoted(socket, words, *rest)`"),
    (struct, "write `def struct(socket, order)`"),
    (literal, "write `def literal(socket, state)`"),
]


@pytest.mark.parametrize(("function", "remedy"), FORGOTTEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_handler_that_has_forgotten_the_socket_is_refused(function: Callable[..., Any], remedy: str) -> None:
    with pytest.raises(TypeError) as caught:
        Server().on("say")(function)
    assert str(caught.value).startswith("the handler of 'say' is called with a socket first, ")
    assert str(caught.value).endswith(remedy)


def test_a_hook_that_takes_an_id_is_refused() -> None:
    def leave(sid: str, reason: str) -> None: ...

    with pytest.raises(TypeError, match=r"the disconnect handler of / is called with a socket first, .*leave\(socket"):
        Server().on_disconnect(leave)


def test_a_connect_handler_that_takes_an_environ_is_refused() -> None:
    with pytest.raises(TypeError, match=r"the connect handler of / .* use socket\.request in the place of environ"):
        Server().on_connect(lambda sid, environ: None)


def without_self(text: str) -> None: ...


@pytest.mark.parametrize("method", [nothing, without_self])
def test_a_method_without_self_is_refused(method: Any) -> None:
    class Chat(Socket):
        say = event("say")(method)

    with pytest.raises(TypeError, match=r"write `def \w+\(self"):
        Server().register("/", Chat)


def plain(socket, text): ...


def other_name(sid, text): ...


def anything(first: Any, text: str) -> None: ...


def protocol(client: Named, text: str) -> None: ...


def mixed(client: Mixin, text: str) -> None: ...


def missing(client: "OnlyForTypeCheckers", text: str) -> None: ...  # type: ignore[name-defined] # noqa: F821


def optional(client: Socket | None, text: str) -> None: ...


def all_of_it(*data: Any) -> None: ...


def with_number(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Call a handler with something else than the socket."""

    @functools.wraps(handler)
    def call(socket: Socket, *args: Any) -> Any:
        return handler(7, *args)

    return call


@with_number
def wrapped(number: int, text: str) -> str:
    return f"{number} {text}"


@pytest.mark.parametrize(
    "function", [plain, other_name, anything, protocol, mixed, missing, optional, all_of_it, wrapped]
)
def test_what_may_be_meant_is_not_refused(function: Callable[..., Any]) -> None:
    server = Server(driver=Clock())
    server.on("say")(function)
    with Pair(server) as pair:
        pair.peer.emit("say", "a", id=1)
        assert pair.peer.acks() == {1: "7 a" if function is wrapped else None}
