"""The examples in Flask and in Django, served beside their applications, used by the official clients."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from serving import running

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
NAMES = ["flask_app", "django_app"]
WATCHDOG_SECONDS = 60
PROGRAM = """
import threading, waterspout, flask_app, django_app
for server, app in ((flask_app.server, flask_app.app), (django_app.server, django_app.application)):
    serving = {"port": 0, "host": "127.0.0.1", "app": app, "app_threads": 2}
    threading.Thread(target=waterspout.run, args=(server,), kwargs=serving).start()
"""


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """An error or None by the name of an example."""
    folder = tmp_path_factory.mktemp("wsgi")
    for name in NAMES:
        shutil.copy(EXAMPLES / f"{name}.py", folder)
    with running(folder, program=("-c", PROGRAM)) as command:
        addresses = json.dumps([command.address() for _ in NAMES])
        script = [node, str(HERE / "wsgi_examples.mjs"), addresses]
        done = subprocess.run(script, capture_output=True, text=True, timeout=WATCHDOG_SECONDS, check=True)
        command.process.kill()  # in other threads than the main one it gets no signals
    return {line["name"]: line["error"] for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", NAMES)
def test_views_and_clients_of_2012_and_of_today_reach_each_other(seen: dict[str, str | None], name: str) -> None:
    error = seen[name]
    if error is not None:
        pytest.fail(error, pytrace=False)
