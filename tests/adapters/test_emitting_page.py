"""The programs of docs/emitting.md run, in front of a real Redis."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from redisserver import RedisServer

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "emitting.md").read_text("utf-8")
BLOCKS: list[str] = re.findall(r"^```py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def block(words: str) -> str:
    """Return the block that has these words, which no other has."""
    found: list[str] = [block for block in BLOCKS if words in block]
    assert len(found) == 1
    return found[0]


def test_what_the_page_shows_of_celery_is_the_example() -> None:
    example = (ROOT / "examples" / "emitting" / "reports.py").read_text("utf-8")
    snippet = block("@app.task")
    assert all(part in example for part in snippet.split("\n\n\n"))


def test_the_programs_of_the_page_publish(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    programs = [
        'import asyncio, django.conf; django.conf.settings.configure(REDIS_URL="redis://localhost")',
        block('We close at six."})\n    emitter.emit'),  # three events
        block("# nightly.py"),  # a question, an event, a disconnect
        block("class Command"),
        'Command().handle("hello")',
        f"async def main():\n{textwrap.indent(block('AsyncEmitter'), '    ')}\nasyncio.run(main())",
    ]
    try:
        program = "\n".join(programs).replace("redis://localhost", server.url)
        environment = {**os.environ, "REDIS_URL": server.url}
        command = [sys.executable, "-W", "error", "-c", program]
        output = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout
        assert output == b"0 servers have received it\n"
        assert server.client.info("commandstats")["cmdstat_publish"]["calls"] == 3 + 3 + 1 + 1
    finally:
        server.stop()
