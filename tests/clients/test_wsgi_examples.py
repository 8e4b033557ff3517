"""The examples in Flask and in Django, each served by one command, used by the official clients."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from serving import running

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
NAMES = {"flask_app": "app", "django_app": "application"}
WATCHDOG_SECONDS = 60


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str | None]]:
    """An error or None by the name of an example."""
    folder = tmp_path_factory.mktemp("wsgi")
    with ExitStack() as stack:
        addresses = {}
        for name, app in NAMES.items():
            serve = ("serve", f"{name}:server", "--app", f"{name}:{app}", "--bind", "127.0.0.1:0")
            shutil.copy(EXAMPLES / f"{name}.py", folder)
            command = stack.enter_context(running(folder, *serve, joined=True))
            addresses[name] = command.address()
        script = [node, str(HERE / "wsgi_examples.mjs"), json.dumps(addresses)]
        done = subprocess.run(script, capture_output=True, text=True, timeout=WATCHDOG_SECONDS, check=True)
        yield {line["name"]: line["error"] for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", NAMES)
def test_views_and_clients_of_2012_and_of_today_reach_each_other(seen: dict[str, str | None], name: str) -> None:
    error = seen[name]
    if error is not None:
        pytest.fail(error, pytrace=False)
