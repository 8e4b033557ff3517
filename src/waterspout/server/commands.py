"""Commands that come from outside the process: to publish to a channel, and to emit an event, each a line of JSON.

    {"publish": "prices", "data": {"ACME": 12.5}}      answered by {"id": "..."}
    {"emit": "news", "args": ["hello"], "to": "lobby"}   answered by {}

The page docs/outside.md is their specification. Whoever may send them may do what the server's own code may; a host
decides who that is (hosts/entry.py).
"""

from typing import Any

import msgspec

from ..engine import Pending
from ..errors import DecodeError
from ..wire import json
from .channel import Text
from .server import Server

_LONGEST = 100  # characters of a name in an error

CommandAnswer = dict[str, Any]


class Publish(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Publish to a channel that exists; `text`: the data is a string that goes out as it is, a `Text`."""

    publish: str
    data: Any
    event: str | None = None
    text: bool = False


class Emit(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Emit an event to the clients of a namespace, or of some rooms."""

    emit: str
    args: list[Any] = []
    to: str | int | list[str | int] | None = None
    namespace: str = "/"


def perform(server: Server, line: bytes) -> Pending[CommandAnswer]:
    """Do what a command says, on the core's thread; the result is its answer.

    The result of a command that cannot be done is `{"error": {"message": ...}}`, with the value and a remedy.
    """
    done: Pending[CommandAnswer] = Pending(server.engine.driver)
    try:
        match _read(line):
            case Publish() as command:
                _publish(server, command).when_done(lambda published: _settle(done, published))
            case Emit() as command:
                _emit(server, command)
                done.resolve({})
    except (TypeError, ValueError, DecodeError) as error:
        done.resolve(refusal(str(error)))
    return done


def refusal(message: str) -> CommandAnswer:
    """Return the answer to a command that was not carried out."""
    return {"error": {"message": message}}


def _read(line: bytes) -> Publish | Emit:
    value = json.decode(line)
    kinds = [kind for name, kind in _KINDS.items() if name in value] if isinstance(value, dict) else []
    if len(kinds) != 1:
        raise ValueError(
            'this is no command: write {"publish": CHANNEL, "data": ...} or {"emit": EVENT, "args": [...]}'
        )
    kind = kinds[0]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        fields = ", ".join(f'"{name}"' for name in kind.__struct_fields__)
        raise ValueError(f"{error}; the fields of this command are {fields}") from None


def _publish(server: Server, command: Publish) -> Pending[str]:
    channel = server._channels.existing(command.publish)
    if channel is None:
        name = _shown(command.publish)
        raise ValueError(
            f"there is no channel {name}: check the name, or let the server make it with server.channel({name}); "
            f"one that nothing refers to is forgotten with its history"
        )
    if command.text and not isinstance(command.data, str):
        raise TypeError(f"the data is of type {type(command.data).__name__}: with text it has to be a string")
    return channel.publish(Text(command.data) if command.text else command.data, command.event)


def _emit(server: Server, command: Emit) -> None:
    namespace = server._namespaces.find(command.namespace)
    if namespace is None:
        name = _shown(command.namespace)
        raise ValueError(
            f"there is no namespace {name}: check the name, or let the server make it with server.of({name})"
        )
    namespace.emit(command.emit, *command.args, to=command.to)


def _settle(done: Pending[CommandAnswer], published: Pending[str]) -> None:
    done.resolve({"id": published.result()} if published.error is None else refusal(str(published.error)))


def _shown(name: str) -> str:
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...")


_KINDS: dict[str, type[Publish | Emit]] = {"publish": Publish, "emit": Emit}
