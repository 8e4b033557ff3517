"""`waterspout publish` and `waterspout emit`: what they send, print and refuse."""

import asyncio
import io
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from serving import PATIENCE, Client, running
from waterspout import Server, cli
from waterspout.cli import outside
from waterspout.hosts.entry import serve_entry

APP = """
import waterspout

server = waterspout.Server()
prices = server.channel("prices")

@server.on("follow")
async def follow(socket):
    return await socket.subscribe(prices)
"""


class Done(NamedTuple):
    status: int
    output: str
    sentence: str


Run = Callable[..., Done]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command here while the server has an entry, "e" in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(outside.VARIABLE, "e")

    def run(*arguments: str, given: bytes = b"") -> Done:
        async def main() -> int:
            entry = await serve_entry(server, "e")
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
            status = await asyncio.to_thread(cli.main, arguments)
            entry.close()
            return status

        status = asyncio.run(main())
        said = capsys.readouterr()
        assert said.err.count("\n") == (status != 0), said.err
        return Done(status, said.out, said.err.removeprefix("waterspout: ").rstrip())

    return run


def messages(server: Server) -> list[Any]:
    """Return what the channel has: its messages as text, and their names."""
    log: Any = server.channel("prices").log
    return [(entry.data.decode(), entry.event) for entry in log.read(log.first - 1, 10**9).result()]


@pytest.mark.parametrize(
    ("arguments", "given", "kept"),
    [
        (['{"ACME": 12.5}'], b"", [('{"ACME":12.5}', None)]),
        (["-1"], b"", [("-1", None)]),
        (["1", "--event", "tick"], b"", [("1", "tick")]),
        (["two words", "--text"], b"", [("two words", None)]),
        (["-"], b'{\n  "a": [1,\n 2]\n}\n', [('{"a":[1,2]}', None)]),
        (["-", "--text"], b"a\nb\n", [("a\nb\n", None)]),
        (["-", "--lines"], b'1\n\n{"a": 2}\r\n"x"', [("1", None), ('{"a":2}', None), ('"x"', None)]),
        (["-", "--lines", "--text"], b"a b\n\nc", [("a b", None), ("", None), ("c", None)]),
        (["-", "--lines"], b"", []),
    ],
)
def test_each_message_is_published_and_its_id_printed(
    run: Run, server: Server, arguments: list[str], given: bytes, kept: list[Any]
) -> None:
    prices = server.channel("prices")
    done = run("publish", "prices", *arguments, given=given)
    assert (done.status, done.sentence) == (0, "")
    assert messages(server) == kept
    assert done.output.split() == [f"{prices.last_id.rpartition('-')[0]}-{number + 1}" for number in range(len(kept))]


def test_lines_before_one_that_is_not_json_are_published(run: Run, server: Server) -> None:
    server.channel("prices")
    channel = server.channel("prices")
    done = run("publish", "prices", "-", "--lines", given=b"1\n2\nthree\n4")
    assert done.status == 2
    assert done.sentence.startswith("line 3, 'three' is not JSON: broken JSON: ")
    assert done.sentence.endswith('; write a text with its quotes, "hello", or give --text')
    assert done.output.count("\n") == 2
    assert channel.last_id.endswith("-2")


