"""`waterspout publish` and `waterspout emit`: one command for each message, sent to a server's entry (hosts/entry.py).

Both can send to all nodes as well, through their broker.

Each message has a connection of its own, so that a slow writer may take its time between two lines, and the server may
be restarted meanwhile.
"""

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from waterspout import CannotStart, Emitter
from waterspout.errors import AdapterError, DecodeError, WaterspoutError
from waterspout.server import Text
from waterspout.wire import json

VARIABLE = "WATERSPOUT_ENTRY"
EMITTING = """waterspout emit news '"hello"' '{"ACME": 12.5}'"""
PUBLISHING = """waterspout publish prices '{"ACME": 12.5}'"""
TEXT = """'"hello"'"""
"""Examples as a shell needs them, which takes the outer quotes away."""

TIMEOUT = 30.0  # s to connect, to send, and for each part of the answer
_SHOWN = 60  # characters of a value that is not JSON
_EMITTED = f"write a text with both quotes, as in {EMITTING}"
_PUBLISHED = f"write a text as {TEXT}, with both quotes, or give --text; an object, as in {PUBLISHING}"
_ABSENT = "check the path; the server is started with `waterspout serve module:server --entry PATH`"


class NotCarriedOut(WaterspoutError):
    """The server was reached, and the message was refused, or there was no answer."""


def publish(options: argparse.Namespace) -> None:
    """Publish a message, or one for each line of standard input, and print the id of each."""
    if options.adapter is not None:
        with _everywhere(options) as emitter:
            for data in _messages(options):
                message = Text(data) if options.text else data
                print(emitter.publish(options.channel, message, options.event), flush=True)
        return
    path = _path(options)
    for data in _messages(options):
        command = {"publish": options.channel, "data": data, "event": options.event, "text": options.text}
        print(send(path, command)["id"], flush=True)


def emit(options: argparse.Namespace) -> None:
    """Emit an event, at one server's entry or through the adapter of several."""
    if options.adapter is not None:
        with _everywhere(options) as emitter:
            args = [_value(text) for text in options.args]
            nodes = emitter.emit(options.event, *args, to=options.to, namespace=options.namespace)
        if nodes is not None:
            print(nodes)
        return
    path = _path(options)
    args = [_value(text) for text in options.args]
    send(path, {"emit": options.event, "args": args, "to": options.to, "namespace": options.namespace})


@contextmanager
def _everywhere(options: argparse.Namespace) -> Iterator[Emitter]:
    """Return what emits to all nodes of an adapter, and make sentences of its errors."""
    if options.entry is not None:
        raise CannotStart(f"one server or all? Give --entry {options.entry} or --adapter, and not both")
    try:
        with Emitter(options.adapter, path=options.path) as emitter:
            yield emitter
    except AdapterError as error:
        raise NotCarriedOut(str(error)) from None
    except (ImportError, TypeError, ValueError) as error:
        raise CannotStart(str(error)) from None


def send(path: str, command: dict[str, Any]) -> dict[str, Any]:
    """Send a command to the entry at a path, and return its answer.

    `CannotStart` if it was not sent; `NotCarriedOut` if it was refused, or may have been carried out without an answer.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(path)
        except (OSError, ValueError) as error:
            raise CannotStart(f"cannot reach {path!r}: {_remedy(error)}") from None
        answer = json.decode(_answer(connection, json.encode(command) + b"\n"))
    if "error" in answer:
        raise NotCarriedOut(f"the server refuses this: {answer['error']['message']}")
    found: dict[str, Any] = answer
    return found


def _answer(connection: socket.socket, line: bytes) -> bytes:
    problem = "there was no answer"
    try:
        connection.sendall(line)
    except OSError as error:
        problem = str(error)  # perhaps it was refused, and the answer says why
    received = b""
    try:
        while not received.endswith(b"\n"):
            if not (part := connection.recv(65536)):
                raise ConnectionError(problem)
            received += part
    except OSError as error:
        raise NotCarriedOut(f"{error}: the server may have got this or not; look at its log, and try again") from None
    return received


def _remedy(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return f"there is no such file; {_ABSENT}"
        case ConnectionRefusedError():
            return f"no server listens there; {_ABSENT}"
        case PermissionError():
            return "not permitted; only the user who runs the server may, and root: run this as one of them"
    return f"{error}; {_ABSENT}"


def _path(options: argparse.Namespace) -> str:
    path: str = options.entry or os.environ.get(VARIABLE, "")
    if not path:
        raise CannotStart(f"which server? Give the path of its entry with --entry PATH, or in {VARIABLE}")
    return path


def _messages(options: argparse.Namespace) -> Iterator[Any]:
    read = _text if options.text else _decoded
    if not options.lines:
        yield read(_given(options.data))
        return
    if options.data != "-":
        raise CannotStart(
            f"cannot take lines of {options.data!r}: with --lines they are read from standard input, so -"
        )
    for number, line in enumerate(sys.stdin.buffer, 1):
        if line.strip() or options.text:
            yield read(line.rstrip(b"\r\n"), f"line {number}")


def _given(text: str) -> bytes:
    """Return the bytes of an argument; "-" stands for standard input."""
    return sys.stdin.buffer.read() if text == "-" else os.fsencode(text)


def _value(text: str) -> Any:
    return _decoded(_given(text), remedy=_EMITTED)


def _decoded(given: bytes, place: str = "", remedy: str = _PUBLISHED) -> Any:
    try:
        return json.decode(given)
    except DecodeError as error:
        shown = repr(_text(given[:_SHOWN])) + "..." * (len(given) > _SHOWN)
        if place:  # no shell takes quotes away
            shown, remedy = f"{place}, {shown}", 'write a text with its quotes, "hello", or give --text'
        raise CannotStart(f"{shown} is not JSON: {error.outline}; {remedy}") from None


def _text(given: bytes, place: str = "") -> str:
    return given.decode(errors="replace")
