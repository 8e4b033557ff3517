"""docs/compression.md and its example do what they say."""

import dataclasses
import re
import runpy
from pathlib import Path

import pytest

from waterspout import Server
from waterspout.engine import Deflate
from waterspout.testing import Pair, WebSocketCarrier
from waterspout.wire import deflate
from waterspout.wire.generations import ENGINEIO_3, ENGINEIO_4, Generation

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "compression.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("generation", [ENGINEIO_3, ENGINEIO_4], ids=["3", "4"])
def test_the_example_sends_a_tenth_of_the_bytes(generation: Generation) -> None:
    server = runpy.run_path(str(ROOT / "examples" / "compression.py"))["server"]
    peer = Pair(server, generation=generation, extensions="permessage-deflate").peer
    carrier = peer.carrier
    assert isinstance(carrier, WebSocketCarrier)
    carrier.written.clear()
    peer.emit("prices", id=1)
    (answer,) = peer.take()
    assert isinstance(answer, str)
    assert answer.startswith('431[[{"name":"share 0"')
    assert len(b"".join(carrier.written)) < len(answer) / 10


@pytest.mark.parametrize("block", BLOCKS)
def test_the_code_of_the_page_makes_a_server_that_compresses(block: str) -> None:
    names: dict[str, object] = {}
    exec(block, names)
    server = names["server"]
    assert isinstance(server, Server)
    assert isinstance(server.engine.policy.deflate, Deflate)


def test_the_table_has_the_options_and_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert {name: int(default) for name, default in rows} == dataclasses.asdict(Deflate())


def test_the_page_counts_right() -> None:
    assert f"than {deflate.MAX_STREAMS} final blocks" in PAGE.replace("\n", " ")
    assert len(BLOCKS) == 2
    for path in re.findall(r"`((?:tests|examples)/[\w./]+)`", PAGE):
        assert (ROOT / path).is_file()
