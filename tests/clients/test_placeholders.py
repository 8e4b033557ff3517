"""What the parsers of other people make of data that looks like a placeholder, beside attachments as we write it."""

import json
import subprocess
from pathlib import Path

import pytest
import socketio

from waterspout.wire.socketio import REVISION_4, REVISION_5, Revision

MODULES = Path(__file__).parent / "node_modules"
PARSERS = {
    "socket.io-parser": REVISION_4,
    "socket.io-client-2/node_modules/socket.io-parser": REVISION_4,
    "socket.io-client-3/node_modules/socket.io-parser": REVISION_5,
    "socket.io-client-4/node_modules/socket.io-parser": REVISION_5,
}
READ = """
const { Decoder } = require(process.argv[1]);
const decoder = new Decoder();
decoder.on("decoded", (packet) => console.log(JSON.stringify(packet.data)));
decoder.add(process.argv[2]);
decoder.add(Buffer.from("picture"));
"""
PICTURE = {"type": "Buffer", "data": [*b"picture"]}
SENT = [
    {"_placeholder": True, "num": 5},
    {"_placeholder": True, "num": 0},
    {"deep": [{"_placeholder": 1, "num": -1}]},
    b"picture",
]
READ_BY_ALL = [
    {"_placeholder": False, "num": 5},
    {"_placeholder": False, "num": 0},
    {"deep": [{"_placeholder": False, "num": -1}]},
]


def written(revision: Revision) -> str:
    text, attachments = revision.encode_event("/", "said", SENT)
    assert attachments == (b"picture",)
    return text.decode()[1:]


@pytest.mark.parametrize("parser", PARSERS)
def test_an_official_parser_reads_what_somebody_has_sent_with_a_key_that_it_calls(node: str, parser: str) -> None:
    revision = PARSERS[parser]
    text, _ = revision.encode_event("/", "said", [{"hasOwnProperty": 1, "a": 2}, b"picture"])
    command = [node, "--no-deprecation", "-e", READ, str(MODULES / parser), text.decode()[1:]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    read = {"a": 2} if revision is REVISION_5 else {"hasOwnProperty": 1, "a": 2}
    assert json.loads(run.stdout) == ["said", read, PICTURE]


@pytest.mark.parametrize("parser", PARSERS)
def test_an_official_parser_leaves_it_alone(node: str, parser: str) -> None:
    command = [node, "--no-deprecation", "-e", READ, str(MODULES / parser), written(PARSERS[parser])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == ["said", *READ_BY_ALL, PICTURE]


def test_the_parser_of_python_socketio_leaves_it_alone() -> None:
    packet = socketio.packet.Packet(encoded_packet=written(REVISION_5))
    assert packet.add_attachment(b"picture")
    assert packet.data == ["said", *READ_BY_ALL, b"picture"]