def test_an_event_is_emitted_and_nothing_printed(run: Run, server: Server) -> None:
    performed: list[Any] = []
    server.of("/chat").emit = lambda *args, **options: performed.append((args, options))  # type: ignore[method-assign]
    command = ("emit", "news", '"hello"', "-", "--to", "lobby", "--to", "hall", "--namespace", "/chat")
    assert run(*command, given=b"[1]") == (0, "", "")
    assert performed == [(("news", "hello", [1]), {"to": ["lobby", "hall"]})]
    assert run("emit", "news") == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ("publish pricse 1", 1, "the server refuses this: there is no channel 'pricse': check the name, or let"),
        ("publish prices 1 --event stream-x", 1, "the server refuses this: event is 'stream-x': give a name in one"),
        ("emit connect", 1, "the server refuses this: 'connect' is reserved by Socket.IO: choose another"),
        ("emit x --namespace /gone", 1, "the server refuses this: there is no namespace '/gone': check the name"),
        ("publish prices hello", 2, "'hello' is not JSON: broken JSON: "),
        ("emit news hello", 2, "'hello' is not JSON: broken JSON: "),
        ("publish prices 1 --lines", 2, "cannot take lines of '1': with --lines they are read from standard input"),
        ("publish prices 1 --entry gone", 2, "cannot reach 'gone': there is no such file; check the path; the server"),
        ("publish prices 1 --entry left", 2, "cannot reach 'left': no server listens there; check the path; the"),
        (f"publish prices 1 --entry {'x' * 200}", 2, f"cannot reach '{'x' * 200}': AF_UNIX path too long; check"),
    ],
)
def test_what_cannot_be_sent_or_done_is_a_sentence_and_a_status(
    run: Run, server: Server, tmp_path: Path, arguments: str, status: int, sentence: str
) -> None:
    kept = server.channel("prices")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "left"))
    done = run(*arguments.split())
    assert (done.status, done.output) == (status, "")
    assert done.sentence.startswith(sentence)
    assert kept.last_id.endswith("-0")


@pytest.mark.parametrize("command", ["emit news", "publish prices"])
def test_the_help_and_the_sentence_have_an_example_that_a_shell_passes_as_json(
    run: Run, server: Server, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    kept = server.channel("prices")
    with pytest.raises(SystemExit, match="0"):
        cli.main([command.split(maxsplit=1)[0], "--help"])
    told = capsys.readouterr().out
    assert re.search(r"in JSON,\s+as\s+'\"hello\"';", told)
    example = told.rpartition("example: ")[2]
    assert example.startswith(f"waterspout {command} '")
    assert run(*shlex.split(example)[1:]).status == 0
    assert kept.last_id.endswith("-1" if command == "publish prices" else "-0")
    sentence = run(*command.split(), "hello").sentence
    assert """'"hello"'""" in sentence
    assert sentence.endswith(f"as in {example.rstrip()}")


def test_the_sentence_of_a_long_text_is_short(run: Run) -> None:
    assert len(run("publish", "prices", "é" * 100_000).sentence) < 400


def test_a_message_above_the_limit_is_refused_with_the_limit(run: Run, server: Server) -> None:
    kept = server.channel("prices")
    done = run("publish", "prices", "-", "--text", given=b"x" * 3_000_000)
    assert done.status == 1
    assert done.sentence.startswith("the server refuses this: the line has more than 1000000 bytes (max_payload_bytes)")
    assert kept.last_id.endswith("-0")


def test_without_an_entry_the_option_and_the_variable_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(outside.VARIABLE)
    done = run("publish", "prices", "1")
    assert (done.status, done.sentence) == (
        2,
        "which server? Give the path of its entry with --entry PATH, or in WATERSPOUT_ENTRY",
    )


def test_a_server_that_ends_before_it_answers_leaves_it_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "e")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        async def main() -> int:
            sending = asyncio.create_task(asyncio.to_thread(cli.main, ["emit", "news", "--entry", path]))
            (await asyncio.to_thread(listener.accept))[0].close()
            return await sending

        assert asyncio.run(main()) == 1
    assert "the server may have got this or not; look at its log, and try again" in capsys.readouterr().err


def test_a_server_in_a_process_of_its_own_is_reached_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    options = ("--bind", "127.0.0.1:0", "--entry", "app.entry")
    with running(tmp_path, "serve", "app:server", *options) as server, Client(server.address()) as client:
        client.enter()
        assert client.ask('420["follow"]').startswith('430["')
        command = [sys.executable, "-m", "waterspout", "publish", "prices", '{"ACME":1}', "--entry", "app.entry"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=PATIENCE)
        assert client.receive() == f'42["prices",{{"ACME":1}},"{done.stdout.rstrip()}"]'
        server.process.terminate()
        assert server.end() == 0
        assert server.log.read_text() == ""
    assert not (tmp_path / "app.entry").exists()
